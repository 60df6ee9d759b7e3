"""Uncertainty of paired measurements: intervals over items and seeds, exact ones of proportions.

A bootstrap resample is a vector of counts: how often each row was drawn. The counts depend on the number of rows and
the seed alone, so statistics of two spaces over the same rows see the same resamples, and the interval of the
difference of their draws is a paired one:

    percentile_interval(bootstrap_draws(a.auroc, rows) - bootstrap_draws(b.auroc, rows))

Every seed of a study is measured on the same items: a resample draws items and seeds independently of each other (the
pigeonhole bootstrap). Resampling S seeds underestimates their variance by (S - 1) / S and ignores how uncertain it is.
The deviation that comes from the seeds is therefore multiplied by sqrt(S / X), X drawn anew from chi-square with S - 1
degrees of freedom; the interval over seeds alone is then close to Student's t.

Percentile intervals of few rows are too narrow, and of no hits they are [0, 0]: proportions have the exact interval of
Clopper and Pearson instead, shares over groups that of Korn and Graubard.

Sources: Owen, The pigeonhole bootstrap (Annals of Applied Statistics, 2007); on small samples Hesterberg, What teachers
should know about the bootstrap (The American Statistician, 2015).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError

LEVEL = 0.95  # of intervals, unless said otherwise
SMALL_SAMPLE = 30
"""Rows below which 95 % percentile intervals cover noticeably less: 0.79 to 0.91 of the time at 10 rows."""

TINY = 1e-20  # variances of shares that are rounding errors
ROUNDING = 1e-12  # differences of means over seeds that are rounding errors


class Interval(NamedTuple):
    """An interval."""

    low: float
    high: float


def resamples(rows: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """`samples` vectors of shape (rows,): the counts of `rows` draws with replacement, determined by the seed."""
    generator = np.random.default_rng(seed)
    for _ in range(samples):
        yield np.bincount(generator.integers(rows, size=rows), minlength=rows)


def bootstrap_draws(
    statistic: Callable[[np.ndarray], Any], rows: int, *, samples: int = 1000, seed: int = 0, stacked: bool = False
) -> np.ndarray:
    """Values of a statistic under resampling of its rows, (samples,); equal seeds and rows give equal resamples.

    The statistic takes counts of shape (rows,) that sum to `rows`, such as `Ranking.auroc`. A `stacked` one takes
    counts (k, rows) and returns (k,): several times faster.
    """
    if not stacked:
        return np.array([statistic(counts) for counts in resamples(rows, samples, seed)])
    stacks = _stacks if rows * samples > CACHED else _cached_stacks
    return np.concatenate([statistic(counts) for counts in stacks(rows, samples, seed)])


STACK = 1 << 18  # counts of a stack of resamples, whose statistics are computed at once
SIDE_BY_SIDE, LARGEST = 8, 1 << 24
"""Resamples that the kernels weigh side by side, and counts up to which a stack holds so many."""

CACHED = 1 << 27  # counts, of a byte each, up to which resamples are kept for the next statistic of as many rows


def _stacks(rows: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Counts (k, rows) of resamples, in the smallest dtype that holds them."""
    counts = resamples(rows, samples, seed)
    size = max(1, STACK // rows, min(SIDE_BY_SIDE, LARGEST // rows))
    while stack := list(islice(counts, size)):
        yield np.stack(stack).astype(np.min_scalar_type(max(part.max() for part in stack)))


@lru_cache(maxsize=2)
def _cached_stacks(rows: int, samples: int, seed: int) -> list[np.ndarray]:
    return list(_stacks(rows, samples, seed))


def percentile_interval(draws: np.ndarray) -> Interval:
    """The 95 % interval between quantiles of `draws`."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(float(low), float(high))


def proportion_interval(hits: float, count: float, level: float = LEVEL) -> Interval:
    """The exact interval of a proportion, `hits` of `count` independent items; neither need be whole.

    Source: Clopper and Pearson, The use of confidence or fiducial limits (Biometrika, 1934).
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = betaincinv(hits, count - hits + 1, tail) if hits > 0 else 0.0
    high = betaincinv(hits + 1, count - hits, 1 - tail) if hits < count else 1.0
    return Interval(float(low), float(high))


def interval_of(draws: np.ndarray, values: np.ndarray | None = None, *, least: float = 0.0) -> Interval:
    """The 95 % interval of a statistic: percentiles of its `draws`, or the exact one where it is a proportion.

    It is one where its `values`, whose mean it is, are all `least` or 1: the misses and the hits.
    """
    if not are_hits(values, least):
        return percentile_interval(draws)
    return share_interval(values, np.ones(len(values)), least=least)


def are_hits(values: np.ndarray | None, least: float) -> TypeGuard[np.ndarray]:
    """Whether values (n,) are known and all `least` or 1."""
    return values is not None and math.isfinite(least) and bool(np.isin(values, (least, 1)).all())


def share_interval(part: ArrayLike, whole: ArrayLike, *, least: float = 0.0) -> Interval:
    """The 95 % interval of sum(part) / sum(whole) over independent groups of items, such as images with many captions.

    That of Clopper and Pearson, exact where a group is one item, for as many items as have the variance of the share
    over groups. Where fewer than `SMALL_SAMPLE` groups have hits, or misses, that is too rough, and a group counts as
    one item. Of nothing the share may be anything. `part` (n,) are sums of items from `least` to 1, `whole` (n,)
    numbers of items.

    Source: Korn and Graubard, Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data (Survey Methodology, 1998), but for few groups.
    """
    below = np.asarray(whole, dtype=np.float64)
    above = (np.asarray(part) - least * below) / (1 - least)
    if not below.any():
        return Interval(least, 1.0)
    share = above.sum() / below.sum()
    size, spread = float(np.count_nonzero(below)), float(np.square(above - share * below).sum() / below.sum() ** 2)
    if min(np.count_nonzero(above), np.count_nonzero(above < below)) >= SMALL_SAMPLE and spread > TINY:
        size = share * (1 - share) / spread
    low, high = proportion_interval(share * size, size)
    return Interval(least + (1 - least) * low, least + (1 - least) * high)


def bootstrap_mean(values: np.ndarray) -> Interval:
    """The 95 % interval of the mean of `values`, shape (n,), one per row."""
    count = len(values)
    return interval_of(bootstrap_draws(lambda counts: counts @ values / count, count, stacked=True), values)


def crossed_draws(draws: ArrayLike, *, seed: int | Sequence[int] = 0) -> np.ndarray:
    """Values of a mean over seeds when both items and seeds are resampled, (samples,).

    The draws (seeds, samples) are of one statistic of each seed under the same resamples of the items. Numbers whose
    intervals are to hold simultaneously need different seeds of this resampling, one number or several: with one all
    would share X, and `simultaneous_intervals` would miss that each variance is estimated separately.
    """
    of_items = np.asarray(draws)
    seeds, samples = of_items.shape
    if seeds < 2:
        raise InputError(f"an interval over seeds needs at least 2 of them, not {seeds}.")
    generator = np.random.default_rng([*np.atleast_1d(seed).tolist(), seeds])
    counts = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=samples).T
    widening = np.sqrt(seeds / generator.chisquare(seeds - 1, size=samples))
    mean = of_items.mean(axis=0)
    of_both = (counts * of_items).sum(axis=0) / seeds
    return mean + widening * (of_both - mean)


def simultaneous_intervals(draws: ArrayLike) -> list[Interval]:
    """Simultaneous intervals of several numbers: each percentile interval, widened by one common factor.

    With a probability of 95 % all of them cover. The factor is the 95 % quantile, over resamples, of the largest
    deviation from the middle of the intervals in units of their half widths; it is at least 1, and close to 1 where the
    numbers are strongly correlated (single-step max-T). The draws (numbers, samples) are of one bootstrap.

    Source: Westfall and Young, Resampling-based multiple testing (1993).
    """
    numbers = np.asarray(draws)
    single = [percentile_interval(row) for row in numbers]
    low, high = np.array(single).T
    middle, half = (low + high) / 2, (high - low) / 2
    wide = half > 0
    if not wide.any():
        return single
    deviations = np.abs(numbers[wide] - middle[wide, None]) / half[wide, None]
    factor = max(1.0, float(np.quantile(deviations.max(axis=0), LEVEL)))
    return [Interval(float(m - factor * h), float(m + factor * h)) for m, h in zip(middle, half, strict=True)]


class SignTest(NamedTuple):
    """Exact two-sided sign test of paired differences; for differences of 0 and 1 it is McNemar's exact test."""

    better: int
    worse: int
    tied: int
    p_value: float


def sign_test(differences: ArrayLike) -> SignTest:
    """Test whether paired differences (n,) are more often positive than negative, or the reverse.

    Differences of at most `ROUNDING` are ties.
    """
    from scipy.special import bdtr

    values = np.asarray(differences)
    better, worse = int((values > ROUNDING).sum()), int((values < -ROUNDING).sum())
    p_value = min(1.0, 2 * float(bdtr(min(better, worse), better + worse, 0.5)))
    return SignTest(better, worse, len(values) - better - worse, p_value)


def holm(p_values: ArrayLike) -> np.ndarray:
    """P-values (n,) adjusted for testing n hypotheses: rejecting those <= alpha keeps the family-wise error <= alpha.

    Source: Holm, A simple sequentially rejective multiple test procedure (Scandinavian Journal of Statistics, 1979).
    """
    values = np.asarray(p_values)
    order = np.argsort(values, kind="stable")
    stepped = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    adjusted = np.empty_like(stepped)
    adjusted[order] = stepped
    return adjusted
