"""What a collection says of itself: its lenses, how many items it has, what is worth a first query."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple, final

import numpy as np
import torch

from hiergeo.evaluation.auditing.population import Ids
from hiergeo.geometry import ConstantCurvature
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.items import words_of
from hiergeo.search import Item
from hiergeo.search.background import SAME
from hiergeo.search.serving.limits import Limits
from hiergeo.search.stores.exact import ExactStore

READABLE = range(3, 81)
"""Characters of a caption that is proposed."""

FLAT = (
    "Radii hardly differ in {}: there is no ladder. An index whose root is the embedding of the empty caption has one."
)
"""What is said of lenses whose radii do not spread."""

LOOKED_AT = 1024
"""About how many captions are looked at for proposals."""

EXAMPLES = 4
"""Items that are proposed for their ladders."""

CARDS = 7
"""Steps beyond which a longer ladder is not worth more."""

WRONG = "a wrong step"
"""What is said of an item that is proposed for the step that is not true of it."""

PAIRS, FEWEST, MOST = 50_000_000, 32, 1024
"""Pairs of an item that is tried and one that is looked at, in each lens; items that are tried, at least, at most."""


def collection_facts(
    collection: Collection, limits: Limits, embeds: Mapping[str, dict[str, bool]] | None = None
) -> dict[str, Any]:
    """What the page has to know of a collection before it asks anything.

    Args:
        collection: that is explored.
        limits: of requests.
        embeds: by the key of a lens, whether its model embeds texts, and images; None where no model is loaded.
    """
    embeds, none = embeds or {}, {"text": False, "image": False}
    store = collection.first.store.pinned()
    captions, images, illustrated, readable = _counted(store)
    lenses = [
        {**_lens_facts(lens), **lens.background.facts(), "embeds": embeds.get(lens.key, none)}
        for lens in collection.lenses
    ]
    flat = [lens["title"] for lens in lenses if not lens["climbs"]]
    shown = collection.pictures is not None and collection.pictures.some(illustrated)
    pictured = np.sort(illustrated) if shown else np.empty(0, np.int64)
    texts = readable if any(takes["text"] for takes in embeds.values()) else {}
    examples = [
        {"item": str(item), "about": about} if item in pictured or item not in texts else texts[item]
        for item, about in proposed(collection, readable, images, pictured)
    ]
    return {
        "title": collection.title,
        "items": store.manifest.rows,
        "captions": captions,
        "images": len(images),
        "pictures": shown if len(illustrated) else None,
        "tiers": None if collection.tiers is None else list(collection.tiers.names),
        "lenses": lenses,
        "notices": [FLAT.format(" and ".join(flat))] if flat else [],
        "examples": examples,
        "colour": collection.colour,
        "limits": {"text_characters": limits.text_characters, "image_bytes": limits.image_bytes},
    }


def _lens_facts(lens: Lens) -> dict[str, Any]:
    """What a lens is."""
    geometry = lens.space.geometry
    shells = [shell for shell in lens.index.store.describe().shells if shell.count]
    return {
        "key": lens.key,
        "title": lens.title,
        "source": lens.source,
        "geometry": lens.spec,
        "curvature": geometry.value if isinstance(geometry, ConstantCurvature) else None,
        "low": min((shell.low for shell in shells), default=None),
        "high": max((shell.high for shell in shells), default=None),
        "rows": len(lens.index),
    }


def _counted(store: ExactStore) -> tuple[int, Ids, Ids, dict[int, str]]:
    """What a store holds, in one pass over its labels.

    Returns:
        captions: number of items that have a caption.
        images: ids (n,) of those that have an image and no caption.
        illustrated: ids (m,) of those that have an image.
        readable: about `LOOKED_AT` captions that are neither very short nor long, by id.
    """
    share = max(1, store.manifest.rows // LOOKED_AT)
    captions, images, illustrated, readable = 0, list[int](), list[int](), dict[int, str]()
    for ids, labels in store.named():
        for row, (item, text, image) in enumerate(zip(ids.tolist(), labels.captions, labels.images, strict=True)):
            captions += text is not None
            if image is not None:
                illustrated.append(item)
                if text is None:
                    images.append(item)
            if row % share == 0 and text is not None and len(text) in READABLE:
                readable[item] = text
    return captions, np.array(images, np.int64), np.array(illustrated, np.int64), readable


@final
class Worth(NamedTuple):
    """How much the ladders to an item show; the greater of two is the better one."""

    climbs: bool  # whether the first lens has a step to it
    pictured: bool
    false: int  # minus the steps of all lenses that are not true
    right: int  # steps of the first lens that are true or, where that is unknown, add no word, less those that do
    steps: int  # of the first lens, up to `CARDS`
    ladders: int  # different ones
    item: int  # minus its id
    wrong: int  # steps of the first lens that are not true


def proposed(collection: Collection, captions: Mapping[int, str], images: Ids, pictured: Ids) -> list[tuple[int, str]]:
    """The items that are worth a first query, by id, best first, and what is to be said of each.

    They are the best of each group of `collection.examples`, in their order, or else the best `EXAMPLES` of all that
    are tried; and last, where chains are known, one with the fewest wrong steps, but some.

    Args:
        collection: whose items they are.
        captions: that are readable, by id; some of them are tried.
        images: ids (n,) of items of an image alone; some of them are tried.
        pictured: ids (m,), ascending, of the items whose picture may be shown.
    """
    most = max(FEWEST, min(MOST, PAIRS // max(len(collection.first), 1)))
    some = _some_of(np.intersect1d(images, pictured), most // 2)
    tried = np.concatenate([some, _some_of(np.array(sorted(captions), np.int64), most - len(some))]).tolist()
    groups = collection.examples
    items = sorted({*chain(*groups.values())} or tried)
    worth = _worth(collection, items, pictured) if items else {}
    best = sorted(worth, key=worth.__getitem__, reverse=True)
    found = [(max(ids, key=worth.__getitem__), about) for about, ids in groups.items()]
    found = found or [(item, "") for item in best[:EXAMPLES]]
    wrong = [item for item in best if worth[item].wrong and item not in dict(found)]
    wrong.sort(key=lambda item: (not worth[item].pictured, worth[item].wrong))
    return found + [(item, WRONG) for item in wrong[:1]]


def _worth(collection: Collection, items: list[int], pictured: Ids) -> dict[int, Worth]:
    """What items are worth as a first query, by id."""
    lenses, tiers = [lens for lens in collection.lenses if lens.background.climbs], collection.tiers
    labels = collection.first.store.labels(torch.tensor(items, dtype=torch.int64))
    seen = [*zip(*(lens.index.ladder(list(map(Item, items)), space=lens.spec) for lens in lenses), strict=True)]
    worth = {}
    named = zip(items, labels.captions, labels.images, strict=True)
    for (item, own, image), climbs in zip(named, seen or [()] * len(items), strict=True):
        ladders = [[hit for hit in climb.hits if hit.distance >= SAME] for climb in climbs] or [[]]
        said = words_of(own or "").keys()
        true = [[None if tiers is None else tiers.holds(hit.caption, own, image) for hit in some] for some in ladders]
        likely = sum(
            holds is None and hit.caption is not None and said >= words_of(hit.caption).keys()
            for holds, hit in zip(true[0], ladders[0], strict=True)
        )
        worth[item] = Worth(
            climbs=bool(ladders[0]),
            pictured=bool(np.isin(item, pictured)),
            false=-sum(some.count(False) for some in true),
            right=true[0].count(True) - true[0].count(None) + 2 * likely,
            steps=min(len(ladders[0]), CARDS),
            ladders=len({tuple(hit.id for hit in ladder) for ladder in ladders}),
            item=-item,
            wrong=true[0].count(False),
        )
    return worth


def _some_of(ids: Ids, most: int) -> Ids:
    """At most `most` of the ids (n,), evenly spread."""
    count = min(len(ids), most)
    return ids[np.arange(count) * len(ids) // max(count, 1)]
