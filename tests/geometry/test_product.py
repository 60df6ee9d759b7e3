"""Products: lengths combine over factors, margins take the smallest, and the angle the largest."""

import math
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Euclidean, Lorentz, Product, Space, Sphere
from hiergeo._core.errors import InputError

FACTORS = ((Lorentz(-0.3), 3), (Euclidean(), 2), (Sphere(0.05), 2))


def points(n: int, seed: int) -> Tensor:
    return torch.randn(n, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_flat_product_is_euclidean_space() -> None:
    x, y = points(5, 0), points(5, 1)
    flat = Space(Product([(Euclidean(), 3), (Euclidean(), 4)]))
    torch.testing.assert_close(flat.radius(x), x.norm(dim=-1))
    torch.testing.assert_close(flat.pairwise_distance(x, y), torch.cdist(x, y))


@given(st.lists(st.sampled_from([0.0, 1e-30, 1e-18, 1e-3, 1.0, 1e6]), min_size=1, max_size=4))
def test_lengths_neither_underflow_nor_overflow(lengths: list[float]) -> None:
    tensors = [torch.tensor([length], requires_grad=True) for length in lengths]
    total = Product([(Euclidean(), 1)] * len(lengths)).combine(tensors)
    assert float(total.detach()) == pytest.approx(math.hypot(*lengths), rel=1e-6)
    for length, gradient in zip(lengths, torch.autograd.grad(total.sum(), tensors), strict=True):
        expected = length / math.hypot(*lengths) if any(lengths) else 0.0
        assert float(gradient) == pytest.approx(expected, rel=1e-6, abs=1e-30)


def test_there_is_no_single_cone() -> None:
    space = Space(Product(FACTORS))
    x = points(3, 0)
    for measure in (space.polar, space.half_aperture):
        with pytest.raises(InputError, match=r"^product:lorentz:-0\.3x3,"):
            measure(x)


def test_the_way_to_combine_lengths_is_kept_and_counts() -> None:
    """Lengths 3 and 4 make 7 in l1 and 5 in l2, in searches too."""
    factors = [(Lorentz(-1.0), 1), (Euclidean(), 1)]
    added, whole = Product(factors, "l1"), Product(factors)
    assert added.isometry_class != whole.isometry_class
    assert added.learnable().norm == "l1"
    x, y = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    for product, length in ((added, 7), (whole, 5)):
        space = Space(product)
        assert space.count_within(x, y, length - 0.1).tolist() == [0]
        assert space.count_within(x, y, length + 0.1).tolist() == [1]
        assert space.climb(x, y, 1)[0].tolist() == [[pytest.approx(length)]]


def test_refusals() -> None:
    with pytest.raises(InputError, match="have 7 dimensions, the embeddings have 6"):
        Space(Product(FACTORS)).radius(points(3, 0)[:, :6])
    with pytest.raises(InputError, match=r"^a product needs at least one factor\.$"):
        Product([])
    with pytest.raises(InputError, match=r"needs a dimension of at least 1, not \[3, 0\]"):
        Product([(Euclidean(), 3), (Euclidean(), 0)])
    with pytest.raises(InputError, match=r"^combine must be 'l2' or 'l1', not 'max'\.$"):
        Product(FACTORS, cast(Any, "max"))
