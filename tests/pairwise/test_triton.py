"""Triton's kernels: compiled for GPUs that need not be there, on the interpreter, and who serves where they fail."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hiergeo import pairwise
from hiergeo._core.errors import UnavailableError
from hiergeo.pairwise import fused, native, resolver
from hiergeo.pairwise.fused import FUSED, TRIAL, FusedBackend, LaunchError
from hiergeo.pairwise.interface import Factor
from hiergeo.pairwise.portable import PORTABLE
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.smoke import KernelVerdicts, Sample, compared
from tests.pairwise.test_portable import hard, stored
from tests.tools.kernel_settings import delenv, setenv

GPU = torch.device("cuda:0")
TARGETS = ("sm_80", "sm_90", "sm_120", "gfx942", "gfx1100")


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_kernels_fit_their_registers(target: str) -> None:
    pytest.importorskip("triton", reason="Triton is not installed: pip install 'hiergeo[test]'")
    from tests.pairwise import triton_targets

    missing = triton_targets.missing(target)
    if missing:
        pytest.skip(missing)
    # Odd rows take more registers, energies more than angles, curved spaces more than flat ones.
    kernels = [of for of in triton_targets.kernels() if of.even != (of.name in ("law", "weigh"))]
    kernels = [of for of in kernels if not re.match(r"angle|weights of .* K = 0", of.title)]
    assert {of.name for of in kernels} == {"law", "weigh", "count", "least", "reduce_logits", "weigh_logits"}
    for kernel in kernels:
        code = triton_targets.compiled(kernel, triton_targets.TARGETS[target])
        assert code.registers <= 128, kernel.title
        assert code.memory == 0, f"{kernel.title} has a stack or spills"
        assert 1 < code.instructions < 600, kernel.title


@pytest.mark.slow
def test_kernels_on_the_interpreter() -> None:
    pytest.importorskip("triton", reason="Triton is not installed: pip install 'hiergeo[test]'")
    suite = Path(__file__).with_name("triton_interpreted.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(suite)]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=suite.parents[2])
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-1000:]
    assert "passed" in run.stdout


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("spaces", [[(512, -0.7)], [(512, 0.25)], [(512, 0.0)], [(40, -1.3), (17, 0.25)]])
def test_kernels_on_a_gpu(spaces: list[tuple[int, float]]) -> None:
    for shape in ((33, 131), (400, 2048)):
        for dtype in (torch.float32, torch.bfloat16):
            outcomes = list(compared(TRIAL, Sample(shape, spaces, dtype), GPU, False))
            assert not [str(outcome) for outcome in outcomes if not outcome.passed]


def test_a_kernel_that_cannot_run_is_replaced_by_plain_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose driver, compiler or version of Triton fails at the first launch."""
    monkeypatch.setitem(sys.modules, "hiergeo.pairwise.epilogues", None)  # which an import refuses
    monkeypatch.delattr(pairwise, "epilogues", raising=False)
    x, y = hard(-1.0)
    backend = FusedBackend()
    assert torch.equal(stored(backend, x, y, -1.0, "distance"), stored(PORTABLE, x, y, -1.0, "distance"))
    assert str(backend.broken).startswith("import raised ")
    points, other = [Factor(x, y, -1.0)], FusedBackend()
    other.backward(torch.ones(1, 60, 60), x, y, -1.0, QUANTITIES["distance"], None)
    assert other.broken == backend.broken
    values, right = (of.smallest(points, QUANTITIES["distance"], 3, False) for of in (backend, PORTABLE))
    assert torch.equal(values[1], right[1])
    with pytest.raises(LaunchError, match="import raised "):
        stored(FusedBackend(strict=True), x, y, -1.0, "distance")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A GPU without native kernels for which Triton has a compiler and kernels that passed their test."""
    delenv(monkeypatch, "HIERGEO_NATIVE")
    monkeypatch.setattr(native, "missing", lambda _: "no nvcc")
    monkeypatch.setattr(fused, "missing", lambda kind: None if kind == "cuda" else f"none for {kind}")
    monkeypatch.setattr(resolver, "VERDICTS", KernelVerdicts())
    monkeypatch.setattr(resolver, "_warned", set())
    monkeypatch.setattr(resolver, "_accelerators", lambda: iter([GPU]))
    monkeypatch.setattr(KernelVerdicts, "failure", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    yield
    FUSED.broken = None


@pytest.mark.usefixtures("gpu")
def test_triton_serves_a_gpu_without_native_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolver.resolve(GPU) is FUSED
    assert resolver.resolve(torch.device("cpu")) is PORTABLE
    facts = pairwise.kernel_info()
    assert facts["kernels on cuda:0"] == "Triton (no nvcc)"
    assert facts["kernels"] == "plain PyTorch (no nvcc)"
    setenv(monkeypatch, "HIERGEO_NATIVE", "0")
    assert resolver.resolve(GPU) is PORTABLE
    setenv(monkeypatch, "HIERGEO_NATIVE", "1")
    with pytest.raises(UnavailableError, match="no nvcc"):
        resolver.resolve(GPU)


@pytest.mark.usefixtures("gpu")
def test_native_kernels_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "missing", lambda _: None)
    monkeypatch.setattr(native, "setting", lambda _: ("OWN", False))
    assert resolver.resolve(GPU) is resolver.NATIVE
    assert resolver.resolve(GPU, factors=native.MOST_FACTORS + 1) is FUSED
    assert resolver.resolve(GPU, torch.float64) is FUSED


@pytest.mark.usefixtures("gpu")
def test_what_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    FUSED.broken = "weigh raised CompilationError: no such instruction"
    with pytest.warns(RuntimeWarning, match="plain PyTorch.*weigh raised CompilationError"):
        assert resolver.resolve(GPU) is PORTABLE
    assert "weigh raised CompilationError" in pairwise.kernel_info()["kernels on cuda:0"]
    FUSED.broken = None
    monkeypatch.setattr(KernelVerdicts, "failure", lambda *_: "store (float32) is off by 1")
    with pytest.warns(RuntimeWarning, match="plain PyTorch.*store"):
        assert resolver.resolve(GPU) is PORTABLE
    assert "store (float32) is off by 1" in pairwise.kernel_info()["kernels on cuda:0"]


def test_what_triton_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = fused.missing.__wrapped__
    assert "mps" in str(missing("mps"))
    assert "cuda" in str(missing("cuda")) or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(fused, "find_spec", lambda _: None)
    assert missing("cuda") == "Triton is not installed"
    monkeypatch.setattr(fused, "find_spec", lambda _: object())
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert "C compiler" in str(missing("cuda"))
    monkeypatch.setenv("CC", sys.executable)
    assert missing("cuda") is None


@pytest.mark.slow
def test_a_cpu_never_imports_triton() -> None:
    code = (
        "import sys, torch, hiergeo; from hiergeo import pairwise, Polar; p = Polar(torch.eye(3), torch.ones(3)); "
        "pairwise.distance(p, p, -1.0); pairwise.kernel_info(); assert 'hiergeo.pairwise.epilogues' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "HIERGEO_NATIVE": "0"}, check=True)
