"""What remarks warn of, at the numbers where that changes."""

import pytest

from hiergeo.evaluation.auditing.remarks import (
    CROWDED,
    EMPTY,
    FLAT_SPREAD,
    FOLLOWS,
    NARROW,
    SUNK,
    Remark,
    remarks,
)
from hiergeo.evaluation.experiment import FLAT_BEND
from hiergeo.evaluation.metrics import SMALL_SAMPLE, Interval

PLAIN = {"items": 100.0, "copies": 0.0}
FINE_CONES = {"cone_random": 0.2, "cone_empty": 0.1, "cone_saturated": 0.1}
WIDE = {"mean_direction": 0.3}
BENT = {"curvature": -1.0, "u_median": 1.0, "u_share_above_1": 0.5, "bend_high": 0.3}


def remark(kind: str, intervals: dict[str, Interval], **numbers: float) -> Remark:
    return next(each for each in remarks(PLAIN | numbers, intervals) if each.kind == kind)


STEP = 1e-6


@pytest.mark.parametrize(
    ("kind", "numbers", "severity"),
    [
        ("cones", FINE_CONES, "fine"),
        ("cones", FINE_CONES | {"cone_random": CROWDED + STEP}, "warning"),
        ("cones", FINE_CONES | {"cone_random": CROWDED}, "fine"),
        ("cones", FINE_CONES | {"cone_empty": EMPTY + STEP}, "warning"),
        ("cones", FINE_CONES | {"cone_saturated": SUNK + STEP}, "warning"),
        ("radii", {"radius_spread": FLAT_SPREAD - STEP}, "warning"),
        ("radii", {"radius_spread": FLAT_SPREAD}, "fine"),
        ("directions", WIDE, "fine"),
        ("directions", WIDE | {"mean_direction": NARROW}, "warning"),
        ("curvature", BENT, "fine"),
        ("curvature", BENT | {"bend_high": FLAT_BEND - STEP}, "warning"),
        ("curvature", BENT | {"bend_high": -0.3}, "fine"),
        ("curvature", {"curvature": 0.0, "u_median": 0.0}, "note"),
        ("copies", {"copies": 3.0}, "note"),
        ("items", {"items": SMALL_SAMPLE - 1.0}, "note"),
    ],
)
def test_the_severity_changes_at_its_limit(kind: str, numbers: dict[str, float], severity: str) -> None:
    assert remark(kind, {}, **numbers).severity == severity


def test_nothing_is_remarked_where_there_is_nothing() -> None:
    assert not list(remarks(PLAIN, {}))


@pytest.mark.parametrize(("correlation", "severity"), [(FOLLOWS**0.5 - 0.01, "note"), (FOLLOWS**0.5 + 0.01, "warning")])
def test_radii_that_follow_the_length_are_warned_of(correlation: float, severity: str) -> None:
    interval = {"length_spearman": Interval(correlation - 0.1, correlation + 0.1)}
    assert remark("length", interval, length_spearman=correlation).severity == severity
    assert remark("length", {"length_spearman": Interval(-0.1, 0.9)}, length_spearman=0.4).severity == "fine"
