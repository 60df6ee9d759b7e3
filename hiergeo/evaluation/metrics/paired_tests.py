"""Exact paired tests of two spaces over the same rows, which hold their level for any number of rows."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.evaluation.metrics._checks import checked

PARTS = 256
"""Groups of rows at most whose differences get random signs, and that a jackknife leaves out in turn."""

FLIPS = 9999
"""Random assignments of signs to paired differences."""


class SignTest(NamedTuple):
    """Exact two-sided sign test of paired differences; for differences of 0 and 1 it is McNemar's exact test.

    Attributes:
        better: number of positive differences.
        worse: number of negative ones.
        tied: number of zeros, which the test leaves out.
        p_value: probability, under equal chances of either sign, of a split at least as uneven.
    """

    better: int
    worse: int
    tied: int
    p_value: float


def sign_test(differences: ArrayLike, *, tolerance: float = 1e-12) -> SignTest:
    """Test whether paired differences (n,) are more often positive than negative, or the reverse.

    Args:
        differences: one a row, image or caption.
        tolerance: differences of at most this size are ties; means over seeds carry rounding errors.

    Raises:
        InputError: no differences, another shape, NaN.
    """
    values = checked("differences", differences, ndim=1)
    from scipy.special import bdtr

    better, worse = int((values > tolerance).sum()), int((values < -tolerance).sum())
    p_value = min(1.0, 2 * float(bdtr(min(better, worse), better + worse, 0.5)))
    return SignTest(better, worse, len(values) - better - worse, p_value)


def random_sign_test(differences: ArrayLike) -> float:
    """P-value, two-sided, of paired differences (n,): how often random signs give them a sum at least as large.

    Valid for any n where each difference is as likely as its negative, as those of two spaces are that do equally well
    on every item. Of more than `PARTS` differences that are not 0 the sums of groups of neighbours get signs. Beyond
    what `FLIPS` random assignments resolve, a bound on the tail of such sums is smaller and taken.

    Raises:
        InputError: no differences, another shape, NaN.

    Sources: Fisher, The design of experiments (1935), section 21; for the bound Bentkus and Dzindzalieta, A tight
    Gaussian bound for weighted sums of Rademacher random variables (Bernoulli, 2015).
    """
    values = checked("differences", differences, ndim=1)
    values = in_parts(values[values != 0]) if values.any() else values[:0]
    size = float(np.linalg.norm(values))
    if size == 0:
        return 1.0
    total = abs(float(values.sum()))
    as_large = int((np.abs(_random_signs(len(values)) @ values) >= total * (1 - 1e-9)).sum())
    bound = TAIL * math.erfc(total / size / math.sqrt(2))
    return min((1 + as_large) / (1 + FLIPS), bound)


def swap_test(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """P-value, two-sided, of a difference in average precision: how often exchanging rows gives one at least as large.

    The two spaces exchange their ranks of a row, so that only their order within each space counts and not its scale.
    Valid for any number of rows where each space is as likely to have either ranks. Drawing ends after `EXCEEDED`
    differences as large, which keeps the test valid.

    Args:
        a: for each seed `Ranking.ranks` (rows, pairs) of one space.
        b: of the other, of the same shape and over the same rows.

    Sources: Venkatraman and Begg, A distribution-free procedure for comparing receiver operating characteristic curves
    from a paired experiment (Biometrika, 1996); Besag and Clifford, Sequential Monte Carlo p-values (Biometrika, 1991).
    """
    kept = _random_signs(len(a[0])) > 0
    observed = abs(float(_exchanged(a, b, np.ones_like(kept[:1]))[0]))
    as_large = np.empty(0, dtype=bool)
    for start in range(0, FLIPS, CHUNK):
        found = np.abs(_exchanged(a, b, kept[start : start + CHUNK])) >= observed * (1 - 1e-9)
        as_large = np.append(as_large, found)
        if as_large.sum() >= EXCEEDED:
            return EXCEEDED / (1 + int(np.flatnonzero(as_large)[EXCEEDED - 1]))
    return (1 + int(as_large.sum())) / (1 + FLIPS)


EXCHANGED = 8192
"""Pairs at most whose ranks are exchanged: thousands of exchanges of more take longer than all else."""

EXCEEDED = 100
"""Random exchanges with a difference as large as the observed one after which no more are drawn."""

CHUNK = 250
"""Random exchanges that are computed at once."""


def _exchanged(a: Sequence[np.ndarray], b: Sequence[np.ndarray], kept: np.ndarray) -> np.ndarray:
    """Mean differences (n,) over seeds when the rows that `kept` (n, rows) leaves out have been exchanged."""
    return np.mean([_precision_differences(x, y, kept) for x, y in zip(a, b, strict=True)], axis=0)


def _precision_differences(a: np.ndarray, b: np.ndarray, kept: np.ndarray) -> np.ndarray:
    ranks = np.stack([a, b])
    order = np.argsort(np.abs(ranks), axis=None, kind="stable")
    space, row, _ = np.unravel_index(order, ranks.shape)
    rank = ranks.ravel()[order]
    true, last = rank > 0, np.flatnonzero(np.diff(np.abs(rank), append=np.inf))
    own = kept[:, row] ^ (space == 1)
    above, below = (np.cumsum(own & side, axis=1, dtype=np.int32)[:, last] for side in (true, ~true))
    others = np.cumsum(true)[last] - above, np.cumsum(~true)[last] - below
    return _precisions(above, below) - _precisions(*others)


def _precisions(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Average precisions (n,) of cumulative counts (n, levels) of positives and negatives."""
    gained = np.diff(above, axis=1, prepend=0)
    return (gained * above / np.maximum(above + below, 1)).sum(axis=1) / above[:, -1]


def paired_test(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """P-value of the difference of two spaces: `swap_test` of ranks, else `random_sign_test` of means over seeds.

    Args:
        a: for each seed what rows contribute to a metric, (rows,), or their ranks (rows, pairs).
        b: the same of the other space.
    """
    if a[0].ndim == 2:
        return swap_test(a, b)
    return random_sign_test(np.mean([x - y for x, y in zip(a, b, strict=True)], axis=0))


TAIL = 1 / (2 * math.erfc(1))
"""Largest ratio of the tail of a sum of random signs with variance 1 to the normal tail: 1 / (4 P(Z >= sqrt(2)))."""


def in_parts(values: np.ndarray) -> np.ndarray:
    """Sums (min(n, PARTS),) of values (n,) over groups of neighbours, as equal in size as can be."""
    return np.add.reduceat(values, part_of(len(values)).searchsorted(np.arange(min(len(values), PARTS))))


def part_of(rows: int) -> np.ndarray:
    """The group (rows,) of every row, ascending from 0: each its own where there are at most `PARTS`."""
    return np.arange(rows) * min(rows, PARTS) // max(rows, 1)


@lru_cache(maxsize=2)
def _random_signs(count: int) -> np.ndarray:
    """(FLIPS, count) of -1 and 1, the same whenever `count` is."""
    drawn = np.random.default_rng(0).integers(2, size=(FLIPS, count), dtype=np.int8)
    return np.asarray(2.0 * drawn - 1.0)


def holm(p_values: ArrayLike) -> np.ndarray:
    """P-values (n,) adjusted for testing n hypotheses: rejecting those <= alpha keeps the family-wise error <= alpha.

    Raises:
        InputError: another shape, none, or NaN.

    Source: Holm, A simple sequentially rejective multiple test procedure (Scandinavian Journal of Statistics, 1979).
    """
    values = checked("p-values", p_values, ndim=1)
    order = np.argsort(values, kind="stable")
    stepped = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    adjusted = np.empty_like(stepped)
    adjusted[order] = stepped
    return adjusted
