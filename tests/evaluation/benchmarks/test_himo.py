"""HiMo@K: the correlation itself against scipy, and growing captions of images against loops."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from hiergeo._core.errors import InputError
from hiergeo.evaluation import benchmarks
from hiergeo.evaluation.benchmarks.captioned import himo_rows
from tests.evaluation.benchmarks.pictures_common import Given

SCORES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 4)), min_size=2, max_size=8)


@given(st.lists(SCORES, min_size=1, max_size=5))
def test_correlations_are_those_of_scipy(scores: list[list[float]]):
    found = himo_rows(scores)
    expected = [0.0 if len(set(row)) == 1 else pearsonr(range(1, len(row) + 1), row).statistic for row in scores]
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(SCORES, st.floats(0.1, 9), st.floats(-3, 3))
def test_only_the_shape_of_the_growth_counts(row: list[float], scale: float, shift: float):
    assert himo_rows([np.array(row) * scale]).mean() == pytest.approx(himo_rows([row]).mean(), abs=1e-9)
    assert himo_rows([row[::-1]]).mean() == pytest.approx(-himo_rows([row]).mean(), abs=1e-9)
    if np.ptp(row) > 1e-3:
        assert himo_rows([np.array(row) + shift]).mean() == pytest.approx(himo_rows([row]).mean(), abs=1e-9)


def written(path: Path) -> Path:
    parts = [["a dog", "on grass", "at night"], ["a cat", "on a bed"], ["a bird"], ["a cow", "in rain", "at dawn", "x"]]
    lines = [{"image": f"{i}.png", "parts": each} for i, each in enumerate(parts)]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.mark.parametrize("score", ["cosine", "distance"])
def test_captions_are_built_up_part_by_part(tmp_path: Path, score: str):
    model, data = Given(dim=4), str(written(tmp_path / "a.jsonl"))
    result = benchmarks.measure(model, "himo", "euclidean", data=data, score=score, samples=3)
    grown = {
        0: ["a dog", "a dog on grass", "a dog on grass at night"],
        1: ["a cat", "a cat on a bed"],
        3: ["a cow", "a cow in rain", "a cow in rain at dawn", "a cow in rain at dawn x"],
    }
    after = {0: 1, 1: 3, 3: 0}
    for name, of in (("himo", {i: i for i in grown}), ("himo_other_image", after)):
        rows = []
        for i, texts in grown.items():
            image = model.vector(f"image {of[i]}")
            vectors = [model.vector(text) for text in texts]
            near = [v @ image if score == "cosine" else -np.linalg.norm(v - image) for v in vectors]
            rows.append(pearsonr(range(len(near)), near).statistic)
        assert result.metrics[name] == pytest.approx(np.mean(rows), abs=1e-5)
    assert result.settings["images"] == 3
    words = [pearsonr([1, 2, 3], [2, 4, 6]).statistic, 1, pearsonr(range(4), [2, 4, 6, 7]).statistic]
    assert result.baselines["himo"]["length"] == pytest.approx(np.mean(words), abs=1e-9)


def test_k_keeps_the_images_with_enough_parts(tmp_path: Path):
    data = str(written(tmp_path / "a.jsonl"))
    three = benchmarks.measure(Given(), "himo", data=data, k=3, samples=2)
    assert (three.settings["images"], three.settings["texts"]) == (2, 6)
    assert "the first 3 parts" in str(three.settings["protocol"])
    one = benchmarks.measure(Given(), "himo", data=data, k=4, samples=2)
    assert set(one.metrics) == {"himo"}
    with pytest.raises(InputError, match="5 parts"):
        benchmarks.measure(Given(), "himo", data=data, k=5)


def test_options_are_checked():
    with pytest.raises(InputError, match="did you mean 'cosine'"):
        benchmarks.benchmark_named("himo", score="cosin")
    with pytest.raises(InputError, match="k must"):
        benchmarks.benchmark_named("himo", k=1)
