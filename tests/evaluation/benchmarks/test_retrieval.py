"""Image-text retrieval: recalls against loops, chance against counting, and the bootstrap by images."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo import adapters
from hiergeo._core import errors
from hiergeo.datasets.captioned import load_captioned
from hiergeo.evaluation import benchmarks
from hiergeo.evaluation.benchmarks.captioned import caption_recalls, chance_recall
from hiergeo.evaluation.matching import Match
from tests.evaluation.benchmarks.pictures_common import Given, coco, listed, said


def made(folder: Path, images: int = 30, least: int = 1) -> Path:
    """A COCO folder whose images have `least` to `least` + 2 captions."""
    captions = [(i, f"caption {k} of {i}") for i in range(images) for k in range(least + i % 3)]
    return coco(folder, [listed(i) for i in range(images)], [said(i, caption) for i, caption in captions])


@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-0.5"])
def test_recalls_against_loops(tmp_path: Path, spec: str):
    model = Given(dim=4)
    result = benchmarks.measure(model, "retrieval", spec, data=str(made(tmp_path)), samples=3)
    root = model.vector("")
    owner = [i for i in range(30) for _ in range(1 + i % 3)]
    names = [f"caption {k} of {i}" for i in range(30) for k in range(1 + i % 3)]
    texts = [model.vector(name) - root for name in names]
    pictures = [model.vector(f"image {i}") - root for i in range(30)]
    far = np.array([[distance(a, b, -0.5 if spec != "euclidean" else 0.0) for b in texts] for a in pictures])
    for k in (1, 5, 10):
        found = [i in [owner[j] for j in np.argsort(far[i])[:k]] for i in range(30)]
        assert result.metrics[f"image_to_text_r{k}"] == pytest.approx(np.mean(found), abs=1e-12)
        found = [owner[j] in np.argsort(far[:, j])[:k] for j in range(len(texts))]
        assert result.metrics[f"text_to_image_r{k}"] == pytest.approx(np.mean(found), abs=1e-12)
        assert 0 < result.metrics[f"text_to_image_r{k}"] < 1
    assert str(result.settings["protocol"]).startswith("COCO val2017, 1 to 3 captions an image")
    assert (result.settings["images"], result.settings["texts"]) == (30, 60)


def distance(x: np.ndarray, y: np.ndarray, curvature: float) -> float:
    if curvature == 0:
        return float(np.linalg.norm(x - y))
    s = math.sqrt(-curvature)
    r, q = np.linalg.norm(x), np.linalg.norm(y)
    return math.acosh(math.cosh(s * r) * math.cosh(s * q) - math.sinh(s * r) * math.sinh(s * q) * (x @ y) / (r * q)) / s


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(3, 6), st.integers(1, 7))
def test_chance_is_what_all_orders_give(relevant: list[int], candidates: int, k: int):
    orders = list(itertools.permutations(range(candidates)))
    shares = [np.mean([min(order.index(j) for j in range(c)) < k for order in orders]) for c in relevant]
    assert chance_recall(np.array(relevant), candidates, k) == pytest.approx(np.mean(shares), abs=1e-12)


def test_resamples_draw_images_with_their_captions():
    owner = np.array([0, 0, 0, 1])
    outcome = caption_recalls(Match(np.array([0, 3]), np.array([0, 0, 0, 1])), owner)
    found = outcome.statistics["text_to_image_r1"]
    assert (found.rows, found.value) == (2, 0.75)
    assert found.of(np.array([2, 0])) == 1
    assert found.of(np.array([0, 2])) == 0
    equal = caption_recalls(Match(np.array([0, 3]), np.array([0, 0, 0, 1])), np.array([0, 0, 1, 1]))
    np.testing.assert_array_equal(equal.statistics["text_to_image_r1"].values, [1, 0.5])
    assert outcome.baselines["text_to_image_r1"] == {"chance": 0.5}
    assert outcome.baselines["image_to_text_r1"]["chance"] == pytest.approx((3 / 4 + 1 / 4) / 2)


def test_a_hit_is_any_of_the_captions(tmp_path: Path):
    """One caption of each image is its own embedding, the others lie opposite; each image is found by one of them."""
    images = np.eye(3)
    texts = {f"near {i}": images[i] for i in range(3)} | {f"far {i}": -images[i] for i in range(3)}
    data = [said(i, f"{kind} {i}") for i in range(3) for kind in ("far", "near")]
    folder = coco(tmp_path, [listed(i) for i in range(3)], data)
    metrics = benchmarks.measure(Given(3, texts, list(images)), "retrieval", data=str(folder), samples=2).metrics
    assert metrics["image_to_text_r1"] == 1
    assert metrics["text_to_image_r1"] == pytest.approx(0.5)


def test_captions_and_images_are_cut(tmp_path: Path):
    folder = str(made(tmp_path, images=3, least=5))
    cut = benchmarks.measure(Given(), "retrieval", data=folder, first=5, samples=2)
    assert "5 captions an image (the first 5)" in str(cut.settings["protocol"])
    assert cut.settings["texts"] == 15
    few = benchmarks.measure(Given(), "retrieval", data=folder, take=2, samples=2)
    assert (few.settings["images"], few.settings["texts"]) == (2, 11)


def test_options_are_checked():
    with pytest.raises(errors.InputError, match="first"):
        benchmarks.benchmark_named("retrieval", first=0)
    with pytest.raises(errors.InputError, match="captions"):
        benchmarks.benchmark_named("retrieval", captions=5)
    with pytest.raises(errors.UnavailableError, match="cocodataset"):
        benchmarks.measure(Given(), "retrieval", data="coco")


def stored(path: Path) -> Path:
    """Embeddings of two named images and their three captions, without a root."""
    texts = np.array([[4, 0.4, 0], [1, 0, 0.1], [0, 1, 0.1]], dtype=np.float32)
    np.savez(
        path,
        text=texts,
        caption=np.array(["a dog", "a wet dog", "a cat"]),
        text_image=np.array([0, 0, 1]),
        image=np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32),
        image_id=np.array(["12_ab0c", "12_ab0d"]),
    )
    return path


def test_stored_embeddings_of_named_images(tmp_path: Path):
    path = stored(tmp_path / "made.npz")
    model = adapters.load(f"npz:{path}@mean")
    result = benchmarks.measure(model, "retrieval", data=str(path), samples=2)
    assert result.metrics["image_to_text_r1"] == result.metrics["text_to_image_r1"] == 1
    unit = np.load(path)["text"].astype(np.float64)
    mean = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).mean(0)
    np.testing.assert_allclose(model.root().numpy(), mean / np.linalg.norm(mean), atol=1e-6)
    with pytest.raises(errors.InputError, match="root"):
        adapters.load(f"npz:{path}")
    with pytest.raises(errors.InputError, match="12_ab0e"):
        model.encode_image([tmp_path / "12_ab0e.jpg"])
    assert load_captioned(path).owner == (0, 0, 1)
