"""A crash of the machine loses nothing that was acknowledged, mixes nothing up, and what it interrupts goes on."""

import ast
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from hiergeo.construction.backends import BACKENDS
from hiergeo.construction.judges import JUDGES
from tests.construction.construction_toys import ToyBackend, ToyJudge
from tests.durability import subjects
from tests.durability.promises import Subject, Trial
from tests.durability.recording import HELPERS, HIERGEO
from tests.search.search_common import shrink_shards

pytestmark = pytest.mark.skipif(os.name != "posix", reason="folders are synchronised on POSIX systems alone")

SUBJECTS: dict[str, Callable[[Path], Subject]] = {
    "index": lambda place: subjects.index(),
    "adopted": lambda place: subjects.adopted(),
    "training": lambda place: subjects.training(),
    "heads": lambda place: subjects.heads(place / "base.npz"),
    "chains": subjects.built,
    "embeddings": lambda place: subjects.embedded(),
    "corpus": subjects.sharded,
    "cache": lambda place: subjects.cached(),
    "export": lambda place: subjects.exported(),
}

SEEN = {"index": 4, "adopted": 1, "chains": 2, "corpus": 3}
"""Tests in which all states of a subject are looked at; one for others."""

RESUMED = {"index": (15, 2), "adopted": (15, 1), "chains": (8, 2), "corpus": (12, 2)}
"""How many states of a subject are gone on from in one test, and in how many tests; all in one test for others."""

MANY = 100
"""From so many states a subject is gone on from in the longest test, at most."""

AGAIN = "what is lost is made again"

UNREAD = "what comes back is the plan of an index that is complete, which nobody reads"

FOLLOWED = "what follows synchronises the same before anything is acknowledged"

MADE = "_core/storage/files.py atomic_write: make_folder(path.parent)"

LOCKED = "_core/storage/locks.py locked: make_folder(place.parent)"

WRITTEN = "_core/storage/files.py atomic_write: sync_folder(path.parent)"

RETIRED = "_core/storage/files.py retire: sync_folder(aside.parent)"

EXCUSED: dict[str, dict[str, str]] = {
    "chains": {MADE: AGAIN, WRITTEN: AGAIN, RETIRED: AGAIN},
    "embeddings": {MADE: AGAIN, WRITTEN: FOLLOWED, RETIRED: AGAIN},
    "index": {LOCKED: FOLLOWED, RETIRED: UNREAD},
    "adopted": {LOCKED: FOLLOWED, WRITTEN: FOLLOWED, RETIRED: UNREAD},
    "corpus": {LOCKED: FOLLOWED},
}
"""Synchronisations without which a subject loses nothing, and why they are there."""

NEEDED = re.compile("fsync|fdatasync|sync_folder|sync_files|make_folder")

SLOW = ("training/re/fine_tuning.py", "adapters/trained.py")
"""Modules whose own synchronisations count where a library writes the files of a model: trainings are too long here."""


@pytest.fixture(scope="module", autouse=True)
def small() -> object:
    """Small shards, and the backend and judge of the tests of construction."""
    with pytest.MonkeyPatch.context() as patch:
        shrink_shards(patch)
        patch.setitem(BACKENDS.own, "toy", ToyBackend)
        patch.setitem(JUDGES.own, "toy", ToyJudge)
        yield


@pytest.fixture(scope="module")
def trial(small: object) -> Iterator[Callable[[str], Trial]]:
    """The trial of a subject, which is recorded once; in memory, where the system has a place there."""
    made: dict[str, Trial] = {}
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as place:

        def trial_of(name: str) -> Trial:
            if name not in made:
                inputs = Path(place, name, "inputs")
                inputs.mkdir(parents=True)
                made[name] = Trial(SUBJECTS[name](inputs), Path(place, name))
            return made[name]

        yield trial_of


MEMORY = "/dev/shm"


def slowly(names: Iterable[str], *slow: str) -> list[object]:
    return [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in names]


def parts(counts: dict[str, int]) -> list[tuple[str, int, int]]:
    return [(name, part, counts.get(name, 1)) for name in SUBJECTS for part in range(counts.get(name, 1))]


@pytest.mark.parametrize(("name", "part", "of"), parts(SEEN))
def test_nothing_acknowledged_is_lost(trial: Callable[[str], Trial], name: str, part: int, of: int) -> None:
    states = trial(name).states(mixtures=1)
    assert len(states) > 5
    assert list(trial(name).broken(states[part::of], resume=False)) == []


@pytest.mark.parametrize(("name", "part", "of"), parts({name: of for name, (_, of) in RESUMED.items()}))
def test_what_was_interrupted_goes_on(trial: Callable[[str], Trial], name: str, part: int, of: int) -> None:
    states = trial(name).states(mixtures=1)
    most = RESUMED.get(name, (len(states), 1))[0]
    step = max(1, len(states) // (most * of))
    assert list(trial(name).broken(states[part * step :: of * step], resume=True)) == []


@pytest.mark.parametrize("name", slowly(SUBJECTS, "index", "chains", "corpus"))
def test_every_synchronisation_counts(trial: Callable[[str], Trial], name: str) -> None:
    """Without those of any one line, some crash breaks a promise, or the line is excused."""
    tried = trial(name)
    needed = (site for site in tried.recording.sites if site not in EXCUSED.get(name, {}))
    assert [site for site in needed if not bites(tried, site) and not bites(tried, site, resume=True)] == []


def bites(tried: Trial, site: str, *, resume: bool = False) -> bool:
    """Whether a crash breaks a promise without the synchronisations of a line."""
    return any(
        next(tried.broken(tried.states(site, **options), resume=resume), None) is not None
        for options in ({"mixtures": 1}, {"alone": 40})
    )


def test_every_synchronisation_is_recorded(trial: Callable[[str], Trial]) -> None:
    reached = {site.partition(":")[0] for name in SUBJECTS for site in trial(name).recording.sites}
    written = {
        f"{path.relative_to(HIERGEO).as_posix()} {function.name}"
        for path in HIERGEO.rglob("*.py")
        if NEEDED.search(text := path.read_text(encoding="utf-8"))
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef) and function.name not in HELPERS and _synchronises(function)
    }
    assert {each for each in written - reached if not each.startswith(SLOW)} == set()


def _synchronises(function: ast.FunctionDef) -> bool:
    calls = (each.func for each in ast.walk(function) if isinstance(each, ast.Call))
    names = {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in calls}
    return not names.isdisjoint({"fsync", "fdatasync", *HELPERS} - {"sync", "close"})


@pytest.mark.slow
@pytest.mark.parametrize("name", EXCUSED)
def test_what_is_excused_loses_nothing(trial: Callable[[str], Trial], name: str) -> None:
    assert [site for site in EXCUSED[name] if bites(trial(name), site)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_exhaustively(trial: Callable[[str], Trial], name: str) -> None:
    """All states where ``HIERGEO_CRASHES=all`` (`make attack`), else `MANY` of them, spread over all."""
    states = trial(name).states(mixtures=3, alone=40, locks=True)
    step = 1 if os.environ.get("HIERGEO_CRASHES") == "all" else -(-len(states) // MANY)
    assert list(trial(name).broken(states[::step], resume=True)) == []


@pytest.mark.slow
def test_fine_tuning(small: object, tmp_path: Path) -> None:
    tried = Trial(subjects.tuned(), tmp_path)
    states = tried.states(mixtures=1)
    assert list(tried.broken(states, resume=False)) == []
    assert list(tried.broken(states[::30], resume=True)) == []
