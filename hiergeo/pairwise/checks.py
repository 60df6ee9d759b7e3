"""Refusals: every argument of a pair operation is looked at before any work starts, here and nowhere else."""

import math

import numpy as np
import torch
from torch import Tensor

from hiergeo.errors import InputError
from hiergeo.polar import Polar


def check_pair(x: Polar, y: Polar, curvature: float | Tensor) -> float:
    """The value of the curvature, or InputError unless x and y are polar points of one space of it."""
    value = as_number(curvature)
    check_polar("x", x, value)
    check_polar("y", y, value)
    if x.direction.shape[-1] != y.direction.shape[-1]:
        raise InputError(
            f"x has dimension {x.direction.shape[-1]} and y has dimension {y.direction.shape[-1]}: they must be equal."
        )
    if x.direction.device != y.direction.device:
        raise InputError(f"x is on {x.direction.device} and y is on {y.direction.device}: move one of them.")
    return value


def as_number(curvature: float | Tensor) -> float:
    """The value of `curvature`, or InputError unless it is one finite number."""
    if isinstance(curvature, Tensor):
        if curvature.ndim != 0:
            shape = tuple(curvature.shape)
            raise InputError(f"curvature must be a float or a 0-dim tensor, not a tensor of shape {shape}.")
        curvature = curvature.item()
    if not math.isfinite(curvature):
        raise InputError(f"curvature must be finite, not {curvature}.")
    return curvature


def check_polar(name: str, point: Polar, curvature: float) -> None:
    """Raise InputError unless `point` is well formed: shapes, dtypes, radii >= 0, no zero direction with a radius."""
    direction, radius = point.direction.detach(), point.radius.detach()
    if not direction.is_floating_point():
        raise InputError(f"{name}.direction must be a floating-point tensor, not {direction.dtype}.")
    if direction.ndim < 2 or direction.shape[:-1] != radius.shape:
        shapes = f"{tuple(direction.shape)} and {tuple(radius.shape)}"
        raise InputError(f"{name} needs directions (..., N, D) and radii (..., N), not {shapes}.")
    if not radius.is_floating_point():
        raise InputError(f"{name}.radius must be a floating-point tensor, not {radius.dtype}.")
    if direction.device != radius.device:
        raise InputError(
            f"{name}.direction is on {direction.device} and {name}.radius on {radius.device}: move one of them."
        )
    if bool((radius < 0).any()):
        raise InputError(
            f"{name}.radius must not be negative: entry {_first(radius < 0)} is {float(radius.min()):.3g}."
        )
    lost = (direction == 0).all(-1) & (radius > 0)
    if bool(lost.any()):
        raise InputError(
            f"{name}.direction {_first(lost)} is zero but its radius is not: only the root has no direction."
        )
    check_reach(name, radius, curvature)


def check_reach(name: str, radius: Tensor, curvature: float) -> None:
    """Raise InputError where a radius lies beyond the antipode of a sphere."""
    if curvature > 0:
        radius = radius.detach()
        limit = math.pi / math.sqrt(curvature)
        beyond = radius > limit * (1 + torch.finfo(radius.dtype).eps)
        if bool(beyond.any()):
            raise InputError(
                f"the radius of {name} {_first(beyond)} is {float(radius[beyond][0]):.4g}, beyond the antipode at "
                f"pi/sqrt(K) = {limit:.4g} of a sphere with K = {curvature:g}: use a smaller curvature."
            )


def check_min_radius(min_radius: float) -> None:
    """Raise InputError unless `min_radius` is a positive number."""
    if not 0 < min_radius < math.inf:
        raise InputError(f"min_radius must be a positive number, not {min_radius}.")


def check_batch(x: Polar, y: Polar) -> torch.Size:
    """The broadcast leading shape of x and y, or InputError."""
    try:
        return torch.Size(np.broadcast_shapes(x.radius.shape[:-1], y.radius.shape[:-1]))
    except ValueError:
        shapes = f"{tuple(x.radius.shape[:-1])} of x and {tuple(y.radius.shape[:-1])} of y"
        raise InputError(f"the leading dimensions {shapes} do not broadcast.") from None


def _first(mask: Tensor) -> int | tuple[int, ...]:
    index = tuple(int(i) for i in torch.nonzero(mask)[0])
    return index[0] if len(index) == 1 else index
