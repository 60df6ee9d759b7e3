"""Points in polar form around the root: the one representation every geometry and every kernel shares."""

from collections.abc import Sequence
from typing import Any, NamedTuple, final

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
    def finite(self) -> Tensor:
        """Which points are numbers: neither direction nor radius holds NaN or Inf, (..., N)."""
        return torch.isfinite((self.direction * 0).sum(-1)) & torch.isfinite(self.radius)


@final
class Exact(Polar):
    """Points that keep the vectors they were rounded from, so that near points stay apart."""

    vectors: Tensor  # (..., N, D); less `origin` they have the directions and, in float64, the lengths `radius`
    origin: Tensor  # (D,), float64
    source: object  # what the origin was taken from: points that share it are measured on their vectors
    shadow: "Shadow | None"  # the directions in 8 bits, if they are kept

    @staticmethod
    def of(
        point: Polar, vectors: Tensor, origin: Tensor, source: object = None, shadow: "Shadow | None" = None
    ) -> "Exact":
        """The point with what it was rounded from."""
        made = Exact(*point)
        made.vectors, made.origin, made.source, made.shadow = vectors, origin, source, shadow
        return made


class Shadow(NamedTuple):
    """Directions in 8 bits with the radial statistics of one curvature, by which few queries exclude most points."""

    rows: Tensor  # (M, D up to a multiple of 64) uint8
    numbers: Tensor  # (16, M up to a multiple of 64) float32
    curvature: float  # signed K


def part_of(point: Polar, *index: Any) -> Polar:
    """Some of the points, by an index into their leading dimensions and N; all of them if none is given."""
    rows = (..., *index)
    rays = (*rows, slice(None))
    part = Polar(point.direction[rays], point.radius[rows])
    if not isinstance(point, Exact):
        return part
    return Exact.of(part, point.vectors[rays], point.origin, point.source)


def exact(x: Polar, y: Polar) -> list[Tensor]:
    """The vectors of x and of y and their origin, if both were rounded from some around the same one; else nothing."""
    if isinstance(x, Exact) and isinstance(y, Exact) and x.source is y.source:
        return [x.vectors, y.vectors, x.origin]
    return []


def flat_exact(x: Sequence[Polar], y: Sequence[Polar]) -> list[Tensor]:
    """As `exact`, of points in several factors: all vectors of x, all of y, all origins; nothing if any has none."""
    factors = [exact(a, b) for a, b in zip(x, y, strict=True)]
    return [part for column in zip(*factors, strict=True) for part in column] if all(factors) else []


class Lifted(tuple[Polar, ...]):
    """Points in each factor of a space whose radii are >= 0 and whose zero directions have none, by construction.

    Values of pairs of lifted points are not checked once more, unless a factor is a sphere.
    """

    __slots__ = ()
