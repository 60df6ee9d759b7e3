"""Scores of every pair that are stored, summed or contrasted: angles, distances, cone margins and energies."""

from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from hiergeo._core.numerics import readable, scalar, wide, widest
from hiergeo.pairwise import checks, contrast_ops, ops, rows
from hiergeo.pairwise.logits import Contrast, Reduction
from hiergeo.pairwise.operands import Curvature, Pairs, Points, pairs
from hiergeo.pairwise.operators import call
from hiergeo.pairwise.quantity import least

DISTANCES = {"l2": "distance", "l1": "distance_l1"}
"""The quantity of each way to combine the distances of factors."""


def exterior_angle(
    px: Points,
    py: Points,
    curvature: Curvature,
    *,
    out_dtype: torch.dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Exterior angle Xi(x, y) of every pair: the turn at x from the ray O-x to the geodesic x-y.

    Xi = atan2(sn_y sin(theta), cs_x sn_y cos(theta) - sn_x cs_y), with sn, cs the generalised sine and cosine of K.

    Args:
        px: N points, directions (..., N, D) and radii (..., N).
        py: M points; leading dimensions broadcast against those of `px`.
        curvature: signed K, a float or 0-dim tensor (gradients reach it).
        out_dtype: dtype of the result: float64, float32, bfloat16 or float16; by default float64 for float64 points and
            float32 otherwise.
        out: a tensor (..., N, M) of one of these dtypes that takes the result and is returned; its rows are contiguous.
            For results without gradients.

    In a product of spaces, given by the points and the curvature of each factor, the largest angle over the factors.

    Returns:
        (..., N, M) in [0, pi] radians. x at the root: 0; x = y: 0; y at the root and x not: pi; antipode of x: 0.

    Raises:
        InputError: shapes, dtypes or devices that do not fit, negative radii, a zero direction with a radius, a radius
            beyond the antipode of a sphere; an `out` that does not fit, or beside a wanted gradient or an `out_dtype`.

    Source: Alper and Averbuch-Elor (ECCV 2024) for K = 0, Desai et al. (ICML 2023) for K < 0; one law for every K.
    """
    points = pairs(px, py, curvature)
    if points.single:
        return _stored("exterior_angle", points, [], out_dtype, out)
    angle = _stored("cone_margin", points, points.closed(), out_dtype, out)
    return 0 - angle if out is None else out.neg_().add_(0)


def distance(
    px: Points,
    py: Points,
    curvature: Curvature,
    *,
    combine: Literal["l1", "l2"] = "l2",
    out_dtype: torch.dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Geodesic distance of every pair, (..., N, M) >= 0, in geodesic units.

    Arguments as for `exterior_angle`; in a product of spaces the points and the curvature of each factor, and
    `combine`, how their distances become one: "l2" as in the Riemannian product, or "l1".
    """
    checks.check_combine(combine)
    return _stored(DISTANCES[combine], pairs(px, py, curvature), [], out_dtype, out)


def cone_margin(
    px: Points,
    py: Points,
    curvature: Curvature,
    min_radius: float = 0.1,
    *,
    out_dtype: torch.dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Cone margin psi(x) - Xi(x, y) of every pair, (..., N, M) radians; x entails y where it is >= 0.

    Arguments as for `exterior_angle`; `min_radius` as for `half_aperture`. In a product of spaces, given by the points
    and the curvature of each factor, the smallest margin over the factors.
    """
    points = pairs(px, py, curvature)
    return _stored("cone_margin", points, points.apertures(min_radius), out_dtype, out)


def energy(
    px: Points,
    py: Points,
    curvature: Curvature,
    min_radius: float = 0.1,
    *,
    out_dtype: torch.dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Entailment energy max(0, -margin) of every pair, (..., N, M) radians; arguments as for `cone_margin`."""
    points = pairs(px, py, curvature)
    psi = points.apertures(min_radius)
    if points.single:
        return _stored("energy", points, psi, out_dtype, out)
    margin = _stored("cone_margin", points, psi, out_dtype, out)
    return (-margin).clamp_min(0) if out is None else out.neg_().clamp_min_(0)


def energy_sum(
    px: Points, py: Points, curvature: Curvature, min_radius: float = 0.1, *, widening: float = 0.0
) -> Tensor:
    """Entailment energies of each x summed over all y, (..., N) float64 radians; 0 where `py` is empty.

    Nothing of the size N x M is stored, forward or backward. Arguments as for `cone_margin`, and `widening` >= 0,
    radians by which every half aperture is opened further: what is summed is max(0, energy - widening).
    """
    return _energy_sum(pairs(px, py, curvature), min_radius, widening)


def _energy_sum(points: Pairs, min_radius: float, widening: float = 0.0) -> Tensor:
    checks.check_widening(widening)
    psi = [aperture + widening for aperture in points.apertures(min_radius)]
    if points.single:
        return call(ops.energy_sum, points, psi[0])
    return torch.cat([_energies_summed(block, cones) for block, cones in points.blocks(psi)], dim=-1)


def energy_mean(
    px: Points, py: Points, curvature: Curvature, min_radius: float = 0.1, *, widening: float = 0.0
) -> Tensor:
    """Mean entailment energy of each x over all y, (..., N) radians, in the dtype of `energy`.

    Nothing of the size N x M is stored, forward or backward. Arguments as for `energy_sum`. Raises InputError when
    `py` is empty.
    """
    points = pairs(px, py, curvature)
    checks.check_filled("energy_mean", points.y[0])
    total = _energy_sum(points, min_radius, widening)
    return (total / points.y[0].radius.shape[-1]).to(points.frame.dtype)


def energy_total(
    px: Points, py: Points, curvature: Curvature, min_radius: float = 0.1, *, widening: float = 0.0
) -> Tensor:
    """Entailment energies of all pairs in one sum, (...) float64 radians; 0 where there are no pairs.

    Nothing of the size N x M is stored, and where a gradient is wanted it is formed along with the sum: the backward
    pass only scales it. Arguments as for `energy_sum`.
    """
    checks.check_widening(widening)
    points = pairs(px, py, curvature)
    if points.single:
        return _total(points, min_radius, widening, None)
    return _energy_sum(points, min_radius, widening).sum(-1)


def hinge_sum(px: Points, py: Points, curvature: Curvature, margin: float, min_radius: float = 0.1) -> Tensor:
    """max(0, margin - energy) of each x summed over all y, (..., N) float64 radians; 0 where `py` is empty.

    It is 0 where every y is outside of the cone of x by `margin` > 0, radians: the loss of negatives. Computed as
    `energy_sum` is; arguments as for `cone_margin`.
    """
    return _hinge_sum(pairs(px, py, curvature), margin, min_radius)


def _hinge_sum(points: Pairs, margin: float, min_radius: float) -> Tensor:
    checks.check_margin(margin)
    inside = _energy_sum(points, min_radius) - _energy_sum(points, min_radius, margin)
    return (points.y[0].radius.shape[-1] * margin - inside).clamp_min(0)


def hinge_total(px: Points, py: Points, curvature: Curvature, margin: float, min_radius: float = 0.1) -> Tensor:
    """Sum over all pairs of max(0, margin - energy), (...) float64 radians; 0 where there are no pairs.

    In one space computed as `energy_total` is; in a product the sum of `hinge_sum`. Arguments as for `cone_margin`.
    """
    points = pairs(px, py, curvature)
    if points.single:
        return _total(points, min_radius, 0.0, margin)
    return _hinge_sum(points, margin, min_radius).sum(-1)


def energy_min(px: Points, py: Points, curvature: Curvature, min_radius: float = 0.1) -> tuple[Tensor, Tensor]:
    """The least entailment energy of each x over all y, and the y that reaches it.

    Arguments as for `cone_margin`. Gradients reach the values.

    Returns:
        Values (..., N) in radians and indices (..., N) int64 into `py`. Ties, as of all y within the cone of x, go to
        the lower index; NaN and -1 where no pair is a number.

    Raises:
        InputError: as for `exterior_angle`, and when `py` is empty.
    """
    points = pairs(px, py, curvature)
    checks.check_filled("energy_min", points.y[0])
    if points.single:
        values, indices = call(ops.energy_min, points, points.apertures(min_radius)[0])
        return values, indices
    with torch.no_grad():
        psi = points.apertures(min_radius)
        indices = torch.cat([_least_energy(block, cones) for block, cones in points.blocks(psi)], dim=-1)
    nearest = points.paired(indices.clamp_min(0))
    margins = [
        aperture - rows.exterior_angle(*pair)
        for aperture, pair in zip(points.apertures(min_radius), nearest, strict=True)
    ]
    values = (-least(margins)).clamp_min(0)
    return torch.where(indices < 0, torch.nan, values), indices


def _stored(
    quantity: str, points: Pairs, psi: list[Tensor], out_dtype: torch.dtype | None, out: Tensor | None
) -> Tensor:
    if out is None:
        return _fresh(quantity, points, psi, out_dtype)
    checks.check_out_alone(out_dtype)
    checks.check_no_gradient(*points.tensors(), *psi, out)
    if points.single:
        call(ops.pair_store_out, points, psi[0] if psi else None, quantity=quantity, out=out)
    else:
        call(ops.product_store_out, points, psi, quantity=quantity, out=out)
    return out


def _fresh(quantity: str, points: Pairs, psi: list[Tensor], out_dtype: torch.dtype | None) -> Tensor:
    if points.single:
        return call(ops.pair_store, points, psi[0] if psi else None, quantity=quantity, out_dtype=out_dtype)
    return call(ops.product_store, points, psi, quantity=quantity, out_dtype=out_dtype)


def _total(points: Pairs, min_radius: float, widening: float, margin: float | None) -> Tensor:
    psi = points.apertures(min_radius)[0] + widening
    return call(ops.energy_total, points, psi, margin=margin, gradients=points.wants_derivative())[0]


def _energies_summed(points: Pairs, psi: list[Tensor]) -> Tensor:
    """Energies of each x of a product summed over y, (..., N), which keeps no pairs for a backward pass."""

    def summed(*_: Tensor) -> Tensor:
        return wide(-_fresh("cone_margin", points, psi, None)).clamp_min(0).sum(-1)

    recorded = torch.is_grad_enabled() and any(part.requires_grad for part in points.tensors())
    if not recorded or not readable(points.x[0].radius):
        return summed()  # checkpoints are for plain autograd
    return checkpoint(
        summed, *(field for side in (points.x, points.y) for p in side for field in p), use_reentrant=False
    )


def _least_energy(points: Pairs, psi: list[Tensor]) -> Tensor:
    """The lowest y of least energy for each x of a product, (..., N) int64; -1 where no energy is a number."""
    energy = (-_fresh("cone_margin", points, psi, None)).clamp_min(0)
    numbers = ~energy.isnan()
    indices = torch.where(numbers, energy, torch.inf).argmin(-1)
    return torch.where(numbers.any(-1), indices, -1)


def contrast(
    px: Points,
    py: Points,
    curvature: Curvature,
    scale: float | Tensor,
    bias: float | Tensor = 0.0,
    labels: tuple[Tensor, Tensor] | None = None,
    *,
    squared: bool = False,
    reduction: Reduction = "logsumexp",
    combine: Literal["l1", "l2"] = "l2",
) -> Contrast:
    """The logits z = bias - scale d of every pair, reduced over rows and over columns in one sweep, float64.

    Nothing of the size N x M is stored, forward or backward. Gradients reach points, curvatures, scale and bias.

    Args:
        px: x, (..., N).
        py: y, (..., M).
        curvature: signed K; in a product of spaces that of each factor, as points are.
        scale: of distances, inverse geodesic units; a 0-dim tensor may be learnt.
        bias: added to every logit; a 0-dim tensor may be learnt.
        labels: int64 (..., N) and (..., M); pairs of equal ones match. None where the sums of what matches are not
            wanted.
        squared: z = bias - scale d^2 / 2. Of unit vectors in flat space that is bias - scale + scale cos.
        reduction: "logsumexp" of a row and of a column, or the sum of "softplus".
        combine: how distances in the factors of a product become one.

    Returns:
        `rows` (..., N) and `columns` (..., M), and the sums of the logits of matching pairs, `matched_rows` (..., N)
        and `matched_columns` (..., M), 0 without labels. Where nothing is on the other side, -inf of logsumexp.

    Source: the terms of Radford et al. (ICML 2021) and of Zhai et al. (ICCV 2023, eq. 1) with logits of distances.
    """
    checks.check_combine(combine)
    points = pairs(px, py, curvature)
    device = points.x[0].radius.device
    numbers = (scalar(number, device).to(device, widest(device)).expand(points.batch) for number in (scale, bias))
    shapes = points.frame.rows, points.frame.y[:-1]
    of_x, of_y = (None, None) if labels is None else (side.expand(s) for side, s in zip(labels, shapes, strict=True))
    rest = dict(zip(("scale", "bias"), numbers, strict=True)) | {"labels_x": of_x, "labels_y": of_y}
    quantity = DISTANCES[combine]
    made = contrast_ops.pair_contrast
    return Contrast(*call(made, points, [], **rest, squared=squared, reduction=reduction, quantity=quantity))
