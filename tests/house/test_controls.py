"""The positive controls: scores of direction, exact losses, strict folds and written tables."""

import json
import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from benchmarks.controls import direction, hyperlex, lvis, mammals
from benchmarks.controls.findings import Findings
from hiergeo import Euclidean, Lorentz, Product
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets import hyperlex as words
from hiergeo.training import FreeEmbedding

CHAIN = torch.tensor([[1, 0], [2, 0], [2, 1]])
"""Node 1 is below 0, and 2 below both."""


def placed_on_a_ray(geometry=None) -> FreeEmbedding:
    """Nodes 0, 1, 2 ever further out on one ray, 3 opposite."""
    embedding = FreeEmbedding(geometry or Euclidean(), 4, 2)
    with torch.no_grad():
        embedding.points[0].copy_(torch.tensor([[0.5, 0.0], [1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]]))
    return embedding


def test_scores_of_nested_points_by_hand():
    found = direction.scores(placed_on_a_ray(), torch.tensor([0, 1, 0]), torch.tensor([1, 0, 3]))
    assert found["angle"] == pytest.approx([0, -math.pi, -math.pi], abs=1e-6)
    assert found["radius"] == pytest.approx([0.5, -0.5, 0.5])
    assert found["margin"][0] == pytest.approx(math.asin(0.4), abs=1e-6)
    assert found["paper"] == pytest.approx([499 * 0.5, -501 * 0.5, 499 * 1.5])


def test_a_chain_on_a_ray_is_told_from_its_reverse():
    found = direction.aurocs(placed_on_a_ray(), CHAIN, 4)
    assert all(value == 1 for name, value in found.items() if name.endswith("reversed"))
    product = direction.aurocs(FreeEmbedding(Product([(Lorentz(-1), 2), (Euclidean(), 1)]), 4, 3, spread=1.0), CHAIN, 4)
    assert all(0 <= value <= 1 for value in product.values())


def test_unlinked_pairs_are_unlinked():
    first, second = direction.unlinked(CHAIN, 4, 50, seed=0)
    assert all(3 in pair and pair[0] != pair[1] for pair in zip(first.tolist(), second.tolist(), strict=True))


def test_the_loss_by_hand():
    """From node 1 only 2 and 3 are no ancestors, and node 0 is at distance 1/2."""
    distance = placed_on_a_ray().distances()
    terms = []
    for u, v in CHAIN.tolist():
        others = [w for w in range(4) if w != u and [u, w] not in CHAIN.tolist()]
        weights = [math.exp(-float(distance[u, w])) for w in (v, *others)]
        terms.append(-math.log(weights[0] / sum(weights)))
    assert mammals.softmax_loss(distance, CHAIN) == pytest.approx(np.mean(terms))


def test_folds_share_no_synset_and_no_relative(data_home):
    names = lvis.load()
    seen = []
    for place, (training, test) in enumerate(lvis._folds(names)):
        seen.append(test)
        assert not set(names.family[names.pairs[training]].flatten().tolist()) & set(
            names.family[names.pairs[test]].flatten().tolist()
        )
        assert 90 <= len(test) <= 110
        chains = lvis._chains(names, training, place)
        assert not bool(names.related[chains.positive[:, 0], chains.negative[:, 0]].any())
        false = lvis._false_pairs(names, test, place)
        assert not bool(names.related[false[..., 0], false[..., 1]].any())
        assert set(false.flatten().tolist()) <= set(names.pairs[test].flatten().tolist())
    assert torch.cat(seen).sort().values.tolist() == list(range(495))


def test_rank_correlation_is_that_of_scipy():
    x, y = np.random.default_rng(0).integers(0, 9, (2, 80)).astype(float)
    found = hyperlex._weighted_correlation(hyperlex._ranks(x), hyperlex._ranks(y), np.ones(80))
    assert found == pytest.approx(spearmanr(x, y).statistic)


def test_word_pairs_are_read_and_damage_is_named(tmp_path, data_home):
    pairs = words.load_hyperlex()
    assert len(pairs) == 2616
    assert pairs[0] == words.WordPair("conflict", "disagreement", "N", "r-hyp-1", 8.67)
    path = tmp_path / "pairs.txt"
    head = " ".join(words.COLUMNS)
    for text, said in (
        ("cat animal N\n", "not a table of HyperLex"),
        (f"{head}\n", "not a table of HyperLex"),
        (f"{head}\ncat animal N hyp-1 5.9\n", "line 2: expected WORD1"),
        (f"{head}\ncat animal N hyp-1 5.9 11\n", "line 2: the score must be between 0 and 10, not 11"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            words.load_hyperlex(path)
    with pytest.raises(UnavailableError, match="is not there"):
        words.load_hyperlex(tmp_path / "nowhere.txt")


def test_findings_are_written(tmp_path):
    findings = Findings("made up", {"seed": 0}, notes=["A sentence."])
    findings.add("Table", {"space": "flat", "MAP": 0.25})
    findings.write(tmp_path)
    assert (
        tmp_path / "made up.md"
    ).read_text() == "### Table\n\n| space | MAP |\n|---|---|\n| flat | 0.250 |\n\nA sentence.\n"
    assert json.loads((tmp_path / "made up.json").read_text())["tables"]["Table"][0]["MAP"] == 0.25
