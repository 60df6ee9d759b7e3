"""Rows brought to norm 1, whatever their magnitude and whoever is beside them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core.numerics import unit


@given(
    st.lists(st.sampled_from([0.0, 5e-324, 1e-310, 1e-200, 1e-150, 1.0, 1e150, 1e200, 1e307]), min_size=1, max_size=6),
    st.integers(0, 99),
)
def test_rows_of_any_magnitude_are_brought_to_norm_1(magnitudes: list[float], seed: int) -> None:
    drawn = torch.rand(len(magnitudes), 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1
    rows = drawn * torch.tensor(magnitudes, dtype=torch.float64)[:, None]
    rays, norms = unit(rows)
    for row, ray, norm in zip(rows.numpy().astype(np.longdouble), rays, norms, strict=True):
        length = np.sqrt((row * row).sum())
        expected = row / length if length else row
        np.testing.assert_allclose(ray, expected.astype(float), rtol=1e-15)
        assert float(norm) == pytest.approx(float(length), rel=1e-15)


@given(st.integers(0, 99))
def test_a_row_is_the_same_in_any_company(seed: int) -> None:
    rows = torch.randn(7, 5, generator=torch.Generator().manual_seed(seed))
    strangers = torch.tensor([0.0, 1e-30, 1e30, math.nan, math.inf])[:, None].expand(-1, 5)
    for whole, alone in zip(unit(torch.cat((rows, strangers))), unit(rows), strict=True):
        assert torch.equal(whole[:7], alone)


def test_gradients_are_central_differences() -> None:
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(unit, x.requires_grad_())
