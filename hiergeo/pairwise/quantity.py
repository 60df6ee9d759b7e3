"""The quantities of a pair: a law of the triangle each and, for those of a cone, what the half aperture makes of it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hiergeo.errors import unknown_name
from hiergeo.pairwise.triangle import Partials, Triangle


@dataclass(frozen=True)
class Cone:
    """What is made of an exterior angle and the half aperture at x: the value, and its derivative by the angle.

    The derivative by the aperture is the negative of the one by the angle.
    """

    value: Callable[[Tensor, Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Quantity:
    """A function of a triangle and its first derivatives.

    Attributes:
        code: its number in the native kernels.
        law: the value on a triangle, before any cone.
        partials: the first derivatives of the law.
        cone: how the half aperture at x enters; None where it does not.
    """

    code: int
    law: Callable[[Triangle], Tensor]
    partials: Callable[[Triangle], Partials]
    cone: Cone | None = None

    def value(self, triangle: Triangle, aperture: Tensor | None) -> Tensor:
        """The quantity of every pair of a triangle; `aperture` broadcasts against them and is None without a cone."""
        law = self.law(triangle)
        return law if self.cone is None or aperture is None else self.cone.value(law, aperture)


MARGIN = Cone(lambda angle, aperture: aperture - angle, lambda angle, _: torch.full_like(angle, -1.0))
ENERGY = Cone(lambda angle, aperture: (angle - aperture).clamp_min(0), lambda angle, aperture: angle > aperture)

QUANTITIES = {
    "exterior_angle": Quantity(0, Triangle.exterior_angle, Triangle.exterior_angle_partials),
    "distance": Quantity(1, Triangle.distance, Triangle.distance_partials),
    "cone_margin": Quantity(2, Triangle.exterior_angle, Triangle.exterior_angle_partials, MARGIN),
    "energy": Quantity(3, Triangle.exterior_angle, Triangle.exterior_angle_partials, ENERGY),
}
"""Every quantity by the name that operators know it by."""


def named(name: str) -> Quantity:
    """The quantity of that name, or InputError."""
    if name not in QUANTITIES:
        raise unknown_name("quantity", name, QUANTITIES)
    return QUANTITIES[name]
