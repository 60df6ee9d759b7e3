"""Intervals over items and seeds together: what would differ with other test rows, and with other training runs.

Every seed is measured on the same items, so the two are crossed: a resample draws items and seeds independently of each
other, and every seed meets the same items (the pigeonhole bootstrap). Seeds are few. Resampling S of them understates
their variance by (S - 1) / S, and does not know how well S numbers tell a variance; the deviation that comes from the
seeds is therefore widened by sqrt(S / X) with X drawn anew from chi-square of S - 1 degrees of freedom, which makes the
interval over seeds alone about that of Student's t.

Sources: Owen, The pigeonhole bootstrap (Annals of Applied Statistics, 2007); on small samples Hesterberg, What teachers
should know about the bootstrap (The American Statistician, 2015).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.errors import InputError
from hiergeo.metrics._checks import checked
from hiergeo.metrics.bootstrap import Interval, percentile_interval


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
