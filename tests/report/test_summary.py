"""The picture below a headline: what it shows, and that dots and bars lie where the numbers are."""

from dataclasses import replace

import numpy as np
import pytest

import hiergeo
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.report import summary
from hiergeo.report.audits import ATTRIBUTION
from hiergeo.report.dots import LETTERS, Dot, DotPlot, dot_plot
from tests.datasets.scenes_common import scenes_study


def data(plot: DotPlot, pixels: float) -> float:
    """The value at a place, from two ticks and their labels."""
    places, labels = zip(*plot.ticks, strict=True)
    values = [float(each.replace("−", "-")) for each in labels]
    slope = (values[-1] - values[0]) / (places[-1] - places[0])
    return values[0] + slope * (pixels - places[0])


@pytest.fixture(scope="module")
def comparison():
    scenes = hiergeo.datasets.load("scenes", count=30)
    return hiergeo.compare("tiny", scenes, ["euclidean", "lorentz:-1", "sphere:0.25"], samples=40, steps=10)


@pytest.fixture(scope="module")
def audit():
    scenes = hiergeo.datasets.load("scenes", count=24)
    return hiergeo.audit("tiny", scenes, "lorentz:-1", AuditSettings(steps=5, samples=40))


def test_a_comparison_shows_its_metrics_where_they_are(comparison):
    findings, dim = comparison.findings, comparison.dim
    shown = summary.of_comparison(findings).plots
    assert [plot.metric for plot in shown[:1]] == ["tau_d"]
    assert len(shown) == 3
    assert [row.whole for row in shown[0].rows] == ["every geometry"]
    for plot in shown[1:]:
        assert [row.whole for row in plot.rows] == list(findings.geometries(dim))
        for row in plot.rows:
            score = findings.score(plot.metric, row.whole, dim)
            assert data(plot, row.at) == pytest.approx(score.value)
            assert [data(plot, end) for end in row.bar] == pytest.approx(list(score.interval))
            assert plot.left <= row.bar[0] <= row.at <= row.bar[1] <= plot.right
            assert row.best == findings.is_best(plot.metric, row.whole, dim)
            assert row.value == f"{score.value:.3f}"


def test_metrics_with_a_leader_come_first_then_the_clearest(comparison):
    findings, dim = comparison.findings, comparison.dim
    contrasts = [
        replace(each, difference=0.1, simultaneous=Interval(-0.1, 0.3), test=None) for each in findings.contrasts
    ]
    names = list(dict.fromkeys(each.metric for each in contrasts))
    last = names[-1]
    clearer = [replace(each, difference=0.19) if each.metric == last else each for each in contrasts]
    told = replace(findings, contrasts=tuple(clearer))
    assert summary.main_metrics(told, dim)[1] == last
    first = names[0]
    sure = Interval(0.001, 0.5)
    won = [replace(each, difference=0.01, simultaneous=sure) if each.metric == first else each for each in clearer]
    assert summary.main_metrics(replace(findings, contrasts=tuple(won)), dim)[1] == first


def test_controls_and_metrics_without_merit_are_left_out(comparison):
    names = summary.main_metrics(comparison.findings, comparison.dim, count=99)
    assert names
    assert all(find_metric(name).higher_is_better is not None and not find_metric(name).control for name in names)


def test_a_study_shows_where_it_began():
    study = scenes_study()
    (dim,) = study.findings.dims
    shown = summary.of_study(study)
    assert "2 seeds" in shown.caption
    for plot in shown.plots:
        for row in plot.rows:
            change = study.change(plot.metric, row.whole, dim)
            assert data(plot, row.before) == pytest.approx(change.before)
            assert data(plot, row.at) == pytest.approx(change.after)


def test_a_bar_of_a_control_misses_the_line_exactly_where_the_gain_is_sure(audit):
    plots = summary.of_audit(audit, ATTRIBUTION).plots
    assert plots[0].metric == audit.primary
    for plot in plots:
        row = next(each for each in audit.attribution if each.metric == plot.metric)
        assert data(plot, plot.reference) == pytest.approx(row.native)
        for drawn, (control, _) in zip(plot.rows[1:], ATTRIBUTION[1:], strict=True):
            assert data(plot, drawn.at) == pytest.approx(row.controls[control])
            low, high = audit.intervals[f"{plot.metric}_minus_{control}"]
            assert [data(plot, end) for end in drawn.bar] == pytest.approx([row.native - high, row.native - low])
            assert drawn.bar[0] <= drawn.at <= drawn.bar[1]
            crosses = drawn.bar[0] <= plot.reference <= drawn.bar[1]
            assert crosses == (low <= 0 <= high)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 1e-9])
def test_equal_values_have_an_axis(value):
    plot = dot_plot("recall", [Dot("a", value), Dot("b", value, Interval(value, value))])
    assert np.isfinite([row.at for row in plot.rows]).all()
    assert all(plot.left < row.at < plot.right for row in plot.rows)
    assert len(plot.ticks) >= 2


def test_long_names_are_drawn_short_and_told_whole():
    name = "a model of a very long name, " * 9
    plot = dot_plot("tie", [Dot(name, 1.0), Dot("b", 2.0)])
    assert len(plot.rows[0].name) <= LETTERS
    assert plot.rows[0].whole == name
    assert name in plot.told
    assert plot.axis == "edges of the tree"
