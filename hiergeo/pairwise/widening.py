"""Embeddings of 16 bits as float64 whose gradients come back finite: what leaves their range becomes its end."""

from typing import Any

import torch
from torch import Tensor

from hiergeo._core.numerics import wants_derivative
from hiergeo.pairwise import checks, derivatives
from hiergeo.pairwise.transforms import Operator


def widened(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` (...) in a wider dtype; a gradient beyond the range of 16 bits becomes its largest number."""
    wide: Tensor = widened_half(x, dtype) if x.itemsize == 2 and wants_derivative(x) else x.to(dtype)
    return wide


def _widened_half(*operands: Any) -> Tensor:
    """`x` in `dtype`."""
    x, dtype = operands
    checks.check_floats("x", x, x.shape, x.device)
    return x.to(dtype, copy=True)


def _widened_half_fake(*operands: Any) -> Tensor:
    x, dtype = operands
    return torch.empty_like(x, dtype=dtype)


widened_half = Operator(
    "widened_half", "(Tensor x, ScalarType dtype) -> Tensor", _widened_half, _widened_half_fake, derivatives.WIDENING
)
