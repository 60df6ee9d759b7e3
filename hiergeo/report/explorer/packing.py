"""Answers about every item of a lens, computed beforehand and packed for a page without a server.

A file of answers holds those of up to `CHUNK` consecutive items. All numbers are little endian, one array after the
other; n items, k hits, R rungs of all ladders together, and M arrays of margins, which is 1 where they are stored and 0
where the margin is the half aperture of the apex less the exterior angle:

| array | type | what |
|---|---|---|
| head | uint32 (4,) | n, k, R, M |
| counts | uint32 (n,) | items that the item entails |
| children, parents, neighbours | float32 (1 + 1 + M, n, k) each | angles, distances, margins |
| ladders | float32 (1 + 1 + M, R) | angles, distances, margins |
| first | uint32 (n + 1,) | the rungs of item i are those from first[i] to first[i + 1] |
| hits | uint16 (3, n, k) | places of the hits; 65,535 where there are fewer |
| rungs | uint16 (R,) | places of the items of the rungs |
| steps | uint8 (R,) | the threshold at which a rung begins |

A place is that of an item among all, in ascending order of ids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo.geometry import ConstantCurvature, Points
from hiergeo.geometry.space import By, Side
from hiergeo.report.explorer.collection import Lens
from hiergeo.search.distinct import Listed, distinct
from hiergeo.search.sweep import EVERY, Best, Count, RadiusRange, Steps, SweepTask, run

CHUNK = 512
"""Items whose answers are in one file."""

ASKED = 256
"""Items that one pass over the index answers."""

SWEPT = 1 << 15
"""Rows that are compared at a time."""

K = 10
"""Hits of children, parents and neighbours."""

STEPS = 50
"""Thresholds of a ladder."""

LISTS: tuple[tuple[By, Side], ...] = (("margin", "children"), ("margin", "parents"), ("distance", "children"))
"""How children, parents and neighbours are searched."""

NOBODY = 0xFFFF
"""The place of a hit that is not there."""

MOST = 50_000
"""Items of a page without a server: their places fit 16 bits, and its files 100 MB."""


@final
class Packer:
    """Packs the answers of one lens, which are those of `Index.search` to a strict request about each `Item`.

    Args:
        lens: that is asked.
        ids: (n,) int64 of all its items, ascending; n <= `MOST`.

    Attributes:
        thresholds: (T,) of the ladders, ascending, geodesic units.
        stores_margins: whether margins are stored, as for products.
    """

    def __init__(self, lens: Lens, ids: NDArray[np.int64]) -> None:
        self._space, self._ids = lens.space, torch.from_numpy(ids)
        rows = lens.index.store.fetch(self._ids)
        self._points = rows.points(lens.space.geometry)
        first: dict[str | int, int] = {}
        named = enumerate(lens.index.store.labels(self._ids).captions)
        self._firsts = torch.tensor([first.setdefault(at if name is None else name, at) for at, name in named])
        radius = rows.radius(lens.space.geometry).numpy()
        self._rows = rows.take(torch.from_numpy(np.lexsort((ids, radius))))
        ends = float(radius.min()), float(radius.max())
        self.thresholds = torch.linspace(*ends, STEPS, dtype=torch.float64)
        self.stores_margins = not isinstance(lens.space.geometry, ConstantCurvature)

    def chunks(self) -> Iterator[bytes]:
        """The files, in the order of ids."""
        for places in torch.arange(len(self._ids)).split(CHUNK):
            yield self._packed([self._answers(some) for some in places.split(ASKED)])

    def _answers(self, places: Tensor) -> "_Answers":
        """What is asked about the items of some places (Q,)."""
        x = self._points.rows(places)
        lists = [Best(self._space, x, K, by, side) for by, side in LISTS]
        steps, count = Steps(self._space, x, self.thresholds), Count(self._space, x)
        self._sweep([*lists, steps, count])
        assert steps.found is not None
        climbs = self._places(steps.found.ids, len(self.thresholds))
        named = torch.where(climbs < 0, -1, self._firsts[climbs])
        before = torch.nn.functional.pad(named[:, :-1], (1, 0), value=-1)
        row, step = torch.nonzero((climbs >= 0) & (named != before), as_tuple=True)
        hits = [self._distinct(task) for task in lists]
        numbers = [self._numbers(x, *_pairs(places_of), side == 1) for side, places_of in enumerate(hits)]
        rungs = climbs[row, step]
        climbed = self._numbers(x, row, rungs, True)
        return _Answers(count.total, hits, numbers, climbed, row.bincount(minlength=len(x)), rungs, step)

    def _sweep(self, tasks: Sequence[SweepTask]) -> None:
        starts = range(0, len(self._rows), SWEPT)
        run((self._rows.take(slice(start, start + SWEPT)) for start in starts), tasks)

    def _distinct(self, task: Best) -> Tensor:
        """Places (Q, K) of the best items of distinct captions, of a task that is done; -1 where there are fewer."""

        def listed(done: Best) -> list[Listed]:
            if done.found is None:
                return [[] for _ in range(len(done.x))]
            places = (row[row >= 0] for row in self._places(done.found.ids, done.k))
            return [list(zip(row.tolist(), self._firsts[row].tolist(), strict=True)) for row in places]

        def again(some: Sequence[int], most: Sequence[int], without: Sequence[frozenset[Any]]) -> list[Listed]:
            alike: dict[tuple[int, frozenset[Any], RadiusRange], list[int]] = {}
            for at, k, keys in zip(some, most, without, strict=True):
                alike.setdefault((k, keys, spans[at]), []).append(at)
            tasks = []
            for (k, keys, span), queries in alike.items():
                dropped = self._ids[torch.isin(self._firsts, torch.tensor(list(keys), dtype=torch.int64))]
                x = task.x.rows(torch.tensor(queries))
                tasks.append(Best(self._space, x, k, task.by, task.side, span=span, without=dropped))
            self._sweep(tasks)
            answers: dict[int, Listed] = {}
            for queries, done in zip(alike.values(), tasks, strict=True):
                answers |= zip(queries, listed(done), strict=True)
            return [answers[at] for at in some]

        assert task.found is not None
        strict = task.by == "margin"
        spans = [RadiusRange.strict(task.side, each) if strict else EVERY for each in task.x.radius.tolist()]
        first, radius = listed(task), task.found.radius.double()
        low, high = torch.tensor(spans, dtype=torch.float64).T.unsqueeze(2)
        beyond = torch.nonzero(((radius < low) | (radius > high)).any(dim=1))[:, 0].tolist()
        for at, row in zip(beyond, again(beyond, [K] * len(beyond), [frozenset()] * len(beyond)), strict=True):
            first[at] = row
        found = distinct(first, [K] * len(task.x), again)
        return torch.tensor([each.items + [-1] * (K - len(each.items)) for each in found])

    def _places(self, ids: Tensor, width: int) -> Tensor:
        """The places (Q, width) of ids (Q, up to width); -1 where there are fewer."""
        at = torch.searchsorted(self._ids, ids).masked_fill(ids < 0, -1)
        return torch.nn.functional.pad(at, (0, width - at.shape[1]), value=-1)

    def _numbers(self, x: Points, queries: Tensor, places: Tensor, above: bool) -> Tensor:
        """Angles, distances and, where they are stored, margins (2 or 3, P) of pairs; NaN where there is no item.

        Args:
            x: queries.
            queries: (P,) which of them.
            places: (P,) of items; -1 where there is none.
            above: whether the items are at the apex.
        """
        query, item = x.rows(queries), self._points.rows(places.clamp_min(0))
        apex, other = (item, query) if above else (query, item)
        numbers = [self._space.exterior_angle(apex, other), self._space.distance(apex, other)]
        if self.stores_margins:
            numbers.append(self._space.margin(apex, other))
        return torch.stack(numbers).masked_fill(places < 0, torch.nan)

    def _packed(self, parts: list["_Answers"]) -> bytes:
        n = sum(len(part.counts) for part in parts)
        sizes = torch.cat([part.sizes for part in parts])
        first = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
        head = torch.tensor([n, K, int(first[-1]), self.stores_margins])
        arrays = [_bytes("<u4", head), _bytes("<u4", *(part.counts for part in parts))]
        for side in range(3):
            arrays.append(_bytes("<f4", torch.cat([part.numbers[side] for part in parts], dim=1)))
        arrays.append(_bytes("<f4", torch.cat([part.climbs for part in parts], dim=1)))
        arrays.append(_bytes("<u4", first))
        for side in range(3):
            arrays.append(_bytes("<u2", *(part.hits[side].remainder(NOBODY + 1) for part in parts)))
        arrays += [_bytes("<u2", *(part.rungs for part in parts)), _bytes("u1", *(part.steps for part in parts))]
        return b"".join(arrays)


@final
@dataclass(frozen=True, eq=False)
class _Answers:
    """Answers about Q items.

    Attributes:
        counts: (Q,) items that each entails.
        hits: places (Q, K) of children, parents and neighbours; -1 where there are fewer.
        numbers: of them, (2 or 3, Q * K).
        climbs: of all rungs, (2 or 3, R).
        sizes: (Q,) rungs of each.
        rungs: (R,) places of their items.
        steps: (R,) the thresholds at which they begin.
    """

    counts: Tensor
    hits: list[Tensor]
    numbers: list[Tensor]
    climbs: Tensor
    sizes: Tensor
    rungs: Tensor
    steps: Tensor


def _pairs(places: Tensor) -> tuple[Tensor, Tensor]:
    """The query and the place of each entry of places (Q, K), row by row."""
    return torch.arange(len(places)).repeat_interleave(places.shape[1]), places.flatten()


def _bytes(kind: str, *parts: Tensor) -> bytes:
    return b"".join(part.numpy().astype(kind).tobytes() for part in parts)
