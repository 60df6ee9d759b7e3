"""Calls of every native operator in processes of their own: results, or errors that name an operand; no leak."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.pairwise.fuzz_rules import SHAPES
from tests.pairwise.native_problems import MISSING
from tests.tools import warm

pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

ROOT = Path(__file__).parents[2]
CALLS = int(os.environ.get("HIERGEO_FUZZ_CALLS", "300"))
"""Random calls of each process; HIERGEO_FUZZ_CALLS asks for more."""

LEAK_CALLS = int(os.environ.get("HIERGEO_LEAK_CALLS", "5000"))
"""Calls while memory is watched; HIERGEO_LEAK_CALLS asks for more."""


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", f"tests.pairwise.{program}", *map(str, arguments)]
    return warm.run(command, env={**os.environ, "PYTHONPATH": paths}, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_operators_never_crash(seed: int, tmp_path: Path) -> None:
    log = tmp_path / "last_call"
    done = run("fuzz_operators", seed, CALLS, log)
    last = log.read_text() if log.exists() else "no call"
    assert done.returncode == 0, (
        f"exit status {done.returncode} after {last}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    )


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc says what malloc has given out")
def test_operators_do_not_leak() -> None:
    done = run("leak_operators", LEAK_CALLS)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_every_operator_has_a_rule() -> None:
    names = {name.split("::")[1] for name in torch._C._dispatch_get_all_op_names() if name.startswith("hiergeo_native")}
    assert set(SHAPES) == {name for name in names if "." not in name} - {"simd_level", "fma_peak", "refuse"}
