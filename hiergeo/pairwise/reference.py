"""The pair operations in plain PyTorch: the specification, the oracle of every kernel, and the fallback without one.

Memory is O((N + M) D) beside the result, forward and backward: tiles are recomputed, never kept.
"""

from typing import Any

import torch
from torch import Tensor

from hiergeo._numerics import first_order, scalar, unit, wide
from hiergeo.pairwise.quantity import EXTERIOR_ANGLE, Quantity
from hiergeo.pairwise.tiles import Pairs, Tile
from hiergeo.pairwise.triangle import Partials
from hiergeo.polar import Polar


def store(x: Polar, y: Polar, curvature: float | Tensor, quantity: Quantity) -> Tensor:
    """`quantity` of every pair, (N), (M) -> (N, M), with gradients to directions, radii and curvature."""
    return _Store.apply(*x, *y, scalar(curvature, x.radius.device), quantity)


def energy_mean(x: Polar, y: Polar, aperture: Tensor, curvature: float | Tensor) -> Tensor:
    """Mean over y of max(0, Xi(x, y) - aperture_x), (N), (M), (N,) -> (N,), with gradients to all of them."""
    return _EnergyMean.apply(*x, *y, aperture, scalar(curvature, x.radius.device))


class _Store(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, curvature: Tensor, quantity: Quantity
    ) -> Tensor:
        ctx.save_for_backward(ux, rx, uy, ry, curvature)
        ctx.quantity = quantity
        pairs = Pairs(Polar(ux, rx), Polar(uy, ry), curvature.item())
        result = torch.empty(len(rx), len(ry), dtype=pairs.dtype, device=rx.device)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                result[tile.i, tile.j] = quantity.value(tile.triangle)
        return result

    @staticmethod
    @first_order
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        ux, rx, uy, ry, curvature = ctx.saved_tensors
        pairs = Pairs(Polar(ux, rx), Polar(uy, ry), curvature.item())
        sums = _GradientSums(pairs)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                sums.add(tile, upstream[tile.i, tile.j], ctx.quantity.partials(tile.triangle))
        return *sums.gradients(curvature.dtype), None


class _EnergyMean(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, aperture: Tensor, curvature: Tensor
    ) -> Tensor:
        ctx.save_for_backward(ux, rx, uy, ry, aperture, curvature)
        pairs = Pairs(Polar(ux, rx), Polar(uy, ry), curvature.item())
        total = torch.zeros(len(rx), dtype=wide(rx).dtype, device=rx.device)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                excess = tile.triangle.exterior_angle() - aperture[i, None]
                total[i] += wide(excess.clamp_min(0)).sum(-1)
        return (total / len(ry)).to(pairs.dtype)

    @staticmethod
    @first_order
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        ux, rx, uy, ry, aperture, curvature = ctx.saved_tensors
        pairs = Pairs(Polar(ux, rx), Polar(uy, ry), curvature.item())
        sums = _GradientSums(pairs)
        outside = torch.zeros_like(rx, dtype=torch.int64)
        weight = upstream / len(ry)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                counted = tile.triangle.exterior_angle() > aperture[i, None]
                outside[i] += counted.sum(-1)
                sums.add(tile, weight[i, None] * counted, EXTERIOR_ANGLE.partials(tile.triangle))
        *directions_and_radii, by_curvature = sums.gradients(curvature.dtype)
        return *directions_and_radii, -weight * outside, by_curvature


class _GradientSums:
    """Gradients by directions, radii and curvature, summed over tiles in float64."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self.pull_x, self.pull_y = (torch.zeros_like(wide(p.direction)) for p in (pairs.x, pairs.y))
        self.along_x, self.along_y = (torch.zeros_like(wide(p.radius)) for p in (pairs.x, pairs.y))
        self.radius_x, self.radius_y = torch.zeros_like(self.along_x), torch.zeros_like(self.along_y)
        self.curvature = torch.zeros((), dtype=self.along_x.dtype, device=self.along_x.device)

    def add(self, tile: Tile, upstream: Tensor, partials: Partials) -> None:
        """Add the pairs of one tile: d cos(theta)/d x = y - cos(theta) x for unit rays."""
        by_cosine = -wide(upstream * partials.theta_over_sine)
        along = by_cosine * tile.opening.cosine
        self.pull_x[tile.i] += by_cosine @ tile.y
        self.pull_y[tile.j] += by_cosine.mT @ tile.x
        self.along_x[tile.i] += along.sum(1)
        self.along_y[tile.j] += along.sum(0)
        self.radius_x[tile.i] += wide(upstream * partials.x).sum(1)
        self.radius_y[tile.j] += wide(upstream * partials.y).sum(0)
        self.curvature += wide(upstream * partials.curvature).sum()

    def gradients(self, curvature_dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The gradients by u_x, r_x, u_y, r_y and K, in the dtypes of the inputs."""
        x, y = self.pairs.x, self.pairs.y
        return (
            _tangent(x.direction, self.pull_x, self.along_x),
            self.radius_x.to(x.radius.dtype),
            _tangent(y.direction, self.pull_y, self.along_y),
            self.radius_y.to(y.radius.dtype),
            self.curvature.to(curvature_dtype),
        )


def _tangent(direction: Tensor, pull: Tensor, along: Tensor) -> Tensor:
    ray, norm = unit(wide(direction))
    gradient = (pull - along.unsqueeze(-1) * ray) / torch.where(norm == 0, 1.0, norm).unsqueeze(-1)
    return gradient.to(direction.dtype)
