"""What a collection says of itself: its lenses, how many items it has, what is worth a first query."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hiergeo._core.version import __version__
from hiergeo.evaluation.auditing.population import Ids
from hiergeo.geometry import ConstantCurvature
from hiergeo.report.explorer.collection import Collection, Lens, model_of
from hiergeo.search.serving.limits import Limits
from hiergeo.search.stores.exact import ExactStore

EXAMPLES = 6
"""Queries that are proposed."""

READABLE = range(3, 81)
"""Characters of a caption that is proposed."""

LOOKED_AT = 512
"""About how many items proposals are chosen among."""


def collection_facts(
    collection: Collection, limits: Limits | None = None, embeds: Mapping[str, dict[str, bool]] | None = None
) -> dict[str, Any]:
    """What the page has to know of a collection before it asks anything.

    Args:
        collection: it.
        limits: of requests; None are the default ones.
        embeds: by the key of a lens, whether its model embeds texts, and images; None for a collection whose models are
            not loaded.
    """
    limits, embeds = limits or Limits(), embeds or {}
    none = {"text": False, "image": False}
    store = collection.first.store.pinned()
    captions, images, illustrated, readable = counted(store)
    return {
        "title": collection.title,
        "items": store.manifest.rows,
        "captions": captions,
        "images": images,
        "pictures": pictures_of(collection, illustrated),
        "tiers": None if collection.tiers is None else list(collection.tiers.names),
        "lenses": [{**lens_facts(lens), "embeds": embeds.get(lens.key, none)} for lens in collection.lenses],
        "examples": [*collection.examples] or [{"item": str(item)} for item in proposed(store, readable)],
        "limits": {
            "queries": limits.queries,
            "k": limits.k,
            "steps": limits.steps,
            "text_characters": limits.text_characters,
            "image_bytes": limits.image_bytes,
            "image_pixels": limits.image_pixels,
        },
        "version": __version__,
    }


def lens_facts(lens: Lens) -> dict[str, Any]:
    """What a lens is."""
    geometry, dim = lens.space.geometry, lens.index.encoder.dim
    factors = [
        {"geometry": part.spec, "curvature": part.value, "dim": slice_.stop - slice_.start}
        for part, slice_ in geometry.parts(dim)
    ]
    shells = [shell for shell in lens.index.store.describe().shells if shell.count]
    return {
        "key": lens.key,
        "title": lens.title,
        "source": lens.source,
        "model": model_of(lens.index),
        "geometry": lens.spec,
        "curvature": geometry.value if isinstance(geometry, ConstantCurvature) else None,
        "factors": factors,
        "dim": dim,
        "min_radius": lens.space.min_radius,
        "low": min((shell.low for shell in shells), default=None),
        "high": max((shell.high for shell in shells), default=None),
        "rows": len(lens.index),
    }


def counted(store: ExactStore) -> tuple[int, int, Ids, Ids]:
    """One pass over the labels of a store.

    Returns:
        How many items have a caption, how many an image and no caption, the ids (m,) of those that have an image, and
        the ids (n,) of some whose captions are neither very short nor long.
    """
    captions = images = 0
    illustrated, readable = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    share = max(1, store.manifest.rows // LOOKED_AT)
    for ids, labels in store.named():
        captions += sum(caption is not None for caption in labels.captions)
        named = zip(labels.captions, labels.images, strict=True)
        images += sum(caption is None and image is not None for caption, image in named)
        illustrated.append(ids[[image is not None for image in labels.images]])
        some = labels.captions[::share]
        readable.append(ids[::share][[caption is not None and len(caption) in READABLE for caption in some]])
    return captions, images, np.concatenate(illustrated), np.concatenate(readable)


def pictures_of(collection: Collection, illustrated: Ids) -> bool | None:
    """Whether pictures of items, ids (n,), may be shown; None if there are no such items."""
    if not len(illustrated):
        return None
    return collection.pictures is not None and collection.pictures.some(illustrated)


def proposed(store: ExactStore, readable: Ids) -> list[int]:
    """A few of some items, evenly from the half of larger radius: ladders to them have many rungs."""
    if not len(readable):
        return []
    ids = torch.from_numpy(np.sort(readable))
    order = ids[store.fetch(ids).radius(store.geometry).argsort(stable=True)]
    outer = order[len(order) // 2 :].tolist()
    return [outer[len(outer) * at // EXAMPLES] for at in range(min(EXAMPLES, len(outer)))]
