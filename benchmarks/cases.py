"""What is measured: operations on problems, at three scales."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks._points import clustered, points
from benchmarks.ours import INTO, REDUCTIONS, SEARCHES
from benchmarks.problem import Problem, Shape

Make = Callable[[Shape, float], Problem]

NEAR, LOOSE = 0.1, 1.0
"""Scatter around a centre: of pairs that need the near-collinear repair, and of pairs that do not."""


def uniform(shape: Shape, curvature: float) -> Problem:
    """Directions uniform on the sphere."""
    return Problem(points(shape.n, shape.dim, 0), points(shape.m, shape.dim, 1), curvature)


def twice_as_wide(shape: Shape, curvature: float) -> Problem:
    """Uniform directions of twice the dimension."""
    return uniform(shape._replace(dim=2 * shape.dim), curvature)


def grouped(shape: Shape, curvature: float) -> Problem:
    """Queries and candidates around the same centres, cosines about 0.5 within a centre."""
    x, y = (clustered(count, shape.dim, seed, LOOSE) for seed, count in enumerate(shape[:2]))
    return Problem(x, y, curvature)


def collinear(shape: Shape, curvature: float) -> Problem:
    """0.1 % of the pairs near a common line, spread evenly."""
    x, y = (clustered(count, shape.dim, seed, NEAR) for seed, count in enumerate(shape[:2]))
    return Problem(x, y, curvature)


def apart(shape: Shape, curvature: float) -> Problem:
    """As `collinear`, with other centres for y: no pair is near a common line."""
    x, y = (clustered(count, shape.dim, seed, NEAR, seed) for seed, count in enumerate(shape[:2]))
    return Problem(x, y, curvature)


class Scale(NamedTuple):
    """Shapes of the cases, and how often each competitor is timed."""

    square: Shape
    wide: Shape
    large: Shape
    counts: tuple[int, ...]
    dims: tuple[int, ...]
    rounds: int


SCALES = {
    "full": Scale(
        square=Shape(4096, 4096, 512),
        wide=Shape(1000, 52_401, 512),
        large=Shape(8192, 32_768, 512),
        counts=(256, 512, 1024, 2048, 4096, 8192),
        dims=(32, 64, 128, 256, 512, 1024, 2048),
        rounds=7,
    ),
    "quick": Scale(
        square=Shape(1024, 1024, 512),
        wide=Shape(128, 8192, 512),
        large=Shape(1024, 4096, 512),
        counts=(256, 1024),
        dims=(64, 512),
        rounds=3,
    ),
    "tiny": Scale(
        square=Shape(96, 80, 32),
        wide=Shape(32, 400, 32),
        large=Shape(96, 400, 32),
        counts=(32, 64),
        dims=(16, 32),
        rounds=2,
    ),
}


@dataclass(frozen=True)
class Case:
    """One operation on one problem, and what is wanted of it.

    Attributes:
        name: what the table calls it.
        operation: a key of `benchmarks.ours.OPERATIONS`.
        shape: N, M and D of the base problem, whose bare matrix product is the unit of every ratio.
        make: the base problem.
        beyond: another problem, where what counts is how much longer it takes than the base problem.
        backward: with the gradients by directions and radii of both sides.
        peers: whether others than hiergeo and the matrix product take part.
        axis: the letter that a row of the scaling table varies, else empty.
        products: how many products of all pairs the result needs; what is computed again does not count.
        goals: what is wanted of hiergeo, as the table shows it: of each screen, where there are two.
    """

    name: str
    operation: str
    shape: Shape
    make: Make = uniform
    beyond: Make | None = None
    backward: bool = False
    peers: bool = True
    axis: str = ""
    products: int = 1
    goals: tuple[str, ...] = ()

    def problems(self, curvature: float) -> tuple[Problem, ...]:
        """The base problem and, where there is one, the problem beyond."""
        makes = (self.make,) if self.beyond is None else (self.make, self.beyond)
        found = [make(self.shape, curvature) for make in makes]
        return tuple(problem.leaves if self.backward else problem for problem in found)


def main_cases(scale: Scale) -> list[Case]:
    """The cases of the main table."""
    square, wide = scale.square, scale.wide
    return [
        Case("exterior angle, stored", "exterior angle", square, goals=("<= 0.75",)),
        Case("cone margin, stored", "cone margin", square, peers=False, goals=("<= 0.75",)),
        Case("energy, stored", "energy", square, peers=False, goals=("<= 0.75",)),
        Case("distance, stored", "distance", square),
        *(Case(name, name, square, peers=False, goals=() if "distance" in name else ("<= 0.5",)) for name in INTO),
        Case("count in cone", "count in cone", square, goals=("<= 0.5",)),
        Case("row mean of energy", "row mean of energy", square, goals=("<= 0.5",)),
        _training(square),
        Case("top-10", "top-10", wide, grouped, goals=("<= 0.3", "<= 0.42")),
        Case("ladder, 50 thresholds", "ladder, 50 thresholds", wide, grouped, goals=("<= 0.42", "<= 0.42")),
        Case(
            "tile product, from D to 2 D",
            "count in cone",
            square,
            beyond=twice_as_wide,
            peers=False,
            goals=(">= 80 % of the peak",),
        ),
        Case(
            "near-collinear repair, added by 0.1 % of the pairs",
            "exterior angle, into out=",
            square,
            apart,
            beyond=collinear,
            peers=False,
            products=0,
            goals=("<= 0.05",),
        ),
    ]


def _training(shape: Shape) -> Case:
    name = "row mean of energy, forward and backward"
    return Case(name, "row mean of energy", shape, backward=True, products=3, goals=("<= 2.1",))


def scaling_cases(scale: Scale) -> Iterator[Case]:
    """One stored result and one reduction, N, M and D varied one at a time."""
    sizes = {"n": scale.counts, "m": scale.counts, "dim": scale.dims}
    for axis, values in sizes.items():
        for value in values:
            shape = scale.square._replace(**{axis: value})
            for operation in ("exterior angle, into out=", "count in cone"):
                letter = axis[0].upper()
                yield Case(f"scaling in {letter}, {operation}", operation, shape, peers=False, axis=letter)


def memory_cases(scale: Scale) -> list[Case]:
    """Every reduction, on more pairs than the bar on its memory would let it store."""
    forward = [Case(name, name, scale.large) for name in REDUCTIONS if name not in SEARCHES]
    return [*forward, _training(scale.large), *(Case(name, name, scale.large, grouped) for name in SEARCHES)]
