"""Ladders worked by hand, and the whole `re` and `traversal` protocols against the authors' own figures."""

import numpy as np
import pytest

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import ladder, ladder_metrics, ladder_precision_recall, ladder_scores

TEXTS = ["animal", "dog", "animal", "a wet dog"]


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        ([0, 0, 1, 3], ("animal", "dog", "a wet dog")),
        ([0, 2, 1], ("animal", "dog")),
        ([0, 1, 0], ("animal", "dog", "animal")),
        ([-1, 1, -1, 1, 3], ("dog", "a wet dog")),
        ([-1, -1], ()),
    ],
)
def test_walks_worked_by_hand(indices, expected):
    assert ladder(np.array(indices), TEXTS) == expected


def test_ladder_refuses_an_index_beyond_the_texts():
    with pytest.raises(InputError, match="index 4"):
        ladder([0, 4], TEXTS)


TWO_ROWS = [("animal", "dog", "a wet dog", "A wet dog."), ("pet", "dog", "dog in rain", "A dog in the rain.")]


@pytest.mark.parametrize(
    ("met", "precision", "recall"),
    [
        (["animal", "dog", "cat"], 2 / 3, 2 / 4),
        (["animal", "pet"], 1.0, 1 / 4),
        (["dog", "cat", "dog"], 1 / 2, 1 / 4),
        (["cat"], 0.0, 0.0),
        ([], 0.0, 0.0),
        (["pet", "dog", "a wet dog", "A dog in the rain."], 1.0, 1.0),
    ],
)
def test_scores_worked_by_hand(met, precision, recall):
    assert ladder_precision_recall(met, TWO_ROWS) == pytest.approx((precision, recall))


def test_many_images_and_any_hit():
    ladders = [["dog", "cat"], ["cat"]]
    precision, recall = ladder_scores(ladders, [TWO_ROWS, TWO_ROWS])
    np.testing.assert_array_equal(precision, [0.5, 0.0])
    np.testing.assert_array_equal(recall, [0.25, 0.0])
    np.testing.assert_array_equal(ladder_metrics(ladders, [TWO_ROWS, TWO_ROWS])["any_hit"], [1.0, 0.0])


def test_refuses_unequal_numbers():
    with pytest.raises(InputError, match="1 ladders for 2 images"):
        ladder_scores([["dog"]], [TWO_ROWS, TWO_ROWS])


@pytest.mark.parametrize("truth", [[], [("a", "b"), ("a",)], [()]])
def test_refuses_a_truth_without_tiers(truth):
    with pytest.raises(InputError, match="truth"):
        ladder_precision_recall(["dog"], truth)
