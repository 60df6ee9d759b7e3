"""The items of an index as arrays: kinds, tiers, lengths and radii; tiers, and what captions say, are of a dataset."""

from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.errors import InputError
from hiergeo.datasets import Hierarchy, ImageRef
from hiergeo.evaluation.auditing.population import CAPTION, IMAGE, Items
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.geometry import Geometry
from hiergeo.report.explorer.thumbnails import number_of_image
from hiergeo.search.stores.exact import ExactStore

UNKNOWN = -1
"""The tier of an item that the dataset does not know."""

SMALL = {"a", "an", "and", "the"}

COLUMNS = (np.int64, np.uint8, np.int8, np.int32)
"""The types of ids, kinds, tiers and numbers of words."""


@final
class Tiers:
    """Which tier of a dataset the caption of an item is from, and what the dataset knows to be true of it.

    A caption that is of several tiers belongs to the one that it is of most often, and of equally frequent ones to the
    most general.

    Args:
        hierarchy: chains of captions. Contradicting ones count for tiers alone: each of their captions contradicts one
            of the chain, and need not imply those above it.

    Attributes:
        names: of the tiers, from general to specific.
    """

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.names = tuple(f"tier {tier} of {hierarchy.tiers}" for tier in range(1, hierarchy.tiers + 1))
        counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._above: defaultdict[str, set[str]] = defaultdict(set)
        self._shown: defaultdict[int | None, set[str]] = defaultdict(set)
        for row in hierarchy.rows:
            for chain in (row.positive, row.negative or ()):
                for tier, caption in enumerate(chain):
                    counts[caption][tier] += 1
            for tier, caption in enumerate(row.positive):
                self._above[caption].update(row.positive[:tier])
            if row.image_id is not None:
                self._shown[row.image_id].update(row.positive)
        self._tiers = {caption: min(of, key=lambda tier: (-of[tier], tier)) for caption, of in counts.items()}
        self._truth = hierarchy.truth
        self._images: dict[int | None, ImageRef] = {image.image_id: image for image in hierarchy.images}

    def tier(self, caption: str | None) -> int:
        """The tier of a caption, from 0 on; -1 for one that the dataset does not know."""
        return UNKNOWN if caption is None else self._tiers.get(caption.strip(), UNKNOWN)

    def holds(self, general: str | None, caption: str | None, image: str | None = None) -> bool | None:
        """Whether a caption is true of what has another caption or, without one, an image; None where it is unknown.

        Where the dataset does not know the truth, a caption is true if its words are all `said`.
        """
        if self._truth is None:
            said = self.said(caption, image)
            return None if said is None or general is None else said >= words_of(general).keys()
        picture = self._images.get(number_of_image(image or ""))
        with suppress(InputError):
            if general is not None and caption is not None:
                return self._truth.entails(caption, general)
            return None if general is None or picture is None else self._truth.is_true(general, picture)
        return None

    def same(self, one: str, other: str) -> bool:
        """Whether two captions say the same: each entails the other, or they differ in `SMALL` words alone."""
        words = [*words_of(one)]
        alike = bool(words) and words == [*words_of(other)]
        return alike or (self._truth is not None and bool(self.holds(one, other) and self.holds(other, one)))

    def said(self, caption: str | None, image: str | None = None) -> set[str] | None:
        """The words of a caption and of all that chains put above it; None for one that the dataset does not know.

        Of an image without a caption, by its reference, those of the captions of all its chains: the number that the
        reference ends in is the id of the image.
        """
        todo = [caption.strip()] if caption is not None else [*self._shown.get(number_of_image(image or ""), ())]
        captions = set(todo)
        if not captions or not captions <= self._above.keys():
            return None
        while todo:
            new = self._above[todo.pop()] - captions
            captions |= new
            todo += new
        return set().union(*map(words_of, captions))


def words_of(caption: str) -> dict[str, None]:
    """The words of a caption in their order, but for `SMALL` ones."""
    words = (word.strip(".,;:!?\"'") for word in caption.lower().split())
    return {word: None for word in words if word and word not in SMALL}


def read_items(store: ExactStore, tiers: Tiers | None = None) -> Items:
    """The items of an index: one pass over its captions."""
    parts: list[tuple[NDArray[Any], ...]] = [tuple(np.empty(0, kind) for kind in COLUMNS)]
    for ids, labels in store.named():
        captions = labels.captions
        picture = [text is None and image is not None for text, image in zip(captions, labels.images, strict=True)]
        tier = [UNKNOWN if tiers is None else tiers.tier(caption) for caption in captions]
        words = [0 if caption is None else word_count(caption) for caption in captions]
        parts.append((ids, np.where(picture, IMAGE, CAPTION), np.array(tier), np.array(words)))
    columns = [
        np.concatenate(column).astype(kind) for kind, column in zip(COLUMNS, zip(*parts, strict=True), strict=True)
    ]
    order = columns[0].argsort()
    return Items(*(column[order] for column in columns))


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
