"""AUROC and average precision against scikit-learn, tied and weighted, and brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import Ranking, auroc, average_precision

few_levels = arrays(np.float64, st.integers(1, 30), elements=st.integers(-3, 3).map(float))


@given(few_levels, few_levels)
def test_equals_sklearn_with_ties(positive, negative):
    labels = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    scores = np.r_[positive, negative]
    assert auroc(positive, negative) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(positive, negative) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@given(few_levels, few_levels)
def test_roc_curve_equals_sklearn_and_encloses_the_auroc(positive, negative):
    labels = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    false, true, _ = roc_curve(labels, np.r_[positive, negative], drop_intermediate=False)
    curve = Ranking(positive, negative).roc()
    assert curve.false_positive_rate == pytest.approx(false, abs=1e-12)
    assert curve.true_positive_rate == pytest.approx(true, abs=1e-12)
    area = np.diff(curve.false_positive_rate) @ (curve.true_positive_rate[1:] + curve.true_positive_rate[:-1]) / 2
    assert area == pytest.approx(auroc(positive, negative), abs=1e-12)


@given(few_levels, few_levels)
def test_equals_the_definition_over_all_pairs(positive, negative):
    difference = positive[:, None] - negative[None, :]
    assert auroc(positive, negative) == pytest.approx(np.mean((difference > 0) + (difference == 0) / 2), abs=1e-12)
    assert Ranking(positive, negative).tie_share() == pytest.approx(np.mean(difference == 0), abs=1e-12)


def test_equals_sklearn_without_ties():
    generator = np.random.default_rng(3)
    positive, negative = generator.normal(0.7, 1, 5000), generator.normal(0, 1, 7000)
    labels, scores = np.r_[np.ones(5000), np.zeros(7000)], np.r_[positive, negative]
    assert auroc(positive, negative) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(positive, negative) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert Ranking(positive, negative).tie_share() == 0


@given(
    arrays(np.float64, (6, 3), elements=st.integers(-3, 3).map(float)),
    arrays(np.float64, (6, 2), elements=st.integers(-3, 3).map(float)),
    arrays(np.int64, 6, elements=st.integers(0, 4)).filter(lambda counts: counts.sum() > 0),
)
def test_weighted_rows_equal_repeated_rows(positive, negative, counts):
    repeated = [np.repeat(side, counts, axis=0).ravel() for side in (positive, negative)]
    labels, scores = np.r_[np.ones(repeated[0].size), np.zeros(repeated[1].size)], np.r_[repeated[0], repeated[1]]
    ranking = Ranking(positive, negative)
    assert ranking.auroc(counts) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert ranking.average_precision(counts) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_infinite_scores_rank_like_any_other():
    assert auroc([np.inf, 0.0], [-np.inf, 0.0]) == pytest.approx(3.5 / 4)


@pytest.mark.parametrize("measure", [auroc, average_precision, Ranking])
@pytest.mark.parametrize(
    ("positive", "negative", "words"),
    [([np.nan], [0.0], "positive scores holds 1 NaN"), ([0.0], [np.nan], "negative"), ([], [0.0], "empty")],
)
def test_refuses(measure, positive, negative, words):
    with pytest.raises(InputError, match=words):
        measure(positive, negative)


def test_refuses_weights_of_another_number_of_rows():
    with pytest.raises(InputError, match="2 weights for 3 rows"):
        Ranking(np.zeros((3, 2)), np.ones((3, 2))).auroc(np.ones(2))
