"""Results as CSV and Markdown, and tables of any width: every figure is the result's, whole and in one piece."""

import csv
import io
import json

import pytest

from hiergeo._core.errors import InputError
from hiergeo.cli._terminal import Screen
from hiergeo.report import check_format, comparison_tables, formatted
from hiergeo.report.labels import number
from hiergeo.report.terminal import read_metrics
from tests.report.test_page import compared, hierarchy


@pytest.fixture(scope="module")
def pairs():
    return compared("pairs", data=hierarchy(negatives=True))


def test_csv_has_every_figure_unrounded(pairs):
    rows = list(csv.DictReader(io.StringIO(formatted(pairs, "csv"))))
    found = {(row["geometry"], row["metric"]): row for row in rows}
    assert len(found) == len(rows) == sum(len(result.metrics) for result in pairs.results)
    for result in pairs.results:
        for name, value in result.metrics.items():
            row = found[result.geometry, name]
            assert float(row["value"]) == value
            if name in result.intervals:
                assert (float(row["low"]), float(row["high"])) == tuple(result.intervals[name])
            else:
                assert (row["low"], row["high"]) == ("", "")
            assert row["best"] == str(int(pairs.findings.is_best(name, result.geometry, pairs.dim)))


def test_csv_of_one_result_is_that_of_a_comparison_of_one(pairs):
    result = pairs.results[1]
    alone, whole = formatted(result, "csv").splitlines(), formatted(pairs, "csv").splitlines()
    assert alone[0] == whole[0]
    assert {line.rpartition(",")[0] for line in alone[1:]} <= {line.rpartition(",")[0] for line in whole}


def test_markdown_is_one_table(pairs):
    lines = formatted(pairs, "markdown").splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + len(pairs.findings.metrics(pairs.dim))
    for result in pairs.results:
        assert result.geometry in lines[0]
        assert number(result.metrics["auroc"]) in formatted(pairs, "markdown")
    assert "tau_d" in formatted(pairs.results[0], "markdown")


def test_an_unknown_format_is_refused():
    with pytest.raises(InputError, match="markdown"):
        check_format("markdwon")


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_figure_is_broken_whatever_the_width(pairs, width):
    console = Screen(file=io.StringIO(), width=width)
    for table in comparison_tables(pairs, width, full=True):
        console.print(table)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "95 %" in text
    assert not any(line.lstrip().startswith("%") for line in text.splitlines())
    for result in pairs.results:
        for name in read_metrics(result.intervals, [result], full=True):
            if name != "tau_d":
                low, high = result.intervals[name]
                assert number(result.metrics[name]) in text
                assert f"{number(low)} to {number(high)}" in text


@pytest.mark.parametrize(
    ("form", "start"),
    [("csv", "geometry,metric,"), ("markdown", "| metric |"), ("latex", r"\begin{tabular}"), ("json", "{")],
)
def test_verbs_print_it_alone(run, tmp_path, form, start):
    code, out, err = run("probe", "-m", "tiny", "-d", "scenes", "--rows", 10, "--format", form)
    assert code == 0
    assert out.startswith(start)
    assert form == "json" or out.count("\n") <= 12
    page = tmp_path / "page.html"
    spaces = ("-g", "euclidean", "-g", "lorentz:-1")
    code, out, err = run(
        "compare", "-m", "tiny", "-d", "scenes", "--rows", 10, *spaces, "--html", page, "--format", form
    )
    assert code == 0
    assert out.startswith(start)
    assert "lorentz:-1" in out
    assert str(page) in err


def test_latex_and_json_have_the_same_figures(pairs):
    text = formatted(pairs, "latex")
    assert text.count(r"\\") == 1 + len(pairs.findings.metrics(pairs.dim))
    for result in pairs.results:
        for name in result.draws:
            assert f"{result.metrics[name]:.3f}" in text
    assert formatted(pairs.results[0], "latex").startswith(r"\begin{tabular}{lrr}")
    told = json.loads(formatted(pairs, "json"))["results"][pairs.results[0].geometry]
    assert told["metrics"] == pairs.results[0].metrics
