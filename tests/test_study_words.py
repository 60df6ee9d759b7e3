"""Verdicts and conclusions: what is called collapse, flat, a lead, and no difference."""

from types import SimpleNamespace

import numpy as np
import pytest

from hiergeo.metrics import Interval
from hiergeo.study import Cell, Contrast
from hiergeo.study.conclusion import conclude
from hiergeo.study.verdicts import collapsed, flat, verdict
from hiergeo.training import Look

HEALTHY = {"in_cone_random": 0.1, "aperture_root": 0.0, "radius_spread": 1.5, "bend": 0.3}


def run(seed=0, curvature=-1.0, problem=None, radius=1.0, **numbers):
    after = SimpleNamespace(diagnostics=HEALTHY | numbers, radii=np.full((2, 4), radius))
    look = Look(0, {}, {}, 0.0, (), (curvature,))
    trained = SimpleNamespace(history=(look,), best=0)
    return SimpleNamespace(seed=seed, trained=trained, summary=SimpleNamespace(after=after), problem=problem)


def cell(*runs, geometry="lorentz:-1", rate=0.1, tuning=None):
    return Cell(geometry, 8, rate, runs or (run(),), tuning or {})


def contrast(difference, half, wide, metric="auroc", a="euclidean", b="lorentz:-1"):
    ends = [Interval(difference - reach, difference + reach) for reach in (half, wide)]
    return Contrast(metric, 8, a, b, difference, *ends)


def words(contrasts, cells=None, twins=(), same=frozenset(), leakage=None):
    return conclude(cells or (cell(geometry="euclidean"), cell()), contrasts, twins, same, leakage)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"in_cone_random": 0.95}, "Collapse in 1 of 2 heads: over 90% of random captions lie in each other's cones."),
        ({"aperture_root": 0.6}, "Collapse in 1 of 2 heads: over 50% of captions are so near to the root"),
        ({"radius_spread": 1.05}, "Collapse in 1 of 2 heads: radii hardly differ between tiers"),
    ],
)
def test_collapse_is_counted_over_seeds(numbers, said):
    lost = cell(run(), run(1, **numbers))
    assert said in verdict(lost)
    assert collapsed(lost)
    assert f"collapse in {lost.geometry} at dimension 8" in words([contrast(0, 1, 2)], (lost,))


def test_a_healthy_curved_cell():
    said = verdict(cell(run(curvature=-0.5), run(1, curvature=-0.7)))
    assert (
        said == "No collapse. With K = -0.7 to -0.5 a circle of the largest radius is up to 30.00% longer than "
        "a flat one: specific captions have that much more room to spread."
    )


def test_a_flat_cell_is_to_be_treated_as_euclidean_and_leads_by_no_curvature():
    bent = cell(run(bend=0.015), run(1, bend=0.01))
    assert flat(bent)
    assert "effectively flat, treat it as Euclidean" in verdict(bent)
    assert not flat(cell(run(bend=0.015), run(1, bend=0.03)))
    assert not flat(cell(run(bend=0.0), geometry="euclidean"))
    assert "circles" not in verdict(cell(run(bend=0.0), geometry="euclidean"))
    said = words([contrast(-0.5, 0.1, 0.2)], (cell(geometry="euclidean"), bent))
    assert "lorentz:-1 is effectively flat at dimension 8, so its lead is not one of curvature." in said


def test_the_equator_and_the_edge_of_the_grid_are_named():
    assert "beyond the equator" in verdict(cell(run(curvature=1.0, radius=1.6, bend=-0.3), geometry="sphere:1"))
    assert "equator" not in verdict(cell(run(curvature=1.0, radius=1.5, bend=-0.3), geometry="sphere:1"))
    assert "0.1, is the largest" in verdict(cell(tuning={0.01: 0.5, 0.05: 0.6, 0.1: 0.7}))
    assert "is the smallest" in verdict(cell(tuning={0.1: 0.7, 0.5: 0.6, 1.0: 0.5}))
    assert "tried" not in verdict(cell(tuning={0.01: 0.5, 0.1: 0.7, 1.0: 0.6}))


def test_problems_are_named_with_their_seed():
    said = verdict(cell(run(), run(3, problem="the loss became NaN at step 7")))
    assert "Seed 3: the loss became NaN at step 7; it counts with the state of step 0." in said


def test_an_interval_that_is_sure_alone_and_not_together_is_no_difference():
    assert contrast(0.02, 0.01, 0.03).winner is None
    five = tuple(cell(*map(run, range(5)), geometry=name) for name in ("euclidean", "lorentz:-1"))
    assert words([contrast(0.02, 0.01, 0.03), contrast(0.01, 0.02, 0.06, "tau_d")], five) == (
        "No difference: none of the 2 differences between geometries stands once all are looked at together. "
        "The surest, euclidean less lorentz:-1 in auroc at dimension 8, is +0.0200 "
        "(95 % interval +0.0100 to +0.0300, taken alone)."
    )


def test_few_seeds_cannot_tell_that_there_is_no_difference():
    three = tuple(cell(*map(run, range(3)), geometry=name) for name in ("euclidean", "lorentz:-1"))
    said = words([contrast(0.02, 0.01, 0.03)], three)
    assert said.startswith("Inconclusive, 3 seeds cannot tell")
    assert "No difference" not in said


def test_a_difference_without_width_decides_nothing():
    assert contrast(0.02, 0.0, 0.0).winner is None


def test_leads_in_both_directions_are_counted():
    made = [
        contrast(0.05, 0.01, 0.02, "auroc"),
        contrast(0.03, 0.01, 0.02, "recall"),
        contrast(-0.04, 0.01, 0.02, "precision"),
        contrast(0.01, 0.01, 0.02, "tau_d"),
    ]
    assert [each.winner for each in made] == ["euclidean", "euclidean", "lorentz:-1", None]
    assert words(made) == (
        "3 of 4 differences between geometries stand once all are looked at together. "
        "Against euclidean at dimension 8: lorentz:-1 is better in 1 (most in precision, by 0.0400) "
        "and worse in 2 (most in auroc, by 0.0500) of 4 metrics."
    )


def test_without_euclid_the_first_geometry_is_the_reference():
    made = [contrast(0.05, 0.01, 0.02, a="lorentz:-1", b="sphere:0.25"), contrast(0, 1, 2, "tau_d", "lorentz:-1", "s")]
    said = words(made, (cell(), cell(geometry="sphere:0.25")))
    assert "Against lorentz:-1 at dimension 8: sphere:0.25 is worse in 1" in said
    assert "s is no different in any of 1 metrics" in said


def test_a_lead_across_learning_rates_is_not_put_down_to_geometry():
    cells = (cell(geometry="euclidean", rate=0.003), cell(rate=0.001))
    made = [contrast(0.05, 0.01, 0.02)]
    assert "different learning rates, euclidean (0.003), lorentz:-1 (0.001)" in words(made, cells)
    assert "learning rates" not in words(made)
    assert "learning rates" not in words([contrast(0.05, 0.06, 0.07)], cells)


def test_charts_shared_metrics_and_leakage_are_said():
    said = words(
        [contrast(0, 1, 2)], twins=(("lorentz:-1", "poincare:-1"),), same=frozenset({"tau_d"}), leakage="9 rows."
    )
    assert "lorentz:-1 and poincare:-1 are one space in 2 charts" in said
    assert "tau_d cannot differ under these losses" in said
    assert said.endswith("Trained on test data: 9 rows.")
    assert words([]).startswith("Nothing was compared")
