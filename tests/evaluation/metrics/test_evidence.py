"""Exact tests and their correction, mean ROC curves, and what the registry says of metrics."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest, rankdata
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.evaluation.metrics import (
    METRICS,
    Metric,
    Ranking,
    Roc,
    bootstrap_mean,
    find_metric,
    holm,
    mean_roc,
    paired_test,
    proportion_interval,
    random_sign_test,
    share_interval,
    sign_test,
)
from hiergeo.evaluation.metrics.registry import PLUGINS


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
    with pytest.raises(InputError, match="differences"):
        sign_test([])


def test_the_sign_test_rejects_at_most_as_often_as_it_says():
    generator = np.random.default_rng(0)
    rejected = [sign_test(generator.choice([-1, 0, 1], size=25)).p_value <= 0.05 for _ in range(2000)]
    assert 0.01 < np.mean(rejected) <= 0.05


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (0, 30), (1, 100), (7, 10), (30, 30), (400, 1000)])
def test_intervals_of_proportions_are_exact(hits, count):
    exact = binomtest(hits, count).proportion_ci(0.9, method="exact")
    assert proportion_interval(hits, count, 0.9) == pytest.approx((exact.low, exact.high))
    assert bootstrap_mean(np.arange(count) < hits, level=0.9) == pytest.approx((exact.low, exact.high))


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


def enumerated(values):
    sums = np.abs(np.array(list(product((-1, 1), repeat=len(values)))) @ values)
    return np.mean(sums >= abs(sum(values)) * (1 - 1e-9))


@pytest.mark.parametrize("rare", [0, 300])
def test_random_signs_are_those_of_all_sign_patterns(rare):
    """Items that do not differ say nothing, however many they are."""
    for seed in range(8):
        values = np.random.default_rng(seed).exponential(size=10) - 0.5
        spread = np.r_[values[:5], np.zeros(rare), values[5:]]
        exact = enumerated(values)
        assert random_sign_test(spread) == pytest.approx(exact, abs=4 * np.sqrt(exact / 9999) + 1e-4)
    assert random_sign_test(np.zeros(9)) == 1
    assert random_sign_test(-spread) == random_sign_test(spread)


def test_far_tails_of_random_signs_are_bounded_from_above():
    """All of 60 alike: the p-value is 2^-59, and a Monte Carlo test cannot go below 1e-4."""
    assert 2.0**-59 <= random_sign_test(np.ones(60)) < 1e-12


def test_random_signs_reject_at_most_as_often_as_they_say():
    """Also where more differ than get a sign of their own."""
    generator = np.random.default_rng(1)
    for size in (12, 300):
        rejected = [random_sign_test(generator.standard_t(3, size=size)) <= 0.05 for _ in range(400)]
        assert 0.02 < np.mean(rejected) < 0.08


@pytest.mark.parametrize("seeds", [1, 2])
def test_exchanged_ranks_are_those_of_all_patterns(seeds):
    """Whatever the scale of a space, also with ties and several pairs a row."""
    generator = np.random.default_rng(seeds)
    spaces = generator.integers(0, 12, size=(2, seeds, 7, 4))
    as_ranks = rankdata(-spaces.reshape(2, seeds, -1), axis=-1).reshape(spaces.shape)

    def difference(pattern):
        kept = np.array(pattern, bool)[:, None]
        mixed = np.where(kept, *as_ranks), np.where(kept, *as_ranks[::-1])
        scores = ((average_precision_score([1, 1, 0, 0] * 7, -run.ravel()) for run in space) for space in mixed)
        return np.subtract(*map(list, scores)).mean()

    every = np.abs([difference(pattern) for pattern in product((True, False), repeat=7)])
    exact = np.mean(every >= every[0] * (1 - 1e-9))
    for scale in (np.array, np.exp):
        a, b = (
            [Ranking(of(run[:, :2]), of(run[:, 2:])).ranks for run in space]
            for space, of in zip(spaces, (np.array, scale), strict=True)
        )
        assert paired_test(a, b) == pytest.approx(exact, abs=0.3 * exact)
    assert paired_test(a, a) == 1


def test_exchanged_ranks_reject_as_often_as_they_say():
    """Of AP in 10 rows; random signs of its pseudo-values reject in 9 %."""
    drawn = np.random.default_rng(2).normal(size=(500, 2, 2, 10))
    ranks = [[[Ranking(1 + true, false).ranks] for true, false in spaces] for spaces in drawn]
    rejected = np.mean([paired_test(*spaces) <= 0.05 for spaces in ranks])
    assert 0.02 < rejected < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 500)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2])


def test_holm_keeps_the_family_wise_error():
    """Ten true hypotheses: uncorrected, some is rejected in 40 % of cases, corrected in at most 5 %."""
    p_values = np.random.default_rng(0).random((2000, 10))
    assert np.mean((p_values <= 0.05).any(axis=1)) > 0.3
    assert np.mean([(holm(row) <= 0.05).any() for row in p_values]) <= 0.06


def at(roc: Roc, places: np.ndarray) -> np.ndarray:
    """True positive rates at places where no curve rises vertically."""
    return np.interp(places, roc.false_positive_rate, roc.true_positive_rate)


def test_the_mean_roc_curve_is_the_mean_at_each_rate_and_encloses_the_mean_area():
    generator = np.random.default_rng(0)
    curves, areas = [], []
    for count in (5, 17, 30):
        positive, negative = generator.integers(2, 9, count), generator.integers(0, 7, count + 4)
        labels = np.r_[np.ones(count), np.zeros(count + 4)]
        scores = np.r_[positive, negative]
        false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
        curve = Ranking(positive, negative).roc()
        assert curve.false_positive_rate == pytest.approx(false)
        assert curve.true_positive_rate == pytest.approx(true)
        curves.append(curve)
        areas.append(roc_auc_score(labels, scores))
    mean = mean_roc(curves)
    width, height = np.diff(mean.false_positive_rate), mean.true_positive_rate
    assert (width * (height[1:] + height[:-1])).sum() / 2 == pytest.approx(np.mean(areas), abs=1e-12)
    places = generator.random(50)
    assert at(mean, places) == pytest.approx(np.mean([at(curve, places) for curve in curves], axis=0))
    assert (np.diff(height) >= -1e-12).all()
    with pytest.raises(InputError, match="at least one curve"):
        mean_roc([])


def test_the_mean_of_one_curve_is_the_curve():
    step = Roc(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.6, 1.0]))
    mean = mean_roc([step])
    assert mean.false_positive_rate.tolist() == [0, 0, 1, 1]
    assert mean.true_positive_rate.tolist() == [0, 0.6, 1, 1]


def test_what_is_known_of_metrics():
    assert all(name == each.name for name, each in METRICS.items())
    assert not find_metric("tau_d").depends_on_curvature
    assert not find_metric("tau_d_unseen").depends_on_curvature
    assert find_metric("recall").discrete
    assert not find_metric("auroc_margin").discrete
    assert all(metric.control for name, metric in METRICS.items() if "equal_length" in name)
    assert not find_metric("tau_d").control
    assert find_metric("score_ties").higher_is_better is None
    recall = find_metric("text_to_image_r7")
    assert (recall.name, recall.label, recall.unit) == ("text_to_image_r7", "text to image R@7", "captions")
    assert find_metric("nobody knows") == Metric("nobody knows", "nobody knows")


@pytest.mark.parametrize(
    ("made", "error"),
    [(Metric("lift", "lift", False), None), (lambda: Metric("lift", "lift", False), None), (int, "int")],
)
def test_metrics_of_other_packages(monkeypatch, made, error):
    entry = SimpleNamespace(name="lift", value="package:lift", load=lambda: made)
    monkeypatch.setattr(PLUGINS, "foreign", lambda: {"lift": entry})
    find_metric.cache_clear()
    try:
        if error is None:
            assert find_metric("lift").higher_is_better is False
        else:
            with pytest.raises(UnavailableError, match=f"'lift' is a {error}"):
                find_metric("lift")
    finally:
        find_metric.cache_clear()
