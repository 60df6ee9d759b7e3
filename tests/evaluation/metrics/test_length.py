"""Length as a confound: against loops over pairs, scipy, and what must hold of any radii."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import tau_d
from hiergeo.evaluation.metrics.length import (
    PartialTau,
    chain_lengths,
    partial_spearman,
    selected_pairs,
    share_right,
    tau_d_equal_length,
)

SHAPE = (7, 4)
radii = arrays(np.float64, SHAPE, elements=st.integers(0, 6).map(float))
lengths = arrays(np.int64, SHAPE, elements=st.integers(1, 4))


def drawn(seed=0, n=40, tiers=4):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 9, (n, tiers)).astype(float), generator.integers(1, 5, (n, tiers))


def selected(radius, length, sign):
    """Signs of the radius over the pairs of tiers whose length difference has that sign."""
    return [
        np.sign(r[j] - r[i])
        for r, w in zip(radius.tolist(), length.tolist(), strict=True)
        for i, j in combinations(range(len(r)), 2)
        if np.sign(w[j] - w[i]) == sign
    ]


@given(radii, lengths)
def test_pairs_of_tiers_against_a_loop(radius, length):
    chains = np.arange(radius.size).reshape(SHAPE)
    for condition, sign in (("equal", 0), ("shorter", -1)):
        signs, pairs = selected_pairs(radius, length, condition, chains)
        assert signs.tolist() == selected(radius, length, sign)
        assert np.sign(radius.ravel()[pairs[:, :2]] @ [-1, 1]).tolist() == signs.tolist()
        assert (np.sign(length.ravel()[pairs[:, :2]] @ [-1, 1]) == sign).all()
        assert (pairs[:, 2] == pairs[:, 0] - pairs[:, 0] % SHAPE[1]).all()
        share = (1 + np.mean(signs)) / 2 if len(signs) else float("nan")
        assert share_right(radius, length, condition) == pytest.approx(share, abs=1e-12, nan_ok=True)
    equal = selected(radius, length, 0)
    expected = np.mean(equal) if equal else float("nan")
    assert tau_d_equal_length(radius, length) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(radii, lengths)
def test_where_all_lengths_are_equal_it_is_tau_d(radius, length):
    level = np.broadcast_to(length[:, :1], SHAPE)
    assert tau_d_equal_length(radius, level) == pytest.approx(tau_d(radius), abs=1e-12)


def test_counts_of_chains_are_repetitions():
    radius, length = drawn(3, 12)
    counts = np.random.default_rng(1).integers(0, 4, 12)
    again = [np.repeat(part, counts, axis=0) for part in (radius, length)]
    assert PartialTau(radius, length).value(counts) == pytest.approx(partial_tau(*again), abs=1e-12)


def partial_tau(radius, length):
    return PartialTau(radius, length).value()


def first_order(xy, xz, yz):
    return (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))


def test_partial_tau_of_one_chain_is_kendalls():
    """In a single long chain the pairs within chains are all pairs, and tau-b is scipy's."""
    radius, length = drawn(4, 1, 30)
    tier = np.arange(30)
    pairs = ((radius[0], tier), (radius[0], length[0]), (tier, length[0]))
    expected = first_order(*(kendalltau(x, y).statistic for x, y in pairs))
    assert partial_tau(radius, length) == pytest.approx(expected, abs=1e-12)


def test_partial_spearman_is_the_correlation_of_residuals():
    radius, length = drawn(5)
    tier = np.broadcast_to(np.arange(4), radius.shape)
    flat = [each.ravel() for each in (radius, tier, length)]
    by_formula = first_order(*(spearmanr(flat[i], flat[j]).statistic for i, j in ((0, 1), (0, 2), (1, 2))))
    assert partial_spearman(radius, length) == pytest.approx(by_formula, abs=1e-12)
    r, t, w = (rankdata(each) for each in flat)
    design = np.stack([np.ones_like(w), w], axis=1)
    left, right = (each - design @ np.linalg.lstsq(design, each, rcond=None)[0] for each in (r, t))
    assert partial_spearman(radius, length) == pytest.approx(pearsonr(left, right).statistic, abs=1e-9)


def test_partial_correlations_where_length_explains_nothing_or_everything():
    radius, _ = drawn(6)
    level = np.ones(radius.shape)
    assert partial_tau(radius, level) == pytest.approx(kendalltau_within(radius), abs=1e-12)
    tier = np.broadcast_to(np.arange(4), radius.shape)
    assert partial_spearman(radius, level) == pytest.approx(
        spearmanr(radius.ravel(), tier.ravel()).statistic, abs=1e-12
    )
    assert np.isnan(partial_tau(radius, tier))
    assert np.isnan(partial_spearman(radius, radius))
    assert np.isnan(partial_tau(level, tier))


def kendalltau_within(radius):
    signs = np.concatenate([np.sign(r[j] - r[i : i + 1]) for r in radius for i, j in combinations(range(len(r)), 2)])
    return signs.sum() / np.sqrt(len(signs) * (signs**2).sum())


def test_lengths_of_captions():
    assert chain_lengths([["a  b", "é"], ["", "one two\tthree"]]).tolist() == [[2, 1], [0, 3]]
    assert chain_lengths([["a  b", "é"]], "characters").tolist() == [[4, 1]]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: chain_lengths([]), "at least one chain"),
        (lambda: chain_lengths([["a"], ["a", "b"]]), "equally many"),
        (lambda: tau_d_equal_length([[1, np.nan]], [[1, 2]]), "NaN"),
    ],
)
def test_bad_input(call, named):
    with pytest.raises(InputError, match=named):
        call()
