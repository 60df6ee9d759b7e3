"""A measured number that still knows its rows, so that it can be resampled, alone or against another one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hiergeo.metrics import Interval, bootstrap_statistic

Counts = np.ndarray


@dataclass(frozen=True)
class Statistic:
    """A function of how often each of `rows` rows counts; with every row counting once it is the value itself."""

    rows: int
    of: Callable[[Counts], float]

    @property
    def value(self) -> float:
        """The statistic of the data as they are."""
        return self.of(np.ones(self.rows))

    def interval(self, samples: int, seed: int) -> Interval:
        """Its 95 % bootstrap interval, resampling rows."""
        return bootstrap_statistic(self.of, self.rows, samples=samples, seed=seed)

    def minus(self, other: "Statistic") -> "Statistic":
        """The paired difference over the same rows."""
        return Statistic(self.rows, lambda counts: self.of(counts) - other.of(counts))


def mean_of(values: np.ndarray) -> Statistic:
    """The mean of one value per row."""
    return Statistic(len(values), lambda counts: float(counts @ values) / len(values))
