"""Contrasts and their evidence, leaders, and when differences are decided."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest

from hiergeo.evaluation.experiment import BeforeAfter, Board, Contrast, SpaceFacts
from hiergeo.evaluation.metrics import Interval, SignTest, find_metric
from tests.evaluation.experiment.experiment_common import (
    changed,
    compared,
    hits,
    measured,
    result,
    run,
    space,
    trained,
)


@pytest.mark.parametrize("metric", ["recall", "parent_mrr"])
def test_five_items_better_and_none_worse_name_no_winner(metric):
    """The bootstrap interval excludes 0, and the exact test says that chance does as much once in 16 times."""
    base, better = hits(200, 5)
    (contrast,) = compared({"euclidean": better, "lorentz:-1": base}, metric=metric).contrasts
    assert contrast.simultaneous.low > 0
    assert contrast.test == SignTest(5, 0, 195, pytest.approx(2 * 0.5**5))
    assert contrast.undecided_because == "sign test"
    assert contrast.winner is None


def test_ten_items_better_and_none_worse_name_one():
    base, better = hits(200, 10)
    findings = compared({"euclidean": better, "lorentz:-1": base})
    assert findings.contrasts[0].winner == "euclidean"
    assert findings.leaders("recall", 8) == ("euclidean",)
    turned = findings.contrasts[0].seen_from("lorentz:-1")
    assert (turned.a, turned.winner, turned.test.better, turned.test.worse) == ("lorentz:-1", "euclidean", 0, 10)
    assert turned.interval == (-findings.contrasts[0].interval.high, -findings.contrasts[0].interval.low)


def test_p_values_are_corrected_over_the_rivals():
    base, better = hits(200, 7)
    alone = compared({"euclidean": better, "lorentz:-1": base})
    many = compared(
        {"euclidean": better, "lorentz:-1": base, "sphere:0.25": base, "lorentz:-2": base, "lorentz:-3": base}
    )
    assert alone.leaders("recall", 8) == ("euclidean",)
    assert many.leaders("recall", 8) == ()
    p = binomtest(0, 7).pvalue
    adjusted = [each.adjusted_p for each in many.contrasts if each.a == "euclidean"]
    assert adjusted == pytest.approx([p * 10] * 4)


@pytest.mark.parametrize(("bend", "winner"), [(0.5, "euclidean"), (0.001, None)])
def test_flat_spaces_have_no_winner_among_them(bend, winner):
    base, better = hits(200, 40)
    found = compared({"euclidean": better, "lorentz:-0.05": base}, bends={"lorentz:-0.05": bend})
    assert found.leaders("recall", 8) == ((winner,) if winner else ())
    assert found.contrasts[0].undecided_because == (None if winner else "flat")
    assert ["flat" in each.kind for each in found.cautions] == ([] if winner else [True])


def test_flat_spaces_win_together_against_the_others():
    """The one that beats the curved space leads; the flat rival does not stand in its way."""
    base, better = hits(200, 40)
    even_better = better.copy()
    even_better[np.flatnonzero(better == 0)[:20]] = 1
    rows = {"euclidean": better, "lorentz:-0.05": even_better, "lorentz:-4": base}
    found = compared(rows, bends={"lorentz:-0.05": 0.001})
    assert found.leaders("recall", 8) == ("euclidean", "lorentz:-0.05")
    assert compared(rows).leaders("recall", 8) == ("lorentz:-0.05",)


def test_a_product_that_adds_lengths_is_never_flat():
    added = SpaceFacts.of([measured("product:euclidean:x4,euclidean:x4,l1", np.ones(3), bend=0.0)])
    assert not added.level
    assert not added.counts_as_one_with(space("euclidean"))


def test_charts_are_one_space():
    base, better = hits(200, 40)
    found = compared({"lorentz:-1": better, "poincare:-1": better, "euclidean": base})
    assert found.charts == (("lorentz:-1", "poincare:-1"),)
    assert [(each.a, each.b) for each in found.contrasts] == [("lorentz:-1", "euclidean"), ("poincare:-1", "euclidean")]
    assert found.leaders("recall", 8) == ("lorentz:-1", "poincare:-1")
    (charts,) = (caution.message for caution in found.cautions if caution.kind == "charts")
    assert all(each in charts for each in found.charts[0])
    assert space("product:lorentz:-1x2").identity == space("product:poincare:-1x2").identity
    assert space("product:lorentz:-1x2").identity != space("lorentz:-1").identity


@pytest.mark.parametrize("setting", ["root", "min_radius"])
def test_around_another_root_or_with_other_cones_it_is_another_space(setting):
    one, other = measured("lorentz:-1", np.ones(3)), measured("lorentz:-1", np.ones(3))
    other = changed(other, settings=other.result.settings | {setting: "other"})
    assert SpaceFacts.of([one]).identity != SpaceFacts.of([other]).identity


def test_a_geometry_that_no_spec_names_is_known_by_its_curvature():
    own, named = measured("own geometry", np.ones(3)), measured("lorentz:-2", np.ones(3))
    known = [changed(each, diagnostics={"bend": 0.5, "curvature": -2.0}) for each in (own, named)]
    assert len({SpaceFacts.of([each]).identity for each in known}) == 1
    assert SpaceFacts.of([own]).identity != SpaceFacts.of([named]).identity


def test_flat_spaces_of_two_models_are_compared():
    base, better = hits(200, 40)
    runs = [replace(measured("euclidean", rows), label=name, model=name) for name, rows in (("a", better), ("b", base))]
    assert Board(tuple(runs)).leaders("recall", 8) == ("a",)
    same = [replace(each, fingerprint="one") for each in runs]
    assert Board(tuple(same)).contrasts == ()


def test_metrics_that_are_no_merit_have_no_winner_and_smaller_can_be_better(monkeypatch):
    made = Contrast("score_ties", 8, "a", "b", 0.5, Interval(0.4, 0.6), Interval(0.3, 0.7))
    assert made.undecided_because == "no merit"
    from hiergeo.evaluation import metrics
    from hiergeo.evaluation.experiment import board, contrasts

    def find(name):
        return metrics.Metric(name, name, higher_is_better=False)

    monkeypatch.setattr(contrasts, "find_metric", find)
    monkeypatch.setattr(board, "find_metric", find)
    base, better = hits(200, 40)
    found = compared({"euclidean": better, "lorentz:-1": base})
    assert found.leaders("recall", 8) == ("lorentz:-1",)


@pytest.mark.parametrize(("merit", "said"), [(True, "worse"), (False, "better"), (None, "same")])
def test_a_change_is_better_in_the_direction_of_the_metric(monkeypatch, merit, said):
    known = find_metric("recall")
    monkeypatch.setattr(
        "hiergeo.evaluation.experiment.contrasts.find_metric", lambda _: replace(known, higher_is_better=merit)
    )
    assert BeforeAfter("recall", 0.5, 0.3, Interval(-0.3, -0.1)).direction == said
    assert BeforeAfter("recall", 0.5, 0.3, Interval(-0.3, 0.1)).direction == "same"


def contrasted(values, metrics=("recall",), *, seed=0):
    return trained(values, metrics, seed).contrasts


def test_every_difference_resamples_the_seeds_by_itself_and_charts_share_a_resampling():
    """One stream for all would make differences of equal numbers vary together: see `crossed_draws`."""
    level, bent = [0.5, 0.6, 0.9], [0.1, 0.4, 0.2]
    values = {"euclidean": level, "lorentz:-1": bent, "poincare:-1": bent, "sphere:0.1": bent}
    found = contrasted(values, ("recall", "precision"))
    of = {(each.metric, each.b): each.interval for each in found if each.a == "euclidean"}
    one, chart, other = (of["recall", spec] for spec in ("lorentz:-1", "poincare:-1", "sphere:0.1"))
    assert one == chart
    assert len({one, other, of["precision", "lorentz:-1"], of["precision", "sphere:0.1"]}) == 4


def test_the_resampling_of_seeds_follows_the_seed():
    values = {"euclidean": [0.5, 0.6, 0.9], "lorentz:-1": [0.1, 0.4, 0.2]}
    (one,), (again,), (other,) = (contrasted(values, seed=seed) for seed in (3, 3, 4))
    assert one.interval == again.interval != other.interval


def test_p_values_are_corrected_over_all_metrics():
    base, better = hits(200, 7)
    made = {"euclidean": better, "lorentz:-1": base}
    both = []
    for spec, rows in made.items():
        one, two = (measured(spec, rows, metric).result for metric in ("recall", "precision"))
        names = ("metrics", "draws", "rows", "items")
        both.append(run(spec, replace(one, **{name: getattr(one, name) | getattr(two, name) for name in names})))
    found = Board(tuple(both)).contrasts
    assert [each.metric for each in found] == ["recall", "precision"]
    assert [each.adjusted_p for each in found] == pytest.approx([binomtest(0, 7).pvalue * 2] * 2)


def test_different_items_are_not_paired():
    assert Board((measured("euclidean", np.ones(40)), measured("lorentz:-1", np.zeros(50)))).contrasts == ()


def test_the_sign_test_is_of_the_means_over_seeds():
    """Seed 0 is better on 10 items, seed 1 worse on 6 of them by as much: 4 are better."""
    base, better = hits(200, 10)
    changed = np.flatnonzero(better != base)
    worse = base.copy()
    worse[changed[:6]] = -1
    cells = (("euclidean", better, 0), ("euclidean", worse, 1), ("lorentz:-1", base, 0), ("lorentz:-1", base, 1))
    (found,) = Board(tuple(measured(spec, rows, seed=seed) for spec, rows, seed in cells)).contrasts
    assert (found.test.better, found.test.worse, found.test.tied) == (4, 0, 196)


def test_controls_are_not_contrasted():
    found = compared({"euclidean": np.ones(40), "lorentz:-1": np.zeros(40)}, metric="auroc_equal_length")
    assert found.contrasts == ()


def test_a_change_is_the_mean_over_seeds_minus_what_was_before():
    """Three seeds at 0.2, 0.4 and 0.9 from 0.3: on average 0.2 more. The items move before and after alike."""
    wave = np.sin(np.arange(400))
    before, *after = (result({"recall": value}, draws={"recall": value + wave}) for value in (0.3, 0.2, 0.4, 0.9))
    change = BeforeAfter.of("recall", before, after)
    assert (change.before, change.after) == pytest.approx((0.3, 0.5))
    steady = BeforeAfter.of("recall", before, [before] * 3)
    assert steady.interval == pytest.approx((0, 0))
    assert BeforeAfter.of("precision", before, after) is None


def test_the_span_of_a_metric_holds_every_seed():
    """The interval of a mean over many seeds leaves the farthest of them out."""
    findings = trained({"euclidean": [0.5] * 19 + [0.9], "lorentz:-1": [0.5] * 19 + [0.1]})
    assert findings.score("recall", "euclidean", 8).interval.high < 0.9
    assert findings.score("recall", "lorentz:-1", 8).interval.low > 0.1
    assert findings.span("recall", 8) == (0.1, 0.9)


@pytest.mark.parametrize(("count", "warned"), [(10, True), (29, True), (30, False)])
def test_small_samples_carry_a_caution(count, warned):
    found = compared({"euclidean": np.ones(count), "lorentz:-1": np.zeros(count)})
    assert [each.kind for each in found.cautions] == (["small sample"] if warned else [])
    if warned:
        assert found.cautions[0].subjects == ("recall",)
        assert f"{count} images" in found.cautions[0].message


def with_controls(*reached: dict[str, float], metric: str = "precision") -> Board:
    """Two spaces, with what controls reach in each."""
    base, better = hits(400, 60)
    found = compared({"euclidean": base, "lorentz:-1": better}, metric=metric)
    return Board(tuple(changed(of, baselines={metric: each}) for of, each in zip(found.runs, reached, strict=True)))


@pytest.mark.parametrize(("metric", "least", "strongest"), [("precision", 0.96, 0.99), ("tie", 0.2, 0.1)])
@pytest.mark.parametrize("first", [True, False])
def test_a_control_is_what_it_reaches_in_the_space_where_it_does_best(metric, least, strongest, first):
    reached = [{"length": strongest, "chance": float("nan")}, {"length": least}]
    found = with_controls(*(reached if first else reached[::-1]), metric=metric)
    assert found.baselines(metric, 8) == {"length": strongest}
    (grid,) = found.grids()
    control = grid.rows[0][1][-1]
    assert (control.note, control.value) == ("words alone", f"{strongest:.3f}")
    assert found.control(metric, 8) == ("words alone", strongest)
    assert found.baselines("recall", 8) == {}
    assert found.geometries(7) == ()


def test_a_control_of_several_seeds_is_their_mean():
    found = with_controls({}, {})
    runs = tuple(
        replace(changed(each, baselines={"precision": {"length": value}}), seed=seed)
        for each in found.runs
        for seed, value in ((0, 0.9), (1, 0.7))
    )
    assert Board(runs).baselines("precision", 8) == {"length": pytest.approx(0.8)}


@pytest.mark.parametrize("effective", [400.0, 7.5])
def test_differences_of_items_that_share_captions_are_tested_by_students_t(effective):
    found = with_controls({}, {})
    board = Board(tuple(changed(each, effective={"precision": effective}) for each in found.runs))
    (contrast,) = board.contrasts
    one, other = (each.result for each in board.runs)
    draws = one.draws["precision"] - other.draws["precision"]
    error = draws.std() * stats.norm.ppf(0.975) / stats.t.ppf(0.975, effective - 1)
    difference = one.metrics["precision"] - other.metrics["precision"]
    assert contrast.test is None
    assert contrast.adjusted_p == pytest.approx(2 * stats.t.sf(abs(difference) / error, effective - 1))


def test_a_space_is_flat_only_if_it_is_so_with_every_seed():
    runs = [measured("lorentz:-1", np.ones(3), seed=seed, bend=bend) for seed, bend in enumerate((0.5, 0.001, -0.6))]
    assert not SpaceFacts.of(runs).level
    assert SpaceFacts.of(runs).bend == -0.6
    assert SpaceFacts.of(runs[1:2]).level


def test_spaces_of_different_dimensions_are_not_compared():
    base, better = hits(200, 40)
    runs = [measured("euclidean", better), replace(measured("lorentz:-1", base), dim=4)]
    assert Board(tuple(runs)).contrasts == ()
    assert Board(tuple(runs)).dims == (8, 4)


def test_none_leads_who_was_not_compared_with_all():
    """Rows on other items are not paired: who beats the others may still be behind such a row."""
    base, better = hits(400, 120)
    runs = compared({"euclidean": base, "lorentz:-1": better, "sphere:1": np.ones(400)}, metric="precision").runs
    apart = Board((*runs[:2], changed(runs[2], items={"precision": 399})))
    (contrast,) = apart.contrasts_of("precision", 8)
    assert contrast.winner == "lorentz:-1"
    assert apart.leaders("precision", 8) == ()
    assert Board(runs[:2]).leaders("precision", 8) == ("lorentz:-1",)


def test_draws_that_are_not_finite_are_not_compared():
    base, better = hits(400, 60)
    found = compared({"euclidean": base, "lorentz:-1": better}, metric="precision")
    first, second = found.runs
    broken = changed(second, draws={"precision": np.r_[np.nan, second.result.draws["precision"][1:]]})
    assert found.contrasts
    assert Board((first, broken)).contrasts == ()
