"""The radius order: what is more specific lies further from the root."""

from torch import Tensor

from hiergeo.geometry import Space
from hiergeo.losses._checks import check_chains, check_number


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
