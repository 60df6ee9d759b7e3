"""Losses of chains: radii that grow, and turns that add up, from general to specific."""

import torch
from torch import Tensor

from hiergeo._numerics import compute_dtype, wide
from hiergeo.geometry import Space
from hiergeo.losses._checks import check_chains, check_equal_dimensions, check_number
from hiergeo.losses._factors import exterior_angle


def radius_order_loss(chain: Tensor, space: Space, margin: float = 0.1) -> Tensor:
    """Mean of max(0, r_i - r_{i+1} + margin) over consecutive tiers, geodesic units, a 0-dim tensor.

    0 where along every chain each radius exceeds the one before by `margin`; tau_d is then 1. Radii, and so this
    loss, are the same in every geometry; in a product they combine as its lengths do. It is not a term of the RE
    loss: name it where a result used it.

    Args:
        chain: (..., T, D), T >= 2, from general to specific.
        space: its root is where radii start.
        margin: >= 0, geodesic units.

    Raises:
        InputError: chains of fewer than 2 tiers, NaN or Inf, a negative margin.

    Source: a pairwise ranking hinge (Herbrich et al., 2000) on the radii of Alper and Averbuch-Elor (ECCV 2024).
    """
    check_chains({"chain": chain})
    check_number("margin", margin)
    radius = space.radius(chain)
    return (radius[..., :-1] - radius[..., 1:] + margin).clamp_min(0).mean()


def transitivity_loss(chain: Tensor, space: Space, margin: float = 0.0) -> Tensor:
    """Mean of max(0, Xi(x_i, x_{i+2}) - a_i + margin) over the triples of consecutive tiers, radians, a 0-dim tensor.

    a_i = arccos(cos+ Xi(x_i, x_{i+1}) cos+ Xi(x_{i+1}, x_{i+2})), with cos+ = max(0, cos), is the turn that two steps
    make at right angles. The exterior angle at a tier is taken around the tier before it (at the first tier around
    the root of `space`), that is in the space of the same geometry whose root is the tier before. 0 for chains along
    a ray from the root.

    Args:
        chain: (..., T, D), T >= 3, from general to specific.
        space: its geometry, and the root of the first tier.
        margin: >= 0, radians; with pi/2 the hinge never closes.

    Raises:
        InputError: chains of fewer than 3 tiers, NaN or Inf, a negative margin; on a sphere, tiers beyond the
            antipode of the tier before.

    Source: Sastry et al., RCME (ICCV 2025), the global term of their training code, there in Euclidean space.
    """
    check_chains({"chain": chain}, tiers=3)
    check_number("margin", margin)
    if space.root is not None:
        check_equal_dimensions(chain=chain, root=space.root)
    tiers = wide(chain)
    first = torch.zeros_like(tiers[..., :1, :]) if space.root is None else wide(space.root).expand_as(tiers[..., :1, :])
    before = torch.cat((first, tiers[..., :-2, :]), dim=-2)
    around, dtype = Space(space.geometry, False), compute_dtype(chain.dtype)

    def turn(reach: int) -> Tensor:
        count = tiers.shape[-2] - reach
        here, there = tiers[..., :count, :], tiers[..., reach:, :]
        origin = before[..., :count, :]
        return exterior_angle(around, (here - origin).to(dtype), (there - origin).to(dtype))

    step = turn(1)
    return (turn(2) - _right_angled(step[..., :-1], step[..., 1:]) + margin).clamp_min(0).mean()


def _right_angled(a: Tensor, b: Tensor) -> Tensor:
    """arccos(cos+ a cos+ b), the hypotenuse of a right-angled spherical triangle, exact near 0; gradient 0 at 0."""
    a, b = (angle.clamp_max(torch.pi / 2) for angle in (a, b))
    legs = torch.stack((torch.sin(a), torch.cos(a) * torch.sin(b)), dim=-1)
    return torch.atan2(torch.linalg.vector_norm(legs, dim=-1), torch.cos(a) * torch.cos(b))
