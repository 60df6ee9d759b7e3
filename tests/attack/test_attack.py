"""A fixed set of the attacks of `tests.attack`: nothing crashes, hangs or goes wrong in silence.

``make attack`` runs a hundred thousand of them.
"""

import os
import platform
import sys

import pytest

from tests.attack import apart
from tests.attack.trial import BAD, Silent, Tally, judge
from tests.tools import warm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        platform.system() != "Linux" or "sanitize" in os.environ.get("HIERGEO_KERNELS", ""),
        reason="processes are capped, killed and watched by means of Linux",
    ),
]

SLOW = {
    "checkpoints": 6,
    "weights": 6,
    "batches": 6,
    "command lines": 10,
    "killed: study": 1,
    "killed: index": 3,
    "index: full disk": 1,
    "every page": 1,
    "index: two writers": 1,
    "killed: train re, two ranks": 2,
}
COUNTS = {"mutants of": 12, "deaths": 1, "mishaps": 2}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in COUNTS for name in apart.families(kind)])
def test_attacks_end_well(kind: str, name: str) -> None:
    count = min(COUNTS[kind], SLOW.get(name, COUNTS[kind]))
    tally = apart.campaign({name: count}, seed=0, workers=1)[name]
    assert sum(tally.counts.values()) == count
    assert not tally.bad, "\n\n".join(tally.bad)


def test_bombs_do_not_take_the_memory(tmp_path) -> None:
    log = tmp_path / "log"
    program = [sys.executable, "-m", "tests.attack", "--mutants", "0", "--kills", "0", "--mishaps", "0", "--log", log]
    done = warm.run(program, text=True)
    assert done.returncode == 0, done.stderr + log.read_text() if log.exists() else done.stderr
    assert done.stdout.count("refused") > 30


def test_a_limit_from_outside_is_kept() -> None:
    code = (
        "import resource; from tests.attack import apart; of = resource.RLIMIT_AS;"
        "resource.setrlimit(of, (6 << 30, 6 << 30)); apart.cap(8 << 30); assert resource.getrlimit(of)[0] == 6 << 30"
    )
    assert warm.run([sys.executable, "-c", code]).returncode == 0


def test_verdicts_tell_the_ends_of_attacks_apart() -> None:
    from hiergeo._core.errors import InputError

    def ends(error: BaseException | None) -> str:
        def attack(_: object) -> None:
            if error is not None:
                raise error

        return judge(attack, "x", patience=60.0)[0]

    def sleeps(_: object) -> None:
        while True:
            pass

    assert ends(None) == "accepted"
    assert ends(InputError("a file is damaged: replace it.")) == "refused"
    assert ends(KeyError("x")) == "crashed"
    assert ends(Silent("other numbers")) == "silent"
    assert judge(sleeps, "x", patience=0.2)[0] == "hung"
    assert set(BAD) == {"crashed", "hung", "silent"}
    assert apart.table({"a": Tally()}, "kind").splitlines()[-1].startswith("all")
