"""Points in polar form around the root: the one representation every geometry and every kernel shares."""

from typing import NamedTuple

from torch import Tensor


class Polar(NamedTuple):
    """Points as rays from the root.

    Attributes:
        direction: shape (..., N, D), rays; only their direction counts, their norms are corrected for. A point at the
            root has direction 0.
        radius: shape (..., N), geodesic distance from the root, >= 0.
    """

    direction: Tensor
    radius: Tensor
