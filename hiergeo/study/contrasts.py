"""How geometries differ: differences paired by item and seed, and intervals that hold all at once."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from hiergeo.metrics import crossed_draws, percentile_interval, simultaneous_intervals
from hiergeo.study.result import Cell, Contrast


class _Pair(NamedTuple):
    metric: str
    a: Cell
    b: Cell
    draws: np.ndarray

    @property
    def difference(self) -> float:
        pairs = zip(self.a.runs, self.b.runs, strict=True)
        return float(np.mean([a.metrics[self.metric] - b.metrics[self.metric] for a, b in pairs]))


def contrasts(
    cells: Sequence[Cell], twins: Sequence[Sequence[str]], same: frozenset[str], seed: int
) -> tuple[Contrast, ...]:
    """Every two spaces of one dimension in every metric with draws.

    Args:
        cells: with runs of the same seeds.
        twins: specs that are one space, and are not set against each other.
        same: metrics that cannot differ, which are left out.
        seed: of the resampling of seeds.
    """
    found = list(_pairs(cells, twins, same, seed))
    if not found:
        return ()
    together = simultaneous_intervals(np.stack([pair.draws for pair in found]))
    return tuple(
        Contrast(
            metric=pair.metric,
            dim=pair.a.dim,
            a=pair.a.geometry,
            b=pair.b.geometry,
            difference=pair.difference,
            interval=percentile_interval(pair.draws),
            together=wide,
        )
        for pair, wide in zip(found, together, strict=True)
    )


def _pairs(cells: Sequence[Cell], twins: Sequence[Sequence[str]], same: frozenset[str], seed: int) -> Iterator[_Pair]:
    streams: dict[object, int] = {}
    for a, b in combinations(cells, 2):
        if a.dim != b.dim or any(a.geometry in charts and b.geometry in charts for charts in twins):
            continue
        for metric in a.runs[0].draws:
            if metric in b.runs[0].draws and metric not in same:
                differences = [x.draws[metric] - y.draws[metric] for x, y in zip(a.runs, b.runs, strict=True)]
                key = metric, a.dim, _space(a.geometry, twins), _space(b.geometry, twins)
                stream = streams.setdefault(key, len(streams))
                yield _Pair(metric, a, b, crossed_draws(differences, seed=(seed, stream)))


def _space(geometry: str, twins: Sequence[Sequence[str]]) -> str:
    """The first chart of the space that a spec names."""
    return next((charts[0] for charts in twins if geometry in charts), geometry)
