"""Scores of every pair of two point sets: angles, distances, cone margins, membership, top-k and ladders.

All functions take points in polar form and a signed curvature K and never see a geometry. Points carry leading batch
dimensions where a function says so; directions may be float64, float32, bfloat16 or float16 (the narrow ones
are computed in float32). A point with NaN or Inf gives NaN in its row and column and is never counted, a member or in
a top-k.
"""

from typing import Literal

import torch
from torch import Tensor

from hiergeo._numerics import compute_dtype, wide
from hiergeo.errors import InputError
from hiergeo.pairwise import reference, search
from hiergeo.pairwise.aperture import half_aperture
from hiergeo.pairwise.checks import check_batch, check_pair
from hiergeo.pairwise.prefix import prefix_best
from hiergeo.pairwise.quantity import DISTANCE, EXTERIOR_ANGLE, Quantity
from hiergeo.pairwise.tiles import Pairs
from hiergeo.polar import Polar

__all__ = [
    "cone_count",
    "cone_margin",
    "cone_members",
    "cone_topk",
    "distance",
    "energy",
    "energy_mean",
    "exterior_angle",
    "half_aperture",
    "ladder",
    "prefix_best",
]


def exterior_angle(px: Polar, py: Polar, curvature: float | Tensor, *, out_dtype: torch.dtype | None = None) -> Tensor:
    """Exterior angle Xi(x, y) of every pair: the turn at x from the ray O-x to the geodesic x-y.

    Xi = atan2(sn_y sin(theta), cs_x sn_y cos(theta) - sn_x cs_y), with sn, cs the generalised sine and cosine of K.

    Args:
        px: N points, directions (..., N, D) and radii (..., N).
        py: M points; leading dimensions broadcast against those of `px`.
        curvature: signed K, a float or 0-dim tensor (gradients reach it).
        out_dtype: dtype of the result; float64 for float64 points, float32 otherwise.

    Returns:
        (..., N, M) in [0, pi] radians. x at the root: 0; x = y: 0; y at the root and x not: pi; antipode of x: 0.

    Raises:
        InputError: shapes, dtypes or devices that do not fit, negative radii, a zero direction with a radius, a radius
            beyond the antipode of a sphere.

    Source: Alper and Averbuch-Elor (ECCV 2024) for K = 0, Desai et al. (ICML 2023) for K < 0; one law for every K.
    """
    return _store(px, py, curvature, EXTERIOR_ANGLE, out_dtype)


def distance(px: Polar, py: Polar, curvature: float | Tensor, *, out_dtype: torch.dtype | None = None) -> Tensor:
    """Geodesic distance of every pair, (..., N, M) >= 0, in geodesic units; arguments as for `exterior_angle`."""
    return _store(px, py, curvature, DISTANCE, out_dtype)


def cone_margin(
    px: Polar, py: Polar, curvature: float | Tensor, min_radius: float = 0.1, *, out_dtype: torch.dtype | None = None
) -> Tensor:
    """Cone margin psi(x) - Xi(x, y) of every pair, (..., N, M) radians; x entails y where it is >= 0.

    Arguments as for `exterior_angle`; `min_radius` as for `half_aperture`.
    """
    angle = exterior_angle(px, py, curvature)
    margin = half_aperture(px.radius, curvature, min_radius).to(angle.dtype).unsqueeze(-1) - angle
    return margin if out_dtype is None else margin.to(out_dtype)


def energy(
    px: Polar, py: Polar, curvature: float | Tensor, min_radius: float = 0.1, *, out_dtype: torch.dtype | None = None
) -> Tensor:
    """Entailment energy max(0, -margin) of every pair, (..., N, M) radians; arguments as for `cone_margin`."""
    return (-cone_margin(px, py, curvature, min_radius, out_dtype=out_dtype)).clamp_min(0)


def energy_mean(px: Polar, py: Polar, curvature: float | Tensor, min_radius: float = 0.1) -> Tensor:
    """Mean entailment energy of each x over all y, (N,), without an N x M temporary forward or backward.

    Arguments as for `cone_margin`, without leading dimensions. Raises InputError when `py` is empty.
    """
    _pairs(px, py, curvature)
    if len(py.radius) == 0:
        raise InputError("energy_mean needs at least one y to average over.")
    return reference.energy_mean(px, py, half_aperture(px.radius, curvature, min_radius), curvature)


def cone_count(px: Polar, py: Polar, curvature: float | Tensor, min_radius: float = 0.1) -> Tensor:
    """How many y each x entails, (N,) int64; arguments as for `cone_margin`, without leading dimensions."""
    pairs = _pairs(px, py, curvature)
    return search.count(pairs, half_aperture(px.radius, curvature, min_radius))


def cone_members(px: Polar, py: Polar, curvature: float | Tensor, min_radius: float = 0.1) -> tuple[Tensor, Tensor]:
    """Which y each x entails, in CSR form: row offsets (N + 1,) and columns (nnz,), ascending within a row, int64.

    Arguments as for `cone_margin`, without leading dimensions.
    """
    pairs = _pairs(px, py, curvature)
    return search.members(pairs, half_aperture(px.radius, curvature, min_radius))


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
        px: N queries, without leading dimensions.
        py: M candidates.
        curvature: signed K.
        k: 1 <= k <= M.
        by: "margin", largest first, or "angle", smallest first.
        side: whether x is the cone's apex (margin(x, y)) or y is (margin(y, x)).
        min_radius: as for `half_aperture`.

    Returns:
        Values (N, k) in radians and indices (N, k) into `py`. Ties go to the lower index; where fewer than k pairs are
        numbers, the rest is NaN with index -1.

    Raises:
        InputError: as for `exterior_angle`, and for k, `by` or `side` out of range.
    """
    pairs = _pairs(px, py, curvature, swap=side == "parents")
    if not 1 <= k <= len(py.radius):
        raise InputError(f"k must be between 1 and the {len(py.radius)} candidates, not {k}.")
    if by not in ("margin", "angle") or side not in ("children", "parents"):
        raise InputError(f"by must be 'margin' or 'angle' and side 'children' or 'parents', not '{by}' and '{side}'.")
    if by == "angle":
        return search.smallest(pairs, None, k)
    if side == "children":
        angles, indices = search.smallest(pairs, None, k)
        return half_aperture(px.radius, curvature, min_radius).unsqueeze(-1) - angles, indices
    energies, indices = search.smallest(pairs, half_aperture(py.radius, curvature, min_radius), k)
    return -energies, indices


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
        InputError: dimensions that do not fit, or thresholds that do not ascend.

    Source: the retrieval step of Alper and Averbuch-Elor (ECCV 2024), section 4.
    """
    if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
        shapes = f"{tuple(queries.shape)} and {tuple(candidates.shape)}"
        raise InputError(f"queries (Q, D) and candidates (M, D) must share D, not {shapes}.")
    if radius.shape != candidates.shape[:1]:
        raise InputError(f"radius must hold one number per candidate ({len(candidates)}), not {tuple(radius.shape)}.")
    q = torch.nn.functional.normalize(wide(queries), dim=-1)
    c = torch.nn.functional.normalize(wide(candidates), dim=-1)
    precision = compute_dtype(torch.promote_types(queries.dtype, candidates.dtype))
    return prefix_best(lambda block, index: (q[block] @ c[index].mT).to(precision), len(q), radius, thresholds)


def _store(
    px: Polar, py: Polar, curvature: float | Tensor, quantity: Quantity, out_dtype: torch.dtype | None
) -> Tensor:
    check_pair(px, py, curvature)
    batch = check_batch(px, py)
    if batch:
        x, y = (_flatten(p, batch) for p in (px, py))
        flat = [reference.store(Polar(*a), Polar(*b), curvature, quantity) for a, b in zip(x, y, strict=True)]
        n, m = px.radius.shape[-1], py.radius.shape[-1]
        result = torch.stack(flat).reshape(*batch, n, m) if flat else px.radius.new_empty(*batch, n, m)
    else:
        result = reference.store(px, py, curvature, quantity)
    return result if out_dtype is None else result.to(out_dtype)


def _flatten(point: Polar, batch: torch.Size) -> list[tuple[Tensor, Tensor]]:
    direction = point.direction.expand(*batch, *point.direction.shape[-2:]).flatten(0, len(batch) - 1)
    radius = point.radius.expand(*batch, point.radius.shape[-1]).flatten(0, len(batch) - 1)
    return list(zip(direction, radius, strict=True))


def _pairs(px: Polar, py: Polar, curvature: float | Tensor, swap: bool = False) -> Pairs:
    for name, point in (("x", px), ("y", py)):
        if point.direction.ndim > 2:
            shape = tuple(point.direction.shape)
            raise InputError(f"{name}.direction must be (N, D) here, not {shape}: loop over the leading dimensions.")
    return Pairs(px, py, check_pair(px, py, curvature), swap)
