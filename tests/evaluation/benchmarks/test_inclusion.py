"""Inclusion of Gaussians: the scores of a made-up model against a count of pairs that is written out."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hiergeo._core.errors import InputError
from hiergeo.adapters import Gaussian
from hiergeo.datasets import chains
from hiergeo.datasets.chains import Chain
from hiergeo.evaluation.benchmarks import measure
from hiergeo.evaluation.benchmarks.inclusion import Inclusion, score_inclusion
from hiergeo.evaluation.length import PairLengths
from tests.report.test_page import Handmade

ROWS = [
    Chain(0, ("animal", "dog", "a wet dog"), ("plant", "cat", "a very dry dog"), "0.png"),
    Chain(1, ("animal", "bird", "a grey bird"), ("car", "a red car", "a big red car"), "1.png"),
    Chain(2, ("thing", "bus", "bus stop"), ("food", "animal", "a blue bus"), "2.png"),
]


class Gaussians(Handmade):
    """Captions as Gaussians of three coordinates that are drawn from their texts."""

    name = "gaussians"

    def encode_text_gaussian(self, texts, **_):
        assert len(set(texts)) == len(texts)
        drawn = [np.random.default_rng(list(text.encode())).normal(size=(2, 3)) for text in texts]
        mean, log_variance = torch.from_numpy(np.stack(drawn, axis=1)).float()
        return Gaussian(mean, log_variance)


def score(inner: str, outer: str) -> float:
    """The published sum over coordinates, one number at a time."""
    (m1, v1), (m2, v2) = (np.random.default_rng(list(text.encode())).normal(size=(2, 3)) for text in (inner, outer))
    total = 0.0
    for a, s, b, t in zip(m1, v1, m2, v2, strict=True):
        total -= 2 * s + t + math.log(math.exp(-s) + math.exp(-t) / 2) / 2
        total -= (a - b) ** 2 / (math.exp(s) + 2 * math.exp(t))
    return total


def wins(true: list[float], false: list[float]) -> float:
    """The share of pairs of a true and a false score of which the true one is larger; a tie counts one half."""
    return float(np.mean([(a > b) + 0.5 * (a == b) for a in true for b in false]))


@pytest.fixture
def data(tmp_path) -> str:
    chains.write_train(tmp_path / "test.csv", [replace(row, negative=None) for row in ROWS])
    chains.write_train(tmp_path / "test_expanded.csv", ROWS)
    return f"chains:{tmp_path}"


def test_children_are_told_from_contradictions_and_from_their_parents(data):
    result = measure(Gaussians(), "inclusion", data=data, split="test", samples=5)
    steps = [(row.positive[i], row.positive[i + 1], row.negative[i]) for row in ROWS for i in range(2)]
    true, back, false = (
        [score(child, parent) for parent, child, _ in steps],
        [score(parent, child) for parent, child, _ in steps],
        [score(wrong, parent) for parent, _, wrong in steps],
    )
    assert result.metrics["auroc_inclusion"] == pytest.approx(wins(true, false))
    assert result.metrics["inclusion_direction"] == np.mean(np.greater(true, back))
    assert 0 < result.metrics["inclusion_direction"] < 1
    above = [(np.sum(np.array(true) >= a), np.sum(np.array(false) >= a)) for a in true]
    precision = np.mean([right / (right + wrong) for right, wrong in above])
    assert result.metrics["average_precision_inclusion"] == pytest.approx(precision)
    words = [(len(parent.split()), len(child.split()), len(wrong.split())) for parent, child, wrong in steps]
    grown, other = [child - parent for parent, child, _ in words], [wrong - parent for parent, _, wrong in words]
    assert result.baselines["auroc_inclusion"] == {"length": pytest.approx(wins(grown, other)), "chance": 0.5}
    assert result.baselines["inclusion_direction"] == {"chance": 0.5, "length": (3 + 0.5 * 3) / 6}
    texts = {text for row in ROWS for side in (row.positive, row.negative) for text in side}
    assert (result.settings["rows"], result.settings["texts"], result.settings["split"]) == (3, len(texts), "test")


def test_equal_gaussians_count_one_half():
    alike = Gaussian(torch.zeros(4, 2), torch.zeros(4, 2))
    chain, wrong = torch.tensor([[0, 1]]), torch.tensor([[2, 3]])
    lengths = PairLengths(np.array([[2, 1]]), np.array([[1, 1]]))
    outcome = score_inclusion(alike, chain, wrong, lengths)
    assert outcome.baselines["inclusion_direction"] == {"chance": 0.5, "length": 0.0}
    values = {name: statistic.of(np.ones(1)) for name, statistic in outcome.statistics.items()}
    assert (values["inclusion_direction"], values["auroc_inclusion"]) == (0.5, 0.5)


def test_models_of_points_and_chains_without_negatives_are_refused(data, tmp_path):
    with pytest.raises(InputError, match="handmade gives no Gaussians"):
        measure(Handmade(), "inclusion", data=data, split="test")
    (tmp_path / "test_expanded.csv").unlink()
    with pytest.raises(InputError, match="needs contradicting chains"):
        measure(Gaussians(), "inclusion", data=data, split="test")
    assert data in Inclusion(data, "test").protocol
