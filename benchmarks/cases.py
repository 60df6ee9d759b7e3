"""What is measured: operations on problems, at three scales."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from benchmarks.ours import BY_DISTANCE, INTO, REDUCTIONS, SEARCHES, SHADOWED
from benchmarks.problem import Problem, Shape, clustered, narrow, points

TRAINED = ", forward and backward"
SMALL, GRADIENTS = ">= 65 % of the peak", ">= 75 % of the peak"
INTO_ANGLE = "exterior angle, into out="

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


def in_a_cone(shape: Shape, curvature: float) -> Problem:
    """Directions as of a model whose embeddings share a mean: all angles about 0.3 rad, near a common line."""
    return Problem(narrow(shape.n, shape.dim, 0), narrow(shape.m, shape.dim, 1), curvature)


def sixteen_bits(shape: Shape, curvature: float) -> Problem:
    """As `grouped`, in bfloat16."""
    return grouped(shape, curvature).to(torch.bfloat16)


class Scale(NamedTuple):
    """Shapes of the cases, and how often each competitor is timed."""

    square: Shape
    small: int
    wide: Shape
    large: Shape
    rounds: int


SCALES = {
    "full": Scale(
        square=Shape(4096, 4096, 512),
        small=256,
        wide=Shape(1000, 52_401, 512),
        large=Shape(8192, 32_768, 512),
        rounds=7,
    ),
    "quick": Scale(
        square=Shape(1024, 1024, 512),
        small=256,
        wide=Shape(128, 8192, 512),
        large=Shape(1024, 4096, 512),
        rounds=3,
    ),
    "tiny": Scale(
        square=Shape(96, 80, 32),
        small=16,
        wide=Shape(32, 400, 32),
        large=Shape(96, 400, 32),
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
        products: how many products of all pairs the result needs; what is computed again does not count.
        goals: what is wanted of hiergeo, as the table shows it: of each screen, where there are two.
        plain: whether hiergeo computes without its kernels.
    """

    name: str
    operation: str
    shape: Shape
    make: Make = uniform
    beyond: Make | None = None
    backward: bool = False
    peers: bool = True
    products: int = 1
    goals: tuple[str, ...] = ()
    plain: bool = False

    def problems(self, curvature: float) -> tuple[Problem, ...]:
        """The base problem and, where there is one, the problem beyond."""
        makes = (self.make,) if self.beyond is None else (self.make, self.beyond)
        found = [make(self.shape, curvature) for make in makes]
        return tuple(problem.leaves if self.backward else problem for problem in found)


def main_cases(scale: Scale) -> list[Case]:
    """The cases of the main table."""
    return [*_stored(scale.square), *_reduced(scale), *_searched(scale.wide), *_hard(scale), *_plain(scale)]


def _plain(scale: Scale) -> list[Case]:
    """What a machine without kernels is promised, in multiples of the product."""
    stored = ("exterior angle", "distance", "top-10 by distance")
    shape = Shape(scale.large.n // 8, scale.large.m // 8, scale.large.dim)
    cases = [Case(f"{name}, plain PyTorch", name, shape, peers=False, plain=True, goals=("<= 4",)) for name in stored]
    name = f"contrast{TRAINED}"
    return [
        *cases,
        Case(f"{name}, plain PyTorch", "contrast", shape, backward=True, peers=False, plain=True, goals=("<= 12",)),
    ]


def _stored(square: Shape) -> list[Case]:
    stored, into = (">= 75 % of the peak",), (">= 80 % of the peak",)
    return [
        Case("exterior angle, stored", "exterior angle", square, goals=stored),
        Case("cone margin, stored", "cone margin", square, peers=False, goals=stored),
        Case("energy, stored", "energy", square, peers=False, goals=stored),
        Case("distance, stored", "distance", square, goals=stored),
        Case("distance in a product, stored", "distance in a product", square),
        *(Case(name, name, square, peers=False, goals=into) for name in INTO),
    ]


def _reduced(scale: Scale) -> list[Case]:
    square, share = scale.square, (">= 88 % of the peak",)
    small = (square._replace(n=scale.small), square._replace(m=scale.small))
    return [
        Case("count in cone", "count in cone", square, goals=share),
        *(Case(f"count in cone, {_few(few)}", "count in cone", few, peers=False, goals=(SMALL,)) for few in small),
        *(Case(f"exterior angle, {_few(few)}", INTO_ANGLE, few, peers=False, goals=(SMALL,)) for few in small),
        Case("row mean of energy", "row mean of energy", square, goals=share),
        _training(square),
        Case(f"total of energies{TRAINED}", "total of energies", square, backward=True, products=3, goals=(GRADIENTS,)),
    ]


def _few(shape: Shape) -> str:
    return f"{shape.n} rows" if shape.n < shape.m else f"{shape.m} columns"


def _searched(wide: Shape) -> list[Case]:
    one = wide._replace(n=1)
    return [
        Case("top-10", "top-10", wide, grouped, goals=("<= 0.28", "<= 0.42")),
        Case("ladder, 50 thresholds", "ladder, 50 thresholds", wide, grouped, goals=("<= 0.25", "<= 0.42")),
        *(Case(name, name, wide, grouped) for name in BY_DISTANCE),
        Case("top-10, bfloat16 rows", "top-10", wide, sixteen_bits, peers=False),
        Case("top-10, one query", "top-10", one, grouped, peers=False),
        *(Case(f"{name}, one query", name, one, grouped, peers=False, goals=("<= 0.4",)) for name in SHADOWED),
        Case("top-10, one query, bfloat16 rows", "top-10", one, sixteen_bits, peers=False),
        Case("ladder, one query", "ladder, 50 thresholds", one, grouped, peers=False),
    ]


def _hard(scale: Scale) -> list[Case]:
    square = scale.square
    return [
        Case("exterior angle, narrow cone", INTO_ANGLE, square, in_a_cone, peers=False, goals=("<= 2 x the wide one",)),
        Case(
            "count in cone, narrow cone",
            "count in cone",
            square,
            in_a_cone,
            peers=False,
            goals=("<= 2 x the wide one",),
        ),
        Case("count in cone, bfloat16 rows", "count in cone", square, sixteen_bits, peers=False),
        Case("exterior angle, bfloat16 rows", INTO_ANGLE, square, sixteen_bits, peers=False),
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
            INTO_ANGLE,
            square,
            apart,
            beyond=collinear,
            peers=False,
            products=0,
            goals=("<= 0.05",),
        ),
    ]


def _training(shape: Shape) -> Case:
    name = f"row mean of energy{TRAINED}"
    return Case(name, "row mean of energy", shape, backward=True, products=3, goals=(GRADIENTS,))


def memory_cases(scale: Scale) -> list[Case]:
    """Every reduction, on more pairs than the bar on its memory would let it store."""
    searches = {**SEARCHES, **BY_DISTANCE}
    forward = [Case(name, name, scale.large) for name in REDUCTIONS if name not in searches]
    return [*forward, _training(scale.large), *(Case(name, name, scale.large, grouped) for name in searches)]
