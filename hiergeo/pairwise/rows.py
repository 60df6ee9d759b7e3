"""The triangle law row by row: x_i with y_i, with broadcasting and gradients."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo._numerics import first_order, pair_dtype, saturated, scalar, unit, wide
from hiergeo.errors import InputError
from hiergeo.pairwise.checks import as_number
from hiergeo.pairwise.opening import Opening, row_opening
from hiergeo.pairwise.profile import profile
from hiergeo.pairwise.quantity import QUANTITIES, Quantity
from hiergeo.pairwise.triangle import Triangle
from hiergeo.polar import Polar


def exterior_angle(x: Polar, y: Polar, curvature: float | Tensor) -> Tensor:
    """Exterior angle Xi(x_i, y_i) in [0, pi] radians, (...); directions (..., D) broadcast."""
    return _rows(x, y, curvature, QUANTITIES["exterior_angle"])


def distance(x: Polar, y: Polar, curvature: float | Tensor) -> Tensor:
    """Geodesic distance of x_i and y_i, (...); directions (..., D) broadcast."""
    return _rows(x, y, curvature, QUANTITIES["distance"])


def _rows(x: Polar, y: Polar, curvature: float | Tensor, quantity: Quantity) -> Tensor:
    as_number(curvature)
    try:
        shape = np.broadcast_shapes(x.direction.shape, y.direction.shape)
    except ValueError:
        shapes = f"x of shape {tuple(x.direction.shape)} and y of shape {tuple(y.direction.shape)}"
        raise InputError(f"{shapes} do not broadcast row by row.") from None
    sides = [part for p in (x, y) for part in (p.direction.expand(shape), p.radius.expand(shape[:-1]))]
    return _Rows.apply(*sides, scalar(curvature, x.radius.device), quantity)


class RowGradients(NamedTuple):
    """Gradients row by row: by directions (..., D), by radii and curvature (...)."""

    ux: Tensor
    rx: Tensor
    uy: Tensor
    ry: Tensor
    curvature: Tensor


BLOCK = 1 << 15
"""Numbers of the rows that are taken at a time on the CPU, so that what is made of them stays in its caches."""


def gradients(
    upstream: Tensor,
    ux: Tensor,
    rx: Tensor,
    uy: Tensor,
    ry: Tensor,
    curvature: float,
    quantity: Quantity,
    opening: Opening | None = None,
) -> RowGradients:
    """Gradients of `upstream` (...) times the law of `quantity`, row by row, in the dtypes of the inputs.

    A point that is not a number has a gradient of NaN, and the other point and the curvature get none from it.
    `opening` is that of the rows where it is known.
    """
    known_x, known_y = (_known(*point) for point in ((ux, rx), (uy, ry)))
    triangle = _triangle(ux, rx, uy, ry, curvature, opening)
    partials = quantity.partials(triangle)
    upstream = torch.where(known_x & known_y, wide(upstream), 0.0)
    to_x, to_y = _pulls(ux, uy, upstream * partials.theta_over_sine, triangle.opening)
    return RowGradients(
        to_x.masked_fill_(~known_x.unsqueeze(-1), math.nan),
        saturated(torch.where(known_x, upstream * partials.x, math.nan), rx.dtype),
        to_y.masked_fill_(~known_y.unsqueeze(-1), math.nan),
        saturated(torch.where(known_y, upstream * partials.y, math.nan), ry.dtype),
        upstream * partials.curvature,
    )


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: Tensor, quantity: Quantity
    ) -> Tensor:
        triangle = _triangle(ux, rx, uy, ry, as_number(curvature))
        ctx.save_for_backward(ux, rx, uy, ry, curvature, *triangle.opening)
        ctx.quantity = quantity
        return quantity.law(triangle)

    @staticmethod
    @first_order
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        ux, rx, uy, ry, curvature, *opening = ctx.saved_tensors
        *found, by_curvature = gradients(
            upstream, ux, rx, uy, ry, as_number(curvature), ctx.quantity, Opening(*opening)
        )
        return *found, by_curvature.sum().to(curvature.dtype) if ctx.needs_input_grad[4] else None, None


def _triangle(
    ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float, opening: Opening | None = None
) -> Triangle:
    sides = profile(rx, curvature), profile(ry, curvature)
    return Triangle(opening or _opening(ux, uy), *sides, curvature, pair_dtype(ux, uy))


def _opening(ux: Tensor, uy: Tensor) -> Opening:
    versine, coversine = (wide(ux.new_empty(ux.shape[:-1])) for _ in range(2))
    for x, y, *parts in _blocks(ux, uy, versine.unsqueeze(-1), coversine.unsqueeze(-1)):
        for part, value in zip(parts, row_opening(unit(wide(x))[0], unit(wide(y))[0]), strict=True):
            part.copy_(value.unsqueeze(-1))
    return Opening(versine, coversine)


def _known(direction: Tensor, radius: Tensor) -> Tensor:
    """Which points are numbers, (...)."""
    known = torch.isfinite(radius)
    for rows, kept in _blocks(direction, known.unsqueeze(-1)):
        kept &= torch.isfinite(rows).all(-1, keepdim=True)
    return known


def _pulls(ux: Tensor, uy: Tensor, weight: Tensor, opening: Opening) -> tuple[Tensor, Tensor]:
    """Gradients by directions of what has the derivative `weight` by the angle, over its sine; in their dtypes."""
    to_x, to_y = (torch.empty_like(u, memory_format=torch.contiguous_format) for u in (ux, uy))
    scalars = (part.unsqueeze(-1) for part in (weight, *opening))
    for u, v, by_u, by_v, pull, versine, coversine in _blocks(ux, uy, to_x, to_y, *scalars):
        (x, norm_x), (y, norm_y) = unit(wide(u)), unit(wide(v))
        for out, ray, norm, other in ((by_u, x, norm_x, y), (by_v, y, norm_y, x)):
            found = torch.where(pull == 0, 0.0, -pull * _pull(ray, other, versine, coversine))
            found = torch.where(norm.unsqueeze(-1) == 0, 0.0, found / norm.unsqueeze(-1))
            out.copy_(saturated(found, out.dtype))
    return to_x, to_y


def _pull(x: Tensor, y: Tensor, versine: Tensor, coversine: Tensor) -> Tensor:
    """y - cos(theta) x without cancellation at either end."""
    return torch.where(versine < coversine, (y - x) + versine * x, (y + x) - coversine * x)


def _blocks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same rows of tensors (..., D) and (..., 1), some at a time: views where they can be written to."""
    *batch, dim = tensors[0].shape
    rows = math.prod(batch)
    step = max(1, BLOCK // max(1, dim)) if tensors[0].device.type == "cpu" else max(1, rows)
    flat = [tensor.reshape(rows, tensor.shape[-1]) for tensor in tensors]
    return (tuple(tensor[start : start + step] for tensor in flat) for start in range(0, rows, step))
