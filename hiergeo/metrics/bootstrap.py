"""Percentile intervals from one idea: a resample is a vector of counts, how often each row was drawn.

The counts depend on the number of rows and the seed alone, so statistics of two spaces over the same rows meet the same
resamples, and the interval of the difference of their draws is a paired one:

    percentile_interval(bootstrap_draws(a.auroc, rows) - bootstrap_draws(b.auroc, rows))
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.errors import InputError
from hiergeo.metrics._checks import checked


class Interval(NamedTuple):
    """A percentile interval."""

    low: float
    high: float


def resamples(rows: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """`samples` vectors of shape (rows,): the counts of `rows` draws with replacement, determined by the seed."""
    generator = np.random.default_rng(seed)
    for _ in range(samples):
        yield np.bincount(generator.integers(rows, size=rows), minlength=rows)


def bootstrap_draws(
    statistic: Callable[[np.ndarray], float], rows: int, *, samples: int = 1000, seed: int = 0
) -> np.ndarray:
    """A statistic of rows under resampling, (samples,).

    Args:
        statistic: takes counts of shape (rows,) that sum to `rows`, such as `Ranking.auroc`.
        rows: what is resampled.
        samples: how many resamples.
        seed: the same seed and number of rows give the same resamples.

    Raises:
        InputError: no rows or no samples.
    """
    if rows < 1 or samples < 1:
        raise InputError(f"a bootstrap needs rows >= 1 and samples >= 1, not rows={rows} and samples={samples}.")
    return np.array([statistic(counts) for counts in resamples(rows, samples, seed)])


def percentile_interval(draws: np.ndarray, level: float = 0.95) -> Interval:
    """From the (1 - level) / 2 quantile of `draws` to its mirror. Raises InputError unless 0 < level < 1."""
    if not 0 < level < 1:
        raise InputError(f"the level of an interval must be between 0 and 1, not {level}.")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def bootstrap_statistic(
    statistic: Callable[[np.ndarray], float], rows: int, *, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The interval of any statistic of rows: see `bootstrap_draws` and `percentile_interval`."""
    return percentile_interval(bootstrap_draws(statistic, rows, samples=samples, seed=seed), level)


def bootstrap_mean(values: ArrayLike, *, samples: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """The interval of the mean of `values`, shape (n,), one per row: see `bootstrap_statistic`."""
    array = checked("values", values, ndim=1)
    return bootstrap_statistic(
        lambda counts: float(counts @ array) / len(array), len(array), samples=samples, seed=seed, level=level
    )


def paired_difference(
    a: ArrayLike, b: ArrayLike, *, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The interval of mean(a - b), both of shape (n,) over the same rows; the two differ when it excludes 0."""
    left, right = checked("a", a, ndim=1), checked("b", b, ndim=1)
    if len(left) != len(right):
        raise InputError(f"{len(left)} and {len(right)} values cannot be paired: both must be over the same rows.")
    return bootstrap_mean(left - right, samples=samples, seed=seed, level=level)
