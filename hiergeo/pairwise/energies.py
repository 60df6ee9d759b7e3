"""Sums and minima of the entailment energy without an N x M result, tile by tile."""

import math

import torch
from torch import Tensor

from hiergeo._numerics import pair_dtype, wide
from hiergeo.pairwise.backend import Gradients
from hiergeo.pairwise.quantity import ENERGY as CONE
from hiergeo.pairwise.quantity import QUANTITIES, hinge
from hiergeo.pairwise.sums import GradientSums
from hiergeo.pairwise.tiles import problems
from hiergeo.polar import Polar

ENERGY = QUANTITIES["energy"]


def energy_sum(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> Tensor:
    """Sum over y of max(0, Xi - aperture), (B, N) float64."""
    total = torch.zeros_like(wide(x.radius))
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = aperture[b].to(pairs.dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                total[b, i] += wide(ENERGY.value(tile.triangle, psi[i, None])).sum(-1)
    return total


def energy_total(
    x: Polar, y: Polar, curvature: float, aperture: Tensor, margin: float | None, gradients: bool
) -> tuple[Tensor, Gradients | None]:
    """Sum over all pairs of the energy, or of max(0, margin - energy), (B,) float64, and its gradients if wanted."""
    cone = CONE if margin is None else hinge(margin)
    total = wide(x.radius).new_zeros(len(x.radius))
    sums = GradientSums(x, y, aperture) if gradients else None
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = aperture[b].to(pairs.dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                angle = tile.triangle.exterior_angle()
                total[b] += wide(cone.value(angle, psi[i, None])).sum()
                if sums is not None:
                    slope = wide(cone.slope(angle, psi[i, None]))
                    sums.add_cone(b, tile, torch.where(sums.pairs(b, tile), slope, 0.0))
    return total, None if sums is None else sums.gradients()


def energy_min(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
    """Least max(0, Xi - aperture) over y, (B, N), and the lowest index that reaches it; NaN and -1 without a number."""
    dtype = pair_dtype(x.direction, y.direction)
    values = torch.full_like(x.radius, math.inf, dtype=dtype)
    indices = torch.full_like(x.radius, -1, dtype=torch.int64)
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = aperture[b].to(dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                energy = ENERGY.value(tile.triangle, psi[i, None]).nan_to_num(nan=math.inf)
                least = energy.amin(-1)
                column = torch.arange(tile.j.start, tile.j.stop, device=energy.device)
                first = torch.where(energy == least.unsqueeze(-1), column, tile.j.stop).amin(-1)
                better = least < values[b, i]
                values[b, i] = torch.where(better, least, values[b, i])
                indices[b, i] = torch.where(better, first, indices[b, i])
    return values.masked_fill(indices < 0, math.nan), indices
