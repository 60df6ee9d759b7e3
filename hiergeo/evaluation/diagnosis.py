"""Is there any hierarchy, and any curvature, to speak of: radius spread, cone occupancy, and a verdict in words."""

import math

import numpy as np
import torch
from torch import Tensor

from hiergeo.evaluation.protocols import View, located_rows, pair_scores
from hiergeo.geometry.points import row_by_row

FLAT_BEND = 0.02
"""Below this relative excess of sn(r) over r at the largest radius a curved space measures like a flat one."""

HUGE = 1e3
"""Relative excess beyond which its exact size says nothing."""

TELLING = 0.05
"""Lead of children over random captions below which being inside a cone says nothing."""

FLAT_SPREAD = 1.1
"""Below this ratio of the largest to the smallest tier mean, radii barely tell tiers apart."""


def diagnose(view: View, seed: int) -> dict[str, float]:
    """Numbers behind the verdict.

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


def verdict(numbers: dict[str, float]) -> str:
    """What the diagnostics say, in one or two plain sentences."""
    sentences = []
    if numbers["radius_spread"] < FLAT_SPREAD:
        sentences.append(
            f"Radii hardly differ between tiers (largest over smallest mean {numbers['radius_spread']:.2f}): "
            "there is little radial hierarchy to measure."
        )
    curvature, excess = numbers.get("curvature", 0.0), numbers.get("bend", 0.0)
    if curvature:
        change = f"{100 * abs(excess):.3g} %" if abs(excess) < HUGE else "over a thousand times"
        sentences.append(f"With K = {curvature:g} {room(change, excess)}.")
    sentences.append(_cones(numbers["in_cone"], numbers["in_cone_random"]))
    return " ".join(sentences)


def room(change: str, excess: float) -> str:
    """What the curvature does at the largest radius, which differs from flat space by `change`, in words."""
    longer, more = ("longer", "more") if excess > 0 else ("shorter", "less")
    circles = f"a circle of the largest radius is {change} {longer} than a flat one"
    if abs(excess) < FLAT_BEND:
        return f"{circles}: effectively flat, treat it as Euclidean"
    return f"{circles}: specific captions have that much {more} room to spread"


def _cones(occupancy: float, chance: float) -> str:
    """Whether cones tell children from other captions."""
    if occupancy == 0:
        return (
            "Cones say nothing here: at these radii they are too narrow to hold any caption's child. Radii and angles "
            "can order captions all the same; training widens cones (hiergeo train head)."
        )
    inside, random = f"{100 * occupancy:.1f} %", f"{100 * chance:.1f} %"
    shares = f"{inside} of children lie in their parent's cone, {random} of random captions do too"
    return f"Cones say nothing here: {shares}." if occupancy - chance < TELLING else f"{shares}."
