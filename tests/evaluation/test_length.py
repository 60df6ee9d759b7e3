"""Baselines by length in results: against loops over captions, and printed beside every metric that has one."""

import json

import numpy as np
import pytest

import hiergeo
from hiergeo import adapters, datasets
from hiergeo.evaluation.embedded import embed
from hiergeo.evaluation.length import nearest_within
from hiergeo.evaluation.metrics import find_metric, ladder_scores
from hiergeo.evaluation.metrics.length import baseline_name
from hiergeo.evaluation.result import strongest

SPACES = ("euclidean", "lorentz:-1", "product:lorentz:-1x32,euclidean:x32")


@pytest.fixture(scope="module")
def scenes():
    return datasets.load("scenes", count=60)


@pytest.fixture(scope="module")
def model():
    return adapters.load("tiny", device="cpu")


def words(caption):
    return len(caption.split())


def test_the_baseline_of_tau_d_counts_words(model, scenes):
    result = hiergeo.evaluate(model, scenes, samples=20)
    signs = [
        np.sign(words(row.positive[j]) - words(row.positive[i]))
        for row in scenes.rows
        for i in range(4)
        for j in range(i + 1, 4)
    ]
    assert result.baselines["tau_d"]["length"] == pytest.approx(np.mean(signs), abs=1e-12)
    assert result.baselines["tau_d_equal_length"]["length"] == 0
    assert json.loads(result.to_json())["baselines"]["tau_d"]["length"] == result.baselines["tau_d"]["length"]


@pytest.mark.parametrize("spec", SPACES)
def test_ladders_by_length_against_brute_force(model, scenes, spec):
    embedded = embed(model, scenes)
    space = hiergeo.Space(spec, embedded.root)
    counts = np.array([words(text) for text in embedded.texts])
    met = nearest_within(embedded.image, embedded.text, counts, space, 9)
    distance = space.pairwise_distance(embedded.image, embedded.text).double().numpy()
    limits = np.linspace(counts.min(), counts.max(), 9)
    allowed = np.where(counts <= limits[:, None, None], distance, np.inf)
    chosen = np.take_along_axis(distance, met, axis=1)
    assert np.allclose(chosen, allowed.min(axis=-1).T, rtol=1e-6)
    result = hiergeo.evaluate(model, scenes, spec, steps=9, samples=5)
    ladders = [list(dict.fromkeys(embedded.texts[i] for i in row)) for row in met]
    expected = [scores.mean() for scores in ladder_scores(ladders, embedded.truths)]
    found = [result.baselines[name]["length"] for name in ("precision", "recall")]
    assert found == pytest.approx(expected, abs=1e-12)


def test_pairs_carry_their_baseline(model, scenes):
    result = hiergeo.evaluate(model, scenes, "lorentz:-1", "pairs", samples=20)
    true, false = [], []
    for row in scenes.rows:
        for i in range(3):
            true.append(words(row.positive[i + 1]) - words(row.positive[i]))
            false.append(words(row.negative[i]) - words(row.positive[i]))
    wins = np.subtract.outer(true, false)
    expected = ((wins > 0) + (wins == 0) / 2).mean()
    assert result.baselines["auroc"]["length"] == pytest.approx(expected, abs=1e-12)
    assert result.baselines["auroc"]["chance"] == result.baselines["average_precision"]["chance"] == 0.5
    assert result.baselines["auroc_margin"] == result.baselines["auroc"]
    for name in (f"auroc{score}{kind}" for score in ("", "_margin") for kind in ("", "_sibling")):
        reached = result.baselines[f"{name}_equal_length"]
        assert reached["length"] == 0.5 < reached["random_words"] < 1
        high = result.intervals[f"{name}_equal_length"].high
        assert high == 1 or high - result.metrics[f"{name}_equal_length"] >= reached["random_words"] - 0.5 - 1e-9
        assert find_metric(f"{name}_equal_length").control
        assert f"{name}_equal_length" in result.intervals


def test_tables_show_the_strongest_control_beside_the_value(model, scenes):
    result = hiergeo.evaluate(model, scenes, samples=20)
    (grid,) = result.grids()
    control = dict(grid.rows)["tau_d"][-1]
    name = max(result.baselines["tau_d"], key=result.baselines["tau_d"].get)
    assert (control.value, control.note) == (f"{result.baselines['tau_d'][name]:.4f}", baseline_name(name))
    assert strongest("tied_share", result.baselines.get("tied_share", {})) is None
    assert strongest("tie", {"length": 2.0, "chance": 3.0}) == ("words alone", 2.0)
