"""The benchmark of HiT: thresholds against every threshold, pairs against WordNet, F1 against a count by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.datasets.wordnet import load_wordnet
from hiergeo.evaluation.benchmarks import measure
from hiergeo.evaluation.benchmarks.subsumption import (
    WEIGHTS,
    Pairs,
    Subsumption,
    best_threshold,
    subsumption,
)
from hiergeo.evaluation.benchmarks.words import WORD_SCORES
from hiergeo.testing.protocol_suite import Hashed

CANINES = "canine.n.02"


def f1_of(said, label):
    right = (said & label).sum()
    return 2 * right / (said.sum() + label.sum())


@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=30))
def test_the_threshold_is_the_best_of_all(rows):
    score, label = np.array([float(s) for s, _ in rows]), np.array([true for _, true in rows] + [True])
    score = np.append(score, 0.0)
    value, threshold = best_threshold(score, label)
    cuts = [*np.unique(score), score.min() - 1]
    assert value == pytest.approx(max(f1_of(score > cut, label) for cut in cuts))
    assert f1_of(score > threshold, label) == pytest.approx(value)


def test_the_weight_and_thresholds_are_of_validation_and_the_numbers_of_test():
    generator = np.random.default_rng(0)
    pairs = generator.integers(0, 20, (400, 2))
    data = Pairs(tuple("abcdefghijklmnopqrst"), pairs, generator.random(400) < 0.3, pairs[:, 0] < 10)
    scores = {name: generator.normal(size=400) + data.label for name in WORD_SCORES}
    outcome, facts = subsumption(data, scores)
    on = {
        w: best_threshold((scores["distance"] + w * scores["radius"])[~data.test], data.label[~data.test])
        for w in WEIGHTS
    }
    best = max(on, key=lambda w: on[w][0])
    assert (facts["weight"], facts["threshold"]) == (best, on[best][1])
    said = (scores["distance"] + best * scores["radius"] > on[best][1])[data.test]
    label = data.label[data.test]
    found = {name: statistic.value for name, statistic in outcome.statistics.items()}
    assert found["subsumption_f1"] == pytest.approx(f1_of(said, label))
    assert found["subsumption_precision"] == pytest.approx((said & label).sum() / said.sum())
    assert found["subsumption_recall"] == pytest.approx((said & label).sum() / label.sum())
    swapped = {name: np.where(data.test, -score, score) for name, score in scores.items()}
    assert subsumption(data, swapped)[1] == facts


@pytest.mark.parametrize("negatives", ["random", "ancestors"])
def test_pairs_are_those_of_wordnet(negatives):
    data = Subsumption(CANINES, negatives=negatives, per_pair=5).pairs(1)
    wordnet = load_wordnet()
    nodes = {name for name in wordnet.parents if CANINES in wordnet.ancestors(name)} | {CANINES}
    assert set(data.words) <= {name.split(".")[0].replace("_", " ") for name in nodes}
    at = {word: position for position, word in enumerate(data.words)}
    true = set(map(tuple, data.pairs[data.label].tolist()))
    wrong = set(map(tuple, data.pairs[~data.label].tolist()))
    assert (at["poodle"], at["canine"]) in true
    assert (at["poodle"], at["dog"]) not in true
    assert not true & wrong
    assert not any((at["poodle"], at[above]) in wrong for above in ("dog", "canine", "poodle"))
    tested = {child: of_test for (child, _), of_test in zip(data.pairs.tolist(), data.test, strict=True)}
    assert all(tested[child] == of_test for (child, _), of_test in zip(data.pairs.tolist(), data.test, strict=True))
    assert {*map(bool, tested.values())} == {True, False}


def test_a_table_of_pairs_brings_its_own_splits(tmp_path):
    lines = [f"{c}\t{p}\t{true}\t{split}" for split in ("validation", "test") for c, p, true in TABLE]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines))
    result = measure(Hashed(), "subsumption", "lorentz:-0.5", data=str(tmp_path / "pairs.tsv"), samples=3)
    assert result.settings["pairs"] == 2 * len(TABLE)
    assert result.baselines["subsumption_f1"]["frequent"] == 1.0
    (tmp_path / "pairs.tsv").write_text("\n".join([*lines[:-1], "dog\tanimal\tyes\ttest"]))
    with pytest.raises(InputError, match=f"line {len(lines)}"):
        measure(Hashed(), "subsumption", data=str(tmp_path / "pairs.tsv"))
    (tmp_path / "pairs.tsv").write_text("dog\tanimal\t1\ttest\n")
    with pytest.raises(InputError, match="validation split"):
        measure(Hashed(), "subsumption", data=str(tmp_path / "pairs.tsv"))


TABLE = [("dog", "animal", 1), ("cat", "animal", 1), ("dog", "car", 0), ("cat", "wheel", 0)]


def test_a_misspelt_taxonomy_is_named_with_the_nearest():
    with pytest.raises(InputError, match="mammals"):
        Subsumption("mamals").load()
