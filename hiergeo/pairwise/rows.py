"""The triangle law row by row: x_i with y_i, with broadcasting and gradients."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo._numerics import first_order, pair_dtype, saturated, scalar, unit, wide
from hiergeo.errors import InputError
from hiergeo.pairwise.checks import as_number
from hiergeo.pairwise.opening import row_opening
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


def gradients(
    upstream: Tensor, ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float, quantity: Quantity
) -> RowGradients:
    """Gradients of `upstream` (...) times the law of `quantity`, row by row, in the dtypes of the inputs.

    A point that is not a number has a gradient of NaN, and the other point and the curvature get none from it.
    """
    known_x, known_y = Polar(ux, rx).known, Polar(uy, ry).known
    triangle, x, y = _triangle(ux, rx, uy, ry, curvature)
    partials = quantity.partials(triangle)
    upstream = torch.where(known_x & known_y, wide(upstream), 0.0)
    pull = (upstream * partials.theta_over_sine).unsqueeze(-1)
    versine, coversine = (part.unsqueeze(-1) for part in triangle.opening)
    to_x, to_y = (torch.where(pull == 0, 0.0, -pull * _pull(*rays, versine, coversine)) for rays in ((x, y), (y, x)))
    by_x, by_y = upstream * partials.x, upstream * partials.y
    return RowGradients(
        saturated(torch.where(known_x.unsqueeze(-1), _over_norm(to_x, ux), math.nan), ux.dtype),
        saturated(torch.where(known_x, by_x, math.nan), rx.dtype),
        saturated(torch.where(known_y.unsqueeze(-1), _over_norm(to_y, uy), math.nan), uy.dtype),
        saturated(torch.where(known_y, by_y, math.nan), ry.dtype),
        upstream * partials.curvature,
    )


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: Tensor, quantity: Quantity
    ) -> Tensor:
        ctx.save_for_backward(ux, rx, uy, ry, curvature)
        ctx.quantity = quantity
        return quantity.law(_triangle(ux, rx, uy, ry, as_number(curvature))[0])

    @staticmethod
    @first_order
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        ux, rx, uy, ry, curvature = ctx.saved_tensors
        *found, by_curvature = gradients(upstream, ux, rx, uy, ry, as_number(curvature), ctx.quantity)
        return *found, by_curvature.sum().to(curvature.dtype) if ctx.needs_input_grad[4] else None, None


def _triangle(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> tuple[Triangle, Tensor, Tensor]:
    x, y = unit(wide(ux))[0], unit(wide(uy))[0]
    sides = profile(rx, curvature), profile(ry, curvature)
    return Triangle(row_opening(x, y), *sides, curvature, pair_dtype(ux, uy)), x, y


def _pull(x: Tensor, y: Tensor, versine: Tensor, coversine: Tensor) -> Tensor:
    """y - cos(theta) x without cancellation at either end."""
    return torch.where(versine < coversine, (y - x) + versine * x, (y + x) - coversine * x)


def _over_norm(gradient: Tensor, u: Tensor) -> Tensor:
    """A gradient by unit rays as one by `u`; none for a zero direction."""
    norm = unit(wide(u))[1].unsqueeze(-1)
    return torch.where(norm == 0, 0.0, gradient / norm)
