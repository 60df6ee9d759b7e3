"""Settings of the engine: the environment, `hiergeo.backend`, and which implementation computes tile products."""

import os
from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch

import hiergeo
from hiergeo import Polar, pairwise
from hiergeo._core.errors import InputError
from hiergeo.pairwise import settings
from hiergeo.pairwise.settings import TileProduct, tile_product
from tests.pairwise.native_problems import MISSING
from tests.tools.kernel_settings import delenv, setenv

needs_kernels = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of ours, an x86-64, and torch's precisions as they were."""
    delenv(monkeypatch, "HIERGEO_PRODUCT")
    monkeypatch.setattr(settings.platform, "machine", lambda: "x86_64")
    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, cast(Any, torch.backends.mkldnn).matmul)
    before = [backend.fp32_precision for backend in backends]
    yield
    for backend, precision in zip(backends, before, strict=True):
        backend.fp32_precision = precision


def test_torch_multiplies_where_its_vectors_are_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {simd: tile_product("cpu", simd) for simd in ("baseline", "avx2", "avx512")}
    assert found == {"baseline": TileProduct.TORCH, "avx2": TileProduct.OWN, "avx512": TileProduct.OWN}
    monkeypatch.setattr(settings.platform, "machine", lambda: "aarch64")
    assert tile_product("cpu", "baseline") is TileProduct.OWN


def test_the_setting_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_PRODUCT", "torch")
    assert tile_product("cpu", "avx512") is TileProduct.TORCH
    setenv(monkeypatch, "HIERGEO_PRODUCT", "own")
    assert tile_product("cpu", "baseline") is TileProduct.OWN
    setenv(monkeypatch, "HIERGEO_PRODUCT", "mkl")
    with pytest.raises(InputError, match="HIERGEO_PRODUCT must be own or torch, not 'mkl'"):
        tile_product("cpu", "avx2")


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_lower_precision_is_never_used_on_the_cpu(precision: str) -> None:
    cast(Any, torch.backends.mkldnn).matmul.fp32_precision = precision
    assert tile_product("cpu", "baseline") is TileProduct.OWN


def test_tf32_is_used_on_request_alone() -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    assert tile_product("cuda", "") is TileProduct.OWN
    torch.backends.cuda.matmul.allow_tf32 = True
    assert tile_product("cuda", "") is TileProduct.TF32


@needs_kernels
def test_torchs_product_ignores_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (Polar(torch.randn(n, 96, generator=generator), torch.rand(n, generator=generator)) for n in (70, 300))
    setenv(monkeypatch, "HIERGEO_PRODUCT", "own")
    expected = pairwise.exterior_angle(x, y, -0.3)
    setenv(monkeypatch, "HIERGEO_PRODUCT", "torch")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(pairwise.exterior_angle(x, y, -0.3), expected, rtol=0, atol=5e-6)


def test_a_backend_holds_inside_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_NATIVE", "1")
    delenv(monkeypatch, "HIERGEO_PRODUCT")
    before = {name: os.environ.get(name) for name in settings.WORDS}
    with hiergeo.backend(native=False, product="torch"):
        assert settings.word(settings.NATIVE) == "0"
        assert settings.word(settings.PRODUCT) == "torch"
        assert "HIERGEO_NATIVE=0" in pairwise.kernel_info()["kernels"]
        with hiergeo.backend(product="own"), hiergeo.backend():
            assert tile_product("cpu", "baseline") is TileProduct.OWN
    assert {name: os.environ.get(name) for name in settings.WORDS} == before


def test_a_backend_is_left_when_its_block_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    delenv(monkeypatch, "HIERGEO_NATIVE")
    with pytest.raises(ZeroDivisionError), hiergeo.backend(native=False):
        raise ZeroDivisionError
    assert "HIERGEO_NATIVE" not in os.environ


@pytest.mark.parametrize("name", ["simd", "screen", "product"])
def test_a_backend_of_another_name_is_refused(name: str) -> None:
    other: dict[str, Any] = {name: "fast"}
    with pytest.raises(InputError, match=rf"^HIERGEO_{name.upper()} must be "), hiergeo.backend(**other):
        pass
    assert os.environ.get(f"HIERGEO_{name.upper()}") != "fast"


@needs_kernels
def test_levels_and_screens_of_a_backend_reach_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    delenv(monkeypatch, "HIERGEO_NATIVE")
    with hiergeo.backend(native=True, simd="baseline"):
        assert pairwise.kernel_info()["SIMD"] == "baseline"
