"""All items of an index by id: what they are called, their radii, and samples that are the same for every lens."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from hiergeo.errors import InputError
from hiergeo.explorer.tiers import UNKNOWN, Tiers
from hiergeo.geometry import Geometry
from hiergeo.metrics.length import word_count
from hiergeo.search.stores.exact import ExactStore

Ids = NDArray[np.int64]

CAPTION, IMAGE = 0, 1
"""Kinds of items: an item with a caption is of the kind of captions, also where it has an image beside it."""


def shuffled(ids: Ids) -> Ids:
    """The order (n,) that puts items at random, the same for the same ids whatever their order.

    Items are sorted by a hash of their id, a bijection of 64 bits, so that maps of the same items show the same ones
    first. Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (OOPSLA 2014).
    """
    z = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((z ^ (z >> np.uint64(31))).argsort(kind="stable"))


@final
@dataclass(frozen=True, eq=False)
class Items:
    """The items of an index.

    Attributes:
        ids: (n,) ascending.
        kind: (n,) uint8: `CAPTION` or `IMAGE`.
        tier: (n,) int8 of the captions, from 0 on; -1 where it is unknown.
        words: (n,) int32 number of words of the caption, 0 without one.
    """

    ids: Ids
    kind: NDArray[np.uint8]
    tier: NDArray[np.int8]
    words: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)

    def sample(self, count: int) -> Ids:
        """Up to `count` ids at random, the same whenever the items are the same."""
        return np.asarray(self.ids[shuffled(self.ids)[:count]])

    def places(self, ids: Ids) -> Ids:
        """The rows (n,) of some ids (n,).

        Raises:
            InputError: an id that is not among them.
        """
        at = np.minimum(self.ids.searchsorted(ids), max(len(self) - 1, 0))
        missing = self.ids[at] != ids if len(self) else np.ones(len(ids), bool)
        if missing.any():
            raise InputError(f"there is no item {int(ids[missing][0])}.")
        return at


def read_items(store: ExactStore, tiers: Tiers | None = None) -> Items:
    """The items of an index: one pass over its captions."""
    ids, kinds, found, words = [], [], [], []
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
        found.append(tier)
    order = np.concatenate([np.empty(0, np.int64), *ids]).argsort()
    columns = (
        np.concatenate([np.empty(0, kind), *parts])[order]
        for kind, parts in ((np.int64, ids), (np.uint8, kinds), (np.int8, found), (np.int32, words))
    )
    return Items(*columns)


def radii_of(store: ExactStore, items: Items, geometry: Geometry) -> NDArray[np.float32]:
    """The radii (n,) of items, geodesic units, in the order of `items`."""
    found = np.zeros(len(items), np.float32)
    for ids, radii in store.radii():
        found[items.places(ids)] = geometry.combine(list(radii.unbind(1))).numpy()
    return found
