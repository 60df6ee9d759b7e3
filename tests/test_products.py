"""Who multiplies rows in the native kernels, and that torch's settings of precision never reach the CPU."""

from collections.abc import Iterator

import pytest
import torch
from native_problems import MISSING

from hiergeo import Polar, pairwise
from hiergeo.errors import InputError
from hiergeo.pairwise import products
from hiergeo.pairwise.products import Product, product_on

needs_kernels = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of ours, an x86-64, and torch's precisions as they were."""
    monkeypatch.delenv("HIERGEO_PRODUCT", raising=False)
    monkeypatch.setattr(products.platform, "machine", lambda: "x86_64")
    backends = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)
    before = [backend.fp32_precision for backend in backends]
    yield
    for backend, precision in zip(backends, before, strict=True):
        backend.fp32_precision = precision


def test_torch_multiplies_where_its_vectors_are_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {simd: product_on("cpu", simd) for simd in ("baseline", "avx2", "avx512")}
    assert found == {"baseline": Product.TORCH, "avx2": Product.OWN, "avx512": Product.OWN}
    monkeypatch.setattr(products.platform, "machine", lambda: "aarch64")
    assert product_on("cpu", "baseline") is Product.OWN


def test_the_setting_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIERGEO_PRODUCT", "torch")
    assert product_on("cpu", "avx512") is Product.TORCH
    monkeypatch.setenv("HIERGEO_PRODUCT", "own")
    assert product_on("cpu", "baseline") is Product.OWN
    monkeypatch.setenv("HIERGEO_PRODUCT", "mkl")
    with pytest.raises(InputError, match="HIERGEO_PRODUCT must be own or torch, not 'mkl'"):
        product_on("cpu", "avx2")


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_lower_precision_is_never_used_on_the_cpu(precision: str) -> None:
    torch.backends.mkldnn.matmul.fp32_precision = precision
    assert product_on("cpu", "baseline") is Product.OWN


def test_tf32_is_used_on_request_alone() -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    assert product_on("cuda", "") is Product.OWN
    torch.backends.cuda.matmul.allow_tf32 = True
    assert product_on("cuda", "") is Product.TF32


@needs_kernels
def test_torchs_product_ignores_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (Polar(torch.randn(n, 96, generator=generator), torch.rand(n, generator=generator)) for n in (70, 300))
    monkeypatch.setenv("HIERGEO_PRODUCT", "own")
    expected = pairwise.exterior_angle(x, y, -0.3)
    monkeypatch.setenv("HIERGEO_PRODUCT", "torch")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(pairwise.exterior_angle(x, y, -0.3), expected, rtol=0, atol=5e-6)
