"""Bootstrap intervals against normal theory and explicit resampling."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import (
    Ranking,
    bootstrap_draws,
    bootstrap_mean,
    paired_difference,
    percentile_interval,
    resamples,
)

VALUES = np.random.default_rng(0).normal(2.0, 3.0, 2000)


def test_counts_are_a_resample_fixed_by_the_seed():
    drawn = np.array(list(resamples(50, 400, seed=3)))
    assert drawn.shape == (400, 50)
    assert (drawn.sum(axis=1) == 50).all()
    np.testing.assert_array_equal(drawn, list(resamples(50, 400, seed=3)))
    assert not np.array_equal(drawn, list(resamples(50, 400, seed=4)))
    assert drawn.var() == pytest.approx(1 - 1 / 50, rel=0.05)


@pytest.mark.parametrize(("level", "z"), [(0.95, 1.95996), (0.8, 1.28155)])
def test_mean_agrees_with_normal_theory(level, z):
    half_width = z * VALUES.std(ddof=1) / np.sqrt(len(VALUES))
    interval = bootstrap_mean(VALUES, samples=4000, level=level)
    assert interval == pytest.approx((VALUES.mean() - half_width, VALUES.mean() + half_width), abs=0.1 * half_width)


def test_mean_agrees_with_drawing_from_a_skewed_sample():
    skewed = np.random.default_rng(1).exponential(size=60) ** 2
    means = np.random.default_rng(2).choice(skewed, (10_000, 60)).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert bootstrap_mean(skewed, samples=10_000) == pytest.approx((low, high), abs=0.05 * (high - low))


def test_the_interval_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(5)
    covered = [
        low <= 0.3 <= high
        for low, high in (
            bootstrap_mean(generator.random(200) < 0.3, samples=300, seed=trial, level=0.9) for trial in range(300)
        )
    ]
    assert 0.84 <= np.mean(covered) <= 0.95


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


def test_rows_are_resampled_not_pairs():
    one_row_three_times = np.repeat(np.random.default_rng(1).normal(0.3, 1, (30, 1)), 3, axis=1)
    noise = np.repeat(np.random.default_rng(2).normal(0, 1, (30, 1)), 3, axis=1)
    clustered = percentile_interval(bootstrap_draws(Ranking(one_row_three_times, noise).auroc, 30))
    single = percentile_interval(bootstrap_draws(Ranking(one_row_three_times[:, 0], noise[:, 0]).auroc, 30))
    assert clustered == pytest.approx(single, abs=1e-12)


def test_a_paired_difference_is_tighter_than_two_separate_intervals():
    better = VALUES + 0.1 + np.random.default_rng(9).normal(0, 0.1, len(VALUES))
    low, high = paired_difference(better, VALUES)
    assert 0 < low < 0.1 < high
    assert bootstrap_mean(better).low < bootstrap_mean(VALUES).high


def test_a_paired_difference_follows_the_seed_and_the_level():
    a, b = VALUES[:40], VALUES[40:80]
    generator = np.random.default_rng(5)
    by_hand = [(a - b)[generator.integers(40, size=40)].mean() for _ in range(200)]
    interval = paired_difference(a, b, samples=200, seed=5, level=0.5)
    assert interval == pytest.approx(np.quantile(by_hand, [0.25, 0.75]), abs=1e-12)


def test_equal_statistics_differ_by_exactly_nothing_under_paired_resamples():
    ranking = Ranking(VALUES[:900].reshape(300, 3), VALUES[900:1800].reshape(300, 3))
    draws = bootstrap_draws(lambda counts: ranking.auroc(counts) - ranking.auroc(counts), 300)
    assert percentile_interval(draws) == (0, 0)
    assert paired_difference(VALUES, VALUES) == (0, 0)


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"level": 1.0}, {"level": 0.0}])
def test_refuses_settings_without_meaning(wrong):
    with pytest.raises(InputError, match=r"bootstrap needs|level of an interval"):
        bootstrap_mean(VALUES, **wrong)


def test_refuses_values_without_meaning():
    with pytest.raises(InputError, match="NaN"):
        bootstrap_mean([1.0, np.nan])
    with pytest.raises(InputError, match="cannot be paired"):
        paired_difference([1.0, 2.0], [1.0])
