"""Euclidean space: the radial embeddings of the paper."""

from typing import Any, final

from torch import Tensor

from hiergeo._numerics import wide
from hiergeo.geometry._base import Geometry, rays, to_ray
from hiergeo.geometry._geoopt import geoopt
from hiergeo.polar import Polar


@final
class Euclidean(Geometry):
    """Flat space, K = 0; coordinates are the tangent vectors themselves.

    Source: the Radial Embedding framework, Alper and Averbuch-Elor (ECCV 2024).
    """

    @property
    def curvature(self) -> float:
        return 0.0

    @property
    def spec(self) -> str:
        return "euclidean"

    def ambient_dim(self, dim: int) -> int:
        return dim

    def to_ambient(self, point: Polar) -> Tensor:
        return (rays(point) * wide(point.radius).unsqueeze(-1)).to(point.direction.dtype)

    def from_ambient(self, x: Tensor) -> Polar:
        ray = to_ray(wide(x))
        return Polar(ray.direction.to(x.dtype), ray.radius.to(x.dtype))

    def manifold(self) -> Any:
        """The geoopt manifold of these coordinates, for manifold parameters and Riemannian optimisers."""
        return geoopt().Euclidean(ndim=1)
