"""Which backend serves a device, why there are no native kernels, and what the environment may ask for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hiergeo import Polar, pairwise
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.cli import info
from hiergeo.pairwise import native, resolver
from hiergeo.pairwise.smoke import KernelVerdicts
from tests.tools.kernel_settings import delenv, setenv

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HIERGEO_NATIVE", "HIERGEO_SIMD", "HIERGEO_SCREEN"):
        delenv(monkeypatch, name)


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A package without a native library; what its build wrote down goes into the file returned."""
    monkeypatch.setattr(native, "LIBRARY", tmp_path / "_kernels.abi3.so")
    monkeypatch.setattr(native, "BUILD", tmp_path / "_build.json")
    load = native._load
    load.cache_clear()
    yield tmp_path / "_build.json"
    load.cache_clear()


def angle() -> torch.Tensor:
    point = Polar(torch.ones(1, 2), torch.ones(1))
    return pairwise.exterior_angle(point, point, -0.3)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (None, "_kernels.abi3.so was never built"),
        ("not json", "_kernels.abi3.so was never built"),
        (json.dumps({"reason": None}), "_kernels.abi3.so was never built"),
        (json.dumps({"reason": "no C++ compiler (/bin/false)"}), "no C++ compiler (/bin/false)"),
    ],
)
def test_without_a_library(unbuilt: Path, monkeypatch: pytest.MonkeyPatch, written: str | None, reason: str) -> None:
    if written is not None:
        unbuilt.write_text(written)
    assert resolver.resolve(CPU) is resolver.PORTABLE
    assert resolver.why_plain("cpu") == reason
    assert pairwise.kernel_info()["kernels"] == f"plain PyTorch ({reason})"
    assert info.collect()["kernels"] == f"plain PyTorch ({reason})"
    assert float(angle()) == 0
    setenv(monkeypatch, "HIERGEO_NATIVE", "1")
    with pytest.raises(UnavailableError) as caught:
        angle()
    assert str(caught.value) == f"HIERGEO_NATIVE=1 asks for native kernels and there are none: {reason}."


def test_a_library_that_does_not_load(unbuilt: Path) -> None:
    (unbuilt.parent / "_kernels.abi3.so").write_text("no library")
    reason = resolver.why_plain("cpu")
    assert reason is not None
    assert reason.startswith("_kernels.abi3.so does not load: ")
    assert "\n" not in reason
    assert resolver.resolve(CPU) is resolver.PORTABLE


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is there and has kernels for the CPU alone."""
    monkeypatch.setattr(native, "_load", lambda: None)
    monkeypatch.setattr(native, "_has_kernels", lambda device_type: device_type == "cpu")
    monkeypatch.setattr(resolver, "VERDICTS", KernelVerdicts())
    monkeypatch.setattr(KernelVerdicts, "failure", lambda *_: None)


@pytest.mark.usefixtures("loaded")
def test_with_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "simd_level", lambda: "avx2")
    assert resolver.resolve(CPU) is resolver.NATIVE
    assert resolver.resolve(torch.device("mps")) is resolver.PORTABLE
    assert resolver.why_plain("mps") == "the library has no kernels for mps"
    assert pairwise.kernel_info()["kernels"] == "native"
    setenv(monkeypatch, "HIERGEO_NATIVE", "1")
    assert resolver.resolve(CPU) is resolver.NATIVE
    setenv(monkeypatch, "HIERGEO_NATIVE", "0")
    assert resolver.resolve(CPU) is resolver.PORTABLE
    assert pairwise.kernel_info()["kernels"] == "plain PyTorch (HIERGEO_NATIVE=0 asks for plain PyTorch)"


def test_a_build_says_why_it_has_no_cuda(monkeypatch: pytest.MonkeyPatch, unbuilt: Path) -> None:
    monkeypatch.setattr(native, "_load", lambda: None)
    monkeypatch.setattr(native, "_has_kernels", lambda device_type: device_type == "cpu")
    unbuilt.write_text(json.dumps({"reason": "", "cuda_reason": "no nvcc"}))
    assert resolver.why_plain("cuda") == "no nvcc"
    assert resolver.why_plain("mps") == "the library has no kernels for mps"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HIERGEO_NATIVE", "0 or 1"),
        ("HIERGEO_SIMD", "baseline, avx2 or avx512"),
        ("HIERGEO_SCREEN", "amx, int8, bfloat16 or float32"),
    ],
)
def test_unknown_words_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    setenv(monkeypatch, name, "yes")
    for call in (angle, pairwise.kernel_info):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == f"{name} must be {words}, not 'yes'."
    setenv(monkeypatch, name, "")
    assert float(angle()) == 0
