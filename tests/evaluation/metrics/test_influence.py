"""Influence of rows on statistics that are not means: derivatives by their weights, against other ways to get them."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hiergeo.evaluation.metrics import Ranking
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import Statistic, auroc_of, average_precision_of

STEP = 1e-5


def slopes(statistic, rows):
    """Central differences by the weight of each row, times the number of rows."""
    ends = [[statistic(np.ones(rows) + sign * STEP * np.eye(rows)[row]) for sign in (1, -1)] for row in range(rows)]
    return np.array([rows * (up - down) / (2 * STEP) for up, down in ends])


def precision_of(true, false, true_weights, false_weights):
    """Average precision of weighted scores, by its definition; all flat."""
    above = (true[None] >= true[:, None]) @ true_weights
    retrieved = np.maximum(above + (false[None] >= true[:, None]) @ false_weights, 1e-300)
    return float(true_weights @ (above / retrieved) / true_weights.sum())


@st.composite
def scores(draw):
    rows, width = draw(st.integers(1, 7)), draw(st.integers(1, 3))
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    levels = draw(st.sampled_from([2, 4, 100]))
    true, false = (generator.integers(levels, size=(rows, width)).astype(float) for _ in range(2))
    strata = tuple(generator.integers(draw(st.integers(1, 3)), size=(rows, width, 1)) for _ in range(2))
    return true, false, strata


@given(scores(), st.booleans())
def test_of_rows_on_auroc(drawn, stratified):
    true, false, strata = drawn
    ranking = Ranking(true, false, strata if stratified else None)
    influence = ranking.auroc_influence()
    assert influence == pytest.approx(slopes(ranking.auroc, len(true)), abs=1e-6)
    assert influence.mean() == pytest.approx(0, abs=1e-12)


@given(scores())
def test_of_rows_on_average_precision(drawn):
    true, false, _ = drawn
    ranking = Ranking(true, false)
    influence = ranking.average_precision_influence()
    assert influence == pytest.approx(slopes(ranking.average_precision, len(true)), abs=1e-6)
    assert influence.mean() == pytest.approx(0, abs=1e-12)


@given(scores())
def test_of_rows_on_average_precision_within_strata_of_which_negatives_keep_their_weights(drawn):
    true, false, strata = drawn
    ranking = Ranking(true, false, strata)
    assume(ranking.pairs)
    own, other = (each.ravel() for each in strata)
    positives, negatives = (np.bincount(each, minlength=4) for each in (own, other))
    rows = np.repeat(np.arange(len(true)), true.shape[1])
    kept = np.minimum(1, negatives)[own]
    scale = (positives / np.maximum(1, negatives))[other]
    assert ranking.average_precision() == pytest.approx(precision_of(true.ravel(), false.ravel(), kept, scale))

    def statistic(weights):
        return precision_of(true.ravel(), false.ravel(), weights[rows] * kept, weights[rows] * scale)

    assert ranking.average_precision_influence() == pytest.approx(slopes(statistic, len(true)), abs=1e-5)


@pytest.mark.parametrize("of", [auroc_of, average_precision_of])
def test_a_ranking_that_rows_share_by_four_is_as_precise_as_a_quarter_of_them(of):
    """Draws and intervals of rows that stand four times are those of the rows once."""
    generator = np.random.default_rng(0)
    true, false = generator.normal(0.5, 1, 60), generator.normal(0, 1, 60)

    def statistic(times: int) -> Statistic:
        captions = np.repeat(np.arange(60), times)[:, None]
        ranking = Ranking(np.repeat(true, times), np.repeat(false, times))
        return of(ranking, 60 * times, Sharing(captions))

    once, often = statistic(1), statistic(4)
    assert often.effective == pytest.approx(once.effective)
    assert often.value == pytest.approx(once.value)
    assert often.interval == pytest.approx(once.interval, abs=1e-9)
    assert np.std(often.draws(400, 0)) == pytest.approx(np.std(once.draws(400, 0)), rel=0.15)
