"""The pair operations as operators of `torch.ops.hiergeo`: checks, dispatch to a backend, shapes, autograd, vmap.

Operands are directions (..., N, D), radii (..., N) and half apertures (..., N) with equal leading dimensions, and the
curvature as a 0-dim tensor. Values are checked inside the operators, so that nothing breaks a graph of
`torch.compile`; while a CUDA graph is captured they are not checked, since reading them would wait for the device.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from hiergeo._core.numerics import pair_dtype, saturated, widest
from hiergeo.pairwise import checks, tiles, transforms
from hiergeo.pairwise.interface import Gradients
from hiergeo.pairwise.operands import POINTS, Problem, checked, computed, cone_shape, problem
from hiergeo.pairwise.quantity import hinge, named

TANGENTS = "Tensor to_ux, Tensor to_rx, Tensor to_uy, Tensor to_ry, Tensor to_curvature, Tensor? to_aperture"
"""The tangents of the operands of a pair, of their shapes; that of the curvature has the shape of the batch."""


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
    _pulled_shape(*operands)
    return _fake_gradients(operands[:5])


def _fake_gradients(points: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(computed(points, size, dtype) for size, dtype in _gradient_forms(points))


def _gradient_forms(points: Sequence[Tensor]) -> list[tuple[torch.Size, torch.dtype]]:
    """Shapes and dtypes of gradients by points, curvature (...) and aperture."""
    compute, exact = pair_dtype(points[0], points[2]), widest(points[0].device)
    sizes = [part.shape for part in points[:4]]
    return [*((size, compute) for size in sizes), (sizes[1][:-1], exact), (sizes[1], exact)]


def _pulled_shape(*operands: Any) -> torch.Size:
    *points, aperture, upstream, quantity = operands
    size = cone_shape(points, aperture, quantity)
    checks.check_upstream(upstream, size, points[0].device)
    return size


@custom_op(
    "hiergeo::pair_forward",
    mutates_args=(),
    schema=f"({POINTS}, Tensor? aperture, {TANGENTS}, str quantity, float? margin, bool summed) -> Tensor",
)
def pair_forward(*operands: Any) -> Tensor:
    """The tangent of `quantity` of every pair given those of the operands, (..., N, M) in the compute dtype.

    With a `margin` that of max(0, margin - energy); with `summed` its sum over y, (..., N) in the widest float.
    """
    *points, aperture, to_ux, to_rx, to_uy, to_ry, to_k, to_aperture, quantity, margin, summed = operands
    size = _pushed_shape(*operands)
    task = problem(points, aperture)
    tangents = [task.flat(part) for part in (to_ux, to_rx, to_uy, to_ry, to_k, to_aperture) if part is not None]
    law = named(quantity)
    out = task.flat(computed(points, size, widest(points[0].device) if summed else None))
    tiles.tangent(task.factors[0], tangents, law if margin is None else law.with_cone(hinge(margin)), out)
    return task.batched(out)


@pair_forward.register_fake
def _(*operands: Any) -> Tensor:
    size, summed = _pushed_shape(*operands), operands[-1]
    return computed(operands, size, widest(operands[0].device) if summed else None)


def _pushed_shape(*operands: Any) -> torch.Size:
    *points, aperture, to_ux, to_rx, to_uy, to_ry, to_k, to_aperture, quantity, margin, summed = operands
    size = cone_shape(points, aperture, quantity)
    checks.check_margin(margin)
    ux, rx, uy, ry, _ = points
    tangents = {"to_ux": to_ux, "to_rx": to_rx, "to_uy": to_uy, "to_ry": to_ry, "to_curvature": to_k}
    shapes = (ux.shape, rx.shape, uy.shape, ry.shape, rx.shape[:-1])
    for (name, tangent), shape in zip(tangents.items(), shapes, strict=True):
        checks.check_float(name, tangent)
        checks.check_operand(name, tangent, shape, ux.device)
    checks.check_aperture(to_aperture, rx, aperture is not None)
    return size[:-1] if summed else size


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


TOTAL = f"{POINTS}, Tensor aperture"
"""The leading operands of operators on the sum of all energies."""


@custom_op(
    "hiergeo::energy_total",
    mutates_args=(),
    schema=f"({TOTAL}, float? margin, bool gradients) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def energy_total(*operands: Any) -> tuple[Tensor, ...]:
    """Sum over all pairs of the energy, or of max(0, margin - energy), (...) float64, and its gradients.

    These are as those of `pair_backward`, formed in the same pass; without `gradients` empty, (..., 0).
    """
    *points, aperture, margin, gradients = operands
    _total_shape(*operands[:7])
    total, found = _totalled(checked(points, aperture), margin, gradients)
    return total, *(found or (computed(points, [*total.shape, 0]) for _ in Gradients._fields))


@energy_total.register_fake
def _(*operands: Any) -> tuple[Tensor, ...]:
    *points, _, _, gradients = operands
    *batch, _, _ = _total_shape(*operands[:7])
    nothing = (computed(points, [*batch, 0]) for _ in Gradients._fields)
    return computed(points, batch, widest(points[0].device)), *(_fake_gradients(points) if gradients else nothing)


@custom_op(
    "hiergeo::energy_total_backward",
    mutates_args=(),
    schema=f"({TOTAL}, float? margin, Tensor upstream, Tensor[] found)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def energy_total_backward(*operands: Any) -> tuple[Tensor, ...]:
    """Gradients of `upstream` (...) times what `energy_total` sums; `found`: those of the sum, or empty."""
    *points, aperture, margin, upstream, found = operands
    _total_upstream(*operands)
    if not found:
        _, found = _totalled(problem(points, aperture), margin, True)
    return tuple(_scaled(part, upstream) for part in found)


@energy_total_backward.register_fake
def _(*operands: Any) -> tuple[Tensor, ...]:
    _total_upstream(*operands)
    return _fake_gradients(operands[:5])


def _total_shape(*operands: Any) -> torch.Size:
    *points, aperture, margin = operands
    checks.check_margin(margin)
    return cone_shape(points, aperture)


def _total_upstream(*operands: Any) -> None:
    *points, _, _, upstream, found = operands
    *batch, _, _ = _total_shape(*operands[:7])
    checks.check_curvature(points[4])
    checks.check_upstream(upstream, torch.Size(batch), points[0].device)
    checks.check_found(found, _gradient_forms(points), points[0].device)


def _totalled(task: Problem, margin: float | None, gradients: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
    x, y, curvature, psi = task.factors[0]
    assert psi is not None
    total, found = task.backend.energy_total(x, y, curvature, psi, margin, gradients)
    return task.batched(total), tuple(task.batched(part) for part in found or ())


def _scaled(gradient: Tensor, scale: Tensor) -> Tensor:
    """A gradient (*batch, ...) times a number (*batch)."""
    number = saturated(scale, gradient.dtype).reshape((*scale.shape, *[1] * (gradient.ndim - scale.ndim)))
    return saturated(gradient * number, gradient.dtype)


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
transforms.differentiate_total(energy_total)
transforms.differentiate_min(energy_min)
transforms.refuse_derivatives(pair_store_out)
for operator in (pair_backward, pair_forward, energy_total_backward):
    transforms.refuse_second_order(operator)
for operator in (
    pair_store,
    pair_backward,
    pair_forward,
    energy_sum,
    energy_total,
    energy_total_backward,
    energy_min,
):
    transforms.map_batches(operator)
transforms.refuse_vmap(pair_store_out)
