"""Checks of what a loss is given, made before any work starts, and the reduction of its values.

Values are read only where they are readable: inside `torch.compile` and `torch.func` a NaN gives a loss of NaN.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import readable
from hiergeo.geometry.points import check_rows_of_floats

Reduction = Literal["mean", "sum", "none"]


def check_reduction(reduction: str) -> None:
    """Raise InputError unless `reduction` is the name of one."""
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"reduction must be 'mean', 'sum' or 'none', not '{reduction}'.")


def reduced(values: Tensor, reduction: Reduction) -> Tensor:
    """The mean or the sum of `values`, 0-dim, or `values` themselves."""
    return values.mean() if reduction == "mean" else values.sum() if reduction == "sum" else values


def check_embeddings(*, finite: bool = True, **named: Tensor) -> None:
    """Raise InputError unless every argument is a non-empty floating-point tensor (..., D), with `finite` numbers."""
    for name, x in named.items():
        if not (isinstance(x, Tensor) and x.ndim and x.is_floating_point()):
            check_rows_of_floats(name, x)
        if x.numel() == 0:
            raise InputError(f"{name} is empty (shape {tuple(x.shape)}): give at least one row.")
        if not (finite and readable(x)):
            continue
        odd = ~torch.isfinite(x.detach()).all(-1)
        if bool(odd.any()):
            raise InputError(f"{name} holds NaN or Inf, first in {_coordinates(odd)}: leave such rows out.")


def check_chains(chains: dict[str, Tensor], tiers: int = 2, *, finite: bool = True) -> None:
    """Raise InputError unless all of `chains`, by their names, are embeddings (..., T, D) with T >= `tiers`."""
    check_embeddings(finite=finite, **chains)
    for name, chain in chains.items():
        if chain.ndim < 2:
            raise InputError(f"{name} must be chains (..., T, D), not shape {tuple(chain.shape)}.")
        if chain.shape[-2] < tiers:
            raise InputError(
                f"{name} has {chain.shape[-2]} tier(s) of shape {tuple(chain.shape)}: a chain (..., T, D) needs at "
                f"least {tiers}, from general to specific."
            )


def check_equal_shapes(**named: Tensor) -> None:
    """Raise InputError unless all arguments have one shape."""
    if len({x.shape for x in named.values()}) > 1:
        shapes = " and ".join(f"{name} of shape {tuple(x.shape)}" for name, x in named.items())
        raise InputError(f"{shapes} must have the same shape.")


def check_equal_dimensions(**named: Tensor) -> None:
    """Raise InputError unless the last dimensions of all arguments are equal."""
    if len({x.shape[-1] for x in named.values()}) > 1:
        dims = " and ".join(f"{name} has dimension {x.shape[-1]}" for name, x in named.items())
        raise InputError(f"{dims}: they must be equal.")


def check_different(positive: Tensor, negative: Tensor) -> None:
    """Raise InputError, with its place, where a negative equals its positive. Chains (b, T, D)."""
    if not readable(positive):
        return
    same = (positive.detach() == negative.detach()).all(-1)
    if bool(same.any()):
        item, tier = torch.nonzero(same)[0].tolist()
        raise InputError(
            f"the negative of item {item}, tier {tier} (counted from 0) is identical to its positive, and so are "
            f"{int(same.sum()) - 1} more: it cannot be entailed and not entailed; leave such items out."
        )


def check_weights(weights: Sequence[float], names: Sequence[str]) -> None:
    """Raise InputError unless `weights` holds one finite number >= 0 for every one of `names`."""
    if len(weights) != len(names) or not all(0 <= weight < math.inf for weight in weights):
        raise InputError(f"weights must be {len(names)} numbers >= 0, ({', '.join(names)}), not {tuple(weights)}.")


def check_number(name: str, value: float | Tensor, positive: bool = False) -> None:
    """Raise InputError unless `value`, a float or a 0-dim tensor, is finite and >= 0, or > 0 where `positive`."""
    if isinstance(value, Tensor):
        if value.ndim != 0:
            raise InputError(f"{name} must be a float or a 0-dim tensor, not a tensor of shape {tuple(value.shape)}.")
        if not readable(value):
            return
    number = float(value.detach()) if isinstance(value, Tensor) else value
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        raise InputError(f"{name} must be a number {'>' if positive else '>='} 0, not {number:g}.")


def _coordinates(mask: Tensor) -> str:
    index = tuple(torch.nonzero(mask)[0].tolist())
    return f"row {index[0]}" if len(index) == 1 else f"place {index}" if index else "its only row"
