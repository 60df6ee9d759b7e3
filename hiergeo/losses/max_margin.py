"""Max-margin cones: children inside the cone of their own parent, and well outside those of all the others."""

from torch import Tensor

from hiergeo import pairwise
from hiergeo._numerics import wide
from hiergeo.errors import InputError
from hiergeo.geometry import Space
from hiergeo.losses._checks import check_embeddings, check_equal_shapes, check_number
from hiergeo.pairwise import rows


def max_margin_loss(
    parent: Tensor, child: Tensor, space: Space, margin: float = 0.1, min_radius: float = 0.1
) -> Tensor:
    """Mean of E(x_i, y_i) plus the mean over all i != j of max(0, margin - E(x_i, y_j)), radians, a 0-dim tensor >= 0.

    E = max(0, Xi - psi) is the entailment energy, and every other child of the batch is a negative of x_i. Nothing of
    the size N x N is stored, forward or backward: the second sum is `pairwise.hinge_total` less the own pairs, and its
    gradients are formed along with it.

    Equal parents, or equal children, in different rows are pushed apart as others are: keep them in different batches
    where the data allow it.

    Args:
        parent: (..., N, D), x; N >= 2, and only rows that share their leading indices meet as negatives.
        child: (..., N, D), y_i the child of x_i.
        space: where cones open; not a product, whose energy is the largest over its factors and so no sum of theirs.
        margin: > 0, radians by which other children should be outside.
        min_radius: as for `entailment_loss`.

    Raises:
        InputError: shapes that differ, fewer than 2 rows, a product, NaN or Inf, parameters out of range.

    Source: the max-margin loss of Ganea et al. (ICML 2018), with all other children of the batch as negatives.
    """
    check_embeddings(parent=parent, child=child)
    check_equal_shapes(parent=parent, child=child)
    check_number("margin", margin, positive=True)
    if parent.ndim < 2 or parent.shape[-2] < 2:
        raise InputError(f"parent and child must be (..., N, D) with N >= 2, not shape {tuple(parent.shape)}.")
    if len(space.geometry.parts(parent.shape[-1])) > 1:
        raise InputError(
            f"the max-margin loss sums energies over all pairs, and those of {space.geometry.spec} are no sums over "
            "its factors: use a single geometry, or entailment_loss."
        )
    ((geometry, _),) = space.geometry.parts(parent.shape[-1])
    x, y, curvature = space.polar(parent), space.polar(child), geometry.curvature
    aperture = pairwise.half_aperture(x.radius, curvature, min_radius)
    own = (rows.exterior_angle(x, y, curvature) - aperture).clamp_min(0)
    lacking = pairwise.hinge_total(x, y, curvature, margin, min_radius) - wide(margin - own).clamp_min(0).sum(-1)
    count = own.shape[-1]
    others = lacking.clamp_min(0) / (count * (count - 1))
    return own.mean() + others.mean().to(own.dtype)
