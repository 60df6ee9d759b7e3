"""What is measured of every caption is measured a stretch of captions at a time: of a million of them, too, no more is
held in float64, or as points of a space, than one stretch."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from hiergeo import pairwise
from hiergeo._progress import track
from hiergeo.geometry import Space
from hiergeo.polar import Polar

STRETCH = 1 << 12
"""Rows of a stretch: in float64 a few megabytes, which are allocated once and used again."""

Search: TypeAlias = Callable[[list[Polar], list[Polar], slice], tuple[Tensor, Tensor]]
"""Points of queries, points of a stretch of candidates and its place -> the smallest distances and their positions."""


def row_by_row(measure: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """`measure` of tensors (N, ...) that go row with row: (N, ...)."""
    return torch.cat([measure(*parts) for parts in zip(*(each.split(STRETCH) for each in rows), strict=True)])


def nearest(space: Space, queries: Tensor, candidates: Tensor, label: str, progress: bool) -> Tensor:
    """The candidate (M, D) of smallest geodesic distance to each query (N, D): (N,) int64, ties to the lower index."""
    combine, curvatures = _law(space, candidates)

    def search(x: list[Polar], y: list[Polar], _: slice) -> tuple[Tensor, Tensor]:
        values, indices = pairwise.topk(x, y, curvatures, 1, combine=combine)
        return values[:, 0], indices[:, 0]

    return _merged(space, queries, candidates, (len(queries),), search, label, progress)


def ladder_indices(
    space: Space,
    queries: Tensor,
    candidates: Tensor,
    radius: Tensor,
    thresholds: Tensor,
    label: str,
    progress: bool,
) -> Tensor:
    """For each query (N, D) and threshold (T,) the nearest candidate (M, D) whose radius (M,) is within it.

    (N, T) int64; -1 where there is none, ties go to the lower index.
    """
    combine, curvatures = _law(space, candidates)

    def search(x: list[Polar], y: list[Polar], part: slice) -> tuple[Tensor, Tensor]:
        within = radius[part]
        indices, distances = pairwise.nearest_ladder(
            x, y, curvatures, within, thresholds, combine=combine, return_scores=True
        )
        return distances, indices

    return _merged(space, queries, candidates, (len(queries), len(thresholds)), search, label, progress)


def _law(space: Space, x: Tensor) -> tuple[Literal["l1", "l2"], list[float | Tensor]]:
    """How the distances of the factors of a space of embeddings `x` combine, and the curvature of each factor."""
    geometry = space.geometry
    curvatures = [factor.curvature for factor, _ in geometry.parts(x.shape[-1])]
    return geometry.norm if isinstance(geometry, Product) else "l2", curvatures


@torch.no_grad()
def _merged(
    space: Space,
    queries: Tensor,
    candidates: Tensor,
    shape: tuple[int, ...],
    search: Search,
    label: str,
    progress: bool,
) -> Tensor:
    """The best of all stretches; the first of them keeps what a later one reaches again."""
    points = space.polars(queries)
    found = torch.full(shape, -1, dtype=torch.int64, device=queries.device)
    best = torch.full(shape, torch.inf, dtype=torch.float64, device=queries.device)
    for start in track(range(0, len(candidates), STRETCH), label, enabled=progress):
        part = slice(start, start + STRETCH)
        distance, index = search(points, space.polars(candidates[part]), part)
        closer = distance < best
        found, best = torch.where(closer, index + start, found), torch.where(closer, distance.double(), best)
    return found
