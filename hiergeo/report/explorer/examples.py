"""What is worth a first query: captions whose ladders climb rightly, and that spaces see differently."""

from collections import defaultdict
from collections.abc import Collection as Sized
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, final

import numpy as np
import torch

from hiergeo.evaluation.auditing.population import Ids
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.search.sweep import Best, Steps, run

EXAMPLES = 6
"""Captions that are proposed."""

PAIRS, FEWEST = 50_000_000, 32
"""Pairs of an item that is tried and one that is looked at, in each lens; items that are tried at least."""

STEPS = 50
"""Thresholds of a ladder, as the page asks for them."""

LEVEL = 0.05
"""Share of the items that would be called far from all others."""

MEASURED = 256
"""Items whose nearest one is looked up, at most."""

ARTICLES = {"a", "an", "the"}


@final
class Climbed(NamedTuple):
    """The ladder to one caption in one lens, without itself: the captions of its rungs (None for a picture without
    one), and which of them entail it."""

    rungs: tuple[str | None, ...]
    entails: tuple[bool, ...]


def proposed(collection: Collection, captions: Mapping[int, str]) -> list[int]:
    """The captions that are worth a first query, by id, best first.

    Three things are asked of a caption: that some lens has a ladder of several rungs to it which are all right, that
    one of these entails it, and that lenses differ. Captions that fulfil more of it come first; then those with a
    larger share of right rungs, more rungs that entail, longer ladders, and fewer wrong rungs in the other lenses. A
    rung is right if its words are among those of the caption and of all captions that the hierarchy puts above it.

    Args:
        collection: whose items they are.
        captions: that are readable, by id; some of them are tried.
    """
    tried = _some(np.array(sorted(captions), np.int64), len(collection.first), len(captions))
    if not len(tried):
        return []
    before: defaultdict[str, set[str]] = defaultdict(set)
    for row in () if collection.hierarchy is None else collection.hierarchy.rows:
        for place, caption in enumerate(row.positive):
            before[caption].update(row.positive[:place])
    names = [captions[item] for item in tried.tolist()]
    climbs = zip(*(_climbs(lens, tried, names) for lens in collection.lenses), strict=True)
    worth = {
        item: _worth(seen, _above(before, name)) for item, name, seen in zip(tried.tolist(), names, climbs, strict=True)
    }
    return sorted(worth, key=lambda item: (worth[item], -item), reverse=True)[:EXAMPLES]


def _above(before: Mapping[str, set[str]], caption: str) -> set[str]:
    """A caption and all that stand above it, from those that stand before each one in a chain."""
    found = {caption}
    todo = [caption]
    while todo:
        new = before.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def reach(lens: Lens, ids: Ids) -> float | None:
    """The distance from which on nothing in the collection is near a query of the kind of some items (n,).

    For a sample of them the distance to the nearest other item is measured. A query is far where its own nearest item
    is farther than all but `LEVEL` of these distances: were it drawn like the items, that would happen with a
    probability of at most `LEVEL`, whatever their distribution (split conformal prediction; Vovk et al., Algorithmic
    Learning in a Random World, 2005). None where there are too few items to say so.
    """
    store, space = lens.index.store.pinned(), lens.space
    some = torch.from_numpy(_some(ids, store.manifest.rows, MEASURED))
    rank = int(np.ceil((len(some) + 1) * (1 - LEVEL)))
    if rank > len(some) or store.manifest.rows < 2:
        return None
    near = Best(space, store.fetch(some).points(space.geometry, lens.index.device), 2, "distance")
    run(store.stream(), [near], lens.index.device)
    assert near.found is not None
    own = near.found.ids == some[:, None]
    own[:, 0] |= ~own.any(dim=1)  # it has two copies, which lie at distance 0 like itself
    return float(near.found.values[~own].sort().values[rank - 1])


def _some(ids: Ids, rows: int, most: int) -> Ids:
    """Some of the ids (n,), evenly spread: as many as `PAIRS` allows."""
    count = min(len(ids), most, max(FEWEST, PAIRS // max(rows, 1)))
    return ids[np.arange(count) * len(ids) // max(count, 1)]


def _climbs(lens: Lens, tried: Ids, names: Sequence[str]) -> Iterator[Climbed]:
    """The ladders to captions (n,) by their ids in a lens, in their order."""
    store, space, device = lens.index.store.pinned(), lens.space, lens.index.device
    ids = torch.from_numpy(tried)
    x = store.fetch(ids).points(space.geometry, device)
    shells = [shell for shell in store.describe().shells if shell.count]
    ends = min(shell.low for shell in shells), max(shell.high for shell in shells)
    task = Steps(space, x, torch.linspace(*ends, STEPS, dtype=torch.float64))
    run(store.stream(), [task], device)
    assert task.found is not None
    known = task.found.ids[task.found.ids >= 0].unique()
    captions = dict(zip(known.tolist(), store.labels(known).captions, strict=True))
    rungs = [
        [rung for rung, _ in groupby(row) if captions.get(rung, name) != name]
        for name, row in zip(names, task.found.ids.tolist(), strict=True)
    ]
    pairs = [(query, rung) for query, row in enumerate(rungs) for rung in row]
    queries, items = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).T.contiguous()
    apexes = store.fetch(known).take(torch.searchsorted(known, items)).points(space.geometry, device)
    entails = iter((space.margin(apexes, x.rows(queries.to(device))) >= 0).tolist())
    for row in rungs:
        yield Climbed(tuple(captions[rung] for rung in row), tuple(next(entails) for _ in row))


def _worth(climbs: Sequence[Climbed], told: Sized[str]) -> tuple[float, ...]:
    """What a caption is worth, from its ladders in all lenses and the captions that tell of it; larger is better."""
    words = set().union(*map(_words, told))
    differ = len(climbs) < 2 or len({climb.rungs for climb in climbs}) > 1
    right = [[rung is not None and _words(rung) <= words for rung in climb.rungs] for climb in climbs]

    def worth(climb: Climbed, right: list[bool]) -> tuple[float, ...]:
        if len(right) < 2:
            return differ, 0, 0, 0
        share = sum(right) / len(right)
        entailing = sum(yes and fits for yes, fits in zip(climb.entails, right, strict=True))
        return differ + (share == 1) + (entailing > 0), share, entailing, len(right)

    return *max(map(worth, climbs, right)), sum(map(sum, right)) / max(1, sum(map(len, right)))


def _words(caption: str) -> set[str]:
    """The words of a caption but for articles."""
    return {word.strip(".,;:!?\"'") for word in caption.lower().split()} - ARTICLES
