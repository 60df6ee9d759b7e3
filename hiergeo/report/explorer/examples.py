"""What is worth a first query: items whose ladders climb rightly."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from hiergeo.evaluation.auditing.population import Ids
from hiergeo.report.explorer.answer_writer import SAME, AnswerWriter, changes
from hiergeo.report.explorer.collection import Collection
from hiergeo.report.explorer.items import words_of
from hiergeo.search import Hit, Item

EXAMPLES = 6
"""Items that are proposed."""

PAIRS, FEWEST, MOST = 50_000_000, 32, 512
"""Pairs of an item that is tried and one that is looked at, in each lens; items that are tried, at least, at most."""


def proposed(
    collection: Collection, writer: AnswerWriter, captions: Mapping[int, str], images: Ids, pictured: Ids
) -> list[int]:
    """The items that are worth a first query, by id, best first; none where no lens has ladders.

    A step is right if its words are among those of the item and of what chains put above it. Where chains are known, no
    item is proposed that some lens has a wrong step to. Items come first that some ladder of two steps leads to, then
    those with more different ladders, those with a picture, and those with a larger share of right steps, and more.

    Args:
        collection: whose items they are.
        writer: of its answers.
        captions: that are readable, by id; some of them are tried.
        images: ids (n,) of items of an image alone; some of them are tried.
        pictured: ids (m,), ascending, of the items whose picture may be shown.
    """
    lenses = [lens for lens in collection.lenses if writer.background(lens).climbs]
    most = max(FEWEST, min(MOST, PAIRS // max(len(collection.first), 1)))
    some = _some_of(np.intersect1d(images, pictured), most // 2)
    tried = np.concatenate([some, _some_of(np.array(sorted(captions), np.int64), most - len(some))])
    if not lenses or not len(tried):
        return []
    asked, labels = list(map(Item, tried.tolist())), collection.first.store.labels(torch.from_numpy(tried))
    climbs = zip(*(lens.index.ladder(asked, space=lens.spec) for lens in lenses), strict=True)
    worth = {}
    for item, own, image, seen in zip(tried.tolist(), labels.captions, labels.images, climbs, strict=True):
        ladders = [[hit for *_, hit in changes(climb.rungs) if hit.distance >= SAME] for climb in seen]
        said = None if collection.tiers is None else collection.tiers.said(own, image)
        right = _right(ladders, set(words_of(own or "")) if said is None else said)
        if collection.tiers is None or (said is not None and all(right)):
            differ = len({tuple(hit.id for hit in ladder) for ladder in ladders})
            climbing = max(map(len, ladders)) > 1
            share = sum(right) / max(1, len(right))
            worth[item] = climbing, differ, bool(np.isin(item, pictured)), share, sum(right), -item
    return sorted(worth, key=worth.__getitem__, reverse=True)[:EXAMPLES]


def _some_of(ids: Ids, most: int) -> Ids:
    """At most `most` of the ids (n,), evenly spread."""
    count = min(len(ids), most)
    return ids[np.arange(count) * len(ids) // max(count, 1)]


def _right(ladders: Sequence[Sequence[Hit]], said: set[str]) -> list[bool]:
    """Whether the words of each step that has a caption are all said of the query."""
    return [said >= words_of(hit.caption).keys() for ladder in ladders for hit in ladder if hit.caption is not None]
