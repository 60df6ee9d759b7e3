"""The items of an index as arrays: kinds, tiers, lengths and radii."""

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo.evaluation.auditing.population import CAPTION, IMAGE, Items
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.geometry import Geometry
from hiergeo.report.explorer.tiers import UNKNOWN, Tiers
from hiergeo.search.stores.exact import ExactStore


def read_items(store: ExactStore, tiers: Tiers | None = None) -> Items:
    """The items of an index: one pass over its captions."""
    ids, kinds, tier_parts, words = [], [], [], []
    for part, labels in store.named():
        captions = labels.captions
        ids.append(part)
        kinds.append(
            np.array(
                [
                    IMAGE if caption is None and image is not None else CAPTION
                    for caption, image in zip(captions, labels.images, strict=True)
                ],
                np.uint8,
            )
        )
        words.append(np.array([0 if caption is None else word_count(caption) for caption in captions], np.int32))
        tier = np.full(len(part), UNKNOWN, np.int8)
        if tiers is not None:
            tier[:] = [tiers.tier(caption) for caption in captions]
        tier_parts.append(tier)
    order = np.concatenate([np.empty(0, np.int64), *ids]).argsort()
    columns = (
        np.concatenate([np.empty(0, kind), *parts])[order]
        for kind, parts in ((np.int64, ids), (np.uint8, kinds), (np.int8, tier_parts), (np.int32, words))
    )
    return Items(*columns)


def radii_of(store: ExactStore, items: Items, geometry: Geometry) -> NDArray[np.float32]:
    """The radii (n,) of items, geodesic units, in the order of `items`."""
    factors = torch.from_numpy(factor_radii(store, items))
    return np.asarray(geometry.combine(list(factors.unbind(1))).numpy())


def factor_radii(store: ExactStore, items: Items) -> NDArray[np.float32]:
    """The radii (n, F) of items in each factor, geodesic units, in the order of `items`."""
    factors = np.zeros((len(items), len(store.manifest.frame.dims)), np.float32)
    for ids, radii in store.radii():
        factors[items.places(ids)] = radii.numpy()
    return factors
