"""Random calls of every operator in processes of their own: results or errors that name an operand, never a crash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from native_problems import MISSING

pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

PROGRAM = Path(__file__).with_name("fuzz_operators.py")
CALLS = int(os.environ.get("HIERGEO_FUZZ_CALLS", "300"))
"""Calls of each process; HIERGEO_FUZZ_CALLS asks for more."""


@pytest.mark.parametrize("seed", range(2))
def test_operators_never_crash(seed: int, tmp_path: Path) -> None:
    log = tmp_path / "last_call"
    paths = os.pathsep.join([str(PROGRAM.parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, PROGRAM, str(seed), str(CALLS), log],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    last = log.read_text() if log.exists() else "no call"
    assert done.returncode == 0, (
        f"exit status {done.returncode} after {last}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    )
