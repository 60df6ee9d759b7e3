"""A taxonomy of a corpus: every item of an index below its most specific generalisations.

Parents are tables (n, k): row i holds the places of the parents of item i, all smaller than i, so that there is no
cycle; -1 stands for none. In the reduction ancestors are sets of bits, for a block of possible ancestors at a time: its
time grows with n^2 k / `BITS`, its memory is that of a block.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole, unknown_name
from hiergeo.geometry import Space
from hiergeo.geometry.space import By
from hiergeo.search import Index
from hiergeo.search.shards import Labels
from hiergeo.search.taxonomy.linking import Links, Null, link

BITS = 1 << 12
"""Possible ancestors of a block."""

MOST_PARENTS = 64
"""Candidate parents of an item, at most."""


@dataclass(frozen=True)
class TreeSettings:
    """How a taxonomy is made.

    Attributes:
        by: what candidate parents are chosen by: exterior "angle" at the parent, cone "margin" of the parent, or
            "distance".
        k: candidate parents of each item, 1 <= k <= 64. One makes a forest; more find more of the true ancestors, and
            more false ones.
        min_confidence: edges below it are cut, in [0, 1].
        seed: of the random pairs that confidences are measured against.

    Raises:
        InputError: an unknown order, or a number out of range.
    """

    by: By = "angle"
    k: int = 1
    min_confidence: float = 0.995
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise unknown_name("order", str(self.by), get_args(By))
        check_whole("k", self.k, 1, MOST_PARENTS)
        check_whole("seed", self.seed, 0, limits.SEED)
        if not 0 <= self.min_confidence <= 1:
            raise InputError(f"the least confidence must be between 0 and 1, not {self.min_confidence:g}.")


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """Items and their parents, which are all nearer to the root of the space, so that there is no cycle.

    Places are positions in the order of items by radius, ties by id.

    Attributes:
        ids: (n,) int64.
        radius: (n,) float32, geodesic units, ascending.
        parent: (n, k) int64 places of the parents, best first; -1 where there are fewer. Items without parents are
            roots.
        score: (n, k) float32, margin, angle or distance of each edge; NaN where there is none.
        confidence: (n, k) in [0, 1]; NaN where there is no edge.
        labels: captions and images of the items.
        settings: what made it.
        geometry: spec of the space.
        links: the candidates that its edges were taken from.
        cut: edges below the least confidence.
        redundant: edges that another parent makes superfluous.
    """

    ids: np.ndarray
    radius: np.ndarray
    parent: np.ndarray
    score: np.ndarray
    confidence: np.ndarray
    labels: Labels
    settings: TreeSettings
    geometry: str
    links: Links
    cut: int
    redundant: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def edges(self) -> int:
        """How many there are."""
        return int((self.parent >= 0).sum())

    @cached_property
    def roots(self) -> np.ndarray:
        """Places of the items without parents."""
        return np.flatnonzero(self.best < 0)

    @cached_property
    def best(self) -> np.ndarray:
        """The place of the best parent of each item, (n,); -1 for roots. These edges alone make a forest."""
        return self.parent[:, 0] if self.parent.size else np.full(len(self), -1)

    @cached_property
    def depth(self) -> np.ndarray:
        """Edges from each item up to a root by best parents, (n,) int64."""
        return depths(self.best)

    @cached_property
    def size(self) -> np.ndarray:
        """How many items there are in the branch of each by best parents, itself included, (n,) int64."""
        sizes = np.ones(len(self), dtype=np.int64)
        for depth in range(int(self.depth.max(initial=0)), 0, -1):
            items = np.flatnonzero(self.depth == depth)
            np.add.at(sizes, self.best[items], sizes[items])
        return sizes

    def name(self, item: int) -> str:
        """The caption of an item; the reference of its image, or its id, for one without."""
        return self.labels.captions[item] or self.labels.images[item] or f"item {self.ids[item]}"

    def about(self) -> dict[str, Any]:
        """Settings and counts, in values of JSON."""
        return {
            "items": len(self),
            "edges": self.edges,
            "roots": len(self.roots),
            "several_parents": int(((self.parent >= 0).sum(axis=1) > 1).sum()),
            "depth": int(self.depth.max(initial=0)),
            "cut": self.cut,
            "redundant": self.redundant,
            "geometry": self.geometry,
            **asdict(self.settings),
        }


def grow(
    index: Index, settings: TreeSettings | None = None, *, space: Space | str | None = None, progress: bool = False
) -> Taxonomy:
    """The taxonomy of the items of an index.

    Candidate parents are the items of smaller radius that entail an item best. Edges whose confidence is too low are
    cut; of the others the transitive reduction remains.

    Args:
        index: of captions, images or both.
        settings: how; the defaults of `TreeSettings` when None.
        space: where, as for `Index.parents`.
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: the index is empty, or the space does not fit it.
    """
    settings, chosen, store = settings or TreeSettings(), index.chosen(space), index.store
    if not len(index):
        raise InputError("the index is empty: add items before asking for their taxonomy.")
    links = link(store, chosen, settings.by, settings.k, progress=progress)
    confidence = Null.of(store, chosen, links.order, settings.by, settings.seed).confidence(links)
    labels = store.labels(links.order.ids)
    return assemble(links, confidence, labels, settings, chosen.geometry.spec)


def assemble(
    links: Links, confidence: np.ndarray, labels: Labels, settings: TreeSettings, geometry: str = "euclidean"
) -> Taxonomy:
    """The taxonomy of candidate parents with their confidence (n, k): cut, reduced, and closed up to the left."""
    parent = links.parent.numpy()
    sure = (parent >= 0) & (confidence >= settings.min_confidence)
    edges = essential(np.where(sure, parent, -1))
    to_left = np.argsort(~edges, axis=1, kind="stable")

    def closed(values: np.ndarray, nothing: float) -> np.ndarray:
        return np.take_along_axis(np.where(edges, values, nothing), to_left, axis=1)

    return Taxonomy(
        links.order.ids.numpy(),
        links.order.radius.numpy(),
        closed(parent, -1).astype(np.int64),
        closed(links.score.numpy(), np.nan),
        closed(confidence, np.nan),
        labels,
        settings,
        geometry,
        links,
        int((parent >= 0).sum() - sure.sum()),
        int(sure.sum() - edges.sum()),
    )


def depths(best: np.ndarray) -> np.ndarray:
    """Edges up to a root in a forest, (n,) int64; `best` (n,) is the parent of each item, -1 for roots."""
    edges, above = (best >= 0).astype(np.int64), best
    while (above >= 0).any():  # by jumps of powers of two
        edges = edges + np.where(above >= 0, edges[above], 0)
        above = np.where(above >= 0, above[above], -1)
    return edges


def essential(parent: np.ndarray) -> np.ndarray:
    """Which parents the transitive reduction keeps, (n, k) bool: those without another way up from the item.

    The reduction of a graph without cycles is unique: the same ancestors with the fewest edges.
    """
    edges = parent >= 0
    rows, slots = np.nonzero(edges & (edges.sum(axis=1) > 1)[:, None])
    above = parent[rows, slots]
    for first, bits in _ancestors(parent) if len(rows) else ():
        inside = (above >= first) & (above < first + BITS)
        for item, slot, ancestor in zip(rows[inside], slots[inside], above[inside].tolist(), strict=True):
            others = parent[item][edges[item]].tolist()
            edges[item, slot] = not any(bits[other] >> (ancestor - first) & 1 for other in others)
    return edges


def _ancestors(parent: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """For each block its first place and the bits of every item: bit b is set where the place `first` + b is above."""
    table = [[above for above in row if above >= 0] for row in parent.tolist()]
    for first in range(0, len(table), BITS):
        bits = [0] * len(table)
        for item in range(first + 1, len(table)):
            for above in table[item]:
                bits[item] |= bits[above]
                if 0 <= above - first < BITS:
                    bits[item] |= 1 << (above - first)
        yield first, bits
