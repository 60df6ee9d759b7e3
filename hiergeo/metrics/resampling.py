"""Percentile intervals from one idea: a resample is a vector of counts, how often each row was drawn.

The counts depend on the number of rows and the seed alone, so statistics of two spaces over the same rows meet the same
resamples, and the interval of the difference of their draws is a paired one:

    percentile_interval(bootstrap_draws(a.auroc, rows) - bootstrap_draws(b.auroc, rows))

Intervals over items and seeds together: what would differ with other test rows, and with other training runs.

Every seed is measured on the same items, so the two are crossed: a resample draws items and seeds independently of each
other, and every seed meets the same items (the pigeonhole bootstrap). Seeds are few. Resampling S of them understates
their variance by (S - 1) / S, and does not know how well S numbers tell a variance; the deviation that comes from the
seeds is therefore widened by sqrt(S / X) with X drawn anew from chi-square of S - 1 degrees of freedom, which makes the
interval over seeds alone about that of Student's t.

Sources: Owen, The pigeonhole bootstrap (Annals of Applied Statistics, 2007); on small samples Hesterberg, What teachers
should know about the bootstrap (The American Statistician, 2015).
"""

from collections.abc import Callable, Iterator, Sequence
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


def crossed_draws(draws: ArrayLike, *, seed: int | Sequence[int] = 0) -> np.ndarray:
    """Values of a mean over seeds when items and seeds are both drawn anew, (samples,).

    Args:
        draws: (seeds, samples), a statistic of each seed under the same resamples of the items, such as the differences
            of two spaces' `bootstrap_draws`; at least 2 seeds.
        seed: of the draws of seeds, one number or several. Numbers that are to hold at once each need their own: with
            one seed all share X, and `simultaneous_intervals` could not see that each may misjudge its own variance.

    Raises:
        InputError: another shape, NaN, or fewer than 2 seeds.
    """
    of_items = checked("draws", draws, ndim=2)
    seeds, samples = of_items.shape
    if seeds < 2:
        raise InputError(f"an interval over seeds needs at least 2 of them, not {seeds}.")
    generator = np.random.default_rng([*np.atleast_1d(seed).tolist(), seeds])
    counts = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=samples).T
    widening = np.sqrt(seeds / generator.chisquare(seeds - 1, size=samples))
    mean = of_items.mean(axis=0)
    of_both = (counts * of_items).sum(axis=0) / seeds
    return mean + widening * (of_both - mean)


def simultaneous_intervals(draws: ArrayLike, *, level: float = 0.95) -> list[Interval]:
    """Intervals of several numbers that hold all at once with `level`: each percentile interval, widened by one factor.

    The factor is the `level` quantile, over resamples, of the largest deviation from the middle of the intervals, in
    units of their half widths; it is at least 1, and small where the numbers go together (single-step max-T).

    Args:
        draws: (numbers, samples), of one bootstrap, columns being resamples.
        level: in (0, 1).

    Raises:
        InputError: another shape, NaN, or a level out of range.

    Source: Westfall and Young, Resampling-based multiple testing (1993).
    """
    numbers = checked("draws", draws, ndim=2)
    single = [percentile_interval(row, level) for row in numbers]
    low, high = np.array(single).T
    middle, half = (low + high) / 2, (high - low) / 2
    wide = half > 0
    if not wide.any():
        return single
    deviations = np.abs(numbers[wide] - middle[wide, None]) / half[wide, None]
    factor = max(1.0, float(np.quantile(deviations.max(axis=0), level)))
    return [Interval(float(m - factor * h), float(m + factor * h)) for m, h in zip(middle, half, strict=True)]
