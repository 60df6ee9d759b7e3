"""The HierarCaps tasks of hyper3-clip and ARGENT: their pairs, their scores, and AUROC and AP of these."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

import hiergeo
from hiergeo._core.errors import InputError
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.image_pairs import image_pairs
from hiergeo.evaluation.metrics import pep_scores
from tests.evaluation.benchmarks.pictures_common import Given, chains

ROWS = [[f"thing {i % 3}", f"kind {i}", f"small kind {i}", f"one small kind {i} in a picture"] for i in range(130)]


def oracle_pairs(hierarchy: Hierarchy, most: int) -> list[tuple[int, str, int]]:
    """(image, caption, label) as the published evaluation lists them, one image a row."""
    listed = []
    finest = [row.positive[-1] for row in hierarchy.rows]
    for i, row in enumerate(hierarchy.rows):
        listed += [(i, caption, 1) for caption in row.positive]
        others = [caption for j, caption in enumerate(finest) if j != i and caption not in set(row.positive)]
        listed += [(i, caption, 0) for caption in others[:most]]
    return listed


def oracle_angle(x: np.ndarray, y: np.ndarray, curvature: float) -> float:
    """The exterior angle at x from the triangle of the root, x and y, in float64."""
    r, q = np.linalg.norm(x), np.linalg.norm(y)
    cos = float(x @ y / (r * q))
    if curvature == 0:
        return math.acos(max(-1.0, min(1.0, float((y - x) @ x / (np.linalg.norm(y - x) * r)))))
    s = math.sqrt(-curvature)
    sin = math.sqrt(max(0.0, 1 - cos * cos))
    across = math.sinh(s * q) * sin
    along = math.cosh(s * r) * math.sinh(s * q) * cos - math.sinh(s * r) * math.cosh(s * q)
    return math.atan2(across, along)


def oracle_distance(x: np.ndarray, y: np.ndarray, curvature: float) -> float:
    """The third side of that triangle."""
    if curvature == 0:
        return float(np.linalg.norm(x - y))
    s, r, q = math.sqrt(-curvature), np.linalg.norm(x), np.linalg.norm(y)
    cos = float(x @ y / (r * q))
    return math.acosh(math.cosh(s * r) * math.cosh(s * q) - math.sinh(s * r) * math.sinh(s * q) * cos) / s


@pytest.mark.parametrize("curvature", [0.0, -0.05])
@pytest.mark.parametrize("rows", [30, pytest.param(130, marks=pytest.mark.slow)])
def test_the_task_against_sklearn(curvature: float, rows: int):
    hierarchy, model = chains(ROWS[:rows]), Given(reach=3)
    spec = "euclidean" if curvature == 0 else f"lorentz:{curvature}"
    result = hiergeo.evaluate(model, hierarchy, spec, protocol="hyper3", samples=5, device="cpu")
    root = model.vector("")
    truth, probability, margin, radii, apart = [], [], [], [], []
    for image, caption, label in oracle_pairs(hierarchy, 100):
        text, picture = model.vector(caption) - root, model.vector(f"image {image}") - root
        angle, radius = oracle_angle(text, picture, curvature), float(np.linalg.norm(text))
        ratio = 0.2 / (radius if curvature == 0 else math.sinh(math.sqrt(-curvature) * radius))
        truth.append(label)
        probability.append(max(1 - 2 * angle / math.pi, 0))
        margin.append(math.asin(min(1, ratio)) - angle)
        radii.append(radius)
        apart.append(oracle_distance(text, picture, curvature))
    assert len(truth) == rows * (4 + min(100, rows - 1))
    assert len({round(p, 6) for p in probability}) > rows / 2
    finest = [place for place, (_, caption, _) in enumerate(oracle_pairs(hierarchy, 100)) if caption.startswith("one")]
    expected = {"auroc_text_alone": roc_auc_score(truth, [-radius for radius in radii])}
    for kind, scores in {"": probability, "_margin": margin, "_distance": [-far for far in apart]}.items():
        expected[f"auroc{kind}"] = roc_auc_score(truth, scores)
        expected[f"average_precision{kind}"] = average_precision_score(truth, scores)
        labels, of_finest = ([values[place] for place in finest] for values in (truth, scores))
        expected[f"auroc_finest{kind}"] = roc_auc_score(labels, of_finest)
    for name, value in expected.items():
        assert result.metrics[name] == pytest.approx(value, abs=2e-5), name  # embeddings are float32
    assert {name for name in result.metrics if name.startswith(("auroc", "average"))} == set(expected)
    zeros = np.array(probability) == 0
    true = np.array(truth, dtype=bool)
    tied = (zeros & true).sum() * (zeros & ~true).sum() / (true.sum() * (~true).sum())
    assert result.metrics["score_ties"] == pytest.approx(tied, abs=1e-3)


def test_scores_by_their_definition():
    angles = [0, math.pi / 8, math.pi / 4, math.pi / 2, 2.0, math.pi]
    np.testing.assert_allclose(pep_scores(angles), [1, 0.75, 0.5, 0, 0, 0], atol=1e-15)


@pytest.mark.parametrize("angle", [[], [math.nan], [-0.1], [3.2], ["a"]])
def test_what_is_no_angle_is_refused(angle: list[float]):
    with pytest.raises((InputError, ValueError)):
        pep_scores(angle)


def test_the_negatives_are_the_first_captions_of_other_images_in_file_order():
    pairs = image_pairs(chains(ROWS))
    assert pairs.positive == [tuple(row) for row in ROWS]
    assert pairs.negative[0] == tuple(row[-1] for row in ROWS[1:101])
    assert pairs.negative[120] == tuple(row[-1] for row in ROWS[:100])


def test_a_caption_of_the_own_chain_is_no_negative():
    rows = [["a", "b"], ["c", "b"], ["d", "a"], ["e", "f"]]
    pairs = image_pairs(chains(rows))
    assert pairs.negative == [("f",), ("a",), ("b",), ("b",)]  # the row that has fewest sets the number
    same_image = image_pairs(chains(rows, images=[0, 0, 1, 2]))
    assert same_image.negative[1] == ("a",)


def test_length_alone_is_a_baseline():
    result = hiergeo.evaluate(Given(), chains(ROWS), protocol="hyper3", samples=2, device="cpu")
    positive = [-len(caption.split()) for row in ROWS for caption in row]
    negative = [-len(ROWS[0][-1].split())] * 13_000
    labels = [1] * len(positive) + [0] * len(negative)
    assert result.baselines["auroc"]["length"] == pytest.approx(roc_auc_score(labels, positive + negative), abs=1e-9)
    assert result.baselines["average_precision_margin"]["chance"] == pytest.approx(4 / 104)


def test_without_images_or_negatives_there_is_nothing_to_pair():
    texts = Hierarchy("made", "test", chains(ROWS).rows)
    with pytest.raises(InputError, match="made has no images"):
        hiergeo.evaluate(Given(), texts, protocol="hyper3", device="cpu")
    with pytest.raises(InputError, match="captions of other images"):
        hiergeo.evaluate(Given(), chains([["a", "b"]]), protocol="hyper3", device="cpu")


def test_a_product_is_scored_by_its_margin_alone():
    product = "product:euclidean:x3,lorentz:-1x3"
    found = hiergeo.evaluate(Given(), chains(ROWS), product, protocol="hyper3", samples=2, device="cpu").metrics
    assert "auroc_margin" in found
    assert "auroc" not in found


def test_scores_take_tensors_of_any_kind():
    angles = torch.tensor([0.5, 1.0])
    for tensor in (angles.bfloat16(), angles.clone().requires_grad_()):
        np.testing.assert_allclose(pep_scores(tensor), 1 - 2 * angles.numpy() / np.pi, atol=1e-6)
    with pytest.raises(InputError, match="array of numbers"):
        pep_scores(["steep"])
