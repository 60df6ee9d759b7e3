"""The record of a comparison of two lenses: what moved, in numbers, items and sentences."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from hiergeo._core.records import number, plain
from hiergeo.evaluation.auditing.population import Measured
from hiergeo.evaluation.auditing.remarks import CHANCE
from hiergeo.evaluation.metrics import SMALL_SAMPLE
from hiergeo.report.explorer.neighbourhoods import Named, Turnover

BINS = 40
"""Bins of the histogram of changes of rank, from -1 to 1."""


@final
@dataclass(frozen=True)
class Mover:
    """One item in both lenses.

    Attributes:
        item: its id, its caption and whether it has an image.
        tier: of its caption, from 0 on; None if unknown.
        radius: in each lens, geodesic units.
        rank: share of the items of smaller radius in each lens, in (0, 1); equal radii share their mean place.
        neighbours: the nearest items.
        children: the items that it comes nearest to entailing.
    """

    item: Named
    tier: int | None
    radius: tuple[float, float]
    rank: tuple[float, float]
    neighbours: Turnover
    children: Turnover

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **self.item.as_dict(),
            "tier": self.tier,
            "rank_a": self.rank[0],
            "rank_b": self.rank[1],
            "radius_a": self.radius[0],
            "radius_b": self.radius[1],
            "shared_neighbours": self.neighbours.shared,
            "shared_children": self.children.shared,
            "neighbours": self.neighbours.as_dict(),
            "children": self.children.as_dict(),
        }


@final
@dataclass(frozen=True)
class TierMove:
    """The mean rank of the items of one tier in each lens, in (0, 1)."""

    name: str
    items: int
    rank_a: float
    rank_b: float


@final
@dataclass(frozen=True)
class Ranks:
    """A random sample of items by their ranks, for a scatter.

    Attributes:
        ids: (n,).
        tier: (n,) of their captions, from 0 on; -1 where it is unknown.
        rank: (n,) in each lens, in (0, 1).
    """

    ids: tuple[int, ...]
    tier: tuple[int, ...]
    rank: tuple[tuple[float, ...], tuple[float, ...]]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        a, b = ([round(value, 5) for value in each] for each in self.rank)
        return {"ids": [str(item) for item in self.ids], "tier": list(self.tier), "rank_a": a, "rank_b": b}


@final
@dataclass(frozen=True)
class Moved:
    """What differs between two lenses over the same items.

    Attributes:
        titles: of the lenses.
        items: how many there are.
        k: neighbours, and children, of each item that are compared.
        one_space: whether both are charts of one space over the same embeddings, so that nothing differs.
        same_radii: whether both look at the same embeddings, so that radii are the same by construction.
        level: whether both measure like Euclidean space at their radii.
        spearman: rank correlation of the radii of all items, in [-1, 1].
        neighbours: share of the k nearest neighbours of an item that are in both lenses, mean over a random sample.
        children: the same of the k items that it comes nearest to entailing.
        kept: (k + 1,) how many items of that sample share 0, 1, ..., k neighbours; and children.
        tiers: where tiers lie in each lens; empty if they are unknown.
        changes: (BINS,) how many items changed their rank by how much, from -1 to 1.
        sample: ranks of a random sample.
        movers: items whose rank changed most, largest change first; none where radii are the same.
        rewired: items of the sample that share fewest neighbours and children, fewest first.
    """

    titles: tuple[str, str]
    items: int
    k: int
    one_space: bool
    same_radii: bool
    level: bool
    spearman: Measured
    neighbours: Measured
    children: Measured
    kept: tuple[tuple[int, ...], tuple[int, ...]]
    tiers: tuple[TierMove, ...]
    changes: tuple[int, ...]
    sample: Ranks
    movers: tuple[Mover, ...]
    rewired: tuple[Mover, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The findings in words."""
        return tuple(self._said())

    def as_dict(self, count: int | None = None) -> dict[str, Any]:
        """JSON values, with at most `count` items of each kind that moved."""
        by_radius = bool(self.movers)
        movers, rewired = ([each.as_dict() for each in items[:count]] for items in (self.movers, self.rewired))
        return {
            "lenses": list(self.titles),
            "items": self.items,
            "k": self.k,
            "one_space": self.one_space,
            "same_radii": self.same_radii,
            "level": self.level,
            "sentences": list(self.sentences),
            "radius": self.spearman.as_dict("spearman"),
            "neighbours": self.neighbours.as_dict("overlap"),
            "children": self.children.as_dict("overlap"),
            "kept": dict(zip(("neighbours", "children"), map(list, self.kept), strict=True)),
            "tiers": plain(self.tiers),
            "histogram": {"edges": np.linspace(-1, 1, BINS + 1).tolist(), "counts": list(self.changes)},
            "sample": self.sample.as_dict(),
            "order": "radius" if by_radius else "neighbours",
            "movers": movers if by_radius else rewired,
            "rewired": rewired,
        }

    def _said(self) -> Iterator[str]:
        one, other = self.titles
        if self.one_space:
            yield f"{one} and {other} are one space in two charts: every radius, distance and cone is the same."
            return
        if self.items < SMALL_SAMPLE:
            yield f"Too few items ({self.items:,}) to tell how two spaces differ: {CHANCE}."
        if self.same_radii:
            yield "Both see the same embeddings: radii are the same by construction, distances and cones may differ."
        else:
            yield f"The orders of radii have a rank correlation of {self.spearman} over {self.items:,} items."
        if self.level:
            yield "At these radii both are effectively flat: they measure like Euclidean space."
        for kind, share in (("neighbours", self.neighbours), ("children", self.children)):
            of = "all" if share.items == self.items else "a random sample of"
            low, high = (number(self.k * bound, 1) for bound in share.interval)
            interval = "" if share.items < SMALL_SAMPLE else f"; 95 % interval {low} to {high}"
            mean = f"mean over {of} {share.items:,} items{interval}"
            yield f"{number(self.k * share.value, 1)} of {self.k} {kind} are the same in both spaces ({mean})."
