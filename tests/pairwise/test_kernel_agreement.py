"""Every kernel against the reference on random problems: all dtypes, spaces of either sign, products, SIMD levels."""

import random

import pytest
import torch

from hiergeo.pairwise import native
from hiergeo.pairwise.interface import PairBackend
from hiergeo.pairwise.resolver import NATIVE
from hiergeo.pairwise.smoke import DOUBLE, GRADIENTS, VALUES
from tests.pairwise.agreement import OF_ONE_SPACE, OF_PRODUCTS, kernels
from tests.pairwise.case import CPU, Case
from tests.pairwise.native_problems import MISSING, at, levels

needs_kernels = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

DTYPES = (
    *((dtype, dtype) for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16)),
    (torch.float32, torch.float16),
)
"""The dtypes of the directions of x and of y."""


def bar(kernel: str, dtype: torch.dtype) -> float:
    if dtype == torch.float64:
        return DOUBLE
    return GRADIENTS if kernel in ("backward", "contrast_backward", "energy_total") else VALUES


def case(draw: random.Random, number: int, dtypes: tuple[torch.dtype, torch.dtype]) -> Case:
    shape = draw.choice((1, 1, 2)), draw.choice((1, 2, 7, 33, 70)), draw.choice((1, 3, 64, 131, 300))
    curvatures, dims = (-4.0, -1.0, -0.3, 0.0, 0.25, 1.0), (2, 3, 8, 17, 40, 64, 129, 520)
    spaces = [(draw.choice(dims), draw.choice(curvatures)) for _ in range((1, 2, 1, 3)[number % 4])]
    return Case(draw.randrange(1 << 30), shape, spaces, dtypes)


@needs_kernels
@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
@pytest.mark.parametrize("level", levels())
def test_kernels_agree_with_the_reference(level: str, dtypes: tuple[torch.dtype, torch.dtype]) -> None:
    draw = random.Random(0)
    with at(level):
        for number in range(4):
            of = case(draw, number, dtypes)
            for name, measure in kernels(of).items():
                assert measure(NATIVE, of, CPU) <= bar(name, of.dtype), (number, name)


def test_every_kernel_is_measured() -> None:
    offered = {name for name in vars(PairBackend) if not name.startswith("_")}
    assert set(OF_PRODUCTS) | set(OF_ONE_SPACE) == offered
    assert all(hasattr(native, name) for name in offered)
