"""What a protocol returns: statistics that can be resampled by row, plain numbers, and ladders."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hiergeo.metrics import Roc, bootstrap_draws

Counts = np.ndarray


@dataclass(frozen=True)
class Statistic:
    """A number computed from rows, as a function of how often each row counts.

    Attributes:
        rows: number of rows.
        of: takes counts of shape (rows,) that sum to `rows`; all ones give the value itself.
        values: (rows,) the value of each row, where the statistic is their mean; None otherwise.
    """

    rows: int
    of: Callable[[Counts], float]
    values: np.ndarray | None = None

    @property
    def value(self) -> float:
        """The statistic of the data as they are."""
        return self.of(np.ones(self.rows))

    def draws(self, samples: int, seed: int) -> np.ndarray:
        """Values under resampling of the rows, (samples,)."""
        return bootstrap_draws(self.of, self.rows, samples=samples, seed=seed)


def mean_of(values: np.ndarray) -> Statistic:
    """The mean of one value per row."""
    return Statistic(len(values), lambda counts: float(counts @ values) / len(values), values)


@dataclass(frozen=True)
class Outcome:
    """Measurements of one protocol before intervals and settings are added.

    Attributes:
        statistics: metric -> statistic that is resampled.
        numbers: metric -> plain number.
        ladders: for each image the captions met, general to specific.
        rocs: name of an AUROC among the statistics -> its ROC curve, from the same pairs.
    """

    statistics: dict[str, Statistic]
    numbers: dict[str, float] = field(default_factory=dict)
    ladders: tuple[tuple[str, ...], ...] = ()
    rocs: dict[str, Roc] = field(default_factory=dict)
