"""The operating point: how far out captions lie in units of the curvature, and what their cones hold."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.progress import track
from hiergeo.evaluation.auditing.subject import Subject, array
from hiergeo.evaluation.metrics import Interval
from hiergeo.geometry.base import bend

LOW, HIGH = 0.05, 0.95
"""Quantiles reported beside the median."""

REACH = 16
"""Captions of its tier on either side of a child, in the order of radii, that it is compared with."""

BLOCK = 256
"""Rows whose matched pairs are held at a time."""


class OperatingPoint(NamedTuple):
    """Numbers of `point_of`, the 95 % interval of the median u, and its 0, 1, ..., 100 % quantiles; empty for a law."""

    numbers: dict[str, float]
    median: Interval | None
    quantiles: tuple[float, ...]


def operating_point(subject: Subject) -> OperatingPoint:
    """The operating point of the captions of a subject, and `u_median_image`, that of its images."""
    radii = [array(factor.radius) for factor in subject.text.factors]
    point = point_of(radii, subject.curvatures, subject.space.min_radius)
    if subject.image is not None and subject.curvatures:
        of_images = _spans([array(factor.radius) for factor in subject.image.factors], subject.curvatures)
        point.numbers["u_median_image"] = float(np.median(of_images.max(axis=1)))
    return point


def point_of(radii: Sequence[np.ndarray], curvatures: Sequence[float], min_radius: float) -> OperatingPoint:
    """Distribution of u = sqrt(|K|) r over points, and the bend sn(r) / r - 1 that it makes: docs/audit.md.

    In a product u of a point is its largest over the factors, and the bend that of the factor that bends most;
    `u_median_factorI` and the like hold each factor's own. `radii` are (U,) in each factor, geodesic units.
    """
    if not curvatures:
        return OperatingPoint({}, None, ())
    spans = _spans(radii, curvatures)
    largest = spans.max(axis=1)
    numbers = {
        "u_median": float(np.median(largest)),
        "u_low": float(np.quantile(largest, LOW)),
        "u_high": float(np.quantile(largest, HIGH)),
        "u_share_above_1": float((largest > 1).mean()),
        "cone_saturated": float(_half_spaces(radii, curvatures, min_radius).mean()),
    }
    for name, level in (("bend", 0.5), ("bend_high", HIGH)):
        bends = [_bend(k, np.quantile(u, level)) for k, u in zip(curvatures, spans.T, strict=True)]
        numbers[name] = max(bends, key=abs)
    if spans.shape[1] == 1:
        numbers["curvature"] = curvatures[0]
    else:
        for at, (curvature, radius, u) in enumerate(zip(curvatures, radii, spans.T, strict=True)):
            numbers[f"curvature_factor{at}"] = curvature
            numbers[f"radius_median_factor{at}"] = float(np.median(radius))
            numbers[f"u_median_factor{at}"] = float(np.median(u))
            numbers[f"u_high_factor{at}"] = float(np.quantile(u, HIGH))
            numbers[f"bend_factor{at}"] = _bend(curvature, np.median(u))
    quantiles = np.quantile(largest, np.linspace(0, 1, 101))
    return OperatingPoint(numbers, _median_interval(largest), tuple(map(float, quantiles)))


def _spans(radii: Sequence[np.ndarray], curvatures: Sequence[float]) -> np.ndarray:
    return np.stack([math.sqrt(abs(k)) * radius for radius, k in zip(radii, curvatures, strict=True)], axis=1)


def _half_spaces(radii: Sequence[np.ndarray], curvatures: Sequence[float], min_radius: float) -> np.ndarray:
    """Which points have a half-space as cone in every factor: 2 k reaches r for K = 0, sinh(u) or sin(u) otherwise."""
    whole = np.ones(len(radii[0]), dtype=bool)
    for curvature, radius in zip(curvatures, radii, strict=True):
        u = math.sqrt(abs(curvature)) * radius
        size = radius if curvature == 0 else np.sinh(np.minimum(u, 700)) if curvature < 0 else np.sin(u)
        whole &= size <= 2 * min_radius
    return whole


def _bend(curvature: float, u: float) -> float:
    return bend(curvature, u / math.sqrt(abs(curvature))) if curvature else 0.0


def _median_interval(values: np.ndarray) -> Interval:
    half = 1.959963984540054 * math.sqrt(len(values)) / 2
    ordered, middle = np.sort(values), (len(values) - 1) / 2
    low, high = (int(np.clip(round(middle + side), 0, len(values) - 1)) for side in (-half, half))
    return Interval(float(ordered[low]), float(ordered[high]))


class Occupancy(NamedTuple):
    """What cones of parents hold, (n, T - 1), NaN where nothing matches: the child, and matched captions."""

    true: np.ndarray
    matched: np.ndarray


def occupancy(subject: Subject, *, progress: bool = False) -> Occupancy:
    """Whether cones hold the true children and captions matched to them.

    Matched to a child are the captions of its own tier nearest to it in the order of radii, `REACH` on either side
    (near an end more on the other), without its parent and that one's children in any row. Other pairs are left out.
    """
    pairs = subject.parents * len(subject.embedded.texts) + subject.children
    distinct = torch.unique(pairs)
    parts = [_tier_occupancy(subject, tier, distinct, progress) for tier in range(pairs.shape[1])]
    return Occupancy(*(np.stack(tiers, axis=1) for tiers in zip(*parts, strict=True)))


def _tier_occupancy(subject: Subject, tier: int, pairs: Tensor, progress: bool) -> tuple[np.ndarray, np.ndarray]:
    """Children in the order of their radii share most of the captions matched to them: a block is one small matrix."""
    parent, child = subject.parents[:, tier], subject.children[:, tier]
    radius, size = subject.text.radius, len(subject.embedded.texts)
    members = torch.unique(child)
    ordered = members[torch.argsort(radius[members], stable=True)]
    position = torch.empty(size, dtype=torch.int64, device=child.device)
    position[ordered] = torch.arange(len(ordered), device=child.device)
    width = min(2 * REACH + 1, len(ordered))
    start = (position[child] - REACH).clamp(0, len(ordered) - width)
    near = torch.arange(width, device=child.device)
    other = ordered[start[:, None] + near]
    fair = ~torch.isin(parent[:, None] * size + other, pairs) & (other != parent[:, None])
    inside = torch.zeros_like(fair)
    for rows in track(torch.argsort(start).split(BLOCK), f"cones of tier {tier}", enabled=progress):
        window = slice(int(start[rows[0]]), int(start[rows[-1]]) + width)
        x, y = (subject.captions.rows(which) for which in (parent[rows], ordered[window]))
        held = subject.space.pairwise_margin(x, y) >= 0
        inside[rows] = held.gather(1, start[rows, None] - window.start + near)
    count = array(fair.sum(1))
    share = array((inside & fair).sum(1)) / np.maximum(count, 1)
    matched = np.where(count > 0, share, np.nan)
    true = np.where(count > 0, subject.inside(parent, child), np.nan)
    return true, matched
