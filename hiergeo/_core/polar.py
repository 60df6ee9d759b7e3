"""Points in polar form around the root: the one representation every geometry and every kernel shares."""

from typing import NamedTuple

import torch
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

    @property
    def known(self) -> Tensor:
        """Which points are numbers: neither direction nor radius holds NaN or Inf, (..., N)."""
        return torch.isfinite(self.direction).all(-1) & torch.isfinite(self.radius)


class Lifted(tuple[Polar, ...]):
    """Points in each factor of a space whose radii are >= 0 and whose zero directions have none, by construction.

    Values of pairs of lifted points are not checked once more, unless a factor is a sphere.
    """

    __slots__ = ()
