"""Searches over every pair that keep only what is asked for: counts, members, the best k, ladders. No gradients."""

from typing import Literal

import torch
from torch import Tensor

from hiergeo.errors import InputError
from hiergeo.pairwise import checks, ops
from hiergeo.pairwise.scores import aperture, operands
from hiergeo.polar import Polar


@torch.no_grad()
def cone_count(px: Polar, py: Polar, curvature: float | Tensor, min_radius: float = 0.1) -> Tensor:
    """How many y each x entails, (..., N) int64; arguments as for `cone_margin`."""
    points = operands(px, py, curvature)
    return ops.cone_count(*points, aperture(px, curvature, min_radius, points))


@torch.no_grad()
def cone_members(px: Polar, py: Polar, curvature: float | Tensor, min_radius: float = 0.1) -> tuple[Tensor, Tensor]:
    """Which y each x entails, in CSR form: row offsets (N + 1,) and columns (nnz,), ascending within a row, int64.

    Arguments as for `cone_margin`, without leading dimensions: entries of a batch differ in how many members they have.
    """
    checks.check_single(px.direction, py.direction)
    points = operands(px, py, curvature)
    crow, columns = ops.cone_members(*points, aperture(px, curvature, min_radius, points))
    return crow, columns


@torch.no_grad()
def cone_topk(
    px: Polar,
    py: Polar,
    curvature: float | Tensor,
    k: int,
    by: Literal["margin", "angle"] = "margin",
    side: Literal["children", "parents"] = "children",
    min_radius: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """The k best y for each x: what x entails (`children`), or what entails x (`parents`).

    Args:
        px: N queries, directions (..., N, D) and radii (..., N).
        py: M candidates; leading dimensions broadcast against those of `px`.
        curvature: signed K.
        k: 1 <= k <= M, and at most 1024.
        by: "margin", largest first, or "angle", smallest first.
        side: whether x is the cone's apex (margin(x, y)) or y is (margin(y, x)).
        min_radius: as for `half_aperture`.

    Returns:
        Values (..., N, k) in radians and indices (..., N, k) into `py`. Ties go to the lower index; where fewer than k
        pairs are numbers, the rest is NaN with index -1.

    Raises:
        InputError: as for `exterior_angle`, and for k, `by` or `side` out of range.
    """
    points = operands(px, py, curvature)
    checks.check_neighbours(k, py.radius.shape[-1])
    if by not in ("margin", "angle") or side not in ("children", "parents"):
        raise InputError(f"by must be 'margin' or 'angle' and side 'children' or 'parents', not '{by}' and '{side}'.")
    swap = side == "parents"
    if by == "margin" and swap:
        offset = aperture(py, curvature, min_radius, points[2:])
        energies, indices = ops.cone_smallest(*points, offset, k, swap)
        return -energies, indices
    angles, indices = ops.cone_smallest(*points, None, k, swap)
    if by == "angle":
        return angles, indices
    return aperture(px, curvature, min_radius, points).to(angles.dtype).unsqueeze(-1) - angles, indices


@torch.no_grad()
def ladder(queries: Tensor, candidates: Tensor, radius: Tensor, thresholds: Tensor) -> Tensor:
    """Generic-to-specific retrieval: for each query and threshold t the candidate of largest cosine with radius <= t.

    Args:
        queries: (Q, D), any norm.
        candidates: (M, D), any norm.
        radius: (M,) radii of the candidates.
        thresholds: (T,) ascending.

    Returns:
        Indices (Q, T) int64 into `candidates`; -1 where no candidate lies within the threshold. Cosines are compared in
        the precision of the embeddings, at least float32, so that repeated candidates tie; ties go to the lower index.

    Raises:
        InputError: shapes, dtypes or devices that do not fit, or thresholds that do not ascend.

    Source: the retrieval step of Alper and Averbuch-Elor (ECCV 2024), section 4.
    """
    return ops.ladder(queries, candidates, radius, thresholds)
