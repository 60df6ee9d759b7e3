"""Derivatives over pairs in plain PyTorch, tile by tile: gradients of sums, and tangents of forward-mode AD."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from hiergeo._numerics import pair_dtype, saturated, unit, wide
from hiergeo.pairwise.backend import Factor, Gradients
from hiergeo.pairwise.quantity import Quantity
from hiergeo.pairwise.tiles import Tile, problems
from hiergeo.pairwise.triangle import Partials
from hiergeo.polar import Polar


class GradientSums:
    """Gradients by directions, radii, curvature and aperture, summed over tiles in float64.

    Pairs of an x or a half aperture (B, N), or of a y, with NaN or Inf are left out.
    """

    def __init__(self, x: Polar, y: Polar, aperture: Tensor | None) -> None:
        self.x, self.y, self.known_y = x, y, y.known
        self.counted = x.known if aperture is None else x.known & torch.isfinite(aperture)
        self.pull_x, self.pull_y = (torch.zeros_like(wide(p.direction)) for p in (x, y))
        self.along_x, self.along_y = (torch.zeros_like(wide(p.radius)) for p in (x, y))
        self.radius_x, self.radius_y = torch.zeros_like(self.along_x), torch.zeros_like(self.along_y)
        self.aperture = torch.zeros_like(self.along_x)
        self.curvature = self.along_x.new_zeros(len(self.along_x))

    def pairs(self, b: int, tile: Tile) -> Tensor:
        """Which pairs of a tile count."""
        return self.counted[b, tile.i, None] & self.known_y[b, None, tile.j]

    def add_cone(self, b: int, tile: Tile, weight: Tensor) -> None:
        """Add the pairs of one tile, weighed by the derivatives of something of a cone by the exterior angle."""
        self.aperture[b, tile.i] -= weight.sum(-1)
        self.add(b, tile, weight, tile.triangle.exterior_angle_partials())

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

    def gradients(self) -> Gradients:
        """What was summed."""
        dtype = pair_dtype(self.x.direction, self.y.direction)
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


def tangent(factor: Factor, tangents: Sequence[Tensor], quantity: Quantity, out: Tensor) -> None:
    """Write the tangent of `quantity` of every pair to `out` (B, N, M), or add its sum over y to `out` (B, N).

    Args:
        factor: the points, with half apertures where the quantity has a cone.
        tangents: of the directions and radii of x and of y, (B, N, D), (B, N), (B, M, D) and (B, M), of the curvature
            (B,) and, for a quantity with a cone, of the half apertures (B, N).
        quantity: of one space.
        out: written to; for sums in the widest float.
    """
    to_ux, to_rx, to_uy, to_ry, to_k, *to_psi = (wide(part) for part in tangents)
    summed = out.ndim == 2
    if summed:
        out.zero_()
    turn_x, turn_y = (_turn(p.direction, to) for p, to in ((factor.x, to_ux), (factor.y, to_uy)))
    for b, pairs in enumerate(problems(factor.x, factor.y, factor.curvature)):
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                partials = quantity.partials(tile.triangle)
                by_cosine = turn_x[b, i] @ tile.y.mT + tile.x @ turn_y[b, tile.j].mT
                moved = partials.x * to_rx[b, i, None] + partials.y * to_ry[b, None, tile.j]
                moved += partials.curvature * to_k[b] - partials.theta_over_sine * by_cosine
                if quantity.cone is not None and factor.aperture is not None:
                    psi = factor.aperture[b, i, None].to(pairs.dtype)
                    slope = quantity.cone.slope(quantity.law(tile.triangle), psi)
                    moved = slope * (moved - to_psi[0][b, i, None])
                if summed:
                    out[b, i] += moved.sum(-1)
                else:
                    out[b, i, tile.j] = moved.to(out.dtype)


def _turn(direction: Tensor, tangent: Tensor) -> Tensor:
    """The tangent of a unit ray from that of its direction; 0 where the direction is 0."""
    ray, norm = unit(wide(direction))
    across = (tangent - (ray * tangent).sum(-1, keepdim=True) * ray) / norm.unsqueeze(-1)
    return torch.where((norm == 0).unsqueeze(-1), 0.0, across)
