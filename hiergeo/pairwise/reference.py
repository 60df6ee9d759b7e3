"""The pair operations in plain PyTorch: the specification, the oracle of every kernel, and the fallback without one.

A backend (`hiergeo.pairwise.backend.Backend`). Memory is O((N + M) D) beside the result, forward and backward: tiles
are recomputed, never kept.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hiergeo._numerics import wide
from hiergeo.pairwise.backend import Factor, Gradients
from hiergeo.pairwise.energies import energy_min, energy_sum, energy_total
from hiergeo.pairwise.prefix import ladder
from hiergeo.pairwise.quantity import Quantity
from hiergeo.pairwise.search import count, members, nearest_ladder, rank, smallest
from hiergeo.pairwise.sums import GradientSums
from hiergeo.pairwise.tiles import problems, values
from hiergeo.polar import Polar

__all__ = [
    "backward",
    "count",
    "energy_min",
    "energy_sum",
    "energy_total",
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
    sums = GradientSums(x, y, aperture)
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = None if aperture is None else aperture[b].to(pairs.dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                weight = torch.where(sums.pairs(b, tile), wide(upstream[b, tile.i, tile.j]), 0.0)
                if quantity.cone is not None and psi is not None:
                    weight = weight * quantity.cone.slope(quantity.law(tile.triangle), psi[i, None])
                    sums.aperture[b, i] -= weight.sum(-1)
                sums.add(b, tile, weight, quantity.partials(tile.triangle))
    return sums.gradients()
