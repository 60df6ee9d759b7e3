"""Calls of every operator in processes of their own: results or errors that name an operand, no crash and no leak."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.pairwise.fuzz_calls import NATIVE_SHAPES, SHAPES, Fuzzer
from tests.pairwise.fuzz_operators import examine
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


@pytest.mark.parametrize("curvature", [-1.0, 0.0, 0.25])
@pytest.mark.parametrize("name", ["pair_contrast", "pair_contrast_backward"])
def test_rules_of_points_out_of_place(name: str, curvature: float) -> None:
    """Radii without directions, in a factor of no dimensions: derivatives refuse them on a sphere alone."""
    fuzzer = Fuzzer(0)
    call = next(call for call in (fuzzer.right(False, name) for _ in range(1000)) if suitable(call.operands))
    call.operands["curvature"][0] = torch.tensor(curvature)
    call.operands["rx"][0] = torch.ones(1, dtype=torch.float64).expand(call.operands["rx"][0].shape)
    assert examine(call) is None


def suitable(operands: dict[str, Any]) -> bool:
    """Whether x are points of two factors, the first of no dimensions, that were not rounded from anything."""
    ux = operands["ux"]
    *batch, rows, width = ux[0].shape
    return len(ux) == 2 and width == 0 < rows and 0 not in batch and not operands["exact"]


@pytest.mark.parametrize(("namespace", "rules"), [("hiergeo", SHAPES), ("hiergeo_native", NATIVE_SHAPES)])
def test_every_operator_has_a_rule(namespace: str, rules: dict[str, object]) -> None:
    names = {name.split("::")[1] for name in torch._C._dispatch_get_all_op_names() if name.startswith(f"{namespace}::")}
    assert set(rules) == {name for name in names if "." not in name} - {"simd_level", "fma_peak", "refuse"}
