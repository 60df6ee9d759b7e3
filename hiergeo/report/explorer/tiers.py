"""The tiers of captions, from general to specific, as a dataset has them."""

from collections import Counter, defaultdict
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo.datasets import Hierarchy
from hiergeo.search import Index

UNKNOWN = -1
"""The tier of an item that the dataset does not know."""


@final
class Tiers:
    """Which tier of a dataset the caption of an item is from.

    A caption that is of several tiers belongs to the one that it is of most often, and of equally frequent ones to the
    most general.

    Args:
        hierarchy: chains of captions; contradicting ones count too.
        index: whose captions they are.

    Attributes:
        names: of the tiers, from general to specific.
    """

    def __init__(self, hierarchy: Hierarchy, index: Index) -> None:
        self.names = tuple(f"tier {place + 1} of {hierarchy.tiers}" for place in range(hierarchy.tiers))
        self._index = index
        counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for row in hierarchy.rows:
            for chain in (row.positive, row.negative or ()):
                for tier, caption in enumerate(chain):
                    counts[caption][tier] += 1
        self._tiers = {caption: _commonest(found) for caption, found in counts.items()}

    def tier(self, caption: str | None) -> int:
        """The tier of a caption, from 0 on; -1 for one that the dataset does not know."""
        return UNKNOWN if caption is None else self._tiers.get(caption.strip(), UNKNOWN)

    def of(self, ids: Tensor | NDArray[np.int64]) -> NDArray[np.int8]:
        """The tiers (n,) int8 of the items of some ids (n,); -1 for captions that the dataset does not know.

        Raises:
            InputError: an id that is not in the index.
        """
        captions = self._index.store.labels(torch.as_tensor(ids)).captions
        return np.fromiter(map(self.tier, captions), np.int8, len(captions))


@final
class TierOrder:
    """How radii order the items of different tiers: all pairs of them, which are not enumerated.

    Args:
        radii: (n,).
        tiers: (n,) from 0, general, to specific; pairs with an item of tier -1 do not count.
        strata: (n,) integers, such as numbers of words: only pairs that agree in them count. None is all pairs.
    """

    def __init__(self, radii: NDArray[Any], tiers: NDArray[Any], strata: NDArray[Any] | None = None) -> None:
        known = np.flatnonzero(tiers >= 0)
        strata = np.zeros(len(tiers), np.int64) if strata is None else strata
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, int]]] = []
        for stratum in np.unique(strata[known]):
            held = known[strata[known] == stratum]
            levels, level = np.unique(radii[held], return_inverse=True)
            shape = int(tiers[held].max()) + 1, len(levels)
            if tiers[held].min() < tiers[held].max():
                self._parts.append((held, tiers[held].astype(np.int64) * len(levels) + level, shape))

    @property
    def pairs(self) -> float:
        """How many pairs there are."""
        return self._sums(None)[1]

    def value(self, counts: NDArray[Any] | None = None) -> float:
        """Share of the pairs whose more specific item has the larger radius, less that where it has the smaller one.

        In [-1, 1]; NaN without pairs.

        Args:
            counts: (n,) how often each item counts; None is once.
        """
        surplus, pairs = self._sums(counts)
        return surplus / pairs if pairs else float("nan")

    def _sums(self, counts: NDArray[Any] | None) -> tuple[float, float]:
        surplus = pairs = 0.0
        for held, place, shape in self._parts:
            weights = None if counts is None else counts[held]
            mass = np.bincount(place, weights, shape[0] * shape[1]).reshape(shape).astype(np.float64)
            whole = mass.sum(axis=1)
            for specific in range(1, shape[0]):
                level = mass[:specific].sum(axis=0)
                below = np.cumsum(level)
                surplus += float(mass[specific] @ (2 * below - level - below[-1]))
                pairs += float(whole[specific] * below[-1])
        return surplus, pairs


def _commonest(found: Counter[int]) -> int:
    """The tier that was counted most often; of several the most general."""
    return min(found, key=lambda tier: (-found[tier], tier))
