"""The triangle law row by row: x_i with y_i, with broadcasting, as operators with gradients.

`row_law` gives the value and the angle between the rays, which the backward pass needs again; `row_backward` forms the
gradients of every row from them.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import pair_dtype, saturated, scalar, unit, wide, widest
from hiergeo._core.polar import Exact, Polar
from hiergeo.pairwise import checks, derivatives
from hiergeo.pairwise.operands import is_plain
from hiergeo.pairwise.operators import EXACT, POINTS
from hiergeo.pairwise.quantity import Quantity, named
from hiergeo.pairwise.sides import Opening, profile, row_opening
from hiergeo.pairwise.transforms import SECOND_ORDER, Operator
from hiergeo.pairwise.triangle import Triangle, tangent

BLOCK = 1 << 15
"""Numbers that a thread of the CPU processes at a time, so that intermediate results stay in its caches."""


def exterior_angle(x: Polar, y: Polar, curvature: float | Tensor) -> Tensor:
    """Exterior angle Xi(x_i, y_i) in [0, pi] radians, (...); directions (..., D) broadcast."""
    return _rows(x, y, curvature, "exterior_angle")


def distance(x: Polar, y: Polar, curvature: float | Tensor) -> Tensor:
    """Geodesic distance of x_i and y_i, (...); directions (..., D) broadcast."""
    return _rows(x, y, curvature, "distance")


def _rows(x: Polar, y: Polar, curvature: float | Tensor, quantity: str) -> Tensor:
    if isinstance(curvature, Tensor):
        checks.check_curvature(curvature)
    dims = x.direction.shape[-1], y.direction.shape[-1]
    if dims[0] != dims[1]:
        raise InputError(f"x has dimension {dims[0]} and y has dimension {dims[1]}: they must be equal.")
    try:
        shape = np.broadcast_shapes(x.direction.shape, y.direction.shape)
    except ValueError:
        shapes = f"x of shape {tuple(x.direction.shape)} and y of shape {tuple(y.direction.shape)}"
        raise InputError(f"{shapes} do not broadcast row by row.") from None
    ux, uy = x.direction.expand(shape), y.direction.expand(shape)
    rx, ry = x.radius.expand(shape[:-1]), y.radius.expand(shape[:-1])
    vx = vy = origin = None
    if isinstance(x, Exact) and isinstance(y, Exact) and x.source is y.source:
        vx, vy, origin = x.vectors.expand(shape), y.vectors.expand(shape), x.origin
    operands = ux, rx, uy, ry, scalar(curvature, x.radius.device), vx, vy, origin
    law = _row_law if is_plain(operands) else row_law
    value, _, _ = law(*operands, quantity)
    return value


def _row_law(*operands: Any) -> tuple[Tensor, Tensor, Tensor]:
    """`quantity` of x_i and y_i in the compute dtype, and 1 - cos and 1 + cos of the angle between them, (...) each."""
    ux, rx, uy, ry, curvature, *exact, quantity = operands
    given = _checked(ux, rx, uy, ry, exact)
    k = checks.as_number(curvature)
    if k > 0:
        checks.check_reach("x", rx, k)
        checks.check_reach("y", ry, k)
    triangle = _triangle(ux, rx, uy, ry, k, given)
    return named(quantity).law(triangle), *triangle.opening


def _row_law_fake(*operands: Any) -> tuple[Tensor, Tensor, Tensor]:
    ux, rx, uy, ry, _, *exact, _ = operands
    _checked(ux, rx, uy, ry, exact)
    versine = ux.new_empty(rx.shape, dtype=widest(ux.device))
    return ux.new_empty(rx.shape, dtype=pair_dtype(ux, uy)), versine, torch.empty_like(versine)


def _row_backward(*operands: Any) -> tuple[Tensor, ...]:
    """Gradients of `upstream` (...) times the law of `quantity` of x_i and y_i: by u_x, r_x, u_y, r_y and K (...).

    `versine` and `coversine` are those that `row_law` returned; without them they are computed again.
    """
    ux, rx, uy, ry, curvature, *_, quantity, versine, coversine = operands
    upstream, given = _check_backward(*operands)
    opening = None if versine is None else Opening(versine, coversine)
    return tuple(gradients(upstream, ux, rx, uy, ry, checks.as_number(curvature), named(quantity), given, opening))


def _row_backward_fake(*operands: Any) -> tuple[Tensor, ...]:
    ux, rx, uy, ry, *_ = operands
    upstream, _ = _check_backward(*operands)
    by_points = [part.new_empty(part.shape) for part in (ux, rx, uy, ry)]
    return *by_points, upstream.new_empty(upstream.shape, dtype=widest(ux.device))


def _checked(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, exact: Sequence[Tensor | None]) -> list[Tensor]:
    """What directions were rounded from, if anything, of points that fit each other."""
    checks.check_rows(ux, rx, uy, ry)
    given = list(filter(torch.is_tensor, exact))
    if given and not checks.is_exact(given, ux, uy):
        checks.check_exact(given, [ux], [uy])
    return given


def _check_backward(*operands: Any) -> tuple[Tensor, list[Tensor]]:
    ux, rx, uy, ry, _, *exact, upstream, _, versine, coversine = operands
    given = _checked(ux, rx, uy, ry, exact)
    if (versine is None) != (coversine is None):
        raise InputError("versine and coversine must be given together.")
    checks.check_floats("upstream", upstream, rx.shape, rx.device)
    if versine is not None:
        checks.check_floats("versine", versine, rx.shape, rx.device)
        checks.check_floats("coversine", coversine, rx.shape, rx.device)
    return upstream, given


class RowGradients(NamedTuple):
    """Gradients row by row: by directions (..., D), by radii and curvature (...)."""

    ux: Tensor
    rx: Tensor
    uy: Tensor
    ry: Tensor
    curvature: Tensor


def gradients(
    upstream: Tensor,
    ux: Tensor,
    rx: Tensor,
    uy: Tensor,
    ry: Tensor,
    curvature: float,
    quantity: Quantity,
    given: Sequence[Tensor] = (),
    opening: Opening | None = None,
) -> RowGradients:
    """Gradients of `upstream` (...) times the law of `quantity`, row by row, in the dtypes of the inputs.

    A point that holds NaN or Inf has a gradient of NaN, and the other point and the curvature get none from it.
    `given` is what directions were rounded from, if anything, and `opening` that of the rows where it is known.
    """
    known_x, known_y = _finite(ux, rx), _finite(uy, ry)
    triangle = _triangle(ux, rx, uy, ry, curvature, given, opening)
    partials = quantity.partials(triangle)
    upstream = torch.where(known_x & known_y, wide(upstream), 0.0)
    to_x, to_y = _pulls(ux, uy, given, upstream * partials.theta_over_sine, triangle.opening)
    return RowGradients(
        to_x.masked_fill_(~known_x.unsqueeze(-1), math.nan),
        saturated(torch.where(known_x, upstream * partials.x, math.nan), rx.dtype),
        to_y.masked_fill_(~known_y.unsqueeze(-1), math.nan),
        saturated(torch.where(known_y, upstream * partials.y, math.nan), ry.dtype),
        upstream * partials.curvature,
    )


def _triangle(
    ux: Tensor,
    rx: Tensor,
    uy: Tensor,
    ry: Tensor,
    curvature: float,
    given: Sequence[Tensor] = (),
    opening: Opening | None = None,
) -> Triangle:
    sides = profile(rx, curvature), profile(ry, curvature)
    return Triangle(opening or _opening(ux, uy, given), *sides, curvature, pair_dtype(ux, uy))


def _opening(ux: Tensor, uy: Tensor, given: Sequence[Tensor]) -> Opening:
    vx, vy, *origin = given or (ux, uy)
    parts = [row_opening(*_both_rays(x, y, origin)) for x, y in _blocks(vx, vy)]
    if len(parts) == 1:
        return parts[0]
    shape = ux.shape[:-1]
    versine, coversine = (torch.cat(part).reshape(shape) for part in zip(*parts, strict=True))
    return Opening(versine, coversine)


def _both_rays(x: Tensor, y: Tensor, origin: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Unit rays and lengths of x, and of y, in the widest dtype, that of the origin."""
    a, b = (x - origin[0], y - origin[0]) if origin else (wide(x), wide(y))
    return *unit(a), *unit(b)


def _finite(direction: Tensor, radius: Tensor) -> Tensor:
    """Which points hold no NaN or Inf, (...)."""
    finite = torch.isfinite(radius)
    for rows, of_rows in _blocks(direction, finite.unsqueeze(-1)):
        of_rows &= torch.isfinite(rows).all(-1, keepdim=True)
    return finite


def _pulls(ux: Tensor, uy: Tensor, given: Sequence[Tensor], weight: Tensor, opening: Opening) -> tuple[Tensor, Tensor]:
    """Gradients by directions, in their dtypes; `weight` is the derivative by the angle, divided by its sine."""
    to_x = torch.empty_like(ux, memory_format=torch.contiguous_format)
    to_y = torch.empty_like(uy, memory_format=torch.contiguous_format)
    scalars = weight.unsqueeze(-1), opening.versine.unsqueeze(-1), opening.coversine.unsqueeze(-1)
    vx, vy, *origin = given or (ux, uy)
    for u, v, a, b, by_u, by_v, pull, versine, coversine in _blocks(ux, uy, vx, vy, to_x, to_y, *scalars):
        x, _, y, _ = _both_rays(a, b, origin)
        _, norm_x, _, norm_y = _both_rays(u, v, [])
        for out, ray, norm, other in ((by_u, x, norm_x, y), (by_v, y, norm_y, x)):
            gradient = torch.where(pull == 0, 0.0, -pull * tangent(ray, other, versine, coversine))
            gradient = torch.where(norm.unsqueeze(-1) == 0, 0.0, gradient / norm.unsqueeze(-1))
            out.copy_(saturated(gradient, out.dtype))
    return to_x, to_y


def _blocks(*tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Blocks of corresponding rows of tensors (..., D) and (..., 1); views of tensors that are contiguous."""
    *batch, dim = tensors[0].shape
    rows = math.prod(batch)
    step = BLOCK * torch.get_num_threads() // max(1, dim)
    if rows <= step or tensors[0].device.type != "cpu":
        return (tensors,)
    flat = [tensor.reshape(rows, tensor.shape[-1]) for tensor in tensors]
    return zip(*(tensor.split(max(1, step)) for tensor in flat), strict=True)


row_law = Operator(
    "row_law",
    f"({POINTS}, {EXACT}, str quantity) -> (Tensor, Tensor, Tensor)",
    _row_law,
    _row_law_fake,
    derivatives.ROWS,
)
row_backward = Operator(
    "row_backward",
    f"({POINTS}, {EXACT}, Tensor upstream, str quantity, Tensor? versine, Tensor? coversine)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _row_backward,
    _row_backward_fake,
    refusal=SECOND_ORDER,
)
