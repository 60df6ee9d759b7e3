"""What tests of the operators share: pair operations by name, and operands."""

from collections.abc import Callable

import torch
from torch import Tensor

from hiergeo import Polar, pairwise

Measure = Callable[..., Tensor]
NONE: tuple[None, None, None] = (None, None, None)
"""What directions were rounded from, where nothing is known of it."""
STORED: dict[str, Measure] = {
    "exterior_angle": pairwise.exterior_angle,
    "distance": pairwise.distance,
    "cone_margin": pairwise.cone_margin,
    "energy": pairwise.energy,
}
DIFFERENTIABLE: dict[str, Measure] = {
    **STORED,
    "energy_sum": pairwise.energy_sum,
    "energy_mean": pairwise.energy_mean,
    "energy_total": pairwise.energy_total,
    "hinge_total": lambda x, y, k: pairwise.hinge_total(x, y, k, 0.4),
    "energy_min": lambda *a: pairwise.energy_min(*a)[0],
}
SEARCHES: dict[str, Measure] = {
    "cone_count": pairwise.cone_count,
    "cone_topk, children": lambda x, y, k: stacked(pairwise.cone_topk(x, y, k, 3)),
    "cone_topk, parents": lambda x, y, k: stacked(pairwise.cone_topk(x, y, k, 3, side="parents")),
    "energy_min, index": lambda *a: pairwise.energy_min(*a)[1],
}


def stacked(found: tuple[Tensor, Tensor]) -> Tensor:
    return torch.stack([part.double() for part in found])


def points(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Polar:
    """Random points that lie in many of each other's cones: directions (*shape, 4)."""
    generator = torch.Generator().manual_seed(seed)
    direction = 1 + 0.6 * torch.randn(*shape, 4, generator=generator, dtype=torch.float64)
    return Polar(direction.to(dtype), (0.2 + torch.rand(shape, generator=generator, dtype=torch.float64)).to(dtype))


def operands(*batch: int, learnt: bool = False) -> list[Tensor]:
    """Directions and radii of x and y, a curvature and half apertures of x."""
    x, y = points(*batch, 5, seed=0), points(*batch, 6, seed=1)
    parts = [*x, *y, torch.tensor(-0.3, dtype=torch.float64), pairwise.half_aperture(x.radius, -0.3)]
    return [part.clone().requires_grad_(learnt) for part in parts]
