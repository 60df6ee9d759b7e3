"""Candidates searched a part at a time give what they give at once, and memory holds no more than a part of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hiergeo
from hiergeo._core.errors import InputError
from hiergeo._core.storage import archives
from hiergeo.adapters import ImageLike, Model, load
from hiergeo.datasets import Hierarchy, Row
from hiergeo.evaluation import embed
from hiergeo.geometry import points, streams

MIXED = "product:lorentz:-1x3,euclidean:x2"
SPECS = ("euclidean", "lorentz:-1", "sphere:0.25", MIXED, f"{MIXED},l1")


def unit(rows: np.ndarray) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(rows).float(), dim=-1)


@pytest.mark.slow
@given(st.sampled_from(SPECS), st.integers(1, 9), st.integers(0, 1000))
def test_the_best_of_all_parts_is_the_best_of_all(spec: str, length: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    texts = unit(generator.standard_normal((12, 5)))[generator.integers(0, 12, 20)]
    queries, space = unit(generator.standard_normal((4, 5))), hiergeo.Space(spec, texts[0])
    radius = space.radius(texts).double()
    thresholds = torch.linspace(float(radius.min()), float(radius.max()), 6, dtype=torch.float64)
    distance, margin = space.pairwise_distance(queries, texts), space.pairwise_margin(queries, texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "PART", length)
        patch.setattr(points, "STRETCH", max(1, length // 2))
        _, near = space.nearest(queries, texts)
        met, even = (space.ladder(queries, texts, steps) for steps in (thresholds, 6))
        furthest, best = space.topk(queries, texts, 5, "margin")
        padded, indices = space.topk(queries, texts, 25)
        entailed, close = space.count(queries, texts), space.count_within(queries, texts, 1.2345)
        lengths = space.radius(texts)
    assert torch.equal(near, distance.argmin(1))
    for step, threshold in enumerate(thresholds):
        within = torch.where(radius <= threshold, distance, torch.inf)
        assert torch.equal(met[:, step], within.argmin(1))
    assert torch.equal(even, met)
    values, order = margin.sort(dim=1, descending=True, stable=True)
    assert torch.equal(best, order[:, :5])
    torch.testing.assert_close(furthest, values[:, :5], rtol=0, atol=2e-6)
    assert torch.equal(indices[:, :20], distance.sort(dim=1, stable=True).indices)
    assert bool((indices[:, 20:] == -1).all())
    assert bool(padded[:, 20:].isnan().all())
    assert torch.equal(entailed, (margin >= 0).sum(1))
    assert torch.equal(close, (distance <= 1.2345).sum(1))
    torch.testing.assert_close(lengths, radius.float())


@pytest.mark.parametrize("protocol", ["re", "traversal", "pairs"])
def test_a_result_does_not_depend_on_the_size_of_parts(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = hiergeo.datasets.load("scenes", count=20)
    whole = hiergeo.evaluate("tiny", data, "lorentz:-1", protocol, 10, samples=5)
    monkeypatch.setattr(streams, "PART", 7)
    monkeypatch.setattr(points, "STRETCH", 3)
    split = hiergeo.evaluate("tiny", data, "lorentz:-1", protocol, 10, samples=5)
    assert split.ladders == whole.ladders
    assert split.metrics == pytest.approx(whole.metrics, abs=1e-9)
    assert split.diagnostics == pytest.approx(whole.diagnostics, rel=1e-6)


def test_no_stored_embedding_is_widened_or_held_twice(tmp_path) -> None:
    """Captions shared by positive and negative chains are embedded once; the file's float16 stays float16."""
    words = [f"{i} {tier}" for i in range(6) for tier in range(4)]
    text = unit(np.random.default_rng(0).standard_normal((24, 5))).half().numpy()
    archives.write(tmp_path / "e.npz", {"text": text, "caption": np.array(words), "root": text[0]})
    model: Any = load(f"npz:{tmp_path / 'e.npz'}")
    assert model._texts.dtype == torch.float16
    chains = [tuple(words[4 * i : 4 * i + 4]) for i in range(6)]
    rows = tuple(Row(i, chains[i], chains[(i + 1) % 6]) for i in range(6))
    embedded = embed(model, Hierarchy("six", "test", rows), negatives=True)
    assert len(embedded.captions) == 24
    assert embedded.contradicting is not None
    torch.testing.assert_close(embedded.captions[embedded.contradicting], embedded.positive.roll(-1, 0))


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

    def image_rows(self, images: Sequence[ImageLike]):
        raise AssertionError


def test_a_model_that_changes_its_dimension_is_refused() -> None:
    with pytest.raises(InputError, match="uneven"):
        Uneven().encode_text(["a", "b", "c"], batch_size=2)
