"""The tables of the terminal: their figures are the results', and they fit the width that there is."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest

from hiergeo._core.records import Figure, Grid, number
from hiergeo.cli._terminal import Screen
from hiergeo.evaluation import Comparison
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report import tables, write_page
from hiergeo.report.drawing import ticks
from hiergeo.report.terminal import fitted, read_metrics
from tests.report.test_page import GEOMETRIES, compared, hierarchy


def label(metric: str) -> str:
    return find_metric(metric).label


def printed(source, width=80, **options) -> str:
    file = io.StringIO()
    for table in tables(source, width, **options):
        Screen(file=file, width=width).print(table)
    return file.getvalue()


def cells_of(text: str) -> dict[str, list[str]]:
    """Name of a row -> its cells, the lines of each as one."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, *cells = re.split(r"  +", line.strip())
        if line.startswith("  ") and rows:
            rows[next(reversed(rows))] += [name, *cells]
        else:
            rows[name] = rows.get(name, []) + cells
    return rows


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compared()


@pytest.fixture(scope="module")
def pairs() -> Comparison:
    return compared("pairs", data=hierarchy(negatives=True))


def test_a_result_shows_every_metric_and_interval(comparison):
    result = comparison.results[1]
    text = printed(result, full=True)
    rows = cells_of(text)
    shown = {name: value for name, value in result.metrics.items() if name != "tau_d_equal_length"}
    for metric, value in shown.items():
        assert f"{value:.4f}" in rows[label(metric)]
    for metric in shown.keys() & result.intervals.keys():
        low, high = result.intervals[metric]
        assert f"{low:.4f} to {high:.4f}".replace("-", "−") in rows[label(metric)]
    for setting in ("handmade", "toys", "test", "lorentz:-0.7", f"n = {result.items['tau_d']} rows"):
        assert setting in " ".join(text.split())


def test_what_all_spaces_share_stands_once(comparison):
    rows = cells_of(printed(comparison, 200))
    first = comparison.results[0]
    assert rows["tau_d"][:4] == [number(first.metrics["tau_d"]), "same", "same", "same"]
    for metric in ("precision", "recall"):
        assert [value.rstrip("*") for value in rows[metric][:4]] == [
            number(result.metrics[metric]) for result in comparison.results
        ]
        ends = [" to ".join(map(number, result.intervals[metric])) for result in comparison.results]
        assert rows[metric][5:9] == ends


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_figure_is_broken_whatever_the_width(pairs, comparison, width):
    for source in (pairs, comparison, pairs.results[0]):
        text = printed(source, width, full=True)
        assert max(map(len, text.splitlines())) <= width
    text = printed(pairs, width, full=True)
    assert not any(line.lstrip().startswith("%") for line in text.splitlines())
    assert all(geometry in text for geometry in GEOMETRIES)
    for result in pairs.results:
        for name in read_metrics(result.intervals, [result], full=True):
            if name != "tau_d":
                low, high = result.intervals[name]
                assert number(result.metrics[name]) in text
                assert f"{number(low)} to {number(high)}" in text


@pytest.mark.parametrize(("width", "parts"), [(45, [3]), (44, [2, 1]), (32, [2, 1]), (31, [1, 1, 1]), (1, [1, 1, 1])])
def test_a_table_too_wide_is_several_of_which_the_last_has_the_notes(width, parts):
    """Names take 4 columns, edges 2, and each of three figures 10 and a gap of 3."""
    grid = Grid("name", ("a", "b", "c"), (("row", tuple(Figure("0.5", "0123456789") for _ in "abc")),), "notes")
    made = list(fitted(grid, width))
    assert [len(part.heads) for part in made] == parts
    assert [head for part in made for head in part.heads] == ["a", "b", "c"]
    assert [part.notes for part in made] == [""] * (len(parts) - 1) + ["notes"]
    assert all(len(figures) == len(part.heads) for part in made for _, figures in part.rows)


def test_tables_and_pages_give_the_same_control(comparison, tmp_path):
    """Ladders by words depend on the distances of a space: the figures of the last space differ from the first's."""
    *others, last = comparison.results
    reached = {name: {"length": 0.9} for name in last.baselines}
    changed = replace(comparison, results=(*others, replace(last, baselines=reached)))
    page = write_page(changed, tmp_path / "page.html", images=1).read_text()
    controls = {name: changed.board.control(name, changed.dim) for name in ("tau_d", "precision")}
    assert any(value != others[0].baselines[name]["length"] for name, (_, value) in controls.items())
    for name, (called, value) in controls.items():
        assert called == "words alone"
        assert f'data-value="{name}" data-baseline="{value}"' in page
        assert f"{label(name)} {number(value)}" in " ".join(printed(changed).split())
        assert number(value) in cells_of(printed(changed, 200))[label(name)]


def test_the_strongest_control_is_named(comparison):
    first = comparison.results[0]
    known = {"tau_d": {"length": 0.25, "chance": 0.5}, "precision": {"chance": 0.125}, "recall": {}}
    rows = cells_of(printed(replace(first, baselines=known)))
    assert (rows["tau_d"][1], rows["tau_d"][-1]) == ("0.5000", "chance")
    assert (rows["precision"][1], rows["precision"][-1]) == ("0.1250", "chance")
    assert not {"chance", "words alone"} & set(rows["recall"])


@pytest.mark.parametrize(("low", "high"), [(1.03, 1.48), (0.0, 1e-3), (-2.0, 1e4), (0.5, 1.5)])
def test_ticks_are_round_and_inside(low, high):
    places = ticks(low, high)
    assert 3 <= len(places) <= 9
    assert low <= places[0] <= places[-1] <= high
    step = (places[-1] - places[0]) / (len(places) - 1)
    assert np.diff(places) == pytest.approx(step)
    assert f"{step:.6e}"[:8] in ("1.000000", "2.000000", "5.000000")
    assert np.array(places) / step == pytest.approx(np.round(np.array(places) / step), abs=1e-6)
