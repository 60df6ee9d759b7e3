"""The strongest control beside the spaces: which it is, on which side it stands, whom headlines praise."""

from dataclasses import replace

import numpy as np
import pytest

from hiergeo.evaluation.findings import Cube, Findings, Reached, conclude_comparison, conclude_study, strongest_control
from hiergeo.evaluation.findings.conclusions import order_beside
from hiergeo.evaluation.metrics import Interval, find_metric
from tests.evaluation.findings.findings_common import compared, hits

WORDS = {"length": 0.877, "characters": 0.85, "chance": 0.0}


def reached(value: float, half: float = 0.02, controls=WORDS, space: str = "euclidean") -> Reached:
    return Reached(space, value, Interval(value - half, value + half), controls)


@pytest.mark.parametrize(
    ("value", "standing"), [(0.723, "better"), (0.95, "worse"), (0.87, "level"), (0.897, "level"), (0.857, "level")]
)
def test_a_control_is_better_or_worse_where_it_lies_beyond_the_interval(value, standing):
    control = strongest_control("tau_d", [reached(value)])
    assert (control.metric, control.name, control.value) == ("tau_d", "length", 0.877)
    assert (control.score, control.standing) == (value, standing)
    assert control.lead == pytest.approx(0.877 - value)


def test_where_less_is_better_the_least_control_is_the_strongest():
    controls = {"shuffled": 3.0, "majority": 2.0}
    control = strongest_control("tie", [reached(2.5, 0.1, controls)])
    assert (control.name, control.standing) == ("majority", "better")
    assert strongest_control("tie", [reached(1.5, 0.1, controls)]).standing == "worse"


def test_one_space_that_beats_its_control_is_enough_whatever_its_value():
    low = reached(0.4, 0.05, {"length": 0.2}, "sphere:1")
    high = reached(0.6, 0.05, {"length": 0.9})
    control = strongest_control("recall", [high, low])
    assert (control.space, control.standing, control.value) == ("sphere:1", "worse", 0.2)
    assert strongest_control("recall", [high]).standing == "better"


@pytest.mark.parametrize(
    ("words", "value", "name", "standing"),
    [
        (0.503, 0.45, "chance", "better"),
        (0.503, 0.51, "chance", "level"),
        (0.4, 0.62, "chance", "worse"),
        (0.56, 0.45, "length", "better"),
        (0.56, 0.57, "length", "level"),
        (0.56, 0.62, "length", "worse"),
    ],
)
def test_a_control_that_does_not_beat_chance_gives_way_to_chance(words, value, name, standing):
    """Nearer to it than half the interval is wide, words are chance: no headline begins with them."""
    control = strongest_control("auroc", [reached(value, controls={"length": words, "chance": 0.5})])
    assert (control.name, control.standing, control.unbeaten) == (name, standing, name == "chance")
    assert control.value == (0.5 if name == "chance" else words)


def test_chance_alone_is_a_control_like_others():
    assert not strongest_control("image_to_text_r1", [reached(0.5, controls={"chance": 0.01})]).unbeaten
    least = strongest_control("tie", [reached(2.5, 0.1, {"shuffled": 2.95, "chance": 3.0})])
    assert (least.name, least.standing, least.unbeaten) == ("chance", "worse", True)


def test_a_headline_does_not_begin_with_words_at_chance():
    found = led(0.5, "auroc")
    entries = (replace(each, baselines={"auroc": {"length": 0.502, "chance": 0.5}}) for each in found.cube.entries)
    turned = (replace(each, draws={"auroc": each.draws["auroc"] - 0.4}, rows={}) for each in entries)
    headline = conclude_comparison(replace(found, cube=Cube(tuple(turned)))).headline
    assert headline.lower().startswith("chance")
    assert "0.502" not in headline
    assert "words" not in headline


def test_without_a_merit_or_a_known_value_there_is_no_control():
    assert strongest_control("words", [reached(0.5)]) is None
    assert strongest_control("recall", [reached(0.5, controls={})]) is None
    assert strongest_control("recall", [reached(0.5, controls={"length": float("nan")})]) is None
    assert strongest_control("recall", []) is None


def test_without_anything_to_say_nothing_is_said():
    rows = np.linspace(0, 1, 50)
    assert conclude_comparison(compared({"euclidean": rows}, metric="recall")).headline == ""


def led(control: float, metric: str = "precision") -> Findings:
    """Findings in which one space leads, beside words that reach a value."""
    base, better = hits(400, 60)
    found = compared({"euclidean": base, "lorentz:-1": better}, metric=metric)
    entries = tuple(replace(each, baselines={metric: {"length": control}}) for each in found.cube.entries)
    return replace(found, cube=replace(found.cube, entries=entries))


def test_a_leader_is_not_praised_where_a_control_does_better_than_every_space():
    assert led(0.1).leaders("precision", 8) == ("lorentz:-1",)
    beaten, leading = (conclude_comparison(led(control)) for control in (0.99, 0.1))
    assert beaten.controls[0].standing == "better"
    assert "lorentz:-1" in leading.headline
    assert "lorentz:-1" not in beaten.headline
    assert "euclidean" not in beaten.headline


@pytest.mark.parametrize("conclude", [conclude_comparison, lambda findings: conclude_study(findings, None)])
def test_a_headline_gives_the_values_of_the_control_and_of_the_best_space_first(conclude):
    conclusion = conclude(led(0.99, "tau_d"))
    (control,) = conclusion.controls
    score = led(0.99, "tau_d").score("tau_d", "lorentz:-1", 8).value
    assert (control.metric, control.space, control.score) == ("tau_d", "lorentz:-1", score)
    numbers = [conclusion.headline.index(f"{value:.3f}") for value in (0.99, score)]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("control", [0.99, 0.1])
def test_a_headline_is_one_sentence_that_turns_to_praise_once(control):
    first, second = led(control, "tau_d"), led(0.1, "recall")
    entries = [
        replace(one, metrics=one.metrics | two.metrics, draws=one.draws | two.draws, baselines=one.baselines)
        for one, two in zip(first.cube.entries, second.cube.entries, strict=True)
    ]
    cube = Cube(tuple(entries))
    findings = replace(first, cube=cube, contrasts=(*first.contrasts, *second.contrasts))
    headline = conclude_comparison(findings).headline
    assert ";" not in headline
    assert headline.count(", but ") == (control > 0.5)
    assert headline.count(", and ") == (control < 0.5)


@pytest.mark.parametrize(("metric", "least", "stronger"), [("precision", 0.96, 0.99), ("tie", 0.2, 0.1)])
def test_a_control_is_one_figure_for_tables_and_headlines(metric, least, stronger):
    """That of the space where it does best, whichever space comes first or does best itself."""
    found = led(least, metric)
    first, second = found.cube.entries
    for changed in (0, 1):
        entries = [first, second]
        entries[changed] = replace(entries[changed], baselines={metric: {"length": stronger, "chance": float("nan")}})
        one = replace(found, cube=replace(found.cube, entries=tuple(entries)))
        assert one.baselines(metric, 8) == {"length": stronger}
        assert [each.value for each in conclude_comparison(one).controls] == [stronger]
        (grid,) = one.grids()
        assert (grid.heads[-1], grid.rows[0][1][-1].value) == ("words alone", f"{stronger:.3f}")
    assert found.baselines("recall", 8) == found.baselines(metric, 7) == {}


def test_controls_that_are_ahead_come_first_and_controls_of_length_are_no_rivals():
    first, second = led(0.1, "tau_d"), led(0.99, "recall")
    extra = replace(first.cube.entries[0], baselines={})
    entries = []
    for one, two in zip(first.cube.entries, second.cube.entries, strict=True):
        equal = {"tau_d_equal_length": np.zeros(400)}
        entries.append(
            replace(
                one,
                metrics=one.metrics | two.metrics | {"tau_d_equal_length": 0.0},
                draws=one.draws | two.draws | equal,
                baselines=one.baselines | two.baselines | {"tau_d_equal_length": {"length": 0.5}},
            )
        )
    findings = replace(first, cube=replace(first.cube, entries=tuple(entries)))
    assert [each.metric for each in conclude_comparison(findings).controls] == ["recall", "tau_d"]
    alone = replace(first, cube=replace(first.cube, entries=(extra, *first.cube.entries[1:])))
    assert [each.space for each in alone.controls(8)] == ["lorentz:-1"]


def test_a_control_of_several_seeds_is_their_mean():
    found = led(0.5, "recall")
    entries = [
        replace(each, seed=seed, baselines={"recall": {"length": value}})
        for each in found.cube.entries
        for seed, value in ((0, 0.9), (1, 0.7))
    ]
    ordered = tuple(sorted(entries, key=lambda each: each.geometry))
    (control,) = replace(found, cube=replace(found.cube, entries=ordered)).controls(8)
    assert control.value == pytest.approx(0.8)


@pytest.mark.parametrize(("value", "standing"), [(0.9, "better"), (0.7, "level"), (0.5, "worse")])
def test_whoever_orders_better_is_the_subject_of_the_clause(value, standing):
    control = strongest_control("tau_d", [reached(0.7, controls={"length": value})])
    assert control.standing == standing
    assert order_beside(control).startswith(control.noun) == (standing == "better")


def test_a_control_that_is_ahead_in_order_and_elsewhere_is_praised_for_both():
    ordered, recalled = led(0.99, "tau_d"), led(0.98, "recall")
    entries = tuple(
        replace(
            one,
            metrics=one.metrics | two.metrics,
            draws=one.draws | two.draws,
            baselines=one.baselines | two.baselines,
        )
        for one, two in zip(ordered.cube.entries, recalled.cube.entries, strict=True)
    )
    headline = conclude_comparison(replace(ordered, cube=replace(ordered.cube, entries=entries))).headline
    assert all(each in headline for each in ("0.990", "0.980", find_metric("recall").label))


def test_where_nothing_depends_on_the_geometry_a_remark_says_what_does():
    rows = np.linspace(0, 1, 50)
    alike, apart = (
        conclude_comparison(compared({"euclidean": rows, "lorentz:-1": rows}, metric=metric)).remarks
        for metric in ("tau_d", "recall")
    )
    assert [remark for remark in alike if remark not in apart]
    assert not any("audit" in remark for remark in apart)
