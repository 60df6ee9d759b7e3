"""tau_d against scipy's Kendall tau and cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import tau_d, tau_d_rows, tied_share


@pytest.mark.parametrize(
    ("radii", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4], 1.0),
        ([0.4, 0.3, 0.2, 0.1], -1.0),
        ([0.2, 0.1, 0.3, 0.4], 4 / 6),
        ([0.1, 0.1, 0.3, 0.4], 5 / 6),
        ([0.5, 0.5, 0.5, 0.5], 0.0),
    ],
)
def test_chains_worked_by_hand(radii, expected):
    assert tau_d([radii]) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("tiers", [2, 4, 7])
def test_equals_kendall_tau_without_ties(tiers):
    radii = np.random.default_rng(tiers).random((200, tiers))
    expected = [kendalltau(row, np.arange(tiers)).statistic for row in radii]
    np.testing.assert_allclose(tau_d_rows(radii), expected, atol=1e-12)


@given(arrays(np.float64, (5, 4), elements=st.integers(0, 3).map(float)))
def test_equals_tau_a_with_ties(radii):
    concordance = [[np.sign(row[j] - row[i]) for i in range(4) for j in range(i + 1, 4)] for row in radii]
    np.testing.assert_allclose(tau_d_rows(radii), np.sum(concordance, axis=1) / 6, atol=1e-15)
    assert tied_share(radii) == pytest.approx(np.mean(np.array(concordance) == 0))
    assert tau_d(-radii) == pytest.approx(-tau_d(radii))


def test_a_collapsed_model_earns_nothing():
    assert tau_d(np.ones((3, 4))) == 0
    assert tied_share(np.ones((3, 4))) == 1


@pytest.mark.parametrize(
    ("radii", "words"),
    [
        (np.empty((0, 4)), "empty"),
        (np.ones(4), "shape"),
        (np.ones((3, 1)), "2 tiers"),
        ([[0.1, np.nan]], r"first at \(0, 1\)"),
    ],
)
def test_refuses(radii, words):
    with pytest.raises(InputError, match=words):
        tau_d(radii)
