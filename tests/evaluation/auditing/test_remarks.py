"""What remarks warn of, at the numbers where that changes."""

import pytest
from hiergeo.evaluation.auditing.judgement import Evidence

from hiergeo.evaluation.auditing.remarks import FOLLOWS, _behind_words, _length, _spread, _tiers
from hiergeo.evaluation.metrics import Interval


@pytest.mark.parametrize(("correlation", "severity"), [(FOLLOWS**0.5 - 0.01, "note"), (FOLLOWS**0.5 + 0.01, "warning")])
def test_radii_that_follow_the_length_are_warned_of(correlation: float, severity: str) -> None:
    interval = {"length_spearman": Interval(correlation - 0.1, correlation + 0.1)}
    assert 0 < FOLLOWS < 1
    assert _length(Evidence({"length_spearman": correlation}, interval)).severity == severity


@pytest.mark.parametrize(("words", "severity"), [(0.6, "fine"), (0.7, "note"), (0.8, "note")])
def test_radii_that_do_no_better_than_words_are_noted(words: float, severity: str) -> None:
    seen = Evidence({"tier_order": 0.7, "tier_order_words": words}, {"tier_order": Interval(0.6, 0.8)})
    first, *_ = _tiers(seen, None)
    assert first.severity == severity


def test_as_well_as_words_is_neither_better_nor_worse() -> None:
    beside = [_behind_words(Evidence({"tier_order": 0.7, "tier_order_words": words}, {})) for words in (0.6, 0.7, 0.8)]
    assert len(set(beside)) == 3


def test_the_spread_of_radii_is_told_up_to_where_it_has_no_end() -> None:
    assert "2.50" in _spread(Evidence({"radius_spread": 2.5}, {})).sentence
    assert "e+" not in _spread(Evidence({"radius_spread": 1e12}, {})).sentence
