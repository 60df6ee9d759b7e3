"""Points of a space that may be a product: one `Polar` and a curvature, or one of each for every factor."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hiergeo._numerics import scalar, wants_derivative
from hiergeo.pairwise import checks
from hiergeo.pairwise.aperture import unchecked_aperture
from hiergeo.polar import Polar

Points = Polar | Sequence[Polar]
"""Points of one space, or of a product: their polar form in each factor."""

Curvature = float | Tensor | Sequence[float | Tensor]
"""The signed curvature of one space, or those of the factors of a product."""


class Pairs(NamedTuple):
    """Two point sets in the factors of a space.

    Attributes:
        x: N points in each factor, directions (..., N, D) and radii (..., N).
        y: M points in each.
        curvature: signed K of each.
        batch: the leading dimensions of x and y, broadcast against each other.
    """

    x: tuple[Polar, ...]
    y: tuple[Polar, ...]
    curvature: tuple[float | Tensor, ...]
    batch: torch.Size

    @property
    def single(self) -> bool:
        """Whether the space is no product."""
        return len(self.x) == 1

    @property
    def rows(self) -> torch.Size:
        """The shape (..., N) of a number for each x."""
        return torch.Size((*self.batch, *self.x[0].radius.shape[-1:]))

    def operands(self) -> tuple[list[Tensor], ...]:
        """What operators take first: lists of directions and radii of x and of y and of 0-dim curvatures."""
        ux, uy = ([p.direction.expand(*self.batch, *p.direction.shape[-2:]) for p in side] for side in (self.x, self.y))
        rx, ry = ([p.radius.expand(*self.batch, *p.radius.shape[-1:]) for p in side] for side in (self.x, self.y))
        device = self.x[0].radius.device
        return ux, rx, uy, ry, [scalar(k, device) for k in self.curvature]

    def apertures(self, min_radius: float, of_y: bool = False) -> list[Tensor]:
        """Half apertures at x, or at y, in each factor."""
        side = self.y if of_y else self.x
        return [
            unchecked_aperture(p.radius, k, min_radius).expand(*self.batch, *p.radius.shape[-1:])
            for p, k in zip(side, self.curvature, strict=True)
        ]

    def wants_derivative(self) -> bool:
        """Whether a result has to carry a derivative to points or curvatures; inside of `torch.func` it may have to."""
        operands = (*(field for p in (*self.x, *self.y) for field in p), *self.curvature)
        return wants_derivative(*(x for x in operands if isinstance(x, Tensor)))


def pairs(px: Points, py: Points, curvature: Curvature) -> Pairs:
    """The pairs of two point sets, or InputError for factors that do not fit each other."""
    x, y = ((p,) if isinstance(p, Polar) else tuple(p) for p in (px, py))
    k = tuple(curvature) if isinstance(curvature, Sequence) else (curvature,)
    checks.check_factors(len(x), len(y), len(k))
    for each in k:
        checks.check_curvature(each)
    batches = [checks.check_pair(a, b) for a, b in zip(x, y, strict=True)]
    return Pairs(x, y, k, checks.broadcast(batches))
