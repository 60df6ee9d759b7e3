"""The pair operations as operators of `torch.ops.hiergeo`: refusals, dispatch to a backend, shapes, autograd, vmap.

Operands are directions (..., N, D), radii (..., N) and half apertures (..., N) with equal leading dimensions, and the
curvature as a 0-dim tensor. Values are checked inside the operators, so that nothing breaks a graph of
`torch.compile`; while a CUDA graph is captured, when no check can be waited for, they are not looked at.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from hiergeo._numerics import widest
from hiergeo.pairwise import checks, rows, transforms
from hiergeo.pairwise.problem import POINTS, Problem, checked, computed, cone_shape, problem
from hiergeo.pairwise.quantity import named


@custom_op(
    "hiergeo::pair_store",
    mutates_args=(),
    schema=f"({POINTS}, Tensor? aperture, str quantity, ScalarType? out_dtype) -> Tensor",
)
def pair_store(*operands: Any) -> Tensor:
    """`quantity` of every pair, (..., N, M) in `out_dtype` or the compute dtype."""
    *points, aperture, quantity, out_dtype = operands
    out = computed(points, _stored_shape(*operands), out_dtype)
    _store(checked(points, aperture), quantity, out)
    return out


@pair_store.register_fake
def _(*operands: Any) -> Tensor:
    *points, _, _, out_dtype = operands
    return computed(points, _stored_shape(*operands), out_dtype)


def _stored_shape(*operands: Any) -> torch.Size:
    *points, aperture, quantity, out_dtype = operands
    if out_dtype is not None:
        checks.check_out_dtype(out_dtype)
    return cone_shape(points, aperture, quantity)


@custom_op(
    "hiergeo::pair_store_out",
    mutates_args=("out",),
    schema=f"({POINTS}, Tensor? aperture, str quantity, Tensor(a!) out) -> ()",
)
def pair_store_out(*operands: Any) -> None:
    """`pair_store` into `out`, without gradients."""
    *points, aperture, quantity, out = operands
    checks.check_out(out, cone_shape(points, aperture, quantity), points[0].device)
    checks.check_layout(out)
    _store(checked(points, aperture), quantity, out)


@pair_store_out.register_fake
def _(*operands: Any) -> None:
    *points, aperture, quantity, out = operands
    checks.check_out(out, cone_shape(points, aperture, quantity), points[0].device)


def _store(task: Problem, quantity: str, out: Tensor) -> None:
    task.backend.store(task.factors, named(quantity), out.view(math.prod(task.batch), *out.shape[-2:]))


@custom_op(
    "hiergeo::pair_backward",
    mutates_args=(),
    schema=f"({POINTS}, Tensor? aperture, Tensor upstream, str quantity)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def pair_backward(*operands: Any) -> tuple[Tensor, ...]:
    """Gradients of the sum of `upstream` (..., N, M) times `quantity`: by u_x, r_x, u_y, r_y, K (...) and aperture."""
    *points, aperture, upstream, quantity = operands
    _pulled_shape(*operands)
    task = problem(points, aperture)
    (x, y, curvature, psi), *_ = task.factors
    found = task.backend.backward(task.flat(upstream), x, y, curvature, named(quantity), psi)
    return tuple(task.batched(part) for part in found)


@pair_backward.register_fake
def _(*operands: Any) -> tuple[Tensor, ...]:
    *points, _, _, _ = operands
    *batch, n, _ = _pulled_shape(*operands)
    exact = widest(points[0].device)
    by_points = [computed(points, part.shape) for part in points[:4]]
    return *by_points, computed(points, batch, exact), computed(points, [*batch, n], exact)


def _pulled_shape(*operands: Any) -> torch.Size:
    *points, aperture, upstream, quantity = operands
    size = cone_shape(points, aperture, quantity)
    checks.check_upstream(upstream, size, points[0].device)
    return size


@custom_op(
    "hiergeo::row_backward",
    mutates_args=(),
    schema=f"({POINTS}, Tensor upstream, str quantity) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def row_backward(*operands: Any) -> tuple[Tensor, ...]:
    """Gradients of `upstream` (...) times the law of `quantity` of x_i and y_i: by u_x, r_x, u_y, r_y and K (...)."""
    ux, rx, uy, ry, curvature, upstream, quantity = operands
    checks.check_rows(ux, rx, uy, ry, upstream)
    return tuple(rows.gradients(upstream, ux, rx, uy, ry, checks.as_number(curvature), named(quantity)))


@row_backward.register_fake
def _(*operands: Any) -> tuple[Tensor, ...]:
    ux, rx, uy, ry, _, upstream, _ = operands
    checks.check_rows(ux, rx, uy, ry, upstream)
    by_points = [part.new_empty(part.shape) for part in (ux, rx, uy, ry)]
    return *by_points, upstream.new_empty(upstream.shape, dtype=widest(ux.device))


@custom_op("hiergeo::energy_sum", mutates_args=(), schema=f"({POINTS}, Tensor aperture) -> Tensor")
def energy_sum(*operands: Any) -> Tensor:
    """Sum over y of max(0, Xi - aperture), (..., N) float64."""
    *points, aperture = operands
    cone_shape(points, aperture)
    task = checked(points)
    x, y, curvature, _ = task.factors[0]
    return task.batched(task.backend.energy_sum(x, y, curvature, task.flat(aperture)))


@energy_sum.register_fake
def _(*operands: Any) -> Tensor:
    *points, aperture = operands
    return computed(points, cone_shape(points, aperture)[:-1], widest(points[0].device))


@custom_op("hiergeo::energy_min", mutates_args=(), schema=f"({POINTS}, Tensor aperture) -> (Tensor, Tensor)")
def energy_min(*operands: Any) -> tuple[Tensor, Tensor]:
    """Least max(0, Xi - aperture) over y and the lowest index that reaches it, (..., N)."""
    *points, aperture = operands
    cone_shape(points, aperture)
    task = checked(points)
    x, y, curvature, _ = task.factors[0]
    values, indices = task.backend.energy_min(x, y, curvature, task.flat(aperture))
    return task.batched(values), task.batched(indices)


@energy_min.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *points, aperture = operands
    size = cone_shape(points, aperture)[:-1]
    return computed(points, size), computed(points, size, torch.int64)


transforms.differentiate_pairs(pair_store)
transforms.differentiate_sum(energy_sum)
transforms.differentiate_min(energy_min)
for operator in (pair_backward, row_backward):
    transforms.refuse_second_order(operator)
for operator in (pair_store, pair_backward, row_backward, energy_sum, energy_min):
    transforms.map_batches(operator)
transforms.refuse_vmap(pair_store_out)
