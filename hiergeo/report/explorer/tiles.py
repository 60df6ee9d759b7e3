"""Points of a map as a pyramid of tiles, of which a browser loads those in sight.

The map is the square [-1, 1]^2. The tile of level 0 is the whole, that of level L and place (x, y) the square of side
2 / 2^L whose lower left corner is (x, y) of these sides from that of the map. A tile holds up to
`CAPACITY` of the points of its square that no coarser tile holds, chosen at random; finer tiles exist only below full
ones. All tiles that meet a window, down to some level, are therefore a fair sample of the points in it.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from hiergeo.evaluation.auditing.population import Ids

CAPACITY = 4096
"""Points of one tile."""

DEEPEST = 20
"""Level whose tiles hold all that is left of their squares, more than `CAPACITY` where so many points coincide."""

Coordinates = NDArray[np.float32]
Tile = tuple[int, int, int]


@final
@dataclass(frozen=True, eq=False)
class Pyramid:
    """Which points each tile holds.

    Attributes:
        order: (n,) the points, tile after tile; those of one tile are in random order.
        spans: level, x and y of every tile, and where it begins and ends in `order`; coarser tiles come first.
    """

    order: Ids
    spans: dict[Tile, tuple[int, int]]

    @property
    def counts(self) -> list[list[int]]:
        """[level, x, y, number of points] of every tile, coarser ones first."""
        return [[*tile, stop - start] for tile, (start, stop) in self.spans.items()]


def pyramid(x: Coordinates, y: Coordinates, order: Ids, capacity: int = CAPACITY) -> Pyramid:
    """Put every point into one tile.

    Args:
        x: (n,) within [-1, 1].
        y: likewise.
        order: (n,) the points at random: earlier ones go into coarser tiles.
        capacity: points of one tile.
    """
    column, row = cells(x, DEEPEST), cells(y, DEEPEST)
    left, taken = order, []
    spans: dict[Tile, tuple[int, int]] = {}
    start = 0
    for level in range(DEEPEST + 1):
        shift = DEEPEST - level
        key = (row[left] >> shift) << level | column[left] >> shift
        sorting = key.argsort(kind="stable")
        left, key = left[sorting], key[sorting]
        heads = np.flatnonzero(np.r_[True, key[1:] != key[:-1]][: len(key)])
        sizes = np.diff(np.r_[heads, len(key)])
        rank = np.arange(len(key)) - np.repeat(heads, sizes)
        here = rank < (capacity if level < DEEPEST else len(key))
        for code, size in zip(key[heads].tolist(), sizes.tolist(), strict=True):
            stop = start + (min(size, capacity) if level < DEEPEST else size)
            spans[level, code & (1 << level) - 1, code >> level] = start, stop
            start = stop
        taken.append(left[here])
        left = left[~here]
        if not len(left):
            break
    return Pyramid(np.concatenate(taken), spans)


def cells(values: Coordinates, level: int) -> Ids:
    """Column, or row, of the tile of a level that holds each coordinate (n,); the upper edge belongs to the last."""
    places = np.floor(np.ldexp(values.astype(np.float64), level - 1)) + (1 << level >> 1)  # exact next to 0 too
    return np.clip(places, 0, (1 << level) - 1).astype(np.int64)
