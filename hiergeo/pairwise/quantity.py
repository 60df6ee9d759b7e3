"""The two quantities that have a derivative of their own: each is a value and its partials on a triangle."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from hiergeo.pairwise.triangle import Partials, Triangle


@dataclass(frozen=True)
class Quantity:
    """A function of a triangle and its first derivatives."""

    value: Callable[[Triangle], Tensor]
    partials: Callable[[Triangle], Partials]


EXTERIOR_ANGLE = Quantity(Triangle.exterior_angle, Triangle.exterior_angle_partials)
DISTANCE = Quantity(Triangle.distance, Triangle.distance_partials)
