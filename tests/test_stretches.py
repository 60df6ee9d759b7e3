"""Captions taken a stretch at a time give what they give at once, and memory holds no more than a stretch of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hiergeo
from hiergeo.adapters import Model, load
from hiergeo.datasets import Hierarchy, ImageRef, Row
from hiergeo.errors import InputError
from hiergeo.evaluation import stretches
from hiergeo.evaluation.embedded import embed
from hiergeo.storage import archives

MIXED = "product:lorentz:-1x3,euclidean:x2"
SPECS = ("euclidean", "lorentz:-1", "sphere:0.25", MIXED, f"{MIXED},l1")


def unit(rows: np.ndarray) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(rows).float(), dim=-1)


@given(st.sampled_from(SPECS), st.integers(1, 9), st.integers(0, 1000))
def test_the_best_of_stretches_is_the_best_of_all(spec: str, length: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    texts = unit(generator.standard_normal((12, 5)))[generator.integers(0, 12, 20)]
    queries, space = unit(generator.standard_normal((4, 5))), hiergeo.Space(hiergeo.geometry.parse(spec), texts[0])
    radius = space.radius(texts).double()
    thresholds = torch.linspace(float(radius.min()), float(radius.max()), 6, dtype=torch.float64)
    distance = space.pairwise_distance(queries, texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "STRETCH", length)
        near = stretches.nearest(space, queries, texts, "", False)
        met = stretches.ladder_indices(space, queries, texts, radius, thresholds, "", False)
        rows = stretches.row_by_row(space.radius, texts)
    assert torch.equal(near, distance.argmin(1))
    for step, threshold in enumerate(thresholds):
        within = torch.where(radius <= threshold, distance, torch.inf)
        assert torch.equal(met[:, step], within.argmin(1))
    torch.testing.assert_close(rows, radius.float())


@pytest.mark.parametrize("protocol", ["re", "traversal", "pairs"])
def test_a_result_does_not_depend_on_the_length_of_stretches(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = hiergeo.datasets.load("scenes", count=20)
    whole = hiergeo.evaluate("tiny", data, "lorentz:-1", protocol, 10, samples=5)
    monkeypatch.setattr(stretches, "STRETCH", 7)
    parts = hiergeo.evaluate("tiny", data, "lorentz:-1", protocol, 10, samples=5)
    assert parts.ladders == whole.ladders
    assert parts.metrics == pytest.approx(whole.metrics, abs=1e-9)
    assert parts.diagnostics == pytest.approx(whole.diagnostics, rel=1e-6)


def test_no_stored_embedding_is_widened_or_held_twice(tmp_path) -> None:
    """Captions shared by positive and negative chains are embedded once; the file's float16 stays float16."""
    words = [f"{i} {tier}" for i in range(6) for tier in range(4)]
    text = unit(np.random.default_rng(0).standard_normal((24, 5))).half().numpy()
    archives.write(tmp_path / "e.npz", {"text": text, "caption": np.array(words), "root": text[0]})
    model = load(f"npz:{tmp_path / 'e.npz'}")
    assert model._texts.dtype == torch.float16
    chains = [tuple(words[4 * i : 4 * i + 4]) for i in range(6)]
    rows = tuple(Row(i, chains[i], chains[(i + 1) % 6]) for i in range(6))
    embedded = embed(model, Hierarchy("six", "test", rows), negatives=True)
    assert len(embedded.captions) == 24
    torch.testing.assert_close(embedded.negative, embedded.positive.roll(-1, 0))


class Uneven(Model):
    """A model whose dimension depends on the batch."""

    name, has_images, preprocessing = "uneven", False, "none"

    def fingerprint(self) -> str:
        return ""

    def check_texts(self, texts) -> None:
        pass

    def check_images(self, images) -> None:
        pass

    def text_rows(self, texts):
        return torch.ones(len(texts), 2 + len(texts))

    def image_rows(self, images: list[ImageRef]):
        raise AssertionError


def test_a_model_that_changes_its_dimension_is_refused() -> None:
    with pytest.raises(InputError, match="uneven"):
        Uneven().encode_text(["a", "b", "c"], batch_size=2)
