"""The pair operations with gradients as operators of `torch.ops.hiergeo`: stored quantities and sums of energies."""

import math
from typing import Any

import torch
from torch import Tensor

from hiergeo._core.numerics import saturated, widest
from hiergeo.pairwise import checks, derivatives
from hiergeo.pairwise.interface import Gradients
from hiergeo.pairwise.operands import PairFrame, Problem
from hiergeo.pairwise.operators import EXACT, FACTORS, FACTORS_EXACT, POINTS, Forms, operator
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.transforms import SECOND_ORDER

GRADIENTS = "Tensor, Tensor, Tensor, Tensor, Tensor, Tensor"


def _stored(frame: PairFrame, quantity: str, out_dtype: torch.dtype | None) -> Forms:
    if out_dtype is not None:
        checks.check_out_dtype(out_dtype)
    return [(frame.pairs, out_dtype or frame.dtype)]


def _written(frame: PairFrame, quantity: str, out: Tensor) -> Forms:
    checks.check_out(out, frame.pairs, frame.device)
    return []


def _store(task: Problem, quantity: str, out_dtype: torch.dtype | None) -> Tensor:
    """`quantity` of every pair, (..., N, M) in `out_dtype` or the compute dtype."""
    out = task.empty(task.frame.pairs, out_dtype)
    _write(task, quantity, out)
    return out


def _write(task: Problem, quantity: str, out: Tensor) -> None:
    """As `_store`, into `out` and without gradients."""
    checks.check_layout(out)
    task.backend.store(task.factors, QUANTITIES[quantity], out.view(math.prod(task.frame.batch), *out.shape[-2:]))


STORE, WRITE = "str quantity, ScalarType? out_dtype) -> Tensor", "str quantity, Tensor(a!) out) -> ()"

pair_store = operator(
    "pair_store", f"({POINTS}, Tensor? aperture, {EXACT}, {STORE}", _stored, derivative=derivatives.PAIRS
)(_store)
product_store = operator(
    "product_store", f"({FACTORS}, {FACTORS_EXACT}, {STORE}", _stored, derivative=derivatives.PRODUCTS
)(_store)
pair_store_out = operator(
    "pair_store_out",
    f"({POINTS}, Tensor? aperture, {EXACT}, {WRITE}",
    _written,
    batches=False,
)(_write)
product_store_out = operator(
    "product_store_out",
    f"({FACTORS}, {FACTORS_EXACT}, {WRITE}",
    _written,
    batches=False,
)(_write)


def _pulled(frame: PairFrame, upstream: Tensor, quantity: str, by_curvature: bool) -> Forms:
    checks.check_floats("upstream", upstream, frame.pairs, frame.device)
    return frame.gradients


@operator(
    "pair_backward",
    f"({POINTS}, Tensor? aperture, {EXACT}, Tensor upstream, str quantity, bool by_curvature) -> ({GRADIENTS})",
    _pulled,
    refusal=SECOND_ORDER,
    values=False,
)
def pair_backward(task: Problem, upstream: Tensor, quantity: str, by_curvature: bool) -> tuple[Tensor, ...]:
    """Gradients of the sum of `upstream` (..., N, M) times `quantity`: by u_x, r_x, u_y, r_y, K (...) and aperture."""
    x, y, curvature, psi = task.factors[0]
    gradients = task.backend.backward(task.flat(upstream, 2), x, y, curvature, QUANTITIES[quantity], psi, by_curvature)
    return tuple(map(task.batched, gradients))


def _summed(frame: PairFrame) -> Forms:
    return [(frame.rows, widest(frame.device))]


@operator("energy_sum", f"({POINTS}, Tensor aperture, {EXACT}) -> Tensor", _summed, derivative=derivatives.SUMS)
def energy_sum(task: Problem) -> Tensor:
    """Sum over y of max(0, Xi - aperture), (..., N) float64."""
    return task.batched(task.backend.energy_sum(*task.cone))


def _totalled(frame: PairFrame, margin: float | None, gradients: bool) -> Forms:
    checks.check_margin(margin)
    nothing = [(torch.Size((*frame.batch, 0)), frame.dtype)] * len(Gradients._fields)
    return [(frame.batch, widest(frame.device)), *(frame.gradients if gradients else nothing)]


@operator(
    "energy_total",
    f"({POINTS}, Tensor aperture, {EXACT}, float? margin, bool gradients) -> (Tensor, {GRADIENTS})",
    _totalled,
    derivative=derivatives.TOTAL,
)
def energy_total(task: Problem, margin: float | None, gradients: bool) -> tuple[Tensor, ...]:
    """Sum over all pairs of the energy, or of max(0, margin - energy), (...) float64, and its gradients.

    These are as those of `pair_backward`, formed in the same pass; without `gradients` empty, (..., 0).
    """
    total, slopes = task.backend.energy_total(*task.cone, margin, gradients)
    nothing = (task.empty((*task.frame.batch, 0)) for _ in Gradients._fields)
    return task.batched(total), *(map(task.batched, slopes) if slopes else nothing)


def _scaled(frame: PairFrame, margin: float | None, upstream: Tensor, slopes: list[Tensor]) -> Forms:
    checks.check_margin(margin)
    checks.check_floats("upstream", upstream, frame.batch, frame.device)
    checks.check_slopes(slopes, frame.gradients, frame.device)
    return frame.gradients


@operator(
    "energy_total_backward",
    f"({POINTS}, Tensor aperture, {EXACT}, float? margin, Tensor upstream, Tensor[] slopes) -> ({GRADIENTS})",
    _scaled,
    refusal=SECOND_ORDER,
    values=False,
)
def energy_total_backward(
    task: Problem, margin: float | None, upstream: Tensor, slopes: list[Tensor]
) -> tuple[Tensor, ...]:
    """Gradients of `upstream` (...) times what `energy_total` sums; `slopes`: those of the sum, or empty."""
    if not slopes:
        gradients: Any = task.backend.energy_total(*task.cone, margin, True)[1]
        slopes = list(map(task.batched, gradients))
    return tuple(_times(part, upstream) for part in slopes)


def _times(gradient: Tensor, scale: Tensor) -> Tensor:
    """A gradient (*batch, ...) times a number (*batch)."""
    number = saturated(scale, gradient.dtype).reshape((*scale.shape, *[1] * (gradient.ndim - scale.ndim)))
    return saturated(gradient * number, gradient.dtype)


def _least(frame: PairFrame) -> Forms:
    return [(frame.rows, frame.dtype), (frame.rows, torch.int64)]


@operator(
    "energy_min",
    f"({POINTS}, Tensor aperture, {EXACT}) -> (Tensor, Tensor)",
    _least,
    derivative=derivatives.LEAST,
)
def energy_min(task: Problem) -> tuple[Tensor, Tensor]:
    """Least max(0, Xi - aperture) over y and the lowest index that reaches it, (..., N)."""
    values, indices = task.backend.energy_min(*task.cone)
    return task.batched(values), task.batched(indices)
