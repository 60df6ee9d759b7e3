"""Ladders worked by hand, and the whole `re` and `traversal` protocols against the authors' own figures."""

import numpy as np
import pytest

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import ladder, ladder_metrics, ladder_precision_recall, ladder_scores, tau_d

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


@pytest.fixture(scope="module")
def minilm(data_home):
    with np.load(data_home / "embeddings" / "hierarcaps_minilm_lit.npz") as stored:
        unit = {name: stored[name] / np.linalg.norm(stored[name], axis=-1, keepdims=True) for name in ("text", "image")}
        root = stored["root"] / np.linalg.norm(stored["root"])
        return unit["text"], unit["image"], root, stored["caption"]


@pytest.mark.parametrize(("steps", "precision", "recall"), [(50, 0.15884646, 0.40325), (10, 0.18900556, 0.32825)])
def test_re_protocol_equals_the_authors_figures(minilm, steps, precision, recall):
    text, image, root, captions = minilm
    radii = np.linalg.norm(text - root, axis=-1)
    assert tau_d(radii) == pytest.approx(0.71833333, abs=1e-8)

    similarity = image @ text.reshape(-1, text.shape[-1]).T
    best = [
        np.where(radii.ravel() <= threshold, similarity, -np.inf).argmax(axis=1)
        for threshold in np.linspace(radii.min(), radii.max(), steps)
    ]
    texts = [caption.strip() for caption in captions.ravel().tolist()]
    ladders = [ladder(indices, texts) for indices in np.array(best).T]
    truths = [[[tier.strip() for tier in row]] for row in captions.tolist()]
    scores = ladder_scores(ladders, truths)
    assert np.mean(scores, axis=1) == pytest.approx([precision, recall], abs=1e-7)


@pytest.mark.slow
def test_traversal_protocol_equals_the_published_function(minilm):
    text, image, root, captions = minilm
    flat = text.reshape(-1, text.shape[-1])
    texts = captions.ravel().tolist()
    start = flat[(image @ flat.T).argmax(axis=1)]
    met: list[list[str]] = [[] for _ in image]
    for fraction in np.arange(50) / 50:
        point = start + fraction * (root - start)
        nearest = (point / np.linalg.norm(point, axis=1, keepdims=True) @ flat.T).argmax(axis=1)
        for texts_met, index in zip(met, nearest, strict=True):
            texts_met.append(texts[index])
    truths = [[row] for row in captions.tolist()]
    figures = [values.mean() for values in ladder_metrics(met, truths).values()]
    assert figures == pytest.approx((0.26485, 0.21950, 0.691), abs=1e-5)
