"""``hiergeo benchmark``: the table of benchmarks, options, formats and refusals."""

import inspect
import json

import pytest

from hiergeo._core.errors import InputError
from hiergeo.cli.options import settings_of
from hiergeo.evaluation.benchmarks import BENCHMARKS
from hiergeo.evaluation.benchmarks.benchmark import published_lines

RETRIEVAL = inspect.signature(BENCHMARKS.get("retrieval")).parameters


def test_one_benchmark_with_an_option_and_its_json(run, tmp_path):
    out = tmp_path / "out.json"
    code, printed, _ = run("benchmark", "hyperlex", "-m", "tiny", "--set", "data=demo", "--samples", 20, "--json", out)
    assert code == 0
    held = json.loads(out.read_text())
    assert "spearman_angle" in held["metrics"]
    assert held["baselines"]["spearman_angle"]["chance"] == 0
    assert held["settings"]["protocol"].startswith("demo")
    assert "demo" in printed
    assert "published, not measured here" not in printed
    assert max(held["baselines"]["spearman_angle"], key=held["baselines"]["spearman_angle"].get) in printed


def test_an_audit_is_a_benchmark_too(run):
    code, out, err = run("benchmark", "audit", "-m", "tiny", "--set", "data=scenes", "--set", "take=6", "--samples", 5)
    assert code == 0, err
    assert "operating point, cones, depth and attribution, 50 steps, scenes test, the first 6 rows" in " ".join(
        out.split()
    )


def test_the_list_says_what_is_here(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    out = tmp_path / "list.json"
    code, printed, _ = run("benchmark", "--list", "--json", out)
    assert code == 0
    held = json.loads(out.read_text())["benchmarks"]
    assert set(BENCHMARKS.own) <= set(held)
    assert str(tmp_path) in held["hyperlex"]["missing"]
    assert all(each["primary"] in each["metrics"] for each in held.values())
    assert "hyperlex" in printed
    assert "options here: no, " in " ".join(printed.split())


def test_the_list_of_one_has_one_line_of_published_figures(run):
    code, printed, _ = run("benchmark", "retrieval", "--list")
    assert code == 0
    assert "hyperlex" not in printed
    assert printed.count("published, not measured here") == len(published_lines(BENCHMARKS.get("retrieval").published))
    code, _, told = run("benchmark", "retrievl", "--list")
    assert (code, "retrieval" in told) == (2, True)


def test_without_coco_retrieval_names_data_that_are_here(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    assert "--set data=scenes" in " ".join(run("benchmark", "retrieval", "-m", "tiny")[2].split())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("data", "check", "nosuch.csv"), "nosuch.csv is not there"),
        (("audit", "-m", "tiny", "-d", "mine/own.csv"), "docs/extending.md"),
    ],
)
def test_files_that_are_not_there_or_not_taken(run, arguments, named):
    code, _, told = run(*arguments)
    assert code == 2
    assert named in " ".join(told.split())


def test_values_are_read_as_the_constructor_wants_them():
    found = settings_of("retrieval", RETRIEVAL, ["take=7", "first=none", "data=5", "image-column=x"])
    assert found == {"take": 7, "first": None, "data": "5", "image_column": "x"}
    with pytest.raises(InputError, match="take"):
        settings_of("retrieval", RETRIEVAL, ["take=7.5"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("hyperlx", "-m", "tiny"), "hyperlex"),
        (("hyperlex", "-m", "tiny", "--set", "promt={}"), "prompt"),
        (("hyperlex", "-m", "tiny", "--set", "prompt"), "KEY=VALUE"),
        (("hyperlex", "-m", "tiny", "--set", "data=demo", "--set", "data=demo"), "twice"),
        (("hierarcaps", "-m", "tiny", "--set", "steps=many"), "steps"),
        (("hyperlex",), "--model"),
        (("hyperlex", "-m", "tiny", "--format", "tabel"), "table"),
    ],
)
def test_refusals_name_what_is_wrong(run, arguments, named):
    code, _, told = run("benchmark", *arguments)
    assert code == 2
    assert named in told
