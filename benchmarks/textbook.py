"""The operations as one would write them down in PyTorch: the formulas, float32, and temporaries of the size N x M."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.ours import NEIGHBOURS, REACH
from benchmarks.problem import thresholds

MIN_RADIUS = 0.1


def sine(r: Tensor, curvature: float) -> Tensor:
    """Generalised sine."""
    s = math.sqrt(abs(curvature))
    return r if s == 0 else (torch.sinh if curvature < 0 else torch.sin)(s * r) / s


def cosine(r: Tensor, curvature: float) -> Tensor:
    """Generalised cosine."""
    s = math.sqrt(abs(curvature))
    return (torch.cosh if curvature < 0 else torch.cos)(s * r)


def half_aperture(r: Tensor, curvature: float) -> Tensor:
    """Half aperture of the cone at each x, (N,)."""
    s = math.sqrt(abs(curvature)) or 1.0
    return torch.asin((2 * MIN_RADIUS / (s * sine(r, curvature))).clamp(max=1))


def exterior_angle(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float, slack: float = 0.0) -> Tensor:
    """(N, M) radians; with a `slack` cosines keep that far from -1 and 1, where the gradient is not a number."""
    cos = (ux @ uy.mT).clamp(slack - 1, 1 - slack)
    sin = (1 - cos.square()).sqrt()
    x, y = rx[:, None], ry[None, :]
    adjacent = cosine(x, curvature) * sine(y, curvature) * cos - sine(x, curvature) * cosine(y, curvature)
    return torch.atan2(sine(y, curvature) * sin, adjacent)


def distance(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """(N, M) geodesic units, by the law of cosines."""
    cos, s = ux @ uy.mT, math.sqrt(abs(curvature))
    x, y = rx[:, None], ry[None, :]
    if s == 0:
        return (x.square() + y.square() - 2 * x * y * cos).clamp(min=0).sqrt()
    sines = s * s * sine(x, curvature) * sine(y, curvature) * cos
    cosines = cosine(x, curvature) * cosine(y, curvature)
    if curvature < 0:
        return torch.acosh((cosines - sines).clamp(min=1)) / s
    return torch.acos((cosines + sines).clamp(-1, 1)) / s


def cone_margin(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """(N, M) radians."""
    return half_aperture(rx, curvature)[:, None] - exterior_angle(ux, rx, uy, ry, curvature)


def energy(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """(N, M) radians."""
    return torch.relu(-cone_margin(ux, rx, uy, ry, curvature))


def count(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """(N,) int64."""
    return (cone_margin(ux, rx, uy, ry, curvature) >= 0).sum(1)


def row_mean(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """(N,) radians."""
    return energy(ux, rx, uy, ry, curvature).mean(1)


def nearest(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> tuple[Tensor, Tensor]:
    """The largest margins of each x, (N, k), and their columns."""
    values, columns = cone_margin(ux, rx, uy, ry, curvature).topk(NEIGHBOURS, dim=1)
    return values, columns


def nearest_by_distance(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> tuple[Tensor, Tensor]:
    """The smallest distances of each x, (N, k), and their columns."""
    values, columns = distance(ux, rx, uy, ry, curvature).topk(NEIGHBOURS, dim=1, largest=False)
    return values, columns


def rank(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """How many y are nearer to each x than its partner is, (N,) int64."""
    values = distance(ux, rx, uy, ry, curvature)
    partner = values.gather(1, (torch.arange(len(ux)) % len(uy))[:, None])
    return (values < partner).sum(1)


def within(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """(N,) int64."""
    return (distance(ux, rx, uy, ry, curvature) <= REACH).sum(1)


def ladder_by_distance(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """(N, T), threshold by threshold."""
    values = distance(ux, rx, uy, ry, curvature)
    found = [values.masked_fill(ry > threshold, math.inf).argmin(1) for threshold in thresholds(ry)]
    return torch.stack(found, dim=1)


def distance_in_a_product(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """(N, M) geodesic units, of two factors with half of the coordinates and all of the radius each."""
    halves = zip(*(u.chunk(2, -1) for u in (ux, uy)), strict=True)
    parts = [distance(normalize(a, dim=-1), rx, normalize(b, dim=-1), ry, curvature) for a, b in halves]
    return torch.hypot(*parts)


def nearest_in_a_product(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> tuple[Tensor, Tensor]:
    """The smallest distances of each x in the product, (N, k), and their columns."""
    values, columns = distance_in_a_product(ux, rx, uy, ry, curvature).topk(NEIGHBOURS, dim=1, largest=False)
    return values, columns


def total(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: float) -> Tensor:
    """Radians, of all pairs."""
    return energy(ux, rx, uy, ry, curvature).sum()


def ladder(queries: Tensor, _: Tensor, candidates: Tensor, radius: Tensor, curvature: float) -> Tensor:
    """(Q, T), threshold by threshold, as the authors of the protocol do it; the curvature plays no part."""
    scores = queries @ candidates.mT
    found = [scores.masked_fill(radius > threshold, -math.inf).argmax(1) for threshold in thresholds(radius)]
    return torch.stack(found, dim=1)


ONE_GRAPH: dict[str, Callable[..., object]] = {
    "exterior angle": exterior_angle,
    "cone margin": cone_margin,
    "energy": energy,
    "distance": distance,
    "count in cone": count,
    "row mean of energy": row_mean,
    "top-10": nearest,
    "distance in a product": distance_in_a_product,
    "top-10 by distance": nearest_by_distance,
    "rank by distance": rank,
    "count within a distance": within,
    "top-10 by distance in a product": nearest_in_a_product,
    "total of energies": total,
}
"""By operation, functions of directions and radii of x and y and the curvature, without a loop."""

FORMULAS: dict[str, Callable[..., object]] = {
    **ONE_GRAPH,
    "ladder, 50 thresholds": ladder,
    "ladder by distance": ladder_by_distance,
}
"""By operation, all of them."""
