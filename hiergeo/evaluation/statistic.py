"""A measured number that still knows its rows, so that it can be resampled."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hiergeo.metrics import bootstrap_draws

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

    def draws(self, samples: int, seed: int) -> np.ndarray:
        """Its values under resampling of the rows, (samples,)."""
        return bootstrap_draws(self.of, self.rows, samples=samples, seed=seed)


def mean_of(values: np.ndarray) -> Statistic:
    """The mean of one value per row."""
    return Statistic(len(values), lambda counts: float(counts @ values) / len(values))
