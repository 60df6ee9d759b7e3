"""``--format``: every verb gives the same numbers in every format, in CSV and JSON with every digit."""

import io
import json
import math
import re
from decimal import Decimal

import pandas
import pytest
from PIL import Image

from hiergeo import pairwise, search
from hiergeo._core import markdown
from hiergeo._core.records import Exported, Records, latex_text
from hiergeo._core.text import inert
from hiergeo.cli import info
from hiergeo.pairwise.smoke import KernelOutcome
from hiergeo.training.suite import read
from tests.search.stores_common import register

CAPTIONS = ("an animal", "a bird", "an owl", "a big brown owl", "a taxi", "a small yellow taxi")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("formats") / "index"
    search.build(place, "tiny", CAPTIONS)
    return place


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A folder with the files that verbs read, without public data, where one kernel is broken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(info, "collect", lambda _: {"torch": "2.10.0", "torch threads": 1})
    outcome = KernelOutcome("store", "float32", 1, float("inf"), 1e-4, "RuntimeError: no")
    monkeypatch.setattr(pairwise, "check_kernels", lambda: {"cpu": [outcome]})
    (tmp_path / "own.csv").write_text("positive,negative\na => b => c => d,a => x => y => z\n")
    return tmp_path


SCENES = ("-m", "tiny", "-d", "scenes", "--rows", 20)

VERBS = {
    "data list": (("data", "list"), {"data", "split", "rows", "images"}),
    "data check": (("data", "check", "own.csv", "--no-images"), {"data", "split", "rows", "images"}),
    "info": (("info", "--check"), {"fact", "value", "kernel", "error", "bar"}),
    "tree": (("tree", "INDEX"), {"metric", "value"}),
    "index info": (("index", "info", "INDEX"), {"fact", "value"}),
    "index check": (("index", "check", "INDEX"), {"shard", "defect"}),
    "index audit": (("index", "audit", "INDEX", "--store", "listed:", "-k", 2), {"kind", "recall", "low", "high"}),
    "search": (
        ("search", "INDEX", "an animal", "=a | dog_1 & 5 %", "-k", 2),
        {"query", "kind", "rank", "caption", "margin"},
    ),
    "search --ladder": (
        ("search", "INDEX", "an animal", "a guitar", "--find", "ladder"),
        {"query", "rank", "threshold", "angle"},
    ),
    "search count": (("search", "INDEX", "an animal", "a guitar", "--find", "count"), {"query", "kind", "items", "of"}),
    "chains quality": (
        ("chains", "quality", "own.csv", "--split", "train"),
        {"metric", "value", "low", "tier0"},
    ),
    "chains leaks": (("chains", "leaks", "own.csv", "--against", "chains:own.csv"), {"split", "against", "rows"}),
    "benchmark": (
        ("benchmark", "hyperlex", "-m", "tiny", "--set", "data=demo", "--samples", 5),
        {"kind", "model", "space", "dataset", "metric", "value", "low", "high"},
    ),
    "benchmark --list": (("benchmark", "--list"), {"benchmark", "runs", "metrics"}),
    "audit": (("audit", *SCENES, "-g", "lorentz:-1"), {"metric", "control", "value", "gain", "gain_low"}),
    "probe": (("probe", *SCENES), {"metric", "value", "low", "high"}),
    "compare": (("compare", *SCENES, "-g", "euclidean", "-g", "lorentz:-1"), {"metric", "value", "low", "high"}),
    "study": (
        (
            *("study", *SCENES, "--train", "train", "--seeds", 2, "--set", "steps=4", "--learning-rate", 0.01),
            *("-g", "euclidean", "-g", "lorentz:-1", "--dim", 4),
        ),
        {"kind", "space", "dim", "seed", "metric", "value", "low", "high", "deviation", "winner"},
    ),
}
"""Verb -> words and some of its columns."""


@pytest.fixture
def said(run, place, folder, monkeypatch):
    """What a verb prints as CSV, what it shows, and its JSON."""
    shown: list[Exported] = []
    whole = Exported.to_csv
    monkeypatch.setattr(Exported, "to_csv", lambda self, **options: shown.append(self) or whole(self, **options))
    for name in ("a.png", "b.png"):
        Image.new("RGB", (32, 32), "red").save(place / name)

    def call(*words):
        words = [folder if word == "INDEX" else word for word in words]
        if "listed:" in words:
            register(monkeypatch)
            search.open(folder).push("listed:")
        _, out, err = run(*words, "--format", "csv", "--json", "out.json")
        assert shown, err
        return out, shown[0], json.loads((place / "out.json").read_text())

    return call


@pytest.mark.parametrize("verb", VERBS)
def test_every_format_holds_the_same_numbers(said, verb):
    words, columns = VERBS[verb]
    printed, shown, document = said(*words)
    records = list(shown.records())
    frame = pandas.read_csv(io.StringIO(printed), keep_default_na=False, na_values=[""])
    assert columns <= set(frame)
    assert all(name == name.lower() and " " not in name for name in frame)
    assert len(frame) == len(records)
    for row, record in zip(frame.to_dict("records"), records, strict=True):
        assert all(is_same(row[name], record.get(name)) for name in frame)
    held = set(numbers(document))
    assert {value for record in records for value in record.values() if is_digits(value)} <= held
    rows = markdown_rows(shown.to_markdown())
    assert fits(shown, records, rows, markdown.plain)
    assert fits(shown, records, latex_rows(shown.to_latex()), latex_text)


def test_every_format_of_a_suite_holds_the_same_numbers(run, place):
    run("suite", *SCENES, "-g", "euclidean", "-g", "lorentz:-1", "--out", "out")
    _, printed, _ = run("suite", "table", "out", "--format", "csv")
    records = list(read("out").records())
    frame = pandas.read_csv(io.StringIO(printed), keep_default_na=False, na_values=[""])
    for row, record in zip(frame.to_dict("records"), records, strict=True):
        assert all(is_same(row[name], record.get(name)) for name in frame)
    _, document, _ = run("suite", "table", "out", "--format", "json")
    for row, record in zip(json.loads(document)["numbers"], records, strict=True):
        assert {name: row[name] for name in record} == {
            name: value if not isinstance(value, float) or math.isfinite(value) else None
            for name, value in record.items()
        }
    for form, rows_in, spelt in (("markdown", markdown_rows, markdown.plain), ("latex", latex_rows, latex_text)):
        _, text, _ = run("suite", "table", "out", "--format", form)
        assert fits(read("out"), records, rows_in(text), spelt)


def test_a_page_holds_the_numbers_of_the_records(run, place):
    run("compare", *SCENES, "-g", "euclidean", "-g", "lorentz:-1", "--html", "page.html", "--json", "out.json")
    _, printed, _ = run("compare", *SCENES, "-g", "euclidean", "-g", "lorentz:-1", "--format", "csv")
    frame = pandas.read_csv(io.StringIO(printed))
    page = (place / "page.html").read_text()
    shown = frame[(frame.kind != "baseline") & frame.low.notna()]
    assert len(shown) > 8
    for name in ("value", "low", "high"):
        assert all(f'="{value}"' in page for value in shown[name])


def is_same(cell, value):
    """Whether a cell that pandas has read is a value, to the last digit."""
    if value is None:
        return pandas.isna(cell)
    if isinstance(value, bool | str):
        return str(cell) == str(inert(value))
    return float(cell) == value or (math.isnan(value) and pandas.isna(float(cell)))


def is_digits(value):
    return isinstance(value, float) and math.isfinite(value)


def numbers(value):
    """Every number in JSON."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif isinstance(value, int | float):
        yield value


def is_rounded(text, value):
    """Whether the digits of a text are a number, rounded."""
    return abs(float(text) - value) <= 0.5000001 * 10.0 ** Decimal(text).as_tuple().exponent


def fits(shown, records, rows, spelt):
    """Whether the rows of a table are the records, or the numbers of other tables some of theirs."""
    if isinstance(shown, Records):
        names = list(shown.keys) or list(dict.fromkeys(name for record in records for name in record))
        wanted = [[record.get(name) for name in names] for record in records]
        return len(rows) == len(wanted) and all(
            is_shown(cell, value, spelt)
            for row, values in zip(rows, wanted, strict=True)
            for cell, value in zip(row, values, strict=True)
        )
    values = [value for record in records for value in record.values() if is_digits(value)]
    figures = [part for row in rows for cell in row[1:] for part in figures_of(cell)]
    return figures != [] and all(any(is_rounded(text, value) for value in values) for text in figures)


def is_shown(cell, value, spelt):
    if value is None:
        return cell in ("", "--")
    if is_digits(value):
        digits = re.sub(r" \\times 10\^\{(.+)\}", r"e\1", cell.replace("−", "-").strip("$"))
        return math.isclose(float(digits), value, rel_tol=5.1e-4)
    return cell in (spelt(str(value)), f"${value}$")


def figures_of(cell):
    cell = re.sub(r" ?\\times 10\^\{(.+?)\}", r"e\1", cell)
    bare = re.sub(r"[*$()\[\]±]|\\(mathbf|small|pm|,)", " ", cell.replace("−", "-").replace("$-$", "-"))
    return re.findall(r"(?<![\w.:])-?\d+\.\d+(?:e-?\d+)?(?![\w.:])", bare)


def markdown_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [line[2:-2].split(" | ") for line in lines[2:]]


def latex_rows(text):
    """The rows of LaTeX tables, whose frame is that of a table."""
    tables = re.findall(r"\\begin\{table\}.*?\\end\{table\}", text, re.DOTALL)
    assert tables
    rows = []
    for table in tables:
        head, body = table.split("\\midrule\n")
        assert re.search(r"\\centering\n(\\caption\{.+\}\n)?\\begin\{tabular\}\{lr*\}\n\\toprule\n", head, re.DOTALL)
        lines = body.split("\\bottomrule")[0].splitlines()
        assert not any(line.startswith("{}") for line in lines)
        rows += [line.removesuffix(r" \\").split(" & ") for line in lines]
    return rows


@pytest.mark.parametrize("form", ["csv", "markdown", "latex", "json"])
def test_a_format_is_printed_alone(run, folder, monkeypatch, form):
    monkeypatch.setattr(Records, "to_csv", lambda _: "csv")
    monkeypatch.setattr(Records, "to_markdown", lambda _: "markdown")
    monkeypatch.setattr(Records, "to_latex", lambda _: "latex")
    _, out, _ = run("search", folder, "an animal", "-k", 1, "--format", form)
    assert (out.strip() if form != "json" else json.loads(out)["answers"][0]["kind"]) in (form, "children")


def test_a_format_of_another_name_is_refused_before_the_work(run, tmp_path):
    for words in (("tree", tmp_path, "--format", "cvs"), ("index", "info", tmp_path, "--format", "tabel")):
        code, _, err = run(*words)
        assert (code, "did you mean" in err) == (2, True)


SPECS = ("lorentz:-0.5?learnable", "lorentz:-0.5")


def test_a_learnable_spec_is_measured_at_the_curvature_that_it_names(run):
    shown = [json.loads(run("probe", *SCENES, "-g", spec, "--format", "json")[1]) for spec in SPECS]
    assert shown[0]["settings"]["geometry"] == "lorentz:-0.5"
    assert shown[0]["metrics"] == pytest.approx(shown[1]["metrics"])
