"""Benchmarks of words: HyperLex against scipy and sklearn on embeddings whose scores are known."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.datasets.hyperlex import WordPair, load_hyperlex
from hiergeo.datasets.scenes.things import word_pairs
from hiergeo.evaluation.benchmarks import benchmark_named, measure
from hiergeo.evaluation.benchmarks.words import correlations, is_a_scores
from hiergeo.geometry import Space


class Words(Model):
    """Vectors by word, as they are; the root is the origin."""

    name, has_images, preprocessing, normalised = "words", False, "a table", False

    def __init__(self, vectors: dict[str, Sequence[float]]) -> None:
        self.vectors = vectors

    def fingerprint(self) -> str:
        return "words"

    def check_texts(self, texts: Sequence[str]) -> None:
        for text in texts:
            if text and text not in self.vectors:
                raise InputError(f"words lacks {text!r}.")

    def check_images(self, images) -> None:
        raise AssertionError

    def text_rows(self, texts: Sequence[str]) -> torch.Tensor:
        dim = len(next(iter(self.vectors.values())))
        return torch.tensor([self.vectors.get(text, [0.0] * dim) for text in texts])

    def image_rows(self, images) -> torch.Tensor:
        raise AssertionError


@pytest.fixture(scope="module")
def model():
    generator = np.random.default_rng(0)
    words = dict.fromkeys(word for pair in word_pairs() for word in (pair.word, pair.kind))
    return Words({word: generator.normal(size=6).tolist() for word in words})


def exterior_angle(x, y):
    """Euclidean, from the definition: the angle at x between its own direction and y - x."""
    away = y - x
    return np.arccos(np.clip(away @ x / np.linalg.norm(away) / np.linalg.norm(x), -1, 1))


def test_hyperlex_is_what_scipy_and_sklearn_say(model):
    result = measure(model, "hyperlex", "euclidean", data="demo", samples=20)
    pairs = word_pairs()
    vectors = {word: np.array(vector) for word, vector in model.vectors.items()}
    ratings = [pair.score for pair in pairs]
    x, y = ([vectors[getattr(pair, side)] for pair in pairs] for side in ("word", "kind"))
    both = list(zip(x, y, strict=True))
    by_hand = {
        "angle": [-exterior_angle(kind, word) for word, kind in both],
        "margin": [np.arcsin(min(1, 0.2 / np.linalg.norm(k))) - exterior_angle(k, w) for w, k in both],
        "radius": [np.linalg.norm(word) - np.linalg.norm(kind) for word, kind in both],
        "distance": [-np.linalg.norm(word - kind) for word, kind in both],
        "cosine": [word @ kind / (np.linalg.norm(word) * np.linalg.norm(kind)) for word, kind in both],
    }
    up, down = ([pair.relation.startswith(kind) for pair in pairs] for kind in ("hyp-", "r-hyp-"))
    directed = np.array(up) | np.array(down)
    for name, scores in by_hand.items():
        assert result.metrics[f"spearman_{name}"] == pytest.approx(spearmanr(scores, ratings)[0], abs=1e-9)
        wanted = roc_auc_score(np.array(up)[directed], np.array(scores)[directed])
        assert result.metrics[f"direction_{name}"] == pytest.approx(wanted, abs=1e-9)
    letters = [len(pair.word) - len(pair.kind) for pair in pairs]
    length = result.baselines["spearman_angle"]["length"]
    assert length == pytest.approx(spearmanr(letters, ratings)[0], abs=1e-12)
    assert result.settings["pairs"] == len(pairs)
    low, high = result.intervals["spearman_margin"]
    assert low < result.metrics["spearman_margin"] < high


def test_nouns_and_verbs_are_measured_apart():
    generator = np.random.default_rng(1)
    pairs = tuple(WordPair(f"a{i}", f"b{i}", "NV"[i % 3 == 0], "syn", float(generator.integers(11))) for i in range(30))
    score = generator.normal(size=30).round(1)
    outcome = correlations(pairs, {"angle": score}, samples=50)
    for suffix, part in (("nouns", "N"), ("verbs", "V")):
        chosen = [i for i, pair in enumerate(pairs) if pair.part_of_speech == part]
        wanted = spearmanr(score[chosen], [pairs[i].score for i in chosen])[0]
        assert outcome.statistics[f"spearman_angle_{suffix}"].value == pytest.approx(wanted, abs=1e-12)
    assert not any(name.startswith("direction") for name in outcome.statistics)
    assert 0 < outcome.baselines["spearman_angle"]["permuted"] < 1


def test_a_collapsed_model_is_at_chance(model):
    collapsed = Words({word: [1.0, 0, 0] for word in model.vectors})
    result = measure(collapsed, "hyperlex", "euclidean", data="demo", samples=5)
    assert {value for name, value in result.metrics.items() if name.startswith("spearman")} == {0.0}
    assert {value for name, value in result.metrics.items() if name.startswith("direction")} == {0.5}


def test_words_that_are_missing_are_refused_or_left_out_as_asked(model):
    some = Words({word: vector for word, vector in model.vectors.items() if word != "an owl"})
    with pytest.raises(InputError, match="an owl"):
        measure(some, "hyperlex", data="demo")
    result = measure(some, "hyperlex", data="demo", missing="skip", samples=5)
    assert result.settings["pairs"] == len([p for p in word_pairs() if "an owl" not in (p.word, p.kind)])
    assert "left out" in str(result.settings["protocol"])
    with pytest.raises(InputError, match="fewer than"):
        measure(Words({"an owl": [1.0, 0]}), "hyperlex", data="demo", missing="skip")


@pytest.mark.parametrize(
    ("options", "named"),
    [({"prompt": "a"}, "prompt"), ({"missing": "skipp"}, "skip"), ({"promt": "{}"}, "prompt")],
)
def test_wrong_options_are_refused(options, named):
    with pytest.raises(InputError, match=named):
        benchmark_named("hyperlex", **options)


def test_real_pairs_in_every_part(data_home):
    task = benchmark_named("hyperlex")
    assert len(task.pairs) == len(load_hyperlex(data_home / "hyperlex" / "hyperlex-all.txt")) == 2616
    outcome = correlations(task.pairs, {"angle": np.array([pair.score for pair in task.pairs])}, samples=10)
    assert [outcome.statistics[f"spearman_angle{part}"].rows for part in ("", "_nouns", "_verbs")] == [2616, 2163, 453]
    assert outcome.statistics["spearman_angle"].value == pytest.approx(1.0)


def test_radii_that_differ_by_rounding_alone_are_equal(model):
    unit = torch.nn.functional.normalize(torch.randn(200, 64, generator=torch.Generator().manual_seed(0)), dim=1)
    radius = is_a_scores(Space("euclidean", False), unit[:100], unit[100:])["radius"]
    assert not radius.any()
    farther = is_a_scores(Space("euclidean", False), unit[:100] * (1 + 1e-5), unit[100:])["radius"]
    assert (farther > 0).all()
