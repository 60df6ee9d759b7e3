"""Rankings under many weights, by the kernels: what scikit-learn says of each weight."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiergeo.evaluation.metrics import Ranking
from hiergeo.evaluation.metrics.ranking import CHANCE
from hiergeo.pairwise.resolver import NATIVE
from tests.pairwise.native_problems import MISSING, at, levels

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn: pip install 'hiergeo[test]'")


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of positives and of negatives with ties, (rows, pairs), and weights (samples, rows), whole or not."""
    rows, pairs, others, samples = (draw(st.integers(1, most)) for most in (6, 3, 3, 19))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    true, false = (generator.integers(0, draw(st.sampled_from([1, 4, 1000])), (rows, n)) for n in (pairs, others))
    weights = generator.multinomial(rows, np.full(rows, 1 / rows), size=samples)
    return true, false, weights * draw(st.sampled_from([1, 18770 / 18751]))


@pytest.mark.parametrize("level", levels())
@given(problem=problems())
def test_every_weight_has_the_value_of_sklearn(level: str, problem: tuple[np.ndarray, ...]) -> None:
    true, false, weights = problem
    labels = np.repeat([1, 0], [true.size, false.size])
    scores = np.concatenate([true.ravel(), false.ravel()])
    with at(level):
        ranking = Ranking(true, false)
        found = ranking.auroc(weights), ranking.average_precision(weights)
    for weight, area, precision in zip(weights, *found, strict=True):
        own = np.concatenate([np.repeat(weight, true.shape[1]), np.repeat(weight, false.shape[1])])
        expected = metrics.roc_auc_score(labels, scores, sample_weight=own)
        assert area == pytest.approx(expected, abs=1e-12)
        assert precision == pytest.approx(metrics.average_precision_score(labels, scores, sample_weight=own), abs=1e-12)


@given(problem=problems(), seed=st.integers(0, 99))
def test_negatives_may_have_weights_of_their_own(problem: tuple[np.ndarray, ...], seed: int) -> None:
    true, false, weights = problem
    others = np.random.default_rng(seed).integers(0, 3, (len(weights), 2))
    false = np.resize(false, (2, false.shape[1]))
    ranking = Ranking(true, false)
    both = zip(weights, others, strict=True)
    assert ranking.auroc(weights, others) == pytest.approx([ranking.auroc(*each) for each in both], abs=1e-12)


def test_weights_that_leave_no_pair_leave_it_to_chance() -> None:
    ranking = Ranking([1.0, 2.0], [0.0, 1.5])
    nothing = np.zeros((3, 2))
    assert (ranking.auroc(nothing) == CHANCE).all()
    assert (ranking.average_precision(nothing) == CHANCE).all()


def test_a_long_sum_loses_nothing() -> None:
    generator = np.random.default_rng(0)
    scores = generator.permutation(120_000.0 * np.ones(120_000).cumsum()).reshape(2, 60_000)
    found = Ranking(*scores).average_precision(np.ones((1, 60_000)))
    best = np.argsort(-scores.ravel(), kind="stable") < 60_000
    expected = math.fsum((np.cumsum(best) / np.arange(1, 120_001))[best]) / 60_000
    assert abs(found[0] - expected) < 3e-16


@pytest.mark.parametrize(
    ("items", "positive", "negative"),
    [
        ([8], (1, 2), (1, 2)),
        ([-4], (1, 2), (1, 2)),
        ([6], (1, 1), (1, 2)),
        ([0], (2, 2), (1, 2)),
    ],
)
def test_operands_that_do_not_fit_are_refused(items, positive, negative) -> None:
    own, other = (torch.ones(shape, dtype=torch.float64) for shape in (positive, negative))
    with pytest.raises(RuntimeError, match="must"):
        NATIVE.weigh(torch.tensor(items, dtype=torch.int32), own, other, False, 0.5)
    with pytest.raises(RuntimeError, match="Int"):
        NATIVE.weigh(torch.tensor(items), own, other, False, 0.5)
