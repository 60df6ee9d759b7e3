"""Every pair of N x M points, one tile at a time: the only loop over pairs, so that memory stays bounded."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hiergeo._numerics import pair_dtype, unit, wide
from hiergeo.pairwise.opening import Opening, pair_opening
from hiergeo.pairwise.profile import Profile, profile
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
            j = slice(start, min(start + step, total))
            y = unit(wide(self.y.direction[j]))[0]
            opening = pair_opening(x, y)
            columns = self.profiles[1].at((None, j))
            apex, other = (columns, rows) if self.swap else (rows, columns)
            triangle = Triangle(opening, apex, other, self.curvature, self.dtype)
            yield Tile(i, j, x, y, opening, triangle)


def problems(x: Polar, y: Polar, curvature: float, swap: bool = False) -> Iterator[Pairs]:
    """The pairs of each entry, where it has any, of a flattened batch: directions (B, N, D) and (B, M, D)."""
    for b in range(len(x.radius) if x.radius.shape[1] and y.radius.shape[1] else 0):
        first, second = (Polar(p.direction[b], p.radius[b]) for p in (x, y))
        yield Pairs(first, second, curvature, swap)
