"""The operations as hiergeo offers them, checks of the arguments included: what a user calls is what is timed."""

from collections.abc import Callable

from torch import Tensor

from benchmarks.problem import Problem, thresholds
from hiergeo import pairwise

NEIGHBOURS = 10  # the k of the top-k search
REACH = 1.0  # geodesic units within which columns are counted


def _stored(measure: Callable[..., Tensor]) -> Callable[[Problem], Tensor]:
    return lambda p: measure(p.x, p.y, p.curvature)


def _into(measure: Callable[..., Tensor]) -> Callable[[Problem], Tensor]:
    return lambda p: measure(p.x, p.y, p.curvature, out=p.out)


def _distance_ladder(p: Problem) -> Tensor:
    return pairwise.nearest_ladder(p.x, p.y, p.curvature, p.y.radius, thresholds(p.y.radius))[1]


STORED: dict[str, Callable[[Problem], Tensor]] = {
    "exterior angle": _stored(pairwise.exterior_angle),
    "cone margin": _stored(pairwise.cone_margin),
    "energy": _stored(pairwise.energy),
    "distance": _stored(pairwise.distance),
    "distance in a product": lambda p: pairwise.distance(*p.halves),
}
"""Results of the size N x M, in fresh memory."""

INTO: dict[str, Callable[[Problem], Tensor]] = {
    "exterior angle, into out=": _into(pairwise.exterior_angle),
    "cone margin, into out=": _into(pairwise.cone_margin),
    "energy, into out=": _into(pairwise.energy),
    "distance, into out=": _into(pairwise.distance),
}
"""The same, into memory that is there."""

SEARCHES: dict[str, Callable[[Problem], object]] = {
    "top-10": lambda p: pairwise.cone_topk(p.x, p.y, p.curvature, NEIGHBOURS),
    "ladder, 50 thresholds": lambda p: pairwise.ladder(
        p.x.direction, p.y.direction, p.y.radius, thresholds(p.y.radius)
    ),
}
"""Exact searches behind a screen."""

SHADOWED: dict[str, Callable[[Problem], object]] = {
    "top-10 by a shadow": lambda p: pairwise.topk(*p.prepared, NEIGHBOURS, by="angle"),
    "top-10 by distance by a shadow": lambda p: pairwise.topk(*p.prepared, NEIGHBOURS),
}
"""Searches of few queries among candidates that were prepared for them."""

BY_DISTANCE: dict[str, Callable[[Problem], object]] = {
    "top-10 by distance": lambda p: pairwise.topk(p.x, p.y, p.curvature, NEIGHBOURS),
    "rank by distance": lambda p: pairwise.rank(p.x, p.y, p.curvature, p.partners),
    "count within a distance": lambda p: pairwise.count_within(p.x, p.y, p.curvature, REACH),
    "ladder by distance": _distance_ladder,
    "top-10 by distance in a product": lambda p: pairwise.topk(*p.halves, NEIGHBOURS),
}
"""Searches by geodesic distance, in one space and in a product of two."""

REDUCTIONS: dict[str, Callable[[Problem], object]] = {
    "count in cone": lambda p: pairwise.cone_count(p.x, p.y, p.curvature),
    "cone members": lambda p: pairwise.cone_members(p.x, p.y, p.curvature),
    "row mean of energy": lambda p: pairwise.energy_mean(p.x, p.y, p.curvature),
    "row minimum of energy": lambda p: pairwise.energy_min(p.x, p.y, p.curvature),
    **SEARCHES,
    **SHADOWED,
    **BY_DISTANCE,
}
"""What stores nothing of the size N x M."""

TOTALS: dict[str, Callable[[Problem], object]] = {
    "total of energies": lambda p: pairwise.energy_total(p.x, p.y, p.curvature),
    "contrast": lambda p: pairwise.contrast(p.x, p.y, p.curvature, 5.0).rows,
}
"""Reductions of all pairs that training asks for."""

OPERATIONS: dict[str, Callable[[Problem], object]] = {**STORED, **INTO, **REDUCTIONS, **TOTALS}
"""Every operation by name."""
