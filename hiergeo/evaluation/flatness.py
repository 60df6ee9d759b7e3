"""Diagnostics of a space: radius spread, cone occupancy and how much its curvature matters at these radii."""

import math

import numpy as np
import torch
from torch import Tensor

from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.stretches import row_by_row
from hiergeo.geometry import Product, Space


def diagnose(embedded: Embedded, space: Space, radii: np.ndarray, seed: int) -> dict[str, float]:
    """Numbers behind a `hiergeo.findings.SpaceVerdict`.

    `radius_mean_tierI`, `radius_std_tierI` per tier; `radius_spread`, the largest over the smallest tier mean;
    `in_cone` and `in_cone_random`, the shares of (parent, child) pairs and of random pairs inside cones;
    `bend`, how much sn(r) exceeds or falls short of r at the largest radius, in a product that of the factor that bends
    most; where there is a single factor, `curvature`, and `aperture_root`, the share of captions so close to the root
    that their cone is a half-space.
    """
    tiers = radii.mean(0)
    numbers = {f"radius_mean_tier{i}": float(mean) for i, mean in enumerate(tiers)}
    numbers |= {f"radius_std_tier{i}": float(std) for i, std in enumerate(radii.std(0))}
    numbers["radius_spread"] = float(tiers.max() / max(tiers.min(), np.finfo(np.float64).tiny))

    def in_cone(parent: Tensor, child: Tensor) -> float:
        inside = row_by_row(lambda x, y: space.margin(text[x], text[y]) >= 0, parent, child)
        return float(inside.double().mean())

    text, chains = embedded.text, embedded.chains
    parent, child = chains[:, :-1].flatten(), chains[:, 1:].flatten()
    numbers["in_cone"] = in_cone(parent, child)
    shuffled = child[torch.randperm(len(child), generator=torch.Generator().manual_seed(seed))]
    numbers["in_cone_random"] = in_cone(parent, shuffled)

    factors = space.geometry.parts(text.shape[-1])
    reaches = row_by_row(lambda x: _radii(space, x), text).amax(0).tolist()
    bends = [bend(float(geometry.curvature), reach) for (geometry, _), reach in zip(factors, reaches, strict=True)]
    numbers["bend"] = max(bends, key=abs)
    if not isinstance(space.geometry, Product):
        wide = row_by_row(lambda x: space.half_aperture(x) >= math.pi / 2, text)
        numbers["aperture_root"] = float(wide.double().mean())
        numbers["curvature"] = float(space.geometry.curvature)
    return numbers


def _radii(space: Space, x: Tensor) -> Tensor:
    """Radii in every factor of a space, (N, factors)."""
    return torch.stack([point.radius for point in space.polars(x)], dim=1)


def bend(curvature: float, radius: float) -> float:
    """sn(r)/r - 1: by how much circles of this radius are longer (K < 0) or shorter (K > 0) than flat ones."""
    a = math.sqrt(abs(curvature)) * radius
    if a == 0:
        return 0.0
    return (math.sinh(min(a, 700)) if curvature < 0 else math.sin(a)) / a - 1
