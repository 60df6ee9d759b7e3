"""Exact tests and their correction, and mean ROC curves."""

import numpy as np
import pytest
from scipy.stats import binomtest

from hiergeo.evaluation.metrics import (
    Ranking,
    bootstrap_draws,
    holm,
    proportion_interval,
    share_interval,
    sign_test,
)
from hiergeo.evaluation.metrics.sharing import p_value_of_draws


@pytest.mark.parametrize(
    ("better", "worse"), [(5, 0), (0, 1), (7, 7), (12, 3), (60, 41), (2000, 1800), (40_000, 40_500)]
)
def test_the_sign_test_is_the_exact_binomial_test(better, worse):
    found = sign_test(np.r_[np.full(better, 0.25), np.full(worse, -1.0), np.zeros(9)])
    assert (found.better, found.worse, found.tied) == (better, worse, 9)
    assert found.p_value == pytest.approx(binomtest(better, better + worse).pvalue, rel=1e-7)


def test_ties_alone_are_no_evidence_and_rounding_is_a_tie():
    assert sign_test([0.0, 1e-17, -1e-17]) == (0, 0, 3, 1.0)
    assert sign_test(np.full(100_000, 1.0)).p_value == 0.0


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (0, 30), (1, 100), (7, 10), (30, 30), (400, 1000)])
def test_intervals_of_proportions_are_exact(hits, count):
    exact = binomtest(hits, count).proportion_ci(0.9, method="exact")
    assert proportion_interval(hits, count, 0.9) == pytest.approx((exact.low, exact.high))


def test_intervals_of_shares_of_independent_items_are_exact():
    hits = np.r_[np.ones(7), np.zeros(23)]
    assert share_interval(hits, np.ones(30)) == pytest.approx(proportion_interval(7, 30))
    signs, tau = 2 * hits - 1, share_interval(2 * hits - 1, np.ones(30), least=-1.0)
    assert tau == pytest.approx([2 * end - 1 for end in proportion_interval(7, 30)])
    assert share_interval(signs[:7], np.ones(7), least=-1.0) == (2 * proportion_interval(7, 7).low - 1, 1)


def test_shares_without_hits_count_each_group_once():
    """Whatever the groups hold; groups without items say nothing."""
    whole = np.r_[np.full(20, 3), np.zeros(5)]
    assert share_interval(np.zeros(25), whole) == pytest.approx(proportion_interval(0, 20))
    assert share_interval(whole, whole) == pytest.approx(proportion_interval(20, 20))
    assert share_interval(np.zeros(4), np.zeros(4)) == (0, 1)


@pytest.mark.parametrize(("groups", "chance"), [(300, 0.01), (60, 0.05), (100, 0.5)])
def test_shares_of_items_that_are_alike_within_groups_are_covered(groups, chance):
    """Groups of one to five items, in each of which nearly all are hits or misses together."""
    generator = np.random.default_rng(groups)
    covered = []
    for _ in range(1500):
        size = generator.integers(1, 6, size=groups)
        together = generator.random(groups) < chance
        hits = generator.binomial(size, np.where(together, 0.9, 0.1 * chance / (1 - chance)))
        covered.append(share_interval(hits, size))
    low, high = np.array(covered).T
    assert np.mean((low <= chance) & (chance <= high)) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1500)


@pytest.mark.parametrize(("name", "rows"), [("auroc", 12), ("auroc", 40), ("average_precision", 200)])
def test_a_t_test_of_draws_rejects_about_as_often_as_it_says(name, rows):
    """Of two spaces that do equally well over independent rows."""
    repeats, rejected = 250, 0
    for spaces in np.random.default_rng(rows).normal(size=(repeats, 2, 2, rows)):
        statistics = [getattr(Ranking(1 + true, false), name) for true, false in spaces]
        first, second = (bootstrap_draws(each, rows, samples=200, stacked=True) for each in statistics)
        rejected += p_value_of_draws(statistics[0]() - statistics[1](), first - second, rows) <= 0.05
    assert rejected / repeats < 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2])
