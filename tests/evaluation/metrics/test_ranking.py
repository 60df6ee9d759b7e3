"""AUROC and average precision against scikit-learn, tied and weighted, and brute force; graphs from distances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import Ranking, auroc, average_precision, reconstruction

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


@pytest.mark.parametrize("measure", [auroc, average_precision, Ranking])
@pytest.mark.parametrize(
    ("positive", "negative", "words"),
    [([np.nan], [0.0], "positive scores holds 1 NaN"), ([0.0], [np.nan], "negative"), ([], [0.0], "empty")],
)
def test_refuses(measure, positive, negative, words):
    with pytest.raises(InputError, match=words):
        measure(positive, negative)


def test_reconstruction_is_that_of_brute_force_and_sklearn():
    generator = np.random.default_rng(0)
    nodes, points = 12, generator.normal(size=(12, 2))
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    edges = [(u, v) for u in range(nodes) for v in range(nodes) if u != v and generator.random() < 0.2]
    precisions, ranks = [], []
    for u in sorted({u for u, _ in edges}):
        others = [v for v in range(nodes) if v != u]
        linked = [(u, v) in edges for v in others]
        precisions.append(average_precision_score(linked, [-distance[u, v] for v in others]))
        strangers = [v for v, is_linked in zip(others, linked, strict=True) if not is_linked]
        ranks += [1 + sum(distance[u, w] < distance[u, v] for w in strangers) for a, v in edges if a == u]
    found = reconstruction(distance, edges)
    assert found.mean_average_precision == pytest.approx(np.mean(precisions))
    assert found.mean_rank == pytest.approx(np.mean(ranks))
    assert found.mean_rank > 1


def test_a_graph_by_hand():
    distance = [[0, 1, 2, 3], [1, 0, 1, 1], [2, 1, 0, 1], [3, 1, 1, 0]]
    assert reconstruction(distance, [[0, 1]]) == (1, 1)
    assert reconstruction(distance, [[0, 2]]) == (1 / 2, 2)
    assert reconstruction(distance, [[1, 2]]) == (pytest.approx(1 / 3), 2)


@pytest.mark.parametrize(
    ("distance", "edges", "said"),
    [
        (np.zeros((2, 2)), np.zeros((0, 2), int), "edges .E, 2."),
        (np.zeros((2, 3)), [[0, 1]], "must be .n, n."),
        (np.zeros((2, 2)), [[0, 2]], "two different nodes"),
        (np.zeros((2, 2)), [[1, 1]], "two different nodes"),
    ],
)
def test_reconstruction_refuses(distance, edges, said):
    with pytest.raises(InputError, match=said):
        reconstruction(distance, edges)
