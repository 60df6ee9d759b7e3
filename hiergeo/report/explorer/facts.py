"""What a collection says of itself: its lenses, how many items it has, what is worth a first query."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hiergeo.evaluation.auditing.population import Ids
from hiergeo.geometry import ConstantCurvature
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.items import words_of
from hiergeo.search import Hit, Item
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

EXAMPLES = 6
"""Items that are proposed."""

CLIMB = 4
"""Steps beyond which a longer ladder is not worth more."""

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
        {"item": str(item)} if item in pictured or item not in texts else texts[item]
        for item in proposed(collection, readable, images, pictured)
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
        "examples": [*collection.examples] or examples,
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


def proposed(collection: Collection, captions: Mapping[int, str], images: Ids, pictured: Ids) -> list[int]:
    """The items that are worth a first query, by id, best first; none where no lens has ladders.

    A step is right if its words are among those of the item and of what chains put above it. Where chains are known, no
    item is proposed that some lens has a wrong step to. Items come first that the first lens climbs in more steps, up
    to `CLIMB`, then those with more different ladders, those with a picture, and those with a larger share of right
    steps, and more.

    Args:
        collection: whose items they are.
        captions: that are readable, by id; some of them are tried.
        images: ids (n,) of items of an image alone; some of them are tried.
        pictured: ids (m,), ascending, of the items whose picture may be shown.
    """
    lenses = [lens for lens in collection.lenses if lens.background.climbs]
    most = max(FEWEST, min(MOST, PAIRS // max(len(collection.first), 1)))
    some = _some_of(np.intersect1d(images, pictured), most // 2)
    tried = np.concatenate([some, _some_of(np.array(sorted(captions), np.int64), most - len(some))])
    if not lenses or not len(tried):
        return []
    queries, labels = list(map(Item, tried.tolist())), collection.first.store.labels(torch.from_numpy(tried))
    climbs = zip(*(lens.index.ladder(queries, space=lens.spec) for lens in lenses), strict=True)
    worth = {}
    for item, own, image, seen in zip(tried.tolist(), labels.captions, labels.images, climbs, strict=True):
        ladders = [[hit for hit in climb.hits if hit.distance >= SAME] for climb in seen]
        said = None if collection.tiers is None else collection.tiers.said(own, image)
        right = _right(ladders, set(words_of(own or "")) if said is None else said)
        if collection.tiers is None or (said is not None and all(right)):
            differ = len({tuple(hit.id for hit in ladder) for ladder in ladders})
            share = sum(right) / max(1, len(right))
            worth[item] = min(len(ladders[0]), CLIMB), differ, bool(np.isin(item, pictured)), share, sum(right), -item
    return sorted(worth, key=worth.__getitem__, reverse=True)[:EXAMPLES]


def _some_of(ids: Ids, most: int) -> Ids:
    """At most `most` of the ids (n,), evenly spread."""
    count = min(len(ids), most)
    return ids[np.arange(count) * len(ids) // max(count, 1)]


def _right(ladders: Sequence[Sequence[Hit]], said: set[str]) -> list[bool]:
    """Whether the words of each step that has a caption are all said of the query."""
    return [said >= words_of(hit.caption).keys() for ladder in ladders for hit in ladder if hit.caption is not None]
