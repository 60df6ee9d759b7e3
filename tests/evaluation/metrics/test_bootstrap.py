"""Bootstrap intervals against normal theory and explicit resampling; statistics of stacks of resamples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from hiergeo.evaluation.metrics import (
    Ranking,
    bootstrap_draws,
    bootstrap_mean,
    percentile_interval,
    resamples,
    resampling,
)

VALUES = np.random.default_rng(0).normal(2.0, 3.0, 2000)


def test_counts_are_a_resample_fixed_by_the_seed():
    drawn = np.array(list(resamples(50, 400, seed=3)))
    assert drawn.shape == (400, 50)
    assert (drawn.sum(axis=1) == 50).all()
    np.testing.assert_array_equal(drawn, list(resamples(50, 400, seed=3)))
    assert not np.array_equal(drawn, list(resamples(50, 400, seed=4)))
    assert drawn.var() == pytest.approx(1 - 1 / 50, rel=0.05)


def test_mean_agrees_with_normal_theory():
    half_width = 1.95996 * VALUES.std(ddof=1) / np.sqrt(len(VALUES))
    expected = (VALUES.mean() - half_width, VALUES.mean() + half_width)
    assert bootstrap_mean(VALUES) == pytest.approx(expected, abs=0.1 * half_width)


def test_auroc_interval_equals_resampling_rows_by_hand():
    generator = np.random.default_rng(7)
    positive, negative = generator.normal(0.5, 1, (40, 3)), generator.normal(0, 1, (40, 3))
    labels = np.r_[np.ones(120), np.zeros(120)]
    draws = np.random.default_rng(11)
    by_hand = []
    for _ in range(200):
        rows = draws.integers(40, size=40)
        by_hand.append(roc_auc_score(labels, np.r_[positive[rows].ravel(), negative[rows].ravel()]))
    interval = percentile_interval(bootstrap_draws(Ranking(positive, negative).auroc, 40, samples=200, seed=11))
    assert interval == pytest.approx(np.quantile(by_hand, [0.025, 0.975]), abs=1e-12)


@given(
    rows=st.integers(1, 40),
    seed=st.integers(0, 99),
    levels=st.sampled_from([2, 5, 1000]),
    strata=st.sampled_from([None, 1, 3]),
    name=st.sampled_from(["auroc", "average_precision"]),
)
def test_rankings_of_stacks_are_those_of_each_resample(rows, seed, levels, strata, name):
    generator = np.random.default_rng(seed)
    sides = [generator.integers(levels, size=(rows, 3)) for _ in range(2)]
    own = None if strata is None else tuple(generator.integers(strata, size=(rows, 3, 1)) for _ in range(2))
    statistic = getattr(Ranking(*sides, own), name)
    draws = [bootstrap_draws(statistic, rows, samples=20, seed=seed, stacked=stacked) for stacked in (True, False)]
    np.testing.assert_allclose(*draws, rtol=1e-12)


@pytest.mark.parametrize("cached", [0, 1 << 25])
def test_stacks_hold_every_resample_in_its_order(monkeypatch, cached):
    monkeypatch.setattr(resampling, "STACK", 300)
    monkeypatch.setattr(resampling, "SIDE_BY_SIDE", 3)
    monkeypatch.setattr(resampling, "CACHED", cached)
    sizes = []

    def mean(counts):
        sizes.append(counts.shape[0])
        return counts @ VALUES[:70] / 70

    draws = bootstrap_draws(mean, 70, samples=10, seed=5, stacked=True)
    assert sizes == [4, 4, 2]
    expected = [counts @ VALUES[:70] / 70 for counts in resamples(70, 10, 5)]
    np.testing.assert_allclose(draws, expected, rtol=1e-12)
