"""Options from files, and what a verb says that it reads."""

import json
from pathlib import Path

import pytest

from hiergeo.cli.plans import _sources


def written(path, lines):
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items()))
    return path


@pytest.mark.slow
def test_a_study_from_a_file(run, tmp_path, pages):
    lines = {"model": "tiny", "data": "scenes", "train": "train", "rows": 30, "steps": 4, "hidden": 0, "seeds": 2}
    lines |= {"dim": 4, "loss": ["mean=1", "order=20"], "learning_rate": 0.01, "geometry": ["euclidean", "lorentz:-1"]}
    plan, report = written(tmp_path / "plan.toml", lines), tmp_path / "a.json"
    assert run("study", plan, "--json", report, "--html", tmp_path / "a.html", "--set", "steps=3")[0] == 0
    made = json.loads(report.read_text())["plan"]
    assert made["recipe"]["steps"] == 3, "the command line overrides the file"
    assert made["geometries"] == ["euclidean", "lorentz:-1"]


def test_settings_of_a_file_and_of_the_command_line_are_those_of_one_recipe(run, tmp_path):
    lines = {"model": "tiny", "data": "scenes", "rows": 40, "steps": 4, "hidden": 3, "batch": 8}
    lines |= {"patience": "none", "set": ["unit=false", "learning_rate=0.01"]}
    plan = written(tmp_path / "plan.toml", lines)
    assert run("train", "head", "--config", plan, "--set", "batch=5", "--out", tmp_path / "head")[0] == 0
    recipe = json.loads((tmp_path / "head" / "config.json").read_text())["recipe"]
    assert (recipe["hidden"], recipe["batch"], recipe["unit"], recipe["steps"]) == (3, 5, False, 4)
    assert (recipe["learning_rate"], recipe["patience"]) == (0.01, None)


@pytest.mark.parametrize(
    ("verb", "content", "said"),
    [
        ("probe", "modle = 'tiny'", "did you mean 'model'"),
        ("probe", "model = ['tiny', 'tiny']", "takes one value"),
        ("probe", "[model]\nname = 'tiny'", "is a table"),
        ("probe", "model =", "valid TOML"),
        ("probe", "rows = 'many'\nmodel = 'tiny'", "--rows"),
        ("probe", "model = 'tiny'\nrows = 0", "--rows"),
        ("train head", 'modle = "tiny"\ntrain = "train"\nbatch = 8\n', "did you mean 'model'"),
    ],
)
def test_files_that_are_wrong_get_one_sentence(run, tmp_path, verb, content, said):
    file = tmp_path / "plan.toml"
    file.write_text(content)
    code, _, err = run(*verb.split(), "--config", file)
    assert code == 2
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_verb_says_what_it_reads():
    stored = {"model": "tiny", "data": "hierarcaps", "train": Path("a/chains.npz")}
    assert _sources(stored) == ["tiny", "chains.npz"]
    assert _sources(stored | {"train": "train"}) == ["tiny", "hierarcaps"]
    assert _sources({"data": "milvus:http://root:secret@host/x"}) == _sources({"data": "milvus:http://host/x"})
