"""What remarks warn of, at the numbers where that changes."""

import pytest

from hiergeo.evaluation.auditing.remarks import FOLLOWS, Evidence, _length, _spread, _tiers
from hiergeo.evaluation.metrics import Interval


@pytest.mark.parametrize(("correlation", "severity"), [(FOLLOWS**0.5 - 0.01, "note"), (FOLLOWS**0.5 + 0.01, "warning")])
def test_radii_that_follow_the_length_are_warned_of(correlation: float, severity: str) -> None:
    interval = {"length_spearman": Interval(correlation - 0.1, correlation + 0.1)}
    assert 0 < FOLLOWS < 1
    assert _length(Evidence({"length_spearman": correlation}, interval)).severity == severity


@pytest.mark.parametrize(("low", "severity"), [(0.01, "fine"), (-0.01, "warning")])
def test_radii_that_do_not_surely_order_tiers_are_warned_of(low: float, severity: str) -> None:
    numbers = {"tier_order": 0.2, "tier_order_words": 0.7}
    (tiers,) = _tiers(Evidence(numbers, {"tier_order": Interval(low, 0.3)}))
    assert tiers.severity == severity
    assert "0.700" in tiers.sentence


@pytest.mark.parametrize(("low", "severity"), [(0.01, "fine"), (0.0, "warning")])
def test_so_are_radii_that_do_not_at_equal_length(low: float, severity: str) -> None:
    numbers = {"tier_order": 0.2, "tier_order_words": 0.7, "tier_order_equal_length": 0.1}
    numbers |= {"tier_pairs_equal_length": 1234.0}
    intervals = {"tier_order": Interval(0.1, 0.3), "tier_order_equal_length": Interval(low, 0.3)}
    _, equal = _tiers(Evidence(numbers, intervals))
    assert equal.severity == severity
    assert "1,234" in equal.sentence


def test_the_spread_of_radii_is_told_up_to_where_it_has_no_end() -> None:
    assert "2.50" in _spread(Evidence({"radius_spread": 2.5}, {})).sentence
    assert "e+" not in _spread(Evidence({"radius_spread": 1e12}, {})).sentence
