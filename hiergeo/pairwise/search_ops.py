"""Searches as operators of `torch.ops.hiergeo`, none with a gradient."""

from typing import Any

import torch
from torch import Tensor

from hiergeo._core.numerics import compute_dtype, pair_dtype, wide
from hiergeo.pairwise import checks, search_checks
from hiergeo.pairwise.operands import PairFrame, Problem
from hiergeo.pairwise.operators import EXACT, FACTORS, FACTORS_EXACT, POINTS, Forms, operator
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import admitted
from hiergeo.pairwise.resolver import resolve
from hiergeo.pairwise.transforms import Operator


def _counted(frame: PairFrame, quantity: str, reach: Tensor | None) -> Forms:
    search_checks.check_counted(quantity, reach)
    if reach is not None:
        checks.check_floats("reach", reach, frame.rows, frame.device)
    return [(frame.rows, torch.int64)]


@operator(
    "pair_count",
    f"({FACTORS}, {FACTORS_EXACT}, str quantity, Tensor? reach) -> Tensor",
    _counted,
)
def pair_count(task: Problem, quantity: str, reach: Tensor | None) -> Tensor:
    """How many y each x reaches, (..., N) int64: distances <= `reach` (..., N), or without it margins >= 0."""
    bound = None if reach is None else wide(task.flat(reach))
    return task.batched(task.backend.count(task.factors, QUANTITIES[quantity], bound))


def _members(frame: PairFrame) -> Forms:
    checks.check_single(frame.x, frame.y)
    return [((frame.x[-2] + 1,), torch.int64), ((None,), torch.int64)]


@operator(
    "cone_members",
    f"({POINTS}, Tensor aperture, {EXACT}) -> (Tensor, Tensor)",
    _members,
    batches=False,
)
def cone_members(task: Problem) -> tuple[Tensor, Tensor]:
    """Which y lie in the cone of each x: row offsets (N + 1,) and columns (nnz,), without leading dimensions."""
    return task.backend.members(*task.cone)


def _smallest(frame: PairFrame, quantity: str, k: int, swap: bool) -> Forms:
    search_checks.check_neighbours(k)
    search_checks.check_ordered(quantity)
    size = torch.Size((*frame.rows, k))
    return [(size, frame.dtype), (size, torch.int64)]


@operator(
    "pair_smallest",
    f"({FACTORS}, {FACTORS_EXACT}, str quantity, int k, bool swap) -> (Tensor, Tensor)",
    _smallest,
)
def pair_smallest(task: Problem, quantity: str, k: int, swap: bool) -> tuple[Tensor, Tensor]:
    """The k columns of smallest score of each x, as `PairBackend.smallest`: scores and indices, (..., N, k)."""
    scores, indices = task.backend.smallest(task.factors, QUANTITIES[quantity], k, swap)
    return task.batched(scores), task.batched(indices)


def _ranked(frame: PairFrame, quantity: str, target: Tensor, swap: bool) -> Forms:
    search_checks.check_ordered(quantity)
    search_checks.check_targets(target, frame.rows, frame.device)
    return [(frame.rows, torch.int64)]


@operator(
    "pair_rank",
    f"({FACTORS}, {FACTORS_EXACT}, str quantity, Tensor target, bool swap) -> Tensor",
    _ranked,
)
def pair_rank(task: Problem, quantity: str, target: Tensor, swap: bool) -> Tensor:
    """How many columns come before column `target` (..., N) of each x, as `PairBackend.rank`: (..., N) int64."""
    if not (target.is_cuda and torch.cuda.is_current_stream_capturing()):
        search_checks.check_indices("target", target, task.frame.y[-2])
    return task.batched(task.backend.rank(task.factors, QUANTITIES[quantity], task.flat(target), swap))


def _climbed(frame: PairFrame, quantity: str, radius: Tensor, thresholds: Tensor, order: Tensor | None) -> Forms:
    checks.check_single(frame.x, frame.y)
    search_checks.check_distance(quantity)
    search_checks.check_steps(radius, frame.y[-2], frame.device)
    search_checks.check_prepared(order, None, frame.y[-2], radius.device)
    size = (frame.x[-2], thresholds.numel())
    return [(size, torch.int64), (size, frame.dtype)]


@operator(
    "pair_ladder",
    f"({FACTORS}, {FACTORS_EXACT}, str quantity, Tensor radius, Tensor thresholds, Tensor? order) -> (Tensor, Tensor)",
    _climbed,
    batches=False,
)
def pair_ladder(
    task: Problem, quantity: str, radius: Tensor, thresholds: Tensor, order: Tensor | None
) -> tuple[Tensor, Tensor]:
    """For each x and threshold the y of smallest distance with radius <= threshold: indices and distances, (N, T)."""
    search_checks.check_thresholds(thresholds)
    if order is not None:
        search_checks.check_indices("order", order, len(radius))
    return task.backend.nearest_ladder(task.factors, QUANTITIES[quantity], *admitted(radius, thresholds, order))


def _ladder(*operands: Any) -> tuple[Tensor, Tensor]:
    """For each query and threshold the candidate of largest cosine with radius <= threshold, and the cosine: (Q, T)."""
    queries, candidates, radius, thresholds, order, norms = operands
    search_checks.check_ladder(queries, candidates, radius, order, norms)
    search_checks.check_thresholds(thresholds)
    if order is not None:
        search_checks.check_indices("order", order, len(candidates))
    backend = resolve(queries.device, pair_dtype(queries, candidates))
    return backend.ladder(queries, candidates, norms, *admitted(radius, thresholds, order))


def _ladder_fake(*operands: Any) -> tuple[Tensor, Tensor]:
    queries, candidates, radius, thresholds, order, norms = operands
    search_checks.check_ladder(queries, candidates, radius, order, norms)
    indices = queries.new_empty(len(queries), thresholds.numel(), dtype=torch.int64)
    dtype = compute_dtype(torch.promote_types(queries.dtype, candidates.dtype))
    return indices, torch.empty_like(indices, dtype=dtype)


ladder = Operator(
    "ladder",
    "(Tensor queries, Tensor candidates, Tensor radius, Tensor thresholds, Tensor? order, Tensor? norms)"
    " -> (Tensor, Tensor)",
    _ladder,
    _ladder_fake,
    batches=False,
)
