"""Searches over every pair that keep only what is asked for: counts, members, the best k, ranks, ladders.

Scores are compared once they are rounded to the dtype of the values that `topk` returns; ties go to the lower index.
Values refuse derivatives: detach what is searched, or the result. Points are one `Polar` with its curvature, or in a
product of spaces a sequence of each, one a factor.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from hiergeo._core.numerics import wide, widest
from hiergeo._core.polar import Exact, Polar
from hiergeo.pairwise import checks, ops, search_checks, search_ops
from hiergeo.pairwise.operands import Curvature, Pairs, Points, is_plain, pairs, problem
from hiergeo.pairwise.operators import call
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.resolver import resolve
from hiergeo.pairwise.scores import DISTANCES

By = Literal["distance", "margin", "angle"]
Side = Literal["children", "parents"]
Combine = Literal["l1", "l2"]


class Members(NamedTuple):
    """Which y each x entails, in compressed sparse rows.

    Attributes:
        crow: (N + 1,) int64; those of x_i are `col[crow[i]:crow[i + 1]]`.
        col: int64 indices into y, ascending within each row.
    """

    crow: Tensor
    col: Tensor


@torch.no_grad()
def cone_count(px: Points, py: Points, curvature: Curvature, min_radius: float = 0.1) -> Tensor:
    """How many y each x entails, (..., N) int64; arguments as for `cone_margin`."""
    points = pairs(px, py, curvature)
    return call(search_ops.pair_count, points, points.apertures(min_radius), quantity="cone_margin", reach=None)


@torch.no_grad()
def count_within(
    px: Points, py: Points, curvature: Curvature, reach: float | Tensor, *, combine: Combine = "l2"
) -> Tensor:
    """How many y lie within a geodesic distance of each x, (..., N) int64; arguments as for `distance`.

    Distances are compared as `topk` returns them, so that the distance of a hit counts that hit.

    Args:
        px: N points.
        py: M points.
        curvature: signed K.
        reach: the distance, included; a number or a floating-point tensor (..., N), one for each x.
        combine: as for `distance`.

    Raises:
        InputError: as for `distance`, and for a reach of another shape.
    """
    checks.check_combine(combine)
    points = pairs(px, py, curvature)
    if not isinstance(reach, Tensor):
        reach = torch.full(points.frame.rows, reach, dtype=widest(points.frame.device), device=points.frame.device)
    return call(search_ops.pair_count, points, [], quantity=DISTANCES[combine], reach=wide(reach))


@torch.no_grad()
def cone_members(px: Points, py: Points, curvature: Curvature, min_radius: float = 0.1) -> Members:
    """Which y each x entails.

    Arguments as for `cone_margin`, without leading dimensions: entries of a batch differ in how many members they have.
    """
    points = pairs(px, py, curvature)
    checks.check_single(points.x[0].direction.shape, points.y[0].direction.shape)
    psi = points.apertures(min_radius)
    if points.single:
        return Members(*call(search_ops.cone_members, points, psi[0]))
    blocks = (
        call(ops.product_store, block, cones, quantity="cone_margin", out_dtype=None) >= 0
        for block, cones in points.blocks(psi)
    )
    members = [(inside.sum(-1), inside.nonzero()[:, 1]) for inside in blocks]
    counts, columns = (torch.cat(part) for part in zip(*members, strict=True))
    return Members(torch.cat((counts.new_zeros(1), counts.cumsum(0))), columns)


def topk(
    px: Points,
    py: Points,
    curvature: Curvature,
    k: int,
    by: By = "distance",
    side: Side = "children",
    min_radius: float = 0.1,
    *,
    combine: Combine = "l2",
) -> tuple[Tensor, Tensor]:
    """The k best y for each x: the nearest, what x entails (`children`), or what entails x (`parents`).

    Args:
        px: N queries, directions (..., N, D) and radii (..., N).
        py: M candidates; leading dimensions broadcast against those of `px`.
        curvature: signed K.
        k: 1 <= k <= 1024; more than there are candidates, as in the last chunk of a stream, is padded.
        by: "distance", smallest first; "margin", largest first; "angle", smallest first, in a product the largest over
            its factors.
        side: whether x is the cone's apex (margin(x, y)) or y is (margin(y, x)); the same for distances.
        min_radius: as for `half_aperture`.
        combine: as for `distance`.

    Returns:
        Values (..., N, k), geodesic units or radians, and indices (..., N, k) into `py`. Equal values go to the lower
        index; where fewer than k pairs are numbers, the rest is NaN with index -1.

    Raises:
        InputError: as for `distance`, and for k, `by`, `side` or `combine` out of range.
    """
    return _topk(pairs(px, py, curvature), k, by, side, min_radius, combine)


def _topk(points: Pairs, k: int, by: By, side: Side, min_radius: float, combine: Combine) -> tuple[Tensor, Tensor]:
    if not 1 <= k <= search_checks.MOST_NEIGHBOURS:
        search_checks.check_neighbours(k)
    cones, quantity, swap = _order(points, by, side, min_radius, combine)
    if is_plain(*points.x, *points.y, points.curvature, cones):
        frame = points.frame
        task = problem(points.x, points.y, points.curvature, cones, frame, not points.lifted)
        scores, indices = task.backend.smallest(task.factors, QUANTITIES[quantity], k, swap)
        if points.batch:
            scores, indices = task.batched(scores), task.batched(indices)
        else:
            scores, indices = scores.squeeze(0), indices.squeeze(0)
    else:
        scores, indices = call(search_ops.pair_smallest, points, cones, quantity=quantity, k=k, swap=swap)
    return -scores if by == "margin" else scores, indices


@torch.no_grad()
def shadowed(point: Polar, curvature: float | Tensor) -> Polar:
    """The same points with a copy in 8 bits, which `topk` of at most 8 queries reads instead; results are the same.

    D + 64 bytes a point. Where it is of no use, without float32 vectors, leading dimensions or AVX-512 VNNI, the points
    are returned as they are.

    Args:
        point: M points that `topk` takes as `py`.
        curvature: signed K; under another one the copy is not read.
    """
    k = checks.as_number(curvature)
    if not isinstance(point, Exact):
        return point
    return Exact.of(point, point.vectors, point.origin, point.source, resolve(point.direction.device).shadow(point, k))


def cone_topk(
    px: Polar,
    py: Polar,
    curvature: float | Tensor,
    k: int,
    by: Literal["margin", "angle"] = "margin",
    side: Side = "children",
    min_radius: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """The k best y for each x by margin or angle: `topk` for k <= M, and an InputError for more."""
    points = pairs(px, py, curvature)
    search_checks.check_enough(k, points.frame.y[-2])
    search_checks.check_order_of(by, side, search_checks.ANGULAR)
    return _topk(points, k, by, side, min_radius, "l2")


@torch.no_grad()
def rank(
    px: Points,
    py: Points,
    curvature: Curvature,
    target: Tensor,
    by: By = "distance",
    side: Side = "children",
    min_radius: float = 0.1,
    *,
    combine: Combine = "l2",
) -> Tensor:
    """The place of a given y for each x in the order of `topk`, (..., N) int64, from 0.

    It counts the y whose value, as `topk` returns it, is better than that of the target, and those as good at a lower
    index, so that `topk(..., k=M)[1][i, rank[i]] == target[i]`, and a model in which all is equal is not perfect.

    Args:
        px: N queries.
        py: M candidates.
        curvature: signed K.
        target: (..., N) int64 indices into `py`, one for each x.
        by: as for `topk`.
        side: as for `topk`.
        min_radius: as for `half_aperture`.
        combine: as for `distance`.

    Returns:
        (..., N) int64 in [0, M); -1 where the value of x and its target is NaN.

    Raises:
        InputError: as for `topk`, and for targets that are not int64 of shape (..., N) or not in [0, M).
    """
    points = pairs(px, py, curvature)
    cones, quantity, swap = _order(points, by, side, min_radius, combine)
    return call(search_ops.pair_rank, points, cones, quantity=quantity, target=target, swap=swap)


class _Order(NamedTuple):
    """An order of candidates: half apertures, the quantity, whether the apex is y."""

    cones: list[Tensor]
    quantity: str
    swap: bool


def _order(points: Pairs, by: By, side: Side, min_radius: float, combine: Combine) -> _Order:
    if by not in search_checks.ORDERS or side not in search_checks.SIDES or combine not in DISTANCES:
        search_checks.check_order_of(by, side)
        checks.check_combine(combine)
    if by == "distance":
        return _Order([], DISTANCES[combine], False)
    swap = side == "parents"
    if by == "angle":
        return _Order([], "exterior_angle", swap) if points.single else _Order(points.closed(swap), "cone_margin", swap)
    return _Order(points.apertures(min_radius, of_y=swap), "cone_margin", swap)


@torch.no_grad()
def ladder(
    queries: Tensor,
    candidates: Tensor,
    radius: Tensor,
    thresholds: Tensor,
    *,
    order: Tensor | None = None,
    norms: Tensor | None = None,
) -> Tensor:
    """Generic-to-specific retrieval: for each query and threshold t the candidate of largest cosine with radius <= t.

    Args:
        queries: (Q, D), any norm.
        candidates: (M, D), any norm.
        radius: (M,) radii of the candidates.
        thresholds: (T,) ascending.
        order: (M,) int64, `torch.argsort(radius)`, if the same candidates are searched many times.
        norms: (M,) float64, the Euclidean norms of the candidates, likewise.

    Returns:
        Indices (Q, T) int64 into `candidates`; -1 where no candidate lies within the threshold. Cosines are compared in
        the precision of the embeddings, at least float32, so that repeated candidates tie; ties go to the lower index.

    Raises:
        InputError: shapes, dtypes or devices that do not fit, an order with indices out of range, or thresholds that
            do not ascend.

    Source: the retrieval step of Alper and Averbuch-Elor (ECCV 2024), section 4.
    """
    indices, _ = search_ops.ladder(queries, candidates, radius, thresholds, order, norms)
    return indices


def nearest_ladder(
    px: Points,
    py: Points,
    curvature: Curvature,
    radius: Tensor,
    thresholds: Tensor,
    *,
    combine: Combine = "l2",
    order: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The ladder by geodesic distance: for each x and threshold t the nearest y with radius <= t.

    In the Euclidean space of unit embeddings, whatever its root, these are the indices of `ladder`, up to rounding.

    Args:
        px: N queries, without leading dimensions.
        py: M candidates, without leading dimensions.
        curvature: signed K.
        radius: (M,) radii of the candidates; in a product those of the whole point, as `combined` gives them.
        thresholds: (T,) ascending.
        combine: as for `distance`.
        order: (M,) int64, `torch.argsort(radius)`, if the same candidates are searched many times.

    Returns:
        Distances (N, T), NaN where no y lies within the threshold, and indices (N, T) int64 into `py`, -1 there; equal
        distances go to the lower index.

    Raises:
        InputError: as for `distance` and `ladder`, and for leading dimensions.
    """
    checks.check_combine(combine)
    rest = {"quantity": DISTANCES[combine], "radius": radius, "thresholds": thresholds, "order": order}
    indices, distances = call(search_ops.pair_ladder, pairs(px, py, curvature), [], **rest)
    return distances, indices
