"""The Poincare ball model of hyperbolic space."""

import math
from typing import Any, final

import torch
from torch import Tensor

from hiergeo._numerics import wide
from hiergeo.errors import InputError
from hiergeo.geometry._base import Curved, first_row, rays, to_ray
from hiergeo.geometry._geoopt import exact, geoopt
from hiergeo.polar import Polar

REACH = {torch.float32: 6.0, torch.float64: 26.0}
"""Largest s r whose coordinates still tell it to about 5e-5: further out the ball has no room left between numbers."""


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
