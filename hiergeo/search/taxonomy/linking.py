"""Candidate parents: for every item the k items of smaller radius that entail it best, and how sure each edge is.

Items are taken from the root outwards, a batch at a time, and the store is scanned up to the radius of the batch.
Memory is bounded by a batch, a chunk of the scan and n x k numbers; the work is that of half of all pairs, n^2 / 2.

Scores of pairs depend on how far both items are from the root: cones are wide near the root, angles and distances grow
outwards. The confidence of an edge is therefore the share of pairs at matched radii that do no better: pairs drawn at
random whose child and whose parent lie in the same of `BINS` bins of equal mass as its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.progress import track
from hiergeo.geometry import Points, Space
from hiergeo.geometry.space import By
from hiergeo.search import Rows
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import NONE, RadiusRange, lexicographic, run

BATCH = 1 << 14
"""Items whose parents are searched in one pass over the store."""

GROUP = 256
"""Items that share one search: those of smaller radius than all of them are candidates of each."""

CHUNK = 1 << 15
"""Rows that are compared at a time."""

SAMPLE = 1 << 12
"""Items whose pairs are the null."""

BINS = 16
"""Bins of radius."""

BIN_ITEMS = 16
"""Items of the sample in a bin, at least."""


@dataclass(frozen=True, eq=False)
class RadialOrder:
    """All items from the root outwards: ids (n,) by ascending radii (n,), ties by id; a place is a position in it."""

    ids: Tensor
    radius: Tensor

    @cached_property
    def _sorted(self) -> tuple[Tensor, Tensor]:
        ids, places = self.ids.sort()
        return ids, places

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, ids: Tensor) -> Tensor:
        """The places (m,) int64 of items that are in the order."""
        ascending, places = self._sorted
        return places[torch.searchsorted(ascending, ids)]

    def rows(self, chunks: Iterable[Rows], places: Tensor) -> Rows:
        """The items at some places (q,) int64, which ascend, from chunks that hold them and others."""
        wanted = torch.zeros(len(self), dtype=torch.bool)
        wanted[places] = True
        parts, order = [], []
        for rows in chunks:
            here = self.places(rows.ids)
            parts.append(rows.take(wanted[here]))
            order.append(here[wanted[here]])
        return Rows.cat(parts).take(torch.cat(order).argsort())

    @classmethod
    def of(cls, store: ExactStore, space: Space) -> "RadialOrder":
        """The order of the items of a store in a space of its frame."""
        parts = [(rows.ids, rows.radius(space.geometry)) for rows in store.scan()]
        ids = torch.cat([part for part, _ in parts]) if parts else torch.empty(0, dtype=torch.int64)
        radius = torch.cat([part for _, part in parts]) if parts else torch.empty(0)
        order = lexicographic(radius, ids)
        return cls(ids[order], radius[order])


@dataclass(frozen=True, eq=False)
class Links:
    """The candidate parents of every item, best first.

    `parent` (n, k) int64 are places in the order, smaller than that of the item, and `score` (n, k) float32 the
    margins, exterior angles or distances that they were chosen by; -1 and NaN where there are fewer.
    """

    order: RadialOrder
    parent: Tensor
    score: Tensor
    by: By


def link(store: ExactStore, space: Space, by: By = "angle", k: int = 5, *, progress: bool = False) -> Links:
    """Find the best k parents (at most 1024) of every item among those of strictly smaller radius.

    By "margin" of the parent's cone over the item, largest first; "angle" at the parent or "distance", smallest first.
    Ties go to the smaller radius, then to the lower id.
    """
    order = RadialOrder.of(store, space)
    parent = torch.full((len(order), k), -1)
    score = torch.full((len(order), k), torch.nan)
    for start in track(range(0, len(order), BATCH), "linking blocks of items", enabled=progress):
        stop = min(start + BATCH, len(order))
        low, high = float(order.radius[start]), float(order.radius[stop - 1])
        queries = order.rows(store.scan(low, high), torch.arange(start, stop))
        above = Above(space, queries, order, start, by, k)
        run(_chunks(store.scan(0.0, high)), [above])
        parent[start:stop], score[start:stop] = above.parent, above.score
    return Links(order, parent, score, by)


@final
class Above:
    """A task of a sweep: the k best items of smaller radius for each of some items, as `link`."""

    def __init__(self, space: Space, rows: Rows, order: RadialOrder, start: int, by: By, k: int) -> None:
        self.space, self.order, self.by, self.k = space, order, by, k
        self.span, self.without = RadiusRange(), NONE
        self.x = rows.points(space.geometry)
        self.radius = order.radius[start : start + len(rows)]
        self.parent = torch.full((len(rows), k), -1)
        self.score = torch.full((len(rows), k), torch.nan)

    def take(self, rows: Rows, points: Points) -> None:
        if not len(rows):
            return
        radius, places = rows.radius(self.space.geometry), self.order.places(rows.ids)
        for start in range(0, len(self.radius), GROUP):
            group = slice(start, min(start + GROUP, len(self.radius)))
            first, last = self.radius[group.start], self.radius[group.stop - 1]
            inner, outer = (int(torch.searchsorted(radius, edge.contiguous())) for edge in (first, last))
            x = self.x.rows(group)
            if inner:
                score, index = self.space.topk(x, points.rows(slice(0, inner)), self.k, self.by, "parents")
                self._merge(group, score, places[index.clamp_min(0)].masked_fill(index < 0, -1))
            if inner < outer:
                between = slice(inner, outer)
                score = pair_scores(self.space, points.rows(between), x, self.by).T.contiguous()
                score[radius[between] >= self.radius[group, None]] = torch.nan
                self._merge(group, score, places[between].expand_as(score).masked_fill(score.isnan(), -1))

    def _merge(self, group: slice, score: Tensor, parent: Tensor) -> None:
        score = torch.cat([self.score[group], score], dim=1)
        parent = torch.cat([self.parent[group], parent], dim=1)
        worst = torch.where(score.isnan(), torch.inf, -goodness(score, self.by))
        best = lexicographic(worst, parent)[:, : self.k]
        self.score[group], self.parent[group] = score.gather(1, best), parent.gather(1, best)


def pair_scores(space: Space, parents: Points, children: Points, by: By) -> Tensor:
    """Margin or angle of every parent over every child, or their distance, (parents, children)."""
    if by == "margin":
        return space.pairwise_margin(parents, children)
    return (space.pairwise_exterior_angle if by == "angle" else space.pairwise_distance)(parents, children)


def goodness(score: Tensor, by: By) -> Tensor:
    """Scores with the larger the better: margins as they are, angles and distances negated."""
    return score if by == "margin" else -score


def _chunks(scanned: Iterable[Rows]) -> Iterator[Rows]:
    """Chunks of at most `CHUNK` rows, each sorted by radius and id as it comes."""
    for rows in scanned:
        for start in range(0, len(rows), CHUNK):
            yield rows.take(slice(start, start + CHUNK))


@final
class Null:
    """Goodness of pairs of random items, ascending, for each pair of bins (child, parent), and radii between bins."""

    def __init__(self, scores: dict[tuple[int, int], Tensor], edges: Tensor) -> None:
        self.scores, self.edges = scores, edges

    @classmethod
    def of(cls, store: ExactStore, space: Space, order: RadialOrder, by: By, seed: int = 0) -> "Null":
        """The null of all pairs among `SAMPLE` items drawn at random, whose second has the smaller radius."""
        drawn = np.random.default_rng(seed).choice(len(order), min(SAMPLE, len(order)), replace=False)
        rows = order.rows(store.scan(), torch.from_numpy(np.sort(drawn)))
        radius, points = rows.radius(space.geometry), rows.points(space.geometry)
        bins = max(1, min(BINS, len(rows) // BIN_ITEMS))
        cuts = [len(rows) * at // bins for at in range(bins + 1)]
        parts = [slice(start, stop) for start, stop in pairwise(cuts)]
        scores = {}
        for child, low in enumerate(parts):
            for parent, high in enumerate(parts[: child + 1]):
                good = goodness(pair_scores(space, points.rows(high), points.rows(low), by), by)
                below = radius[high, None] < radius[low]
                scores[child, parent] = good[below].sort().values
        return cls(scores, radius[cuts[1:-1]])

    def confidence(self, links: Links) -> np.ndarray:
        """The share in [0, 1] of null pairs that each edge is at least as good as, (n, k); NaN without an edge."""
        bins = torch.bucketize(links.order.radius, self.edges, right=True)
        above = bins[links.parent.clamp_min(0)]
        confidence = torch.full(links.parent.shape, torch.nan, dtype=torch.float64)
        good = goodness(links.score, links.by)
        for (child, parent), scores in self.scores.items():
            here = (links.parent >= 0) & (bins[:, None] == child) & (above == parent)
            rank = torch.searchsorted(scores, good[here].contiguous(), right=True)
            confidence[here] = rank.double() / len(scores) if len(scores) else 1.0
        return confidence.numpy()
