"""Tests of paired differences over independent items, and their correction for how many there are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.evaluation.metrics._checks import checked


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
