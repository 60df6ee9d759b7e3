"""The sphere, in stereographic projection from the antipode of the root."""

import math
from typing import Any, final

import torch
from torch import Tensor

from hiergeo._numerics import wide
from hiergeo.geometry._base import Curved, rays, to_ray
from hiergeo.geometry._geoopt import exact, geoopt
from hiergeo.pairwise.checks import check_reach
from hiergeo.polar import Polar


@final
class Sphere(Curved):
    """The sphere of curvature K > 0; radii reach at most pi/s, s = sqrt(K), the antipode of the root.

    Coordinates: tan(s r / 2) u / s, as of geoopt's ``SphereProjection(k)`` with k = K. Beyond s r = pi/2 entailment
    cones widen again.
    """

    sign = 1

    def __init__(self, curvature: float = 1.0, learnable: bool = False) -> None:
        super().__init__(curvature, learnable)

    def ambient_dim(self, dim: int) -> int:
        return dim

    def to_ambient(self, point: Polar) -> Tensor:
        check_reach("point", point.radius, self.curvature)
        a = self.scale * wide(point.radius).unsqueeze(-1)
        return (torch.tan((a / 2).clamp_max(math.pi / 2)) / self.scale * rays(point)).to(point.direction.dtype)

    def from_ambient(self, x: Tensor) -> Polar:
        ray = to_ray(wide(x))
        return Polar(ray.direction.to(x.dtype), (2 * torch.atan(self.scale * ray.radius) / self.scale).to(x.dtype))

    def manifold(self) -> Any:
        """The geoopt manifold of these coordinates, for manifold parameters and Riemannian optimisers."""
        return geoopt().SphereProjection(k=exact(self.value))
