"""What differs between two lenses over the same items: the order of radii, and the neighbours and children of items."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.records import number, plain
from hiergeo.evaluation.auditing.population import Ids, Items, Measured, mean_of
from hiergeo.evaluation.auditing.remarks import CHANCE
from hiergeo.evaluation.metrics import SMALL_SAMPLE, Interval
from hiergeo.evaluation.metrics.length import midranks
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.items import radii_of, read_items
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Best, run

MOST_NEIGHBOURS = 50
"""The largest k."""

PAIRS = 100_000_000
"""Pairs of a sampled item and one that it is compared with, for each kind and lens."""

FEWEST, MOST = 100, 2000
"""Items whose neighbours and children are looked up, whatever their number."""

MOVERS = 50
"""Items that moved most."""

NONE = -1
"""In place of an id, where an item has fewer neighbours."""


@final
@dataclass(frozen=True)
class Mover:
    """One item in both lenses.

    Attributes:
        id: of the item.
        caption: None for an item without one.
        image: whether it has an image.
        radius: in each lens, geodesic units.
        rank: share of the items of smaller radius in each lens, in (0, 1); equal radii share their mean rank.
        shared_neighbours: how many of its k nearest items are the same.
        shared_children: how many of the k items that it comes nearest to entailing are the same.
    """

    id: int
    caption: str | None
    image: bool
    radius: tuple[float, float]
    rank: tuple[float, float]
    shared_neighbours: int
    shared_children: int


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
        spearman: rank correlation of the radii of all items, in [-1, 1].
        neighbours: share of the k nearest neighbours of an item that are in both lenses, mean over a random sample.
        children: the same of the k items that it comes nearest to entailing.
        movers: items whose rank changed most, largest change first; where radii are the same, those of the sample that
            share fewest neighbours and children.
    """

    titles: tuple[str, str]
    items: int
    k: int
    one_space: bool
    same_radii: bool
    spearman: Measured
    neighbours: Measured
    children: Measured
    movers: tuple[Mover, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What differs, in words."""
        return tuple(self._sentences())

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        movers = [plain(mover) | {"id": str(mover.id)} for mover in self.movers]
        return plain(self) | {"sentences": list(self.sentences), "movers": movers}

    def _sentences(self) -> Iterator[str]:
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
        for kind, share in (("neighbours", self.neighbours), ("children", self.children)):
            low, high = (number(self.k * bound, 1) for bound in share.interval)
            interval = "" if share.items < SMALL_SAMPLE else f"; 95 % interval {low} to {high}"
            of = "all" if share.items == self.items else "a random sample of"
            mean = f"mean over {of} {share.items:,} items{interval}"
            yield f"{number(self.k * share.value, 1)} of {self.k} {kind} are the same in both spaces ({mean})."


def compare(a: Lens, b: Lens, k: int = 10) -> Moved:
    """Compare two lenses over the same items.

    The rank correlation and the ranks are those of all items. Neighbours and children are looked up for a random
    sample, the same whenever the items are the same: as many as `PAIRS` allows, `FEWEST` to `MOST`; and for the items
    whose rank changed most.

    Args:
        a: one lens.
        b: another one.
        k: neighbours, and children, of an item, 1 <= k <= `MOST_NEIGHBOURS`.

    Raises:
        InputError: k out of range, fewer than two items, or lenses over different ones.
    """
    check_whole("k", k, 1, MOST_NEIGHBOURS)
    first, same = a.index.store.pinned(), a.index is b.index
    second = first if same else b.index.store.pinned()
    items = read_items(first)
    if len(items) < 2:
        raise InputError(f"{a.title} has {len(items)} items: at least two are needed to compare lenses.")
    if second.manifest.rows != len(items) or not bool(second.holds(torch.from_numpy(items.ids)).all()):
        raise InputError(f"{a.title} and {b.title} hold different items: compare lenses over the same ones.")
    k = min(k, len(items) - 1)
    one_space = same and _is_one_space(a, b)
    radii = [radii_of(store, items, lens.space.geometry) for lens, store in ((a, first), (b, second))]
    ranks = [(midranks(radius) - 0.5) / len(items) for radius in radii]
    change = np.abs(ranks[1] - ranks[0])
    sampled = np.sort(items.places(items.sample(int(np.clip(PAIRS // len(items), FEWEST, MOST)))))
    far = np.lexsort((items.ids, -change))[:MOVERS]
    looked_up = np.union1d(sampled, far[change[far] > 0])
    before = neighbourhoods(a, first, items.ids[looked_up], k)
    after = before if one_space else neighbourhoods(b, second, items.ids[looked_up], k)
    near, below = (shared(*sides) for sides in zip(before, after, strict=True))
    random = looked_up.searchsorted(sampled)
    movers = looked_up.searchsorted(far[change[far] > 0])
    if same:
        fewest = random[np.lexsort((items.ids[sampled], (near + below)[random]))][:MOVERS]
        movers = fewest[(near + below)[fewest] < 2 * k]
    return Moved(
        titles=(a.title, b.title),
        items=len(items),
        k=k,
        one_space=one_space,
        same_radii=same,
        spearman=Measured(1.0, Interval(1.0, 1.0), len(items)) if same else items.correlation(*radii),
        neighbours=mean_of(near[random] / k),
        children=mean_of(below[random] / k),
        movers=tuple(_movers(first, items, looked_up[movers], radii, ranks, near[movers], below[movers])),
    )


def neighbourhoods(lens: Lens, store: ExactStore, ids: Ids, k: int) -> tuple[Ids, Ids]:
    """What is nearest to some items (Q,), the items themselves left out, in one pass over the pinned store of a lens.

    Returns:
        neighbours: (Q, k) ids by distance, nearest first; `NONE` where there are fewer.
        children: (Q, k) ids by the margin of the cone of the item, largest first.
    """
    space, device, queries = lens.space, lens.index.device, torch.from_numpy(ids)
    x = store.fetch(queries).points(space.geometry, device)
    near, below = Best(space, x, k + 1, "distance"), Best(space, x, k + 1, "margin")
    run(store.stream(), [near, below], device)
    return _others(near, queries, k), _others(below, queries, k)


def _others(task: Best, queries: Tensor, k: int) -> Ids:
    """The best k (Q, k) of k + 1 items, without the item itself."""
    assert task.matches is not None
    ids = torch.nn.functional.pad(task.matches.ids, (0, k + 1 - task.matches.ids.shape[1]), value=NONE)
    own = ids == queries[:, None]
    own[:, -1] |= ~own.any(dim=1)
    return np.asarray(ids[~own].view(len(queries), k).numpy())


def shared(one: Ids, other: Ids) -> Ids:
    """How many ids the rows of (Q, k) and (Q, k) have in common, (Q,)."""
    both = (one[:, :, None] == other[:, None, :]) & (one != NONE)[:, :, None]
    return np.asarray(both.any(axis=2).sum(axis=1))


def _is_one_space(a: Lens, b: Lens) -> bool:
    """Whether two lenses over one index are charts of one space with the same cones."""
    one, other = a.space, b.space
    return one.geometry.isometry_class == other.geometry.isometry_class and one.min_radius == other.min_radius


def _movers(
    store: ExactStore, items: Items, rows: Ids, radii: Sequence[Any], ranks: Sequence[Any], near: Ids, below: Ids
) -> Iterator[Mover]:
    """The items of some rows (Q,) of all, of whose neighbours and children (Q,) and (Q,) stay."""
    labels = store.labels(torch.from_numpy(items.ids[rows]))
    for row, caption, image, *stay in zip(rows.tolist(), labels.captions, labels.images, near, below, strict=True):
        yield Mover(
            int(items.ids[row]),
            caption,
            image is not None,
            (float(radii[0][row]), float(radii[1][row])),
            (float(ranks[0][row]), float(ranks[1][row])),
            *map(int, stay),
        )
