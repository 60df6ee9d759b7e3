"""``--format``: the numbers of every verb alone on standard output, in every format."""

import csv
import io
import json

import pytest

from hiergeo import pairwise, search
from hiergeo.cli import installation as info
from hiergeo.cli._io import as_json
from hiergeo.pairwise.selftest import KernelOutcome

CAPTIONS = ("a shape", "a red shape", "a red circle", "a big red circle", "a blue star", "a small blue star")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("formats") / "index"
    search.build(place, "tiny", CAPTIONS)
    return place


@pytest.fixture
def printed(run, monkeypatch, tmp_path):
    """What a verb prints in a format, its exit code aside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(info, "collect", lambda _: {"torch": "2.10", "torch threads": 1})
    outcome = KernelOutcome("store", "float32", 1, float("inf"), 1e-4, "RuntimeError: no")
    monkeypatch.setattr(pairwise, "check_kernels", lambda seed: {"cpu": [outcome]})
    (tmp_path / "bad.csv").write_text(
        "id,captions,image_url\n0,a => b => => d,http://x/COCO_val2014_000000000042.jpg\n"
    )
    (tmp_path / "own.csv").write_text("positive,negative\na => b => c => d,a => x => y => z\n")

    def call(*words, form):
        _, out, _ = run(*words, "--format", form)
        return out

    return call


VERBS = {
    "data list": (("data", "list"), ("split", "rows"), "metrics"),
    "data check": (("data", "check", "bad.csv", "--no-images"), ("file", "problem"), "defects"),
    "demo": (("demo", "--rows", 6, "--no-open"), ("metric", "value"), "metrics"),
    "info": (("info", "--check"), ("fact", "value"), "checks"),
    "tree": (("tree", "INDEX"), ("fact", "value"), "nodes"),
    "index info": (("index", "info", "INDEX"), ("fact", "value"), "settings"),
    "index check": (("index", "check", "INDEX"), ("shard", "defect"), "metrics"),
    "chains quality": (("chains", "quality", "own.csv", "--split", "train"), (), "metrics"),
    "benchmark --list": (("benchmark", "hyperlex", "--list"), ("benchmark", "metrics"), "benchmarks"),
    "chains leaks": (("chains", "leaks", "own.csv", "--against", "chains:own.csv"), ("split", "rows"), "metrics"),
}


def test_the_numbers_of_an_audit_are_a_row_each(run, tmp_path):
    told = tmp_path / "audit.json"
    words = ("audit", "-m", "tiny", "-d", "scenes", "--rows", 20, "-g", "lorentz:-1", "--steps", 4)
    code, printed, _ = run(*words, "--format", "csv", "--json", told)
    assert code == 0
    numbers = json.loads(told.read_text())["numbers"]
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert {row["control"] for row in rows} >= {"", "flat", "angle_only", "radius_only", "random_root"}
    for row in rows:
        name = row["metric"] + (f"_{row['control']}" if row["control"] else "")
        assert float(row["value"]) == numbers[name]
        if row["control"]:
            assert float(row["gain"]) == numbers[f"{row['metric']}_minus_{row['control']}"]
            assert float(row["low"]) <= float(row["high"])


def test_the_numbers_of_length_and_of_quality_are_a_row_each(run, printed, tmp_path):
    told = tmp_path / "told.json"
    words = ("audit", "--length", "-m", "tiny", "-d", "scenes", "--rows", 20, "--copies", 0)
    _, text, _ = run(*words, "--format", "csv", "--json", told)
    order = json.loads(told.read_text())["order"]
    rows = {row["metric"]: row for row in csv.DictReader(io.StringIO(text)) if row["control"] == "the model"}
    for name, row in rows.items():
        assert float(row["value"]) == order[name]["value"]
        assert [float(row["low"]), float(row["high"])] == order[name]["interval"]
    assert set(rows) == {"tau_d", "equal", "shorter"}
    _, text, _ = run("chains", "quality", "own.csv", "--split", "train", "--format", "csv", "--json", told)
    known = json.loads(told.read_text())
    found = {row["metric"]: row for row in csv.DictReader(io.StringIO(text))}
    assert {name: float(row["value"]) for name, row in found.items()} == known["metrics"]
    assert {name: [float(row["low"]), float(row["high"])] for name, row in found.items() if row["low"]} == known[
        "intervals"
    ]


@pytest.mark.parametrize("verb", VERBS)
def test_numbers_are_printed_alone_in_every_format(printed, folder, verb):
    words, columns, key = VERBS[verb]
    words = [folder if word == "INDEX" else word for word in words]
    assert key in json.loads(printed(*words, form="json"))
    header = next(csv.reader(io.StringIO(printed(*words, form="csv"))))
    assert set(columns) <= set(header)
    assert printed(*words, form="markdown").startswith("| ")
    assert printed(*words, form="latex").startswith(r"\begin{tabular}")


def test_a_format_of_another_name_is_refused_before_the_work(run, tmp_path):
    for words in (("tree", tmp_path, "--format", "cvs"), ("index", "info", tmp_path, "--format", "tabel")):
        code, _, err = run(*words)
        assert (code, "did you mean" in err) == (2, True)


def test_json_is_indented():
    assert as_json({"metrics": {"files": 1}}) == '{\n  "metrics": {\n    "files": 1\n  }\n}'


def test_a_learnable_spec_is_measured_at_the_curvature_that_it_names(printed):
    words = ("probe", "-m", "tiny", "-d", "scenes", "--rows", 20, "-g")
    shown = [json.loads(printed(*words, spec, form="json")) for spec in ("lorentz:-0.5?learnable", "lorentz:-0.5")]
    assert shown[0]["settings"]["geometry"] == "lorentz:-0.5"
    assert shown[0]["metrics"] == pytest.approx(shown[1]["metrics"])
