"""Dtypes and the few machine constants of the numerics contract, in one place."""

from collections.abc import Callable
from functools import wraps
from typing import NoReturn, TypeVar

import torch
from torch import Tensor

from hiergeo.errors import UnavailableError

Gradients = TypeVar("Gradients")


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype pair results are computed in: float64 for float64, float32 for everything narrower."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def pair_dtype(ux: Tensor, uy: Tensor) -> torch.dtype:
    """The dtype that pairs of directions `ux` and `uy` are computed in."""
    return compute_dtype(torch.promote_types(ux.dtype, uy.dtype))


def widest(device: torch.device) -> torch.dtype:
    """The widest float of a device: float64, or float32 where there is none (Apple GPUs)."""
    return torch.float32 if device.type == "mps" else torch.float64


def wide(x: Tensor) -> Tensor:
    """`x` in the widest float of its device."""
    return x.to(widest(x.device))


def scalar(value: float | Tensor, device: torch.device) -> Tensor:
    """`value` as a 0-dim tensor: a tensor moved to `device`, a number as float64 (0 where 1/value would overflow)."""
    if isinstance(value, Tensor):
        return value.to(device)
    number = 0.0 if abs(value) < torch.finfo(torch.float32).tiny else value
    return torch.tensor(number, dtype=torch.float64, device="cpu")


def bounded(x: Tensor) -> Tensor:
    """`x` clamped so that a sum over 2^32 such values is still finite."""
    ceiling = torch.finfo(x.dtype).max / 2**32
    return x.clamp(-ceiling, ceiling)


def unit(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of `x` divided by their norms, and the norms, (..., D) -> (..., D), (...); zero rows stay zero.

    Equal rows give equal results, however they lie in memory: norms are summed in one order.
    """
    x = x.contiguous()
    norm = torch.linalg.vector_norm(x, dim=-1)
    return x / torch.where(norm == 0, 1.0, norm).unsqueeze(-1), norm


def no_second_order(*_: object) -> NoReturn:
    """The derivative of a derivative: a refusal."""
    raise UnavailableError("second derivatives of angles and distances are not available: drop create_graph.")


def first_order(backward: Callable[..., Gradients]) -> Callable[..., Gradients]:
    """A backward pass that refuses to be differentiated again, where autograd would silently leave terms out."""

    @wraps(backward)
    def refusing(*arguments: object) -> Gradients:
        if torch.is_grad_enabled():
            no_second_order()
        return backward(*arguments)

    return refusing
