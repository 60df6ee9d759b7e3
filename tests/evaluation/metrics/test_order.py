"""Orders of tiers against scipy's Kendall tau and cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau

from hiergeo._core.errors import InputError
from hiergeo.evaluation.answers import length_answer, order_answer
from hiergeo.evaluation.metrics import tau_d, tau_d_rows, tied_share
from hiergeo.evaluation.metrics.order import order_at_equal_length, order_of_tiers


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


def test_the_order_of_tiers_is_tau_d_of_the_chains():
    generator = np.random.default_rng(2)
    radii, chains = generator.random(30), generator.integers(30, size=(20, 3))
    assert order_of_tiers(radii, chains).value == pytest.approx(tau_d(radii[chains]))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_tier_of_one_caption_carries_no_claim(place):
    chains = np.insert(np.arange(40).reshape(20, 2), place, 40, axis=1)
    radii = np.random.default_rng(0).random(41)
    assert order_of_tiers(radii, chains) == order_of_tiers(radii[:40], np.delete(chains, place, axis=1))


def test_pairs_of_equal_length_of_a_case_worked_by_hand():
    """Of four pairs three are right; the wrong one has a specific caption that is longer, as two right ones have.

    Balanced, each of these three weighs 1 / 3: (1 + 1 - 1) / 3 + 1 of 2.
    """
    chains, radii = np.arange(8).reshape(4, 2), np.array([1.0, 2, 1, 2, 2, 1, 1, 2])
    characters = np.array([3, 5, 3, 5, 3, 5, 5, 3])
    found = order_at_equal_length(radii, chains, np.ones(8, int), characters)
    assert (found.words.value, found.words.items) == (0.5, 4)
    assert found.balanced.value == pytest.approx(2 / 3)
    assert (found.more, found.fewer) == (0.75, 0.25)


def test_characters_are_balanced_where_differences_are_alike():
    """Apart by 10, 9 and -8 the weights are 1/2, 1/2 and 1, by -4, 3 and 0 they are 1, by 30, which none balances, 0.

    Right are all but the pair apart by -8: (1/2 + 1/2 - 1 + 1 + 1 + 1) of 5.
    """
    apart = np.array([10, 9, -8, -4, 3, 30, 0])
    chains, characters = np.arange(14).reshape(7, 2), np.stack([40 + 0 * apart, 40 + apart], axis=1).ravel()
    radii = np.tile([1.0, 2.0], 7)
    radii[5] = 0
    found = order_at_equal_length(radii, chains, np.ones(14, int), characters)
    assert found.balanced.value == pytest.approx(3 / 5)
    assert (found.balanced.items, found.words.value) == (6, pytest.approx(5 / 7))
    assert (found.more, found.fewer) == (pytest.approx(4 / 7), pytest.approx(2 / 7))


def test_an_order_by_characters_with_noise_is_not_beyond_length_however_much_longer_captions_grow():
    """Ten characters a tier more in 60 % of families, one fewer in the others: large differences are hardly noisy."""
    random = np.random.default_rng(0)
    tiers, family = np.tile(np.arange(4), 600), np.repeat(np.arange(600), 4)
    growth = np.where(random.random(600) < 0.6, 10, -1)[family]
    characters = np.round(60 + growth * tiers + random.normal(0, 1, 2400)).astype(int)
    radii, chains = 0.02 * characters + 0.1 * random.standard_normal(2400), np.arange(2400).reshape(600, 4)
    found = order_at_equal_length(radii, chains, np.ones(2400, int), characters)
    assert found.words.value > 0.4
    assert found.balanced.p_value > 0.05
    assert length_answer(found, order_answer(order_of_tiers(radii, chains))).word != "yes"


def test_pairs_at_equal_length_are_joined_by_the_top_of_their_chain():
    chains = np.array([[0, 2, 3], [0, 4, 5], [1, 6, 7], [1, 8, 9]])
    words = np.array([1, 1, 2, 2, 2, 2, 2, 2, 2, 2])
    found = order_at_equal_length(np.arange(10.0), chains, words, np.arange(10))
    assert (found.words.items, found.words.effective) == (4, 2)


def test_pairs_of_other_lengths_are_left_out():
    chains, radii = np.arange(6).reshape(2, 3), np.array([1.0, 2, 0, 3, 2, 1])
    found = order_at_equal_length(radii, chains, np.array([1, 1, 2, 4, 5, 4]), np.arange(6))
    assert (found.words.value, found.words.items) == (0, 2)
    assert order_at_equal_length(radii, chains, np.arange(6), np.arange(6)) is None


@given(st.integers(1, 30), st.integers(0, 999), st.sampled_from([2, 5, 40]), st.floats(-0.5, 3))
def test_an_order_by_characters_alone_is_balanced_and_never_beyond_length(count, seed, most, drift):
    """The longer the specific captions of most chains are, the better does it look before it is balanced."""
    generator = np.random.default_rng(seed)
    chains = np.arange(3 * count).reshape(count, 3)
    characters = generator.integers(most, size=3 * count) + np.round(drift * (np.arange(3 * count) % 3)).astype(int)
    found = order_at_equal_length(characters * 1.0, chains, np.ones(3 * count, int), characters)
    assert found.balanced is None or found.balanced.value == pytest.approx(0, abs=1e-12)
    order = order_answer(order_of_tiers(characters * 1.0, chains))
    assert length_answer(found, order).word != "yes"
