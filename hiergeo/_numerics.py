"""Dtypes and the few machine constants of the numerics contract, in one place."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

from hiergeo.errors import UnavailableError

Gradients = TypeVar("Gradients")


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype pair results are computed in: float64 for float64, float32 for everything narrower."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def wide(x: Tensor) -> Tensor:
    """`x` in the widest float of its device: float64, or float32 where there is none (Apple GPUs)."""
    return x.to(torch.float32 if x.device.type == "mps" else torch.float64)


def scalar(value: float | Tensor, device: torch.device) -> Tensor:
    """`value` as a 0-dim tensor: a tensor moved to `device`, a number as float64 (0 where 1/value would overflow)."""
    if isinstance(value, Tensor):
        return value.to(device)
    return torch.tensor(0.0 if abs(value) < torch.finfo(torch.float32).tiny else value, dtype=torch.float64)


def bounded(x: Tensor) -> Tensor:
    """`x` clamped so that a sum over 2^32 such values is still finite."""
    ceiling = torch.finfo(x.dtype).max / 2**32
    return x.clamp(-ceiling, ceiling)


def unit(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of `x` divided by their norms, and the norms, (..., D) -> (..., D), (...); zero rows stay zero."""
    norm = torch.linalg.vector_norm(x, dim=-1)
    return x / torch.where(norm == 0, 1.0, norm).unsqueeze(-1), norm


def first_order(backward: Callable[..., Gradients]) -> Callable[..., Gradients]:
    """A backward pass that refuses to be differentiated again, where autograd would silently leave terms out."""

    @wraps(backward)
    def refusing(*arguments: object) -> Gradients:
        if torch.is_grad_enabled():
            raise UnavailableError("second derivatives of angles and distances are not available: drop create_graph.")
        return backward(*arguments)

    return refusing
