"""Options from files, and the command that a result stores: run again, it gives the same numbers."""

import json
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hiergeo.cli.plans import Command, Config, Verb, _sources, running

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HEAD = ["train", "head", "-m", "tiny", "-d", "scenes", "--rows", 40, "--set", "steps=4", "--set", "hidden=0"]


def numbers(path):
    """What a result says, without where and when it was written."""
    told = json.loads(path.read_text())
    return {key: told[key] for key in told if key not in ("settings",)}


@pytest.mark.slow
def test_a_study_from_a_file_and_from_its_own_result(run, tmp_path, pages):
    plan, first, second = tmp_path / "plan.toml", tmp_path / "a.json", tmp_path / "b.json"
    lines = {
        "model": "tiny",
        "data": "scenes",
        "train": "train",
        "rows": 30,
        "steps": 4,
        "hidden": 0,
        "seeds": 2,
        "dim": 4,
        "loss": ["mean=1", "order=20"],
        "learning_rate": 0.01,
        "geometry": ["euclidean", "lorentz:-1"],
    }
    plan.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items()))
    assert run("study", plan, "--json", first, "--html", tmp_path / "a.html", "--set", "steps=3")[0] == 0
    report = json.loads(first.read_text())
    assert report["plan"]["recipe"]["steps"] == 3, "the command line overrides the file"
    assert report["plan"]["geometries"] == ["euclidean", "lorentz:-1"]
    assert run("study", first, "--json", second, "--html", tmp_path / "b.html")[0] == 0
    assert second.read_text() == first.read_text()


@pytest.mark.parametrize(
    "verb",
    [
        ["probe", "-m", "tiny", "-g", "lorentz:-0.5"],
        ["compare", "-m", "tiny", "-g", "euclidean", "-g", "poincare:-0.5"],
    ],
)
def test_results_are_made_again_from_their_json(run, tmp_path, monkeypatch, verb):
    monkeypatch.chdir(tmp_path)
    assert run(*verb, "-d", "scenes", "--rows", 12, "-p", "traversal", "--json", "a.json")[0] == 0
    assert run(verb[0], "--config", "a.json", "--json", "b.json")[0] == 0
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()
    command = json.loads((tmp_path / "a.json").read_text())["command"]
    assert command["verb"] == verb[0]
    assert command["options"]["protocol"] == "traversal"


def test_a_head_is_made_again_from_its_folder(run, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert run(*HEAD, "-g", "lorentz:-1?learnable", "--out", one)[0] == 0
    assert run("train", "head", "--config", one / "plan.toml", "--out", two)[0] == 0
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in two.iterdir())
    assert (one / "plan.toml").read_text() == (two / "plan.toml").read_text()


def test_a_head_takes_learning_rate_batch_and_patience(run, tmp_path):
    options = ["--set", "learning_rate=0.01", "--set", "batch=8", "--set", "patience=none", "--set", "every=2"]
    assert run(*HEAD, *options, "--out", tmp_path / "head")[0] == 0
    recipe = json.loads((tmp_path / "head" / "config.json").read_text())["recipe"]
    assert (recipe["learning_rate"], recipe["batch"], recipe["patience"], recipe["every"]) == (0.01, 8, None, 2)


@pytest.mark.slow
def test_a_tower_is_made_again_from_its_folder(run, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    asked = [
        "train",
        "re",
        "-m",
        "tiny",
        "-d",
        "scenes",
        "--rows",
        60,
        "--set",
        "steps=2",
        "--set",
        "learning_rate=1e-4",
    ]
    asked += ["-g", "lorentz:-1?learnable"]
    assert run(*asked, "--out", one)[0] == 0
    assert run("train", "re", "--config", one / "plan.toml", "--out", two)[0] == 0
    logs = [(out / "log.jsonl").read_text().splitlines() for out in (one, two)]
    assert logs[0] == logs[1]
    assert json.loads(logs[0][-1])["curvature"] != [-1.0], "the curvature is learnt"
    code, _, err = run(
        "train", "re", "-m", "tiny", "-d", "scenes", "-g", "euclidean?learnable", "--out", tmp_path / "three"
    )
    assert code == 2
    assert "euclidean has no curvature to learn" in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("modle = 'tiny'", "did you mean 'model'"),
        ("model = ['tiny', 'tiny']", "takes one value"),
        ("[model]\nname = 'tiny'", "is a table"),
        ("model = 'a'\nmodel = 'b'", "valid TOML"),
        ("model =", "valid TOML"),
        ("x = " + "[" * 100_000, "valid TOML"),
        ("rows = 'many'\nmodel = 'tiny'", "--rows"),
        ("rows = " + "9" * 5000, "valid TOML"),
        ("model = 'tiny'\nrows = 0", "--rows"),
    ],
    ids=range(9),
)
def test_files_that_are_wrong_get_one_sentence(run, tmp_path, content, said):
    file = tmp_path / "plan.toml"
    file.write_text(content)
    code, _, err = run("probe", "--config", file)
    assert code == 2
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"command": 3}', '{"command": {"options": 3}}', "{"])
def test_json_without_a_command_is_refused(run, tmp_path, content):
    file = tmp_path / "result.json"
    file.write_text(content)
    code, _, err = run("probe", "--config", file)
    assert code == 2
    assert "result.json" in err


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.one_of(TEXT, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.booleans())


@pytest.mark.slow
@given(st.dictionaries(st.from_regex("[a-z]+(-[a-z]+)*", fullmatch=True), st.one_of(VALUES, st.lists(VALUES))))
def test_every_command_can_be_written_and_read(options):
    assert tomllib.loads(Command("probe", options).as_toml()) == options


def test_outside_the_command_line_no_command_runs():
    assert running() is None


def test_secrets_of_a_command_are_not_kept():
    app = typer.Typer()
    app.callback()(lambda: None)
    seen = []

    @app.command("serve", cls=Verb)
    def serve(store: str = "", token: str = "") -> None:
        seen.append(running())

    CliRunner().invoke(app, ["serve", "--store", "milvus:http://root:secret@host", "--token", "secret"])
    assert seen[0].options == {"store": "milvus:http://host"}


def test_a_verb_knows_its_command_while_it_runs():
    app = typer.Typer()
    app.callback()(lambda: None)
    seen = []

    @app.command("measure", cls=Verb)
    def measure(model: str = "other", json: str = "", config: Config = None) -> None:
        seen.append(running())

    CliRunner().invoke(app, ["measure", "--model", "tiny"])
    assert seen[0].options == {"model": "tiny"}
    assert running() is None


def test_settings_of_a_file_and_of_the_command_line_are_those_of_one_recipe(run, tmp_path):
    plan = tmp_path / "plan.toml"
    lines = {"model": "tiny", "data": "scenes", "rows": 40, "steps": 4, "hidden": 3, "batch": 8, "set": ["unit=false"]}
    plan.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items()))
    assert run("train", "head", "--config", plan, "--set", "batch=5", "--out", tmp_path / "head")[0] == 0
    recipe = json.loads((tmp_path / "head" / "config.json").read_text())["recipe"]
    assert (recipe["hidden"], recipe["batch"], recipe["unit"], recipe["steps"]) == (3, 5, False, 4)


def test_a_misspelt_option_of_a_plan_with_settings_is_named(run, tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text('modle = "tiny"\ntrain = "train"\nbatch = 8\n')
    code, _, err = run("study", plan)
    assert code == 2
    assert "unknown option 'modle'" in err
    assert "did you mean 'model'" in err


def test_a_verb_says_what_it_reads():
    stored = {"model": "tiny", "data": "hierarcaps", "train": Path("a/chains.npz")}
    assert _sources(stored) == ["tiny", "chains.npz"]
    assert _sources(stored | {"train": "train"}) == ["tiny", "hierarcaps"]
