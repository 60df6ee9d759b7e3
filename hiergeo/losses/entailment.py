"""The entailment-cone loss: a child lies in the cone of its parent."""

from torch import Tensor

from hiergeo.geometry import Space
from hiergeo.losses._checks import check_embeddings, check_equal_dimensions, check_number
from hiergeo.losses._factors import energy


def entailment_loss(
    parent: Tensor, child: Tensor, space: Space, aperture_scale: float = 1.0, min_radius: float = 0.1
) -> Tensor:
    """Mean of max(0, Xi(x_i, y_i) - aperture_scale psi(x_i)), radians, a 0-dim tensor.

    0 where every child lies in the cone of its parent. A learnable curvature of `space` gets a gradient; keep it in
    bounds with `clamp_curvature` after each step. In a product it is the largest over the factors, the child being
    entailed when it is in all of them.

    Args:
        parent: (..., D), x.
        child: (..., D), y; row by row, broadcasting.
        space: where cones open, away from its root.
        aperture_scale: > 0; below 1 cones are stricter than they are drawn, above 1 more lenient.
        min_radius: k of the half aperture psi(x) = asin(min(1, 2 k / (s sn(r_x)))).

    Raises:
        InputError: dimensions that differ, rows that do not broadcast, NaN or Inf, an `aperture_scale` or a
            `min_radius` that is not a positive number.

    Source: Desai et al., MERU (ICML 2023); the scale is HyCoCLIP's (ICLR 2025).
    """
    check_embeddings(parent=parent, child=child)
    check_equal_dimensions(parent=parent, child=child)
    check_number("aperture_scale", aperture_scale, positive=True)
    return energy(space, parent, child, aperture_scale, min_radius).mean()
