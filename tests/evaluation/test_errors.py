"""Differences are found where there are none at most as often as promised: `benchmarks.controls.errors`, small."""

import pytest

from benchmarks.controls import errors

REPEATS, MOST = 24, 4
"""Repetitions, and how many of them may err: more than 4 of 24 do once in 160 times where the rate is 5 %."""


def test_comparisons_of_equals_name_no_winner():
    found = [errors.compared(30, 2, 6, 0.0, seed).board for seed in range(REPEATS)]
    assert sum(bool(each.decided) for each in found) <= MOST


@pytest.mark.slow
def test_a_lead_that_is_there_is_found():
    assert errors.compared(200, 2, 4, 1.0, 0).winners["auroc"] == "euclidean"


@pytest.mark.parametrize(("items", "chance"), [(30, 0.05), (100, 0.01)])
def test_intervals_of_rare_hits_hold_as_often_as_they_say(items, chance):
    found = errors.coverage(items, chance)
    assert found["coverage"] >= 0.95
    assert found["upper end of no hits"] == pytest.approx(1 - 0.025 ** (1 / items))
