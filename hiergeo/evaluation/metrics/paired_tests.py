"""Exact paired tests of two spaces over the same rows, which hold their level for any number of rows."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
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
    signs = _random_signs(len(a[0])).T.astype(np.float32)
    observed = abs(float(_exchanged(a, b, np.ones_like(signs[:, :1]))[0]))
    as_large = np.empty(0, dtype=bool)
    for drawn in np.split(signs, [FIRST], axis=1):
        as_large = np.append(as_large, np.abs(_exchanged(a, b, drawn)) >= observed - ROUNDING)
        if as_large.sum() >= EXCEEDED:
            return EXCEEDED / (1 + int(np.flatnonzero(as_large)[EXCEEDED - 1]))
    return (1 + int(as_large.sum())) / (1 + FLIPS)


EXCHANGED = 8192
"""Pairs at most whose ranks are exchanged: thousands of exchanges of more take longer than all else."""

EXCEEDED = 100
"""Random exchanges with a difference as large as the observed one after which no more are drawn."""

ROUNDING = 1e-12
"""More than the rounding error of a difference in average precision of `EXCHANGED` pairs."""

FIRST = 500
"""Random exchanges after which it is seen whether more are needed."""


def _exchanged(a: Sequence[np.ndarray], b: Sequence[np.ndarray], signs: np.ndarray) -> np.ndarray:
    """Mean differences (n,) over seeds when the rows whose signs (rows, n) are -1 have been exchanged."""
    return np.mean([_precision_differences(x, y, signs) for x, y in zip(a, b, strict=True)], axis=0)


def _precision_differences(a: np.ndarray, b: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Differences (n,) in average precision; a pair has the sign v of its row in `a`, and the opposite one in `b`.

    Where down to some rank the signs of N pairs add up to s, (N + v s) / 2 of them have the sign v; likewise of P
    positives (P + v p) / 2. So v times the precision of that sign there is (v P + p) / (N + v s). Up to 2^24 pairs
    both are exact in float32.
    """
    ranks = enumerate(np.concatenate([a, b]).tolist())
    pairs = sorted((abs(rank), rank > 0, row) for row, own in ranks for rank in own)
    sign = [*signs, *-signs]
    every, positives = 0, 0
    balance, lead = np.zeros((2, signs.shape[1]), signs.dtype)
    total = np.zeros(signs.shape[1])
    for _, level in groupby(pairs, itemgetter(0)):
        true = []
        for _, is_true, row in level:
            every += 1
            balance += sign[row]
            if is_true:
                true.append(sign[row])
        positives += len(true)
        for own in true:
            lead += own
        for own in true:
            total += np.divide(own * positives + lead, own * balance + every, dtype=np.float64)
    return total / (positives / 2)


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
    """(FLIPS, count) of -1 and 1, the same whenever `count` is; those of one item lie side by side in memory."""
    drawn = np.random.default_rng(0).integers(2, size=(FLIPS, count), dtype=np.int8)
    return np.asarray(2.0 * drawn - 1.0, order="F")


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
