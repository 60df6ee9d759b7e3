"""What a benchmark computes on: two sets of points, a curvature, and what follows from them."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo import Polar, pairwise
from hiergeo._core.polar import Exact, Lifted

CENTRES = 1000  # clusters of `clustered`: of two sets of points one pair in so many shares a centre
THRESHOLDS = 50  # thresholds of a ladder
FLOAT = 4  # bytes of a float32


class Shape(NamedTuple):
    """N points x against M points y of D dimensions."""

    n: int
    m: int
    dim: int

    @property
    def flops(self) -> float:
        """Floating-point operations of one product of all pairs."""
        return 2.0 * self.n * self.m * self.dim

    @property
    def directions(self) -> int:
        """Bytes of the directions in float32."""
        return FLOAT * self.dim * (self.n + self.m)

    @property
    def pairs(self) -> int:
        """Bytes of one float32 for every pair."""
        return FLOAT * self.n * self.m

    def __str__(self) -> str:
        return " x ".join(f"{count:,}" for count in self)


@dataclass(frozen=True)
class Problem:
    """Points x and y with unit directions, (N, D) and (M, D), and a signed curvature."""

    x: Polar
    y: Polar
    curvature: float

    @property
    def shape(self) -> Shape:
        return Shape(len(self.x.radius), len(self.y.radius), self.x.direction.shape[-1])

    @cached_property
    def out(self) -> Tensor:
        """A place for one number of every pair."""
        return self.x.direction.new_empty(self.shape[:2])

    @cached_property
    def leaves(self) -> "Problem":
        """The same problem with directions and radii that gradients reach."""
        x, y = (Polar(*(field.detach().clone().requires_grad_() for field in point)) for point in (self.x, self.y))
        return Problem(x, y, self.curvature)

    @property
    def halves(self) -> tuple[list[Polar], list[Polar], list[float]]:
        """The points and curvatures of a product of two spaces: each half of the coordinates with all of the radius."""
        x, y = ([Polar(u, p.radius) for u in p.direction.chunk(2, -1)] for p in (self.x, self.y))
        return x, y, [self.curvature, self.curvature]

    @cached_property
    def prepared(self) -> tuple[Lifted, Lifted, list[float]]:
        """The points as `Space.points` prepares them, y with a copy of its directions in 8 bits."""
        vectors = self.y.direction * self.y.radius.to(self.y.direction.dtype).unsqueeze(-1)
        origin = torch.zeros(self.shape.dim, dtype=torch.float64)
        y = pairwise.shadowed(Exact.of(self.y, vectors, origin), self.curvature)
        return Lifted([self.x]), Lifted([y]), [self.curvature]

    @cached_property
    def partners(self) -> Tensor:
        """A column for each row, (N,) int64: that of its number, round and round."""
        return torch.arange(self.shape.n) % self.shape.m

    def to(self, dtype: torch.dtype) -> "Problem":
        """The same problem with directions of another dtype."""
        x, y = (Polar(p.direction.to(dtype), p.radius) for p in (self.x, self.y))
        return Problem(x, y, self.curvature)

    def part(self, rows: int, columns: int | None = None) -> "Problem":
        """The first `rows` of x against the first `columns` of y, or all of them."""
        x, y = Polar(*(field[:rows] for field in self.x)), Polar(*(field[:columns] for field in self.y))
        return Problem(x, y, self.curvature)


def thresholds(radius: Tensor) -> Tensor:
    """Thresholds of a ladder: from the least radius to the largest."""
    return torch.linspace(float(radius.min()), float(radius.max()), THRESHOLDS, dtype=radius.dtype)


def points(count: int, dim: int, seed: int) -> Polar:
    """`count` float32 polar points, directions uniform on the sphere, radii uniform in [0.5, 1.5]."""
    generator = torch.Generator().manual_seed(seed)
    direction = normalize(torch.randn(count, dim, generator=generator), dim=-1)
    return Polar(direction, 0.5 + torch.rand(count, generator=generator))


def narrow(count: int, dim: int, seed: int) -> Polar:
    """`points` whose directions scatter around one mean, two of them about 0.3 rad apart."""
    noise, radius = points(count, dim, seed)
    return Polar(normalize(points(1, dim, 1_000_000).direction + 0.22 * noise, dim=-1), radius)


def clustered(count: int, dim: int, seed: int, spread: float, centres: int = 0) -> Polar:
    """`points` whose directions scatter around CENTRES random ones, which `centres` is the seed of.

    Two points of one centre have a cosine of about 1 / (1 + spread^2).
    """
    noise, radius = points(count, dim, seed)
    middle = points(CENTRES, dim, centres + 1_000_000).direction
    return Polar(normalize(middle[torch.arange(count) % CENTRES] + spread * noise, dim=-1), radius)
