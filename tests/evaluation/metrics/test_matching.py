"""Rankings within strata: against loops over pairs, sklearn, and what must hold of scores of lengths."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score

from hiergeo.evaluation.metrics import CHANCE, Ranking, auroc, average_precision

SHAPE = (6, 3)


def ranked(true, false, own, other):
    return Ranking(true, false, (own, other))


scores = arrays(np.float64, SHAPE, elements=st.integers(0, 5).map(float))
strata = arrays(np.int64, (*SHAPE, 2), elements=st.integers(0, 2))


def drawn(seed=0, rows=25):
    generator = np.random.default_rng(seed)
    values = [generator.integers(0, 7, (rows, 3)).astype(float) for _ in range(2)]
    return *values, *(generator.integers(0, 3, (rows, 3, 2)) for _ in range(2))


def by_stratum(true, false, true_strata, false_strata):
    groups = defaultdict(lambda: ([], []))
    for side, (values, own) in enumerate(((true, true_strata), (false, false_strata))):
        for value, name in zip(values.ravel().tolist(), own.reshape(-1, 2).tolist(), strict=True):
            groups[tuple(name)][side].append(value)
    return [group for group in groups.values() if all(group)]


def test_auroc_against_a_loop_over_pairs():
    data = drawn()
    wins = compared = 0.0
    for true, false in by_stratum(*data):
        wins += sum((t > f) + (t == f) / 2 for t in true for f in false)
        compared += len(true) * len(false)
    found = ranked(*data)
    assert found.auroc() == pytest.approx(wins / compared, abs=1e-12)
    assert found.pairs == compared


def test_average_precision_is_sklearns_with_weights():
    data = drawn(2)
    labels, values, weights = [], [], []
    for true, false in by_stratum(*data):
        labels += [1] * len(true) + [0] * len(false)
        values += true + false
        weights += [1.0] * len(true) + [len(true) / len(false)] * len(false)
    expected = average_precision_score(labels, values, sample_weight=weights)
    assert ranked(*data).average_precision() == pytest.approx(expected, abs=1e-12)


@given(scores, scores)
def test_one_stratum_is_the_plain_ranking(true, false):
    level = np.zeros((*SHAPE, 2), dtype=int)
    found = ranked(true, false, level, level)
    assert found.auroc() == pytest.approx(auroc(true, false), abs=1e-12)
    assert found.average_precision() == pytest.approx(average_precision(true, false), abs=1e-12)


@given(strata, strata, arrays(np.float64, (3, 3), elements=st.integers(-4, 4).map(float)))
def test_no_score_of_the_strata_beats_chance(true, false, table):
    found = ranked(table[true[..., 0], true[..., 1]], table[false[..., 0], false[..., 1]], true, false)
    assert found.auroc() == CHANCE
    assert found.average_precision() == pytest.approx(CHANCE, abs=1e-12)


def test_weights_are_repetitions():
    data = drawn(3)
    counts = np.random.default_rng(0).integers(0, 3, 25)
    repeated = ranked(*(np.repeat(each, counts, axis=0) for each in data))
    found = ranked(*data)
    assert found.auroc(counts) == pytest.approx(repeated.auroc(), abs=1e-12)
    assert found.average_precision(counts) == pytest.approx(repeated.average_precision(), abs=1e-12)
