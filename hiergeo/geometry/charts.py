"""The charts: Euclidean space, the Lorentz and Poincare models of hyperbolic space, and the sphere."""

import math
import warnings
from typing import Any, final

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide
from hiergeo._core.polar import Polar
from hiergeo.geometry.base import ConstantCurvature, Curved, first_row, rays, to_ray
from hiergeo.pairwise.checks import check_reach

REACH = {torch.float32: 6.0, torch.float64: 26.0}
"""Largest s r whose coordinates still tell it to about 5e-5: further out the ball has no room left between numbers."""


@final
class Euclidean(ConstantCurvature):
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


@final
class Lorentz(Curved):
    """Hyperbolic space of curvature K < 0 on the hyperboloid <x, x> = 1/K, time coordinate first.

    The root is the vertex. Coordinates: (cosh(s r), sinh(s r) u) / s with s = sqrt(-K). geoopt's ``Lorentz(k)`` has
    k = -1/K, MERU's ``curv`` is -K.

    Source: Nickel and Kiela (ICML 2018); Desai et al., MERU (ICML 2023).
    """

    sign = -1

    def __init__(self, curvature: float = -1.0, learnable: bool = False) -> None:
        super().__init__(curvature, learnable)

    def ambient_dim(self, dim: int) -> int:
        return dim + 1

    def to_ambient(self, point: Polar) -> Tensor:
        a = self.scale * wide(point.radius).unsqueeze(-1)
        x = (torch.cat((torch.cosh(a), torch.sinh(a) * rays(point)), dim=-1) / self.scale).to(point.direction.dtype)
        overflow = x[..., 0].isinf() & point.radius.isfinite()
        if bool(overflow.any()):
            raise InputError(
                f"row {first_row(overflow)} has sqrt(-K) r = {float(a.detach()[overflow][0]):.3g}, where coordinates "
                f"of the hyperboloid overflow {x.dtype}: keep such points in polar form."
            )
        return x

    def from_ambient(self, x: Tensor) -> Polar:
        time, space = wide(x[..., 0]), wide(x[..., 1:])
        ray = to_ray(space)
        expected = torch.hypot(ray.radius, torch.as_tensor(1 / self.scale, dtype=time.dtype, device=time.device))
        off = (time - expected).abs() > 64 * torch.finfo(x.dtype).eps * expected
        if bool(off.any()):
            raise InputError(
                f"row {first_row(off)} does not lie on the hyperboloid <x, x> = {1 / self.value:g} "
                "(time coordinate first): project it or use the curvature it was made with."
            )
        radius = torch.asinh(self.scale * ray.radius) / self.scale
        return Polar(ray.direction.to(x.dtype), radius.to(x.dtype))

    def manifold(self) -> Any:
        """The geoopt manifold of these coordinates, for manifold parameters and Riemannian optimisers."""
        return geoopt().Lorentz(k=exact(-1 / self.value))


@final
class PoincareBall(Curved):
    """Hyperbolic space of curvature K < 0 in the open ball of radius 1/s, s = sqrt(-K).

    The same space as `Lorentz` in another chart: coordinates are tanh(s r / 2) u / s. geoopt's ``PoincareBall(c)`` has
    c = -K and ``expmap0(v / 2)`` for our v, since its ``dist0`` of small v is 2 |v|.

    Source: Nickel and Kiela (NeurIPS 2017); Ganea et al. (NeurIPS 2018).
    """

    sign = -1

    def __init__(self, curvature: float = -1.0, learnable: bool = False) -> None:
        super().__init__(curvature, learnable)

    @property
    def spec(self) -> str:
        return f"poincare:{self.written}"

    def ambient_dim(self, dim: int) -> int:
        return dim

    def to_ambient(self, point: Polar) -> Tensor:
        a = self.scale * wide(point.radius).unsqueeze(-1)
        self._refuse_far(a, point.direction.dtype)
        return (torch.tanh(a / 2) / self.scale * rays(point)).to(point.direction.dtype)

    def from_ambient(self, x: Tensor) -> Polar:
        ray = to_ray(wide(x))
        outside = self.scale * ray.radius >= 1
        if bool(outside.any()):
            raise InputError(
                f"row {first_row(outside)} lies outside the Poincare ball of radius {1 / math.sqrt(-self.value):g}."
            )
        a = 2 * torch.atanh(self.scale * ray.radius)
        self._refuse_far(a, x.dtype)
        return Polar(ray.direction.to(x.dtype), (a / self.scale).to(x.dtype))

    def manifold(self) -> Any:
        """The geoopt manifold of these coordinates, for manifold parameters and Riemannian optimisers."""
        return geoopt().PoincareBall(c=exact(-self.value))

    def _refuse_far(self, a: Tensor, dtype: torch.dtype) -> None:
        limit = REACH.get(dtype, REACH[torch.float32])
        far = a > limit
        if bool(far.any()):
            raise InputError(
                f"row {first_row(far)} has sqrt(-K) r = {float(a.detach()[far][0]):.3g}, beyond {limit:g}, where "
                f"{dtype} coordinates of the Poincare ball lose the radius: use the Lorentz chart or float64."
            )


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


def geoopt() -> Any:
    """The geoopt module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import geoopt as module
    return module


def exact(curvature: float) -> Tensor:
    """A curvature as geoopt's manifolds take it, in float64: a plain number they would round to float32."""
    return torch.tensor(curvature, dtype=torch.float64)
