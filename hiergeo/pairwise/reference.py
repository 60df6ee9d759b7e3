"""The pair operations in plain PyTorch: the specification, the oracle of every kernel, and the fallback without one.

A backend (`hiergeo.pairwise.backend.Backend`). Memory is O((N + M) D) beside the result, forward and backward: tiles
are recomputed, never kept.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from hiergeo._numerics import saturated, unit, wide
from hiergeo.pairwise.backend import Factor, Gradients
from hiergeo.pairwise.energies import energy_min, energy_sum
from hiergeo.pairwise.prefix import ladder
from hiergeo.pairwise.quantity import Quantity
from hiergeo.pairwise.search import count, members, nearest_ladder, rank, smallest
from hiergeo.pairwise.tiles import Pairs, Tile, problems, values
from hiergeo.pairwise.triangle import Partials
from hiergeo.polar import Polar

__all__ = [
    "backward",
    "count",
    "energy_min",
    "energy_sum",
    "ladder",
    "members",
    "nearest_ladder",
    "rank",
    "smallest",
    "store",
]


def store(factors: Sequence[Factor], quantity: Quantity, out: Tensor) -> None:
    """Write `quantity` of every pair to `out` (B, N, M)."""
    for b, pairs in enumerate(values(factors, quantity)):
        for i in pairs.rows():
            for j, value in pairs.tiles(i):
                out[b, i, j] = value


def backward(
    upstream: Tensor, x: Polar, y: Polar, curvature: float, quantity: Quantity, aperture: Tensor | None
) -> Gradients:
    """Gradients of the sum of `upstream` (B, N, M) times `quantity`."""
    sums = _GradientSums(x, y, x.known if aperture is None else x.known & torch.isfinite(aperture))
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = None if aperture is None else aperture[b].to(pairs.dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                weight = torch.where(sums.pairs(b, tile), wide(upstream[b, tile.i, tile.j]), 0.0)
                if quantity.cone is not None and psi is not None:
                    weight = weight * quantity.cone.slope(quantity.law(tile.triangle), psi[i, None])
                    sums.aperture[b, i] -= weight.sum(-1)
                sums.add(b, tile, weight, quantity.partials(tile.triangle))
    return sums.gradients(Pairs(x, y, curvature).dtype)


class _GradientSums:
    """Gradients by directions, radii, curvature and aperture, summed over tiles in float64.

    Pairs of a row of x where `counted` (B, N) is False, or of a y with NaN or Inf, are left out.
    """

    def __init__(self, x: Polar, y: Polar, counted: Tensor) -> None:
        self.x, self.y, self.counted, self.known_y = x, y, counted, y.known
        self.pull_x, self.pull_y = (torch.zeros_like(wide(p.direction)) for p in (x, y))
        self.along_x, self.along_y = (torch.zeros_like(wide(p.radius)) for p in (x, y))
        self.radius_x, self.radius_y = torch.zeros_like(self.along_x), torch.zeros_like(self.along_y)
        self.aperture = torch.zeros_like(self.along_x)
        self.curvature = self.along_x.new_zeros(len(self.along_x))

    def pairs(self, b: int, tile: Tile) -> Tensor:
        """Which pairs of a tile count."""
        return self.counted[b, tile.i, None] & self.known_y[b, None, tile.j]

    def add(self, b: int, tile: Tile, weight: Tensor, partials: Partials) -> None:
        """Add the pairs of one tile: d cos(theta)/d x = y - cos(theta) x for unit rays."""
        by_cosine = -weight * partials.theta_over_sine
        along = by_cosine * tile.opening.cosine.nan_to_num(nan=0.0)
        self.pull_x[b, tile.i] += by_cosine @ tile.y.nan_to_num(nan=0.0)
        self.pull_y[b, tile.j] += by_cosine.mT @ tile.x.nan_to_num(nan=0.0)
        self.along_x[b, tile.i] += along.sum(1)
        self.along_y[b, tile.j] += along.sum(0)
        self.radius_x[b, tile.i] += (weight * partials.x).sum(1)
        self.radius_y[b, tile.j] += (weight * partials.y).sum(0)
        self.curvature[b] += (weight * partials.curvature).sum()

    def gradients(self, dtype: torch.dtype) -> Gradients:
        """What was summed, by directions and radii in `dtype`."""
        return Gradients(
            *_of_points(self.x, self.pull_x, self.along_x, self.radius_x, dtype),
            *_of_points(self.y, self.pull_y, self.along_y, self.radius_y, dtype),
            self.curvature,
            self.aperture,
        )


def _of_points(
    point: Polar, pull: Tensor, along: Tensor, by_radius: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Gradients by direction, from those by unit rays (0 for a zero direction), and by radius; NaN for NaN and Inf."""
    ray, norm = unit(wide(point.direction))
    tangent = (pull - along.unsqueeze(-1) * ray) / norm.unsqueeze(-1)
    tangent = torch.where((norm == 0).unsqueeze(-1), 0.0, tangent).masked_fill(~point.known.unsqueeze(-1), math.nan)
    return saturated(tangent, dtype), saturated(by_radius.masked_fill(~point.known, math.nan), dtype)
