"""Percentile intervals from one idea: a resample is a vector of counts, how often each row was drawn.

The counts depend on the number of rows and the seed alone, so statistics of two spaces over the same rows meet the same
resamples, and the interval of their difference is a paired one:

    bootstrap_statistic(lambda counts: ranking_a.auroc(counts) - ranking_b.auroc(counts), rows)
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


def bootstrap_statistic(
    statistic: Callable[[np.ndarray], float], rows: int, *, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The interval of any statistic of rows that can be computed from how often each row counts.

    Args:
        statistic: takes counts of shape (rows,) that sum to `rows`, such as `Ranking.auroc`.
        rows: what is resampled.
        samples: how many resamples.
        seed: the same seed and number of rows give the same resamples.
        level: the coverage, between 0 and 1; the interval runs from its (1 - level) / 2 quantile to its mirror.

    Raises:
        InputError: no rows, no samples, or a level outside (0, 1).
    """
    if rows < 1 or samples < 1 or not 0 < level < 1:
        raise InputError(
            f"a bootstrap needs rows >= 1, samples >= 1 and 0 < level < 1, not rows={rows}, samples={samples}, "
            f"level={level}."
        )
    drawn = [statistic(counts) for counts in resamples(rows, samples, seed)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


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
