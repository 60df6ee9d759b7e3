"""Every pair of N x M points, one tile at a time, so that memory stays bounded, and derivatives over the tiles."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from hiergeo._core.numerics import pair_dtype, saturated, unit, wide, widest
from hiergeo._core.polar import Exact, Polar, exact, part_of
from hiergeo.pairwise.interface import Factor, Gradients
from hiergeo.pairwise.quantity import Quantity
from hiergeo.pairwise.sides import Profile, pair_opening, profile
from hiergeo.pairwise.triangle import Triangle

TILE_PAIRS = 1 << 17
"""Pairs in a tile. A pair costs at most about 400 bytes of temporaries, a tile thus about 50 MiB."""

TILE_ROWS = 512
"""The most rows of a tile."""


@dataclass(frozen=True)
class Tile:
    """The triangles of rows `i` of x with columns `j` of y."""

    i: slice
    j: slice
    x: Any
    y: Any
    triangle: Any


@dataclass(frozen=True)
class TiledPairs:
    """The pairs of two unbatched polar point sets in curvature K.

    With `swap` the rows of a tile are still those of x but the triangle is that of (y_j, x_i): y entails x.
    """

    x: Polar
    y: Polar
    curvature: float
    swap: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """The dtype results are computed in."""
        return pair_dtype(self.x.direction, self.y.direction)

    @cached_property
    def is_exact(self) -> bool:
        """Whether rays are those of the vectors that both were rounded from."""
        return bool(exact(self.x, self.y))

    @cached_property
    def profiles(self) -> tuple[Profile, Profile]:
        """The radial statistics of x and of y, (N,) and (M,)."""
        return profile(self.x.radius, self.curvature), profile(self.y.radius, self.curvature)

    def rows(self) -> Iterator[slice]:
        """The row blocks of the tiles."""
        total = self.x.radius.shape[0]
        return (slice(start, min(start + TILE_ROWS, total)) for start in range(0, total, TILE_ROWS))

    def tiles(self, i: slice) -> Iterator[Tile]:
        """The tiles of row block `i`, from left to right."""
        total, step = self.y.radius.shape[0], TILE_PAIRS // max(1, i.stop - i.start)
        x = rays(part_of(self.x, i), self.is_exact)
        rows = self.profiles[0].at((i, None))
        for start in range(0, total, step):
            yield self._tile(i, slice(start, min(start + step, total)), x, rows)

    def _tile(self, i: slice, j: slice, x: Tensor, rows: Profile) -> Tile:
        y = rays(part_of(self.y, j), self.is_exact)
        opening = pair_opening(x, y)
        columns = self.profiles[1].at((None, j))
        apex, other = (columns, rows) if self.swap else (rows, columns)
        return Tile(i, j, x, y, Triangle(opening, apex, other, self.curvature, self.dtype))


def rays(point: Polar, is_exact: bool) -> Tensor:
    """Unit rays in the widest float, of the vectors that the points were rounded from where those are measured."""
    return unit(wide(point.vectors) - point.origin if is_exact and isinstance(point, Exact) else wide(point.direction))[
        0
    ]


def of_batch(point: Polar, b: int) -> Polar:
    """The points of one entry of a flattened batch."""
    part = Polar(point.direction[b], point.radius[b])
    return Exact.of(part, point.vectors[b], point.origin, point.source) if isinstance(point, Exact) else part


class Measure:
    """How the pairs of one call are measured: all in float64."""

    def pairs(self, x: Polar, y: Polar, curvature: float, swap: bool = False) -> TiledPairs:
        """The pairs of two unbatched point sets."""
        return TiledPairs(x, y, curvature, swap)

    def sums(self, x: Polar, y: Polar, aperture: Tensor | None, by_curvature: bool) -> "GradientSums":
        """What adds up gradients over their tiles."""
        return GradientSums(x, y, aperture, by_curvature)

    def is_settled(self) -> bool:
        """Whether no pair was left out; where one was, the call is made again."""
        return True

    def problems(self, x: Polar, y: Polar, curvature: float, swap: bool = False) -> Iterator[TiledPairs]:
        """The pairs of each entry, where it has any, of a flattened batch: directions (B, N, D) and (B, M, D)."""
        for b in range(len(x.radius) if x.radius.shape[1] and y.radius.shape[1] else 0):
            yield self.pairs(of_batch(x, b), of_batch(y, b), curvature, swap)

    def values(self, factors: Sequence[Factor], quantity: Quantity, swap: bool = False) -> Iterator["Values"]:
        """The values of each entry of a flattened batch; with `swap` those of (y_j, x_i) for the pair (x_i, y_j)."""
        walks = [self.problems(factor.x, factor.y, factor.curvature, swap) for factor in factors]
        for b, pairs in enumerate(zip(*walks, strict=True)):
            apertures = (
                None if quantity.cone is None or factor.aperture is None else factor.aperture[b].to(pairs[0].dtype)
                for factor in factors
            )
            yield Values(pairs, tuple(apertures), quantity)


@dataclass(frozen=True)
class Values:
    """A quantity of the pairs of two unbatched point sets in one space or a product of spaces.

    Attributes:
        factors: the pairs in each factor.
        apertures: half apertures of the apexes in each, x or with `swap` y; None where the quantity has no cone.
        quantity: what is computed.
    """

    factors: tuple[TiledPairs, ...]
    apertures: tuple[Tensor | None, ...]
    quantity: Quantity

    @property
    def dtype(self) -> torch.dtype:
        """The dtype values are computed in."""
        return self.factors[0].dtype

    def rows(self) -> Iterator[slice]:
        """The row blocks of the tiles."""
        return self.factors[0].rows()

    def tiles(self, i: slice) -> Iterator[tuple[slice, Tensor]]:
        """Columns `j` and the values (rows, columns) of the tiles of row block `i`, from left to right."""
        walks = [pairs.tiles(i) for pairs in self.factors]
        for first in walks[0]:
            j, values = first.j, [self._value(0, first)]
            del first
            values += [self._value(f, next(walk)) for f, walk in enumerate(walks[1:], 1)]
            yield j, self.quantity.of_product(values)

    def write(self, i: slice, out: Tensor) -> None:
        """Write the values of row block `i` to `out` (rows, M)."""
        for j, value in self.tiles(i):
            out[:, j] = value

    def combined(self, tiles: Sequence[Tile], values: Sequence[Tensor]) -> Tensor:
        """The quantity of the pairs of corresponding tiles, whose values in the factors are given."""
        return self.quantity.of_product(values)

    def scores(self, i: slice) -> Iterator[tuple[slice, Tensor]]:
        """As `tiles`, with scores, which searches order ascending, in the place of values."""
        for j, values in self.tiles(i):
            yield j, -values if self.quantity.largest_first else values

    def within(self, values: Tensor, reach: Tensor | None) -> Tensor:
        """How many values (n, m) of each row are at most `reach` (n, 1), or without it at least 0; NaN is excluded."""
        return (values >= 0 if reach is None else wide(values) <= reach).sum(-1)

    def least(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The least of each row of values (n, m), infinite where all are NaN, and its lowest column."""
        values = values.nan_to_num(nan=math.inf)
        least = values.amin(-1)
        column = torch.arange(values.shape[1], device=values.device)
        return least, torch.where(values == least.unsqueeze(-1), column, len(column)).amin(-1)

    def reduced(self, logits: Tensor, reduction: str) -> tuple[Tensor, Tensor]:
        """The logits (n, m) of a tile reduced over its rows and columns."""
        if reduction == "softplus":
            logits = torch.nn.functional.softplus(logits)
            return logits.sum(-1), logits.sum(-2)
        return _logsumexp(logits, -1), _logsumexp(logits, -2)

    def weighed(
        self, logits: Tensor, reduced: tuple[Tensor, Tensor], upstream: tuple[Tensor, Tensor], reduction: str
    ) -> Tensor:
        """Derivatives by logits (n, m) of `upstream` times `reduced`, (n,) and (m,)."""
        (rows, columns), (of_rows, of_columns) = reduced, upstream
        if reduction == "softplus":
            return logits.sigmoid() * (of_rows[:, None] + of_columns)
        weight = (logits - rows[:, None]).exp_().mul_(of_rows[:, None])
        return weight.add_((logits - columns).exp_().mul_(of_columns))

    def _value(self, f: int, tile: Tile) -> Tensor:
        pairs, aperture = self.factors[f], self.apertures[f]
        if aperture is not None:
            aperture = aperture[None, tile.j] if pairs.swap else aperture[tile.i, None]
        return self.quantity.value(tile.triangle, aperture)


def _logsumexp(z: Tensor, dim: int) -> Tensor:
    """`torch.logsumexp` whose sum is in the widest float, as all but one term may be tiny; -inf of nothing."""
    exact = widest(z.device)
    if not z.numel():
        return z.sum(dim, dtype=exact) - torch.inf
    top = z.amax(dim, keepdim=True)
    top = torch.where(top.isinf(), 0.0, top)
    return (z - top).exp_().sum(dim, dtype=exact).log_() + top.squeeze(dim)


class GradientSums:
    """Gradients by directions, radii, curvature and aperture, summed over tiles in float64.

    Pairs of an x or a half aperture (B, N), or of a y, with NaN or Inf are left out.
    """

    def __init__(
        self,
        x: Polar,
        y: Polar,
        aperture: Tensor | None,
        by_curvature: bool,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.x, self.y, self.finite_y, self.by_curvature = x, y, y.finite, by_curvature
        self.is_exact = bool(exact(x, y))
        self.counted = x.finite if aperture is None else x.finite & torch.isfinite(aperture)
        self.radius_x, self.radius_y = (torch.zeros_like(wide(p.radius)) for p in (x, y))
        dtype = dtype or self.radius_x.dtype
        self.pull_x, self.pull_y = (torch.zeros_like(p.direction, dtype=dtype) for p in (x, y))
        self.along_x, self.along_y, self.aperture = map(torch.zeros_like, (self.radius_x, self.radius_y, self.radius_x))
        self.curvature = self.radius_x.new_zeros(len(self.radius_x))

    def masked(self, b: int, tile: Tile, weight: Tensor) -> Tensor:
        """The weights of the pairs of a tile, in which those of NaN or Inf are 0."""
        return torch.where(self._pairs(b, tile), wide(weight), 0.0)

    def _pairs(self, b: int, tile: Tile) -> Tensor:
        return self.counted[b, tile.i, None] & self.finite_y[b, None, tile.j]

    def add(self, b: int, tile: Tile, pairs: TiledPairs, weight: Tensor, quantity: Quantity) -> None:
        """Add `weight` times the law of a quantity of one tile: d cos(theta)/d x = y - cos(theta) x for unit rays."""
        partials = quantity.partials(tile.triangle)
        by_cosine = -weight * partials.theta_over_sine
        along = by_cosine * tile.triangle.opening.cosine.nan_to_num(nan=0.0)
        self.pull_x[b, tile.i] += by_cosine @ tile.y.nan_to_num(nan=0.0)
        self.pull_y[b, tile.j] += by_cosine.mT @ tile.x.nan_to_num(nan=0.0)
        self.along_x[b, tile.i] += along.sum(1)
        self.along_y[b, tile.j] += along.sum(0)
        self.radius_x[b, tile.i] += (weight * partials.x).sum(1)
        self.radius_y[b, tile.j] += (weight * partials.y).sum(0)
        self.curvature[b] += (weight * partials.curvature).sum()

    def gradients(self) -> Gradients:
        """The sums, as gradients by the points given."""
        dtype = pair_dtype(self.x.direction, self.y.direction)
        return Gradients(
            *_of_points(self.x, self.is_exact, self.pull_x, self.along_x, self.radius_x, dtype),
            *_of_points(self.y, self.is_exact, self.pull_y, self.along_y, self.radius_y, dtype),
            self.curvature,
            self.aperture,
        )


def _of_points(
    point: Polar, is_exact: bool, pull: Tensor, along: Tensor, by_radius: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Gradients by direction (0 for a zero direction) and radius, from those by unit rays; NaN for NaN and Inf."""
    ray, norm = rays(point, is_exact), unit(wide(point.direction))[1]
    tangent = (pull - along.unsqueeze(-1) * ray) / norm.unsqueeze(-1)
    tangent = torch.where((norm == 0).unsqueeze(-1), 0.0, tangent).masked_fill(~point.finite.unsqueeze(-1), math.nan)
    return saturated(tangent, dtype), saturated(by_radius.masked_fill(~point.finite, math.nan), dtype)
