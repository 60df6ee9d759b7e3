"""What is worth a first query, captions whose ladders climb rightly; and how far a query may be from everything."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from hiergeo.evaluation.auditing.population import Ids
from hiergeo.evaluation.findings.exports import plain
from hiergeo.report.explorer.answer_writer import changes
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.items import words_of
from hiergeo.search import Hit, Item

EXAMPLES = 6
"""Captions that are proposed."""

PAIRS, FEWEST, MOST = 50_000_000, 32, 512
"""Pairs of an item that is tried and one that is looked at, in each lens; items that are tried, at least, at most."""

LEVEL = 0.05
"""Share of the items that would be called far from all others."""


def proposed(collection: Collection, captions: Mapping[int, str]) -> list[int]:
    """The captions that are worth a first query, by id, best first.

    Three things are asked of a caption: that some lens has a ladder of several rungs to it which are all right, that
    one of these entails it, and that lenses differ. Captions that fulfil more of it come first; then those with a
    larger share of right rungs in all lenses together, which is 1 where no space shows a wrong one; then those with a
    better ladder: more right rungs, more rungs that entail, more rungs. A rung is right if its words are among those of
    the caption and of all captions that the hierarchy puts above it.

    Args:
        collection: whose items they are.
        captions: that are readable, by id; some of them are tried.
    """
    tried = some_of(np.array(sorted(captions), np.int64), len(collection.first)).tolist()
    if not tried:
        return []
    asked = list(map(Item, tried))
    climbs = zip(*(lens.index.ladder(asked, space=lens.spec) for lens in collection.lenses), strict=True)
    worth = {}
    for item, seen in zip(tried, climbs, strict=True):
        own = captions[item]
        ladders = [[hit for *_, hit in changes(climb.rungs) if hit.caption != own] for climb in seen]
        said = None if collection.tiers is None else collection.tiers.said(own)
        worth[item] = _worth(ladders, set(words_of(own)) if said is None else said)
    return sorted(worth, key=lambda item: (worth[item], -item), reverse=True)[:EXAMPLES]


def reach(lens: Lens, ids: Ids) -> float | None:
    """The distance from which on nothing in the collection is near a query of the kind of some items (n,).

    For a sample of them the distance to the nearest other item is measured. A query is far where its own nearest item
    is farther than all but `LEVEL` of these distances: were it drawn like the items, that would happen with a
    probability of at most `LEVEL`, whatever their distribution (split conformal prediction; Vovk et al., Algorithmic
    Learning in a Random World, 2005). None where there are too few items to say so.
    """
    some = some_of(ids, len(lens.index)).tolist()
    rank = math.ceil((len(some) + 1) * (1 - LEVEL))
    if rank > len(some):
        return None
    near = lens.index.neighbours(list(map(Item, some)), 2, space=lens.spec, distinct=False)
    assert isinstance(near, list)
    others = ((hit.distance for hit in answer.hits if hit.id != item) for item, answer in zip(some, near, strict=True))
    return plain(sorted(next(each, math.inf) for each in others)[rank - 1])


def some_of(ids: Ids, rows: int) -> Ids:
    """Some of the ids (n,), evenly spread: as many as `PAIRS` allows."""
    count = min(len(ids), MOST, max(FEWEST, PAIRS // max(rows, 1)))
    return ids[np.arange(count) * len(ids) // max(count, 1)]


def _worth(ladders: Sequence[Sequence[Hit]], words: set[str]) -> tuple[float, ...]:
    """What a caption is worth, from its ladders in all lenses and the words that are true of it; larger is better."""
    differ = len(ladders) < 2 or len({tuple(hit.id for hit in ladder) for ladder in ladders}) > 1
    right = [[hit.caption is not None and words >= words_of(hit.caption).keys() for hit in row] for row in ladders]
    overall = sum(map(sum, right)) / max(1, sum(map(len, right)))

    def worth(ladder: Sequence[Hit], right: Sequence[bool]) -> tuple[float, ...]:
        if len(right) < 2:
            return differ, overall, 0, 0, 0
        share = sum(right) / len(right)
        entailing = sum(hit.margin >= 0 and fits for hit, fits in zip(ladder, right, strict=True))
        return differ + (share == 1) + (entailing > 0), overall, share, entailing, len(right)

    return max(map(worth, ladders, right))
