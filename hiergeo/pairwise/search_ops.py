"""Searches and products of spaces as operators of `torch.ops.hiergeo`; refusals, shapes and vmap as in `ops`.

Operands are lists with an entry for each factor of a product, one where there is no product. Nothing has a gradient.
"""

from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from hiergeo._numerics import compute_dtype
from hiergeo.pairwise import checks, transforms
from hiergeo.pairwise.prefix import admitted
from hiergeo.pairwise.problem import FACTORS, POINTS, checked, checked_product, computed, product_shape, shape
from hiergeo.pairwise.quantity import named
from hiergeo.pairwise.resolver import resolve


@custom_op(
    "hiergeo::product_store",
    mutates_args=(),
    schema=f"({FACTORS}, str quantity, ScalarType? out_dtype) -> Tensor",
)
def product_store(*operands: Any) -> Tensor:
    """`quantity` of every pair in a product of spaces, (..., N, M) in `out_dtype` or the compute dtype."""
    *factors, quantity, out_dtype = operands
    task = checked_product(factors, quantity)
    out = _computed(factors, product_shape(factors), out_dtype)
    task.backend.store(task.factors, named(quantity), task.flat(out))
    return out


@product_store.register_fake
def _(*operands: Any) -> Tensor:
    *factors, _, out_dtype = operands
    return _computed(factors, product_shape(factors), out_dtype)


@custom_op(
    "hiergeo::product_store_out",
    mutates_args=("out",),
    schema=f"({FACTORS}, str quantity, Tensor(a!) out) -> ()",
)
def product_store_out(*operands: Any) -> None:
    """`product_store` into `out`."""
    *factors, quantity, out = operands
    checks.check_out(out, product_shape(factors), factors[0][0].device)
    checks.check_layout(out)
    task = checked_product(factors, quantity)
    task.backend.store(task.factors, named(quantity), out.view(len(task.factors[0].x.radius), *out.shape[-2:]))


@product_store_out.register_fake
def _(*operands: Any) -> None:
    *factors, _, out = operands
    checks.check_out(out, product_shape(factors), factors[0][0].device)


@custom_op(
    "hiergeo::pair_count",
    mutates_args=(),
    schema=f"({FACTORS}, str quantity, Tensor? reach) -> Tensor",
)
def pair_count(*operands: Any) -> Tensor:
    """How many y each x reaches, (..., N) int64: distances <= `reach` (..., N), or without it margins >= 0."""
    *factors, quantity, reach = operands
    _check_reach(factors, reach)
    checks.check_counted(named(quantity).largest_first, reach)
    task = checked_product(factors, quantity)
    bound = None if reach is None else task.flat(reach).double()
    return task.batched(task.backend.count(task.factors, named(quantity), bound))


@pair_count.register_fake
def _(*operands: Any) -> Tensor:
    *factors, _, reach = operands
    _check_reach(factors, reach)
    return _computed(factors, product_shape(factors)[:-1], torch.int64)


def _check_reach(factors: Any, reach: Tensor | None) -> None:
    if reach is not None:
        checks.check_reaches(reach, product_shape(factors)[:-1], factors[0][0].device)


@custom_op("hiergeo::cone_members", mutates_args=(), schema=f"({POINTS}, Tensor aperture) -> (Tensor, Tensor)")
def cone_members(*operands: Any) -> tuple[Tensor, Tensor]:
    """Which y lie in the cone of each x: row offsets (N + 1,) and columns (nnz,), without leading dimensions."""
    *points, aperture = operands
    checks.check_single(points[0], points[2])
    task = checked(points)
    x, y, curvature, _ = task.factors[0]
    return task.backend.members(x, y, curvature, task.flat(aperture))


@cone_members.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *points, _ = operands
    checks.check_single(points[0], points[2])
    n, _ = shape(points)
    found = torch.library.get_ctx().new_dynamic_size()
    return computed(points, (n + 1,), torch.int64), computed(points, (found,), torch.int64)


@custom_op(
    "hiergeo::pair_smallest",
    mutates_args=(),
    schema=f"({FACTORS}, str quantity, int k, bool swap) -> (Tensor, Tensor)",
)
def pair_smallest(*operands: Any) -> tuple[Tensor, Tensor]:
    """The k columns of smallest score of each x, as `Backend.smallest`: scores and indices, (..., N, k)."""
    *factors, quantity, k, swap = operands
    checks.check_neighbours(k)
    task = checked_product(factors, quantity)
    scores, indices = task.backend.smallest(task.factors, named(quantity), k, swap)
    return task.batched(scores), task.batched(indices)


@pair_smallest.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *factors, _, k, _ = operands
    size = (*product_shape(factors)[:-1], k)
    return _computed(factors, size), _computed(factors, size, torch.int64)


@custom_op(
    "hiergeo::pair_rank",
    mutates_args=(),
    schema=f"({FACTORS}, str quantity, Tensor target, bool swap) -> Tensor",
)
def pair_rank(*operands: Any) -> Tensor:
    """How many columns come before column `target` (..., N) of each x, as `Backend.rank`: (..., N) int64."""
    *factors, quantity, target, swap = operands
    *rows, columns = product_shape(factors)
    checks.check_targets(target, torch.Size(rows), factors[0][0].device)
    if not (target.is_cuda and torch.cuda.is_current_stream_capturing()):
        checks.check_indices("target", target, columns)
    task = checked_product(factors, quantity)
    return task.batched(task.backend.rank(task.factors, named(quantity), task.flat(target), swap))


@pair_rank.register_fake
def _(*operands: Any) -> Tensor:
    *factors, _, target, _ = operands
    checks.check_targets(target, product_shape(factors)[:-1], factors[0][0].device)
    return _computed(factors, product_shape(factors)[:-1], torch.int64)


@custom_op(
    "hiergeo::pair_ladder",
    mutates_args=(),
    schema=f"({FACTORS}, str quantity, Tensor radius, Tensor thresholds, Tensor? order) -> (Tensor, Tensor)",
)
def pair_ladder(*operands: Any) -> tuple[Tensor, Tensor]:
    """For each x and threshold the y of smallest distance with radius <= threshold: indices and distances, (N, T)."""
    *factors, quantity, radius, thresholds, order = operands
    _check_steps(factors, radius, order)
    checks.check_thresholds(thresholds)
    if order is not None:
        checks.check_indices("order", order, len(radius))
    task = checked_product(factors, quantity)
    return task.backend.nearest_ladder(task.factors, named(quantity), *admitted(radius, thresholds, order))


@pair_ladder.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *factors, _, radius, thresholds, order = operands
    _check_steps(factors, radius, order)
    size = (*product_shape(factors)[:-1], thresholds.numel())
    return _computed(factors, size, torch.int64), _computed(factors, size)


def _check_steps(factors: Any, radius: Tensor, order: Tensor | None) -> None:
    for ux, uy in zip(factors[0], factors[2], strict=True):
        checks.check_single(ux, uy)
    columns = product_shape(factors)[-1]
    checks.check_steps(radius, columns, factors[0][0].device)
    checks.check_prepared(order, None, columns, radius.device)


@custom_op(
    "hiergeo::ladder",
    mutates_args=(),
    schema="(Tensor queries, Tensor candidates, Tensor radius, Tensor thresholds, Tensor? order, Tensor? norms)"
    " -> (Tensor, Tensor)",
)
def ladder(*operands: Any) -> tuple[Tensor, Tensor]:
    """For each query and threshold the candidate of largest cosine with radius <= threshold, and the cosine: (Q, T)."""
    queries, candidates, radius, thresholds, order, norms = operands
    checks.check_ladder(queries, candidates, radius)
    checks.check_prepared(order, norms, len(candidates), radius.device)
    checks.check_thresholds(thresholds)
    if order is not None:
        checks.check_indices("order", order, len(candidates))
    return resolve(queries.device).ladder(queries, candidates, norms, *admitted(radius, thresholds, order))


@ladder.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    queries, candidates, radius, thresholds, order, norms = operands
    checks.check_ladder(queries, candidates, radius)
    checks.check_prepared(order, norms, len(candidates), radius.device)
    indices = queries.new_empty(len(queries), thresholds.numel(), dtype=torch.int64)
    dtype = compute_dtype(torch.promote_types(queries.dtype, candidates.dtype))
    return indices, torch.empty_like(indices, dtype=dtype)


def _computed(factors: Any, size: Any, dtype: torch.dtype | None = None) -> Tensor:
    """A fresh tensor beside the points of the first factor, in the compute dtype unless told otherwise."""
    return computed([operand[0] for operand in factors[:4]], size, dtype)


for operator in (product_store, pair_count, pair_smallest, pair_rank):
    transforms.map_batches(operator)
for operator in (product_store_out, cone_members, pair_ladder, ladder):
    transforms.refuse_vmap(operator)
