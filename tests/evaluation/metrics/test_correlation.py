"""Correlations against scipy: Spearman's with ties and under resamples, and those of cosines of two models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from hiergeo.evaluation.metrics import RankCorrelation, similarity_drift

RNG = np.random.default_rng(0)
ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=2, max_size=30)


@given(ROWS, st.integers(0, 2**32 - 1))
def test_it_is_that_of_scipy_also_for_resamples(rows, seed):
    x, y = np.array(rows, dtype=float).T
    counts = np.bincount(np.random.default_rng(seed).integers(len(x), size=len(x)), minlength=len(x))
    for found, a, b in (
        (RankCorrelation(x, y).rho(), x, y),
        (RankCorrelation(x, y).rho(counts), np.repeat(x, counts), np.repeat(y, counts)),
    ):
        constant = len(np.unique(a)) < 2 or len(np.unique(b)) < 2
        assert found == pytest.approx(0.0 if constant else spearmanr(a, b)[0], abs=1e-12)


def test_the_null_is_what_scipy_gives_for_shuffled_ratings():
    generator = np.random.default_rng(3)
    x, y = generator.integers(0, 9, size=(2, 40))
    null = RankCorrelation(x, y).permuted(500, seed=1)
    again = np.random.default_rng(1)
    wanted = [spearmanr(x, again.permutation(y))[0] for _ in range(5)]
    np.testing.assert_allclose(null[:5], wanted, atol=1e-12)
    assert abs(null.mean()) < 0.03
    assert np.std(null) == pytest.approx(1 / np.sqrt(39), rel=0.15)


def test_drift_is_that_of_all_pairs_of_cosines():
    before, after = RNG.normal(size=(9, 4)), RNG.normal(size=(9, 6))
    cosines = [
        [u @ v / np.linalg.norm(u) / np.linalg.norm(v) for i, u in enumerate(rows) for v in rows[:i]]
        for rows in (before, after)
    ]
    drift = similarity_drift(before, after)
    assert drift.change == pytest.approx(np.abs(np.subtract(*cosines)).mean())
    assert drift.correlation == pytest.approx(pearsonr(*cosines)[0])


def test_rotations_and_norms_are_no_drift():
    rows = RNG.normal(size=(7, 5))
    turned = 3 * rows @ np.linalg.qr(RNG.normal(size=(5, 5)))[0]
    assert similarity_drift(rows, turned) == pytest.approx((0, 1), abs=1e-12)
