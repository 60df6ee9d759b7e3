"""Effects are called where there are none at most as often as promised: `benchmarks.controls.errors`, a small one."""

import numpy as np
import pytest

from benchmarks.controls import errors

REPEATS, MOST = 24, 4
"""Repetitions, and how many of them may err: more than 4 of 24 do once in 160 times where the rate is 5 %."""


def test_comparisons_of_equals_name_no_winner():
    found = [errors.compared(30, 2, 6, 0.0, seed).findings for seed in range(REPEATS)]
    assert sum(bool(each.decided) for each in found) <= MOST


@pytest.mark.slow
def test_audits_call_no_effect_where_controls_do_as_well():
    found = [errors.audited(30, 0.0, seed).findings for seed in range(REPEATS)]
    assert sum(any(each.effect(kind) != "nothing" for kind in errors.EFFECTS) for each in found) <= MOST


def test_a_coin_survives_the_control_of_length_at_most_once_in_forty_times():
    rates = [errors.length_rates(pairs)["a coin"] for pairs in (*range(1, 17), 40)]
    assert max(rates) <= 0.025
    assert errors.survives(6, 6)
    assert not errors.survives(6, 7)


@pytest.mark.slow
def test_effects_that_are_there_are_found():
    assert errors.length_rates(100)["3 of 4"] > 0.99
    assert errors.compared(200, 2, 4, 1.0, 0).winners["auroc"] == "euclidean"
    assert all(errors.audited(200, 1.0, 0).findings.works(kind) for kind in errors.EFFECTS)


@pytest.mark.parametrize(("items", "chance"), [(30, 0.05), (100, 0.01)])
def test_intervals_of_rare_hits_hold_as_often_as_they_say(items, chance):
    found = errors.coverage(items, chance)
    assert found["coverage"] >= 0.95
    assert found["upper end of no hits"] == pytest.approx(1 - 0.025 ** (1 / items))


def test_a_chain_of_several_pairs_of_equal_length_is_one_item():
    """Three pairs a chain, all alike within it: 15 pairs of 5 chains are 5 tosses of a coin, not 15."""
    rows = [(f"a{row}", f"b{row}", f"c{row}") for row in range(5)]
    radii = np.array([[1.0, 2.0, 3.0]] * 5)
    assert not errors.facts_of(rows, radii).survives
