"""Diagnostics of a space: radius spread, cone occupancy and how much its curvature matters at these radii."""

import math

import numpy as np
import torch
from torch import Tensor

from hiergeo.evaluation.protocols import View, located_rows, pair_scores
from hiergeo.geometry.points import row_by_row


def diagnose(view: View, seed: int) -> dict[str, float]:
    """Numbers behind a `hiergeo.findings.SpaceVerdict`.

    `radius_mean_tierI`, `radius_std_tierI` per tier; `radius_spread`, the largest over the smallest tier mean;
    `in_cone` and `in_cone_random`, the shares of (parent, child) pairs and of random pairs inside cones;
    `bend`, how much sn(r) exceeds or falls short of r at the largest radius, in a product that of the factor that bends
    most; where there is a single factor, `curvature`, and `aperture_root`, the share of captions so close to the root
    that their cone is a half-space.
    """
    space, chains, radii = view.space, view.embedded.chains, view.radii
    tiers = radii.mean(0)
    numbers = {f"radius_mean_tier{i}": float(mean) for i, mean in enumerate(tiers)}
    numbers |= {f"radius_std_tier{i}": float(std) for i, std in enumerate(radii.std(0))}
    numbers["radius_spread"] = float(tiers.max() / max(tiers.min(), np.finfo(np.float64).tiny))

    def in_cone(parent: Tensor, child: Tensor) -> float:
        return float(pair_scores(space.entails, view.captions, parent, child).double().mean())

    parent, child = chains[:, :-1].flatten(), chains[:, 1:].flatten()
    numbers["in_cone"] = in_cone(parent, child)
    shuffled = child[torch.randperm(len(child), generator=torch.Generator().manual_seed(seed)).to(child.device)]
    numbers["in_cone_random"] = in_cone(parent, shuffled)

    factors = [factor for factor, _ in space.geometry.parts(view.embedded.captions.shape[-1])]
    reaches = view.factor_radii.amax(0).tolist()
    numbers["bend"] = max((bend(factor.value, reach) for factor, reach in zip(factors, reaches, strict=True)), key=abs)
    if len(factors) == 1:
        wide = row_by_row(
            lambda which: space.half_aperture(located_rows(view.text, which)) >= math.pi / 2, _places(view)
        )
        numbers["aperture_root"] = float(wide.double().mean())
        numbers["curvature"] = factors[0].value
    return numbers


def _places(view: View) -> Tensor:
    return torch.arange(len(view.embedded.texts), device=view.embedded.captions.device)


def bend(curvature: float, radius: float) -> float:
    """sn(r)/r - 1: by how much circles of this radius are longer (K < 0) or shorter (K > 0) than flat ones."""
    a = math.sqrt(abs(curvature)) * radius
    if a == 0:
        return 0.0
    return (math.sinh(min(a, 700)) if curvature < 0 else math.sin(a)) / a - 1
