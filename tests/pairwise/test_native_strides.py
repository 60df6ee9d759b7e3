"""Offsets beyond 2^31: rows so far apart that 32-bit arithmetic would meet the wrong ones; untouched memory is free."""

import pytest
import torch
from torch import Tensor

from hiergeo import Polar
from hiergeo.pairwise.interface import Factor
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from tests.pairwise.native_problems import MISSING

pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

APART = (1 << 30) + 7
COUNT, DIM = 4, 19


def far_apart(rows: Tensor) -> Tensor:
    """The same rows (4, D), each more than 2^30 numbers after the one before, as one batch entry."""
    memory = torch.empty(3 * APART + rows.shape[1], dtype=rows.dtype)
    spread = memory.as_strided(rows.shape, (APART, 1))
    spread.copy_(rows)
    return spread.unsqueeze(0)


def points(generator: torch.Generator) -> Polar:
    return Polar(
        torch.randn(COUNT, DIM, generator=generator).to(torch.bfloat16), torch.rand(COUNT, generator=generator) + 0.2
    )


def test_rows_far_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    near = [points(generator) for _ in range(2)]
    x, y = (Polar(far_apart(p.direction), p.radius[None]) for p in near)
    packed_x, packed_y = (Polar(p.direction[None], p.radius[None]) for p in near)
    spread, packed = (Factor(x, y, -0.7) for x, y in ((x, y), (packed_x, packed_y)))
    cone = torch.full((1, COUNT), 1.2)
    margin, angle = QUANTITIES["cone_margin"], QUANTITIES["exterior_angle"]
    out = far_apart(torch.zeros(COUNT, COUNT, dtype=torch.float16))
    NATIVE.store([spread], angle, out)
    expected = torch.empty(1, COUNT, COUNT)
    REFERENCE.store([packed], angle, expected)
    torch.testing.assert_close(out.float(), expected, rtol=0, atol=2e-3)
    counts = NATIVE.count([spread._replace(aperture=cone)], margin, None)
    assert torch.equal(counts, REFERENCE.count([packed._replace(aperture=cone)], margin, None))
    assert torch.equal(NATIVE.smallest([spread], angle, 3, False)[1], REFERENCE.smallest([packed], angle, 3, False)[1])
    upstream = far_apart(torch.randn(COUNT, COUNT, generator=generator).to(torch.float32))
    gradients = NATIVE.backward(upstream, x, y, -0.7, QUANTITIES["distance"], None)
    others = REFERENCE.backward(upstream.contiguous(), packed_x, packed_y, -0.7, QUANTITIES["distance"], None)
    for measured, wanted in zip(gradients[:4], others[:4], strict=True):
        torch.testing.assert_close(measured.double(), wanted.double(), rtol=1e-4, atol=1e-5)
