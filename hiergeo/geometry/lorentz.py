"""The Lorentz (hyperboloid) model of hyperbolic space."""

from typing import Any, final

import torch
from torch import Tensor

from hiergeo._numerics import wide
from hiergeo.errors import InputError
from hiergeo.geometry._base import Curved, first_row, rays, to_ray
from hiergeo.geometry._geoopt import exact, geoopt
from hiergeo.polar import Polar


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
