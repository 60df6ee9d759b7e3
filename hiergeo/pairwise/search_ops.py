"""Searches and products of spaces as operators of `torch.ops.hiergeo`; checks, shapes and vmap as in `ops`.

Operands are lists with an entry for each factor of a product, one where there is no product. Nothing has a gradient.
"""

from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from hiergeo._core.numerics import compute_dtype
from hiergeo.pairwise import checks, search_checks, transforms
from hiergeo.pairwise.operands import FACTORS, POINTS, checked, checked_product, computed, cone_shape, product_shape
from hiergeo.pairwise.quantity import named
from hiergeo.pairwise.reference import admitted
from hiergeo.pairwise.resolver import resolve


@custom_op(
    "hiergeo::product_store",
    mutates_args=(),
    schema=f"({FACTORS}, str quantity, ScalarType? out_dtype) -> Tensor",
)
def product_store(*operands: Any) -> Tensor:
    """`quantity` of every pair in a product of spaces, (..., N, M) in `out_dtype` or the compute dtype."""
    *factors, quantity, out_dtype = operands
    out = _computed(factors, _stored_shape(*operands), out_dtype)
    task = checked_product(factors)
    task.backend.store(task.factors, named(quantity), task.flat(out))
    return out


@product_store.register_fake
def _(*operands: Any) -> Tensor:
    *factors, _, out_dtype = operands
    return _computed(factors, _stored_shape(*operands), out_dtype)


def _stored_shape(*operands: Any) -> torch.Size:
    *factors, quantity, out_dtype = operands
    if out_dtype is not None:
        checks.check_out_dtype(out_dtype)
    return product_shape(factors, quantity)


@custom_op(
    "hiergeo::product_store_out",
    mutates_args=("out",),
    schema=f"({FACTORS}, str quantity, Tensor(a!) out) -> ()",
)
def product_store_out(*operands: Any) -> None:
    """`product_store` into `out`."""
    *factors, quantity, out = operands
    checks.check_out(out, product_shape(factors, quantity), factors[0][0].device)
    checks.check_layout(out)
    task = checked_product(factors)
    task.backend.store(task.factors, named(quantity), out.view(len(task.factors[0].x.radius), *out.shape[-2:]))


@product_store_out.register_fake
def _(*operands: Any) -> None:
    *factors, quantity, out = operands
    checks.check_out(out, product_shape(factors, quantity), factors[0][0].device)


@custom_op(
    "hiergeo::pair_count",
    mutates_args=(),
    schema=f"({FACTORS}, str quantity, Tensor? reach) -> Tensor",
)
def pair_count(*operands: Any) -> Tensor:
    """How many y each x reaches, (..., N) int64: distances <= `reach` (..., N), or without it margins >= 0."""
    *factors, quantity, reach = operands
    _counted_shape(*operands)
    task = checked_product(factors)
    bound = None if reach is None else task.flat(reach).double()
    return task.batched(task.backend.count(task.factors, named(quantity), bound))


@pair_count.register_fake
def _(*operands: Any) -> Tensor:
    *factors, _, _ = operands
    return _computed(factors, _counted_shape(*operands), torch.int64)


def _counted_shape(*operands: Any) -> torch.Size:
    *factors, quantity, reach = operands
    search_checks.check_counted(quantity, reach)
    rows = product_shape(factors, quantity)[:-1]
    if reach is not None:
        search_checks.check_reaches(reach, rows, factors[0][0].device)
    return rows


@custom_op("hiergeo::cone_members", mutates_args=(), schema=f"({POINTS}, Tensor aperture) -> (Tensor, Tensor)")
def cone_members(*operands: Any) -> tuple[Tensor, Tensor]:
    """Which y lie in the cone of each x: row offsets (N + 1,) and columns (nnz,), without leading dimensions."""
    *points, aperture = operands
    checks.check_single(points[0], points[2])
    cone_shape(points, aperture)
    task = checked(points)
    x, y, curvature, _ = task.factors[0]
    return task.backend.members(x, y, curvature, task.flat(aperture))


@cone_members.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *points, aperture = operands
    checks.check_single(points[0], points[2])
    n, _ = cone_shape(points, aperture)
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
    _nearest_shape(*operands)
    task = checked_product(factors)
    scores, indices = task.backend.smallest(task.factors, named(quantity), k, swap)
    return task.batched(scores), task.batched(indices)


@pair_smallest.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *factors, _, _, _ = operands
    size = _nearest_shape(*operands)
    return _computed(factors, size), _computed(factors, size, torch.int64)


def _nearest_shape(*operands: Any) -> tuple[int, ...]:
    *factors, quantity, k, swap = operands
    search_checks.check_neighbours(k)
    search_checks.check_ordered(quantity)
    return (*product_shape(factors, quantity, swap)[:-1], k)


@custom_op(
    "hiergeo::pair_rank",
    mutates_args=(),
    schema=f"({FACTORS}, str quantity, Tensor target, bool swap) -> Tensor",
)
def pair_rank(*operands: Any) -> Tensor:
    """How many columns come before column `target` (..., N) of each x, as `Backend.rank`: (..., N) int64."""
    *factors, quantity, target, swap = operands
    *_, columns = _ranked_shape(*operands)
    if not (target.is_cuda and torch.cuda.is_current_stream_capturing()):
        search_checks.check_indices("target", target, columns)
    task = checked_product(factors)
    return task.batched(task.backend.rank(task.factors, named(quantity), task.flat(target), swap))


@pair_rank.register_fake
def _(*operands: Any) -> Tensor:
    *factors, _, _, _ = operands
    return _computed(factors, _ranked_shape(*operands)[:-1], torch.int64)


def _ranked_shape(*operands: Any) -> torch.Size:
    *factors, quantity, target, swap = operands
    search_checks.check_ordered(quantity)
    size = product_shape(factors, quantity, swap)
    search_checks.check_targets(target, size[:-1], factors[0][0].device)
    return size


@custom_op(
    "hiergeo::pair_ladder",
    mutates_args=(),
    schema=f"({FACTORS}, str quantity, Tensor radius, Tensor thresholds, Tensor? order) -> (Tensor, Tensor)",
)
def pair_ladder(*operands: Any) -> tuple[Tensor, Tensor]:
    """For each x and threshold the y of smallest distance with radius <= threshold: indices and distances, (N, T)."""
    *factors, quantity, radius, thresholds, order = operands
    _climbed_shape(*operands)
    search_checks.check_thresholds(thresholds)
    if order is not None:
        search_checks.check_indices("order", order, len(radius))
    task = checked_product(factors)
    return task.backend.nearest_ladder(task.factors, named(quantity), *admitted(radius, thresholds, order))


@pair_ladder.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    *factors, _, _, _, _ = operands
    size = _climbed_shape(*operands)
    return _computed(factors, size, torch.int64), _computed(factors, size)


def _climbed_shape(*operands: Any) -> tuple[int, int]:
    *factors, quantity, radius, thresholds, order = operands
    rows, columns = product_shape(factors, quantity)[-2:]
    for ux, uy in zip(factors[0], factors[2], strict=True):
        checks.check_single(ux, uy)
    search_checks.check_distance(quantity)
    search_checks.check_steps(radius, columns, factors[0][0].device)
    search_checks.check_prepared(order, None, columns, radius.device)
    return rows, thresholds.numel()


@custom_op(
    "hiergeo::ladder",
    mutates_args=(),
    schema="(Tensor queries, Tensor candidates, Tensor radius, Tensor thresholds, Tensor? order, Tensor? norms)"
    " -> (Tensor, Tensor)",
)
def ladder(*operands: Any) -> tuple[Tensor, Tensor]:
    """For each query and threshold the candidate of largest cosine with radius <= threshold, and the cosine: (Q, T)."""
    queries, candidates, radius, thresholds, order, norms = operands
    search_checks.check_ladder(queries, candidates, radius)
    search_checks.check_prepared(order, norms, len(candidates), radius.device)
    search_checks.check_thresholds(thresholds)
    if order is not None:
        search_checks.check_indices("order", order, len(candidates))
    return resolve(queries.device).ladder(queries, candidates, norms, *admitted(radius, thresholds, order))


@ladder.register_fake
def _(*operands: Any) -> tuple[Tensor, Tensor]:
    queries, candidates, radius, thresholds, order, norms = operands
    search_checks.check_ladder(queries, candidates, radius)
    search_checks.check_prepared(order, norms, len(candidates), radius.device)
    indices = queries.new_empty(len(queries), thresholds.numel(), dtype=torch.int64)
    dtype = compute_dtype(torch.promote_types(queries.dtype, candidates.dtype))
    return indices, torch.empty_like(indices, dtype=dtype)


def _computed(factors: Any, size: Any, dtype: torch.dtype | None = None) -> Tensor:
    """An uninitialised tensor on the device of the first factor, by default in the compute dtype."""
    return computed([operand[0] for operand in factors[:4]], size, dtype)


for operator in (product_store, product_store_out, pair_smallest, pair_ladder, ladder):
    transforms.refuse_derivatives(operator)
for operator in (product_store, pair_count, pair_smallest, pair_rank):
    transforms.map_batches(operator)
for operator in (product_store_out, cone_members, pair_ladder, ladder):
    transforms.refuse_vmap(operator)
