"""The items that a survey is of, and statistics over them with intervals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from hiergeo._core.errors import InputError
from hiergeo._core.records import number
from hiergeo.evaluation.metrics import (
    SMALL_SAMPLE,
    Interval,
    RankCorrelation,
    bootstrap_draws,
    bootstrap_mean,
    percentile_interval,
)

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

CAPTION, IMAGE = 0, 1
"""Kinds of items: an item with a caption is of the kind of captions, also where it has an image beside it."""

RESAMPLED, DRAWS = 5000, 500
"""Items that the interval of a statistic is resampled from, and how often."""

NO_INTERVAL = Interval(float("nan"), float("nan"))


@final
@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval, and how many items it was measured on."""

    value: float
    interval: Interval
    items: int

    def __str__(self) -> str:
        """The number, and its interval where there are enough items for one."""
        if self.items < SMALL_SAMPLE:
            return number(self.value)
        low, high = (number(bound) for bound in self.interval)
        return f"{number(self.value)} [{low}, {high}]"

    def as_dict(self, name: str) -> dict[str, Any]:
        """JSON values; the number is called `name`."""
        return {name: self.value, "low": self.interval.low, "high": self.interval.high, "items": self.items}


def mean_of(values: Floats) -> Measured:
    """The mean of values (n,), one for each item."""
    return Measured(float(values.mean()), bootstrap_mean(values), len(values))


def shuffled(ids: Ids) -> Ids:
    """The order (n,) that puts items at random, the same for the same ids, by a hash that is a bijection of 64 bits.

    Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (OOPSLA 2014).
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

    def measured(self, statistic: Callable[[Ids], Callable[[Floats | None], float]]) -> Measured:
        """A statistic of all items, in [-1, 1], with an interval from resamples of a sample.

        `statistic` takes places and gives the statistic of those, by how often each counts, (m,); None is once.
        Deviations of m of n items are sqrt(n / m) times as large as those of all (the m out of n bootstrap).
        """
        some = self.places(self.sample(RESAMPLED))
        value, part = statistic(np.arange(len(self)))(None), statistic(some)
        draws = bootstrap_draws(part, len(some), samples=DRAWS)
        draws = draws[~np.isnan(draws)]
        if not len(draws):
            return Measured(value, NO_INTERVAL, len(self))
        spread = (draws - part(None)) * (len(some) / len(self)) ** 0.5
        return Measured(value, percentile_interval(np.clip(value + spread, -1, 1)), len(self))

    def correlation(self, x: NDArray[Any], y: NDArray[Any]) -> Measured:
        """Spearman's correlation of two numbers of every item, (n,) and (n,)."""
        return self.measured(lambda which: RankCorrelation(x[which], y[which]).rho)

    def take(self, which: NDArray[np.bool_]) -> "Items":
        """Some of the items."""
        return Items(self.ids[which], self.kind[which], self.tier[which], self.words[which])
