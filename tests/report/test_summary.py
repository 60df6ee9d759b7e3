"""The picture below a headline: what it shows, and that dots and bars lie where the numbers are."""

from dataclasses import replace

import numpy as np
import pytest

import hiergeo
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.evaluation.auditing.record import ATTRIBUTION
from hiergeo.report import summary
from hiergeo.report.plot import dots
from hiergeo.report.summary import DotPlot
from tests.report.scenes_common import scenes_study


def drawn(plot: DotPlot) -> list[dict[str, list[float]]]:
    """Where a figure draws the dots, bars and hollow dots of each row."""
    (axes, *_) = dots(plot).axes
    rows: list[dict[str, list[float]]] = [{} for _ in plot.dots]
    for line in axes.lines:
        x, y = np.asarray(line.get_xdata(), float).tolist(), np.unique(line.get_ydata())
        if len(y) == 1:
            dotted = line.get_linestyle() == ":"
            kind = "moved" if dotted else "bar" if len(x) == 2 else "hollow" if line.get_markersize() < 7 else "dot"
            rows[int(y[0])][kind] = x
    return rows


@pytest.fixture(scope="module")
def comparison():
    scenes = hiergeo.datasets.load("scenes", count=60)
    return hiergeo.compare("tiny", scenes, ["lorentz:-1", "sphere:0.25"], samples=40, steps=10)


@pytest.fixture(scope="module")
def audit():
    scenes = hiergeo.datasets.load("scenes", count=24)
    return hiergeo.audit("tiny", scenes, "lorentz:-1", AuditSettings(steps=5))


def test_a_comparison_shows_its_metrics_where_they_are(comparison):
    board, dim = comparison.board, comparison.dim
    shown = summary.of_comparison(board).plots
    assert [plot.metric for plot in shown[:2]] == ["tau_d", "tau_d_equal_length"]
    assert len(shown) == 3
    assert [dot.name for plot in shown[:2] for dot in plot.dots] == ["every geometry"] * 2
    for plot in shown[2:]:
        assert [dot.name for dot in plot.dots] == list(board.geometries(dim))
        for dot, row in zip(plot.dots, drawn(plot), strict=True):
            score = board.score(plot.metric, dot.name, dim)
            assert row["dot"] == [score.value]
            assert row["bar"] == list(score.interval)
            assert dot.best == board.is_best(plot.metric, dot.name, dim)
        (_, beside) = dots(plot).axes[0], dots(plot).axes[0].child_axes[0]
        assert [text.get_text() for text in beside.get_yticklabels()] == [f"{dot.value:.3f}" for dot in plot.dots]


def test_a_control_is_a_line_within_the_axis_and_whom_it_beats_is_not_marked(comparison):
    board, dim = comparison.board, comparison.dim
    drawing = summary.of_comparison(board)
    for plot in drawing.plots:
        _, value = board.control(plot.metric, dim)
        assert plot.reference == value
        assert plot.control in drawing.caption
        (axes, *_) = dots(plot).axes
        low, high = axes.get_xlim()
        assert low <= value <= high
        (line,) = [each for each in axes.lines if each.get_linestyle() == "--"]
        assert set(line.get_xdata()) == {value}


@pytest.mark.parametrize("below", [True, False])
def test_a_leader_that_words_beat_is_not_marked(comparison, below):
    metric, spec = next((name, best) for name, best in comparison.winners.items() if best)
    reached = comparison.board.score(metric, spec, comparison.dim).value + (-0.01 if below else 0.01)
    results = [replace(each, baselines={metric: {"length": reached}}) for each in comparison.results]
    board = replace(comparison, results=tuple(results)).board
    assert board.is_best(metric, spec, comparison.dim) is below
    assert any(dot.best for plot in summary.of_comparison(board).plots for dot in plot.dots) is below


def test_a_study_shows_where_it_began():
    study = scenes_study()
    (dim,) = study.board.dims
    shown = summary.of_study(study)
    assert "2 seeds" in shown.caption
    for plot in shown.plots:
        for dot, row in zip(plot.dots, drawn(plot), strict=True):
            change = study.change(plot.metric, dot.name, dim)
            assert row["hollow"] == [change.before]
            assert row["dot"] == pytest.approx([change.after])


def test_a_bar_of_a_control_misses_the_line_exactly_where_the_gain_is_sure(audit):
    order, *plots = summary.of_audit(audit).plots
    counted = max(audit.numbers["length_tau_d"], audit.numbers["length_tau_d_characters"])
    assert (order.dots[0].value, order.reference) == (audit.numbers["tau_d"], counted)
    assert plots[0].metric == "parent_mrr_pairs"
    for plot in plots:
        native = audit.numbers[plot.metric]
        assert plot.reference == native
        controls = [control for control in ATTRIBUTION if control in audit.attribution[plot.metric]]
        for dot, control in zip(plot.dots[1:], controls, strict=True):
            assert dot.value == audit.numbers[f"{plot.metric}_{control}"]
            low, high = audit.intervals[f"{plot.metric}_minus_{control}"]
            assert list(dot.interval) == pytest.approx([native - high, native - low])
            assert dot.interval.low <= dot.value <= dot.interval.high
            crosses = dot.interval.low <= plot.reference <= dot.interval.high
            assert crosses == (low <= 0 <= high)
