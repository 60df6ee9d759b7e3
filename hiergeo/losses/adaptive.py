"""Adaptive entailment: parents point at their children without any aperture, and cannot hide at the root."""

from torch import Tensor

from hiergeo.geometry import Space
from hiergeo.losses._checks import check_embeddings, check_equal_dimensions, check_number
from hiergeo.losses._factors import exterior_angle


def adaptive_entailment_loss(
    parent: Tensor,
    child: Tensor,
    space: Space,
    softness: float = 0.1,
    least_radius: float = 0.2,
    norm_weight: float = 1.0,
) -> Tensor:
    """Mean of w_i Xi(x_i, y_i) + norm_weight max(0, least_radius - r(x_i)), a 0-dim tensor.

    w_i = d_i / (d_i + softness), with d_i the distance of x_i and y_i, is a number in [0, 1) without gradient. Cones
    of a fixed min_radius open to half-spaces as parents move to the root, where everything is entailed and nothing is
    learnt; here there is no aperture to open. The gradient of Xi by y grows like 1/d_i as the pair closes up: the
    weight bounds it, so that near-identical pairs are not torn apart, and the second term keeps parents away from the
    root.

    The idea (the exterior angle itself with an adaptive weight, and a norm regulariser against cone collapse) is that
    of ARGENT, Huynh et al. (arXiv 2603.23311). The weight and the regulariser are hiergeo's own formulation: the
    paper's exact formulas could not be verified.

    Args:
        parent: (..., D), x.
        child: (..., D), y; row by row, broadcasting.
        space: where angles, distances and radii are taken; its root is what parents are kept from.
        softness: > 0, geodesic units: pairs much closer than this hardly count.
        least_radius: >= 0, geodesic units; by default where cones with MERU's min_radius 0.1 open to half-spaces.
        norm_weight: >= 0, of the second term.

    Raises:
        InputError: dimensions that differ, rows that do not broadcast, NaN or Inf, parameters out of range.
    """
    check_embeddings(parent=parent, child=child)
    check_equal_dimensions(parent=parent, child=child)
    check_number("softness", softness, positive=True)
    check_number("least_radius", least_radius)
    check_number("norm_weight", norm_weight)
    apart = space.distance(parent, child).detach()
    turn = apart / (apart + softness) * exterior_angle(space, parent, child)
    near = (least_radius - space.radius(parent)).clamp_min(0)
    return turn.mean() + norm_weight * near.mean()
