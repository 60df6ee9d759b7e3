"""Losses of chains from general to specific: radii that grow from tier to tier, and turns that add up."""

import torch
from torch import Tensor

from hiergeo._core.numerics import compute_dtype, wide
from hiergeo.geometry import Space
from hiergeo.losses._checks import (
    Reduction,
    check_chains,
    check_equal_dimensions,
    check_number,
    check_reduction,
    reduced,
)


def radius_order_loss(space: Space, chain: Tensor, margin: float = 0.1, *, reduction: Reduction = "mean") -> Tensor:
    """max(0, r_i - r_{i+1} + margin) of consecutive tiers, geodesic units.

    0 where along every chain each radius exceeds the one before by `margin`; tau_d is then 1. Radii, and so this
    loss, are the same in every geometry; in a product they combine as its lengths do. It is not a term of the RE
    loss: name it where a result used it.

    Args:
        space: its root is where radii start.
        chain: (..., T, D), T >= 2, from general to specific.
        margin: >= 0, geodesic units.
        reduction: "mean" or "sum" over all pairs of tiers, or "none".

    Returns:
        A 0-dim tensor >= 0, or with "none" (..., T - 1), NaN at pairs that hold NaN or Inf.

    Raises:
        InputError: chains of fewer than 2 tiers, NaN or Inf unless `reduction` is "none", a negative margin.

    Source: a pairwise ranking hinge (Herbrich et al., 2000) on the radii of Alper and Averbuch-Elor (ECCV 2024).
    """
    check_reduction(reduction)
    check_chains({"chain": chain}, finite=reduction != "none")
    check_number("margin", margin)
    radius = space.radius(chain)
    radius = torch.where(torch.isfinite(radius), radius, torch.nan)
    return reduced((radius[..., :-1] - radius[..., 1:] + margin).clamp_min(0), reduction)


def transitivity_loss(space: Space, chain: Tensor, margin: float = 0.0, *, reduction: Reduction = "mean") -> Tensor:
    """max(0, Xi(x_i, x_{i+2}) - a_i + margin) of the triples of consecutive tiers, radians.

    a_i = arccos(cos+ Xi(x_i, x_{i+1}) cos+ Xi(x_{i+1}, x_{i+2})), with cos+ = max(0, cos), is the turn that two steps
    make at right angles. The exterior angle at a tier is taken around the tier before it (at the first tier around
    the root of `space`), that is in the space of the same geometry whose root is the tier before. 0 for chains along
    a ray from the root.

    Args:
        space: its geometry, and the root of the first tier.
        chain: (..., T, D), T >= 3, from general to specific.
        margin: >= 0, radians; with pi/2 the hinge never closes.
        reduction: "mean" or "sum" over all triples, or "none".

    Returns:
        A 0-dim tensor >= 0, or with "none" (..., T - 2), NaN at triples that depend on NaN or Inf.

    Raises:
        InputError: chains of fewer than 3 tiers, NaN or Inf unless `reduction` is "none", a negative margin; on a
            sphere, tiers beyond the antipode of the tier before.

    Source: Sastry et al., RCME (ICCV 2025), the global term of their training code, there in Euclidean space.
    """
    check_reduction(reduction)
    check_chains({"chain": chain}, tiers=3, finite=reduction != "none")
    check_number("margin", margin)
    if space.root is not None:
        check_equal_dimensions(chain=chain, root=space.root)
    tiers = wide(chain)
    first = torch.zeros_like(tiers[..., :1, :])
    if space.root is not None:
        root = wide(space.root).expand_as(first)
        finite = torch.isfinite(tiers[..., :3, :]).all(-1, keepdim=True).all(-2, keepdim=True)
        first = torch.where(finite, root, root.detach())  # a chain with NaN gives the root no gradient
    before = torch.cat((first, tiers[..., :-2, :]), dim=-2)
    around, dtype = Space(space.geometry, "none"), compute_dtype(chain.dtype)

    def turn(reach: int) -> Tensor:
        count = tiers.shape[-2] - reach
        here, there = tiers[..., :count, :], tiers[..., reach:, :]
        origin = before[..., :count, :]
        return around.exterior_angle((here - origin).to(dtype), (there - origin).to(dtype))

    step = turn(1)
    excess = turn(2) - _right_angled(step[..., :-1], step[..., 1:]) + margin
    return reduced(excess.clamp_min(0), reduction)


def _right_angled(a: Tensor, b: Tensor) -> Tensor:
    """arccos(cos+ a cos+ b), the hypotenuse of a right-angled spherical triangle, exact near 0; gradient 0 at 0."""
    a, b = (angle.clamp_max(torch.pi / 2) for angle in (a, b))
    legs = torch.stack((torch.sin(a), torch.cos(a) * torch.sin(b)), dim=-1)
    return torch.atan2(torch.linalg.vector_norm(legs, dim=-1), torch.cos(a) * torch.cos(b))
