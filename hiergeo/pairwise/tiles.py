"""Every pair of N x M points, one tile at a time: the only loop over pairs, so that memory stays bounded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hiergeo._numerics import pair_dtype, unit, wide
from hiergeo.pairwise.backend import Factor
from hiergeo.pairwise.opening import Opening, pair_opening
from hiergeo.pairwise.profile import Profile, profile
from hiergeo.pairwise.quantity import Quantity
from hiergeo.pairwise.triangle import Triangle
from hiergeo.polar import Polar

TILE_PAIRS = 1 << 17
"""Pairs in a tile. A pair costs at most about 400 bytes of temporaries, a tile thus about 50 MiB."""

TILE_ROWS = 512
"""Rows of a tile, where there are that many."""


@dataclass(frozen=True)
class Tile:
    """The triangles of rows `i` of x with columns `j` of y."""

    i: slice
    j: slice
    x: Tensor
    y: Tensor
    opening: Opening
    triangle: Triangle


@dataclass(frozen=True)
class Pairs:
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
    def profiles(self) -> tuple[Profile, Profile]:
        """The radial statistics of x and of y, (N,) and (M,)."""
        return tuple(profile(p.radius, self.curvature) for p in (self.x, self.y))  # type: ignore[return-value]

    def rows(self, columns: int | None = None) -> Iterator[slice]:
        """Row blocks such that a block times `columns` (default: a tile's width) stays within a tile."""
        total = self.x.radius.shape[0]
        step = TILE_ROWS if columns is None else max(1, min(TILE_ROWS, TILE_PAIRS // max(1, columns)))
        return (slice(start, min(start + step, total)) for start in range(0, total, step))

    def tiles(self, i: slice) -> Iterator[Tile]:
        """The tiles of row block `i`, from left to right."""
        total, step = self.y.radius.shape[0], TILE_PAIRS // max(1, i.stop - i.start)
        x = unit(wide(self.x.direction[i]))[0]
        rows = self.profiles[0].at((i, None))
        for start in range(0, total, step):
            yield self._tile(i, slice(start, min(start + step, total)), x, rows)

    def _tile(self, i: slice, j: slice, x: Tensor, rows: Profile) -> Tile:
        y = unit(wide(self.y.direction[j]))[0]
        opening = pair_opening(x, y)
        columns = self.profiles[1].at((None, j))
        apex, other = (columns, rows) if self.swap else (rows, columns)
        return Tile(i, j, x, y, opening, Triangle(opening, apex, other, self.curvature, self.dtype))


def problems(x: Polar, y: Polar, curvature: float, swap: bool = False) -> Iterator[Pairs]:
    """The pairs of each entry, where it has any, of a flattened batch: directions (B, N, D) and (B, M, D)."""
    for b in range(len(x.radius) if x.radius.shape[1] and y.radius.shape[1] else 0):
        first, second = (Polar(p.direction[b], p.radius[b]) for p in (x, y))
        yield Pairs(first, second, curvature, swap)


@dataclass(frozen=True)
class Values:
    """A quantity of the pairs of two unbatched point sets in a product of spaces, or in one: a factor each.

    Attributes:
        factors: the pairs in each factor.
        apertures: half apertures of the apexes in each, x or with `swap` y; None where the quantity has no cone.
        quantity: what is computed.
    """

    factors: tuple[Pairs, ...]
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

    def scores(self, i: slice) -> Iterator[tuple[slice, Tensor]]:
        """As `tiles`, but with values that searches keep small."""
        for j, values in self.tiles(i):
            yield j, -values if self.quantity.largest_first else values

    def _value(self, f: int, tile: Tile) -> Tensor:
        pairs, aperture = self.factors[f], self.apertures[f]
        if aperture is not None:
            aperture = aperture[None, tile.j] if pairs.swap else aperture[tile.i, None]
        return self.quantity.value(tile.triangle, aperture)


def values(factors: Sequence[Factor], quantity: Quantity, swap: bool = False) -> Iterator[Values]:
    """The values of each entry of a flattened batch; with `swap` those of (y_j, x_i) for the pair (x_i, y_j)."""
    walks = [problems(factor.x, factor.y, factor.curvature, swap) for factor in factors]
    for b, pairs in enumerate(zip(*walks, strict=True)):
        apertures = (
            None if quantity.cone is None or factor.aperture is None else factor.aperture[b].to(pairs[0].dtype)
            for factor in factors
        )
        yield Values(pairs, tuple(apertures), quantity)
