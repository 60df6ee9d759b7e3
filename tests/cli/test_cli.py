"""The command line as a user meets it: outputs, exit codes, one sentence instead of a traceback."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hiergeo import datasets
from hiergeo._core.errors import UnavailableError
from hiergeo._core.text import file_name
from hiergeo.adapters import load
from hiergeo.cli import data
from hiergeo.datasets import Hierarchy, ImageRef, Row, hierarcaps, public, scenes


def metrics(path: Path) -> dict:
    return json.loads(path.read_text())["metrics"]


@pytest.mark.slow
def test_demo_writes_a_page_with_pictures(run, tmp_path):
    page = tmp_path / "demo.html"
    code, out, _ = run("demo", "--html", page, "--no-open")
    assert code == 0
    assert "lorentz:-1" in out
    assert "data:image/" in page.read_text(encoding="utf-8")


def test_probe_is_the_same_twice(run, tmp_path):
    results = []
    for name in ("a.json", "b.json"):
        code, *_ = run("probe", "-m", "tiny", "-d", "scenes", "--rows", 20, "--seed", 3, "--json", tmp_path / name)
        assert code == 0
        results.append((tmp_path / name).read_text())
    assert results[0] == results[1]


def test_pages_of_two_models_stand_side_by_side(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("-d", "scenes", "--rows", 5)
    (tmp_path / "stored").mkdir()
    assert run("embed", "-m", "tiny", *words, "-o", "stored/other.npz")[0] == 0
    for model in ("tiny", "npz:stored/other.npz"):
        assert run("compare", "-m", model, *words, "-g", "euclidean")[0] == 0
    pages = sorted(page.name for page in tmp_path.glob("*.html"))
    assert pages == ["hiergeo-compare-other-scenes.html", "hiergeo-compare-tiny-scenes.html"]


def test_pages_name_no_folders(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = scenes.load("test", count=5).rows
    far = tmp_path / "-".join(["far"] * 30)
    far.mkdir()
    chains = far / "own.csv"
    chains.write_text("captions\n" + "".join(f"{' => '.join(row.positive)}\n" for row in rows))
    assert run("embed", "-m", "tiny", "-d", f"chains:{chains}", "-o", far / "stored.npz")[0] == 0
    words = ("-m", f"npz:{far / 'stored.npz'}", "-d", f"chains:{chains}")
    assert run("compare", *words, "-g", "euclidean")[0] == 0
    assert run("audit", *words, "--html", "audit.html")[0] == 0
    assert run("suite", *words, "-o", "suite")[0] == 0
    pages = [*tmp_path.glob("*.html"), *tmp_path.glob("suite/*.html")]
    assert len(pages) == 3
    for page in pages:
        text = page.read_text()
        assert str(tmp_path) not in text
        assert "chains:own.csv" in text


@pytest.mark.parametrize("spec", ["tinny", "ViT-B-32", "open_clip:ViT-B-32", "npz:nowhere.npz", "head:nowhere@tiny"])
def test_a_wrong_model_is_named_whatever_else_is_wrong(run, tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"hiergeo-{file_name('compare', spec, 'scenes')}.html").write_text("of another command")
    for words in (("-d", "scenes"), ("-d", "chains:nowhere.csv"), ("-d", "scenes", "-g", "hyperbolic")):
        code, _, said = run("compare", "-m", spec, *words)
        assert code == 2
        assert spec.rpartition(":")[2].partition("@")[0] in said


def test_embed_then_probe_the_file(run, tmp_path):
    stored, direct, again = tmp_path / "tiny.npz", tmp_path / "direct.json", tmp_path / "again.json"
    data = ["-d", "scenes", "--rows", 20]
    assert run("embed", "-m", "tiny", *data, "--out", stored)[0] == 0
    assert run("probe", "-m", "tiny", *data, "--json", direct)[0] == 0
    assert run("probe", "-m", f"npz:{stored}", *data, "--json", again)[0] == 0
    assert metrics(direct) == metrics(again)


def test_datasets_are_listed_with_their_sizes_or_with_what_is_missing(run, tmp_path, monkeypatch):
    chain = Row(0, ("a", "b", "c"), None, 0)
    held = Hierarchy("hierarcaps", "test", (chain, replace(chain, row_id=1)), (ImageRef(0, lambda: None),))

    def load(name: str, split: str) -> Hierarchy:
        if (name, split) == ("hierarcaps", "test"):
            return held
        raise UnavailableError(f"no {split} here.")

    monkeypatch.setattr(datasets, "load", load)
    code, printed, _ = run("data", "list", "--json", tmp_path / "sizes.json")
    assert code == 0
    generated = {f"scenes/{name}": len(scenes.load(name).rows) for name in ("test", "validation", "unseen", "balanced")}
    assert metrics(tmp_path / "sizes.json") == {"hierarcaps/test": 2, "scenes/train": 20_000} | generated
    rows = [line.split() for line in printed.splitlines()]
    assert ["hierarcaps", "test", "2", "1"] in rows
    assert ["hierarcaps", "expanded-train"] in rows
    assert "hierarcaps expanded-train: no expanded-train here." in printed


@pytest.mark.parametrize(("words", "kind"), [(("hierarcaps",), "own"), ((), "own"), (("hyperlex",), "public")])
def test_a_dataset_is_fetched_from_where_it_is(run, tmp_path, monkeypatch, words, kind):
    files = {"own": [tmp_path / "a.csv"], "public": [tmp_path / "b.txt", tmp_path / "c.txt"]}
    monkeypatch.setattr(data, "PUBLIC", {"hyperlex": ()})
    monkeypatch.setattr(public, "fetch_public", lambda name, progress: files["public"])
    monkeypatch.setattr(hierarcaps, "fetch", lambda what, progress: files["own"])
    code, printed, _ = run("data", "fetch", *words, "--json", tmp_path / "files.json")
    assert code == 0
    assert printed.startswith(f"{len(files[kind])} files in ")
    told = json.loads((tmp_path / "files.json").read_text())
    assert told["metrics"] == {"files": len(files[kind])}
    assert told["files"] == list(map(str, files[kind]))


def test_data_check_exits_with_2_on_defects(run, tmp_path):
    bad = tmp_path / "hierarcaps_test.csv"
    url = "http://images.cocodataset.org/val2014/COCO_val2014_000000000042.jpg"
    bad.write_text(f"id,captions,image_url\n0,a => b => c,{url}\n1,a => b => => d,{url}\n")
    code, _, said = run("data", "check", bad, "--no-images")
    assert (code, "data row 1 (the first is 0), column captions: 4 tiers instead of 3" in said) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["probe", "-m", "tinny", "--data", "scenes"], "did you mean 'tiny'?"),
        (["probe", "-m", "tiny", "-d", "scene"], "did you mean 'scenes'?"),
        (["probe", "-m", "tiny", "-d", "scenes", "-g", "lorenz:-1"], "did you mean 'lorentz'?"),
        (["probe", "-m", "tiny", "-d", "scenes", "-g", "lorentz:1"], "needs a negative curvature"),
        (["probe", "-m", "tiny", "-d", "scenes", "-g", "lorentz:x"], "is not a number"),
        (["probe", "-m", "tiny", "-d", "scenes", "-g", "sphere:9", "--rows", "5"], "beyond the antipode"),
        (["probe", "-m", "tiny", "-d", "scenes", "-p", "pair"], "did you mean 'pairs'?"),
        (["probe", "-m", "tiny", "-d", "scenes", "--device", "gpu"], "device 'gpu'"),
        (["probe", "-m", "npz:nowhere.npz", "-d", "scenes"], "nowhere.npz"),
        (["probe", "-m", "tiny", "-d", "scenes", "--root", "text"], "unknown root 'text'"),
        (["probe", "-m", "tiny", "-d", "scenes", "--rows", "5", "-g", "product:lorentz:-1x3"], "have 3 dimensions"),
        (["info", "--device", "nope"], "device 'nope'"),
        (["probe", "-m", "tiny", "-d", "scenes", "--device", "meta"], "device 'meta' cannot be used here"),
        (["probe", "-m", "tiny", "-d", "scenes", "-g", "product:lorentz:-1x²"], "needs a dimension"),
        (["probe", "-m", "tiny", "-d", "scenes", "-g", "product:product:euclidean:x3"], "inside a product"),
        (["data", "fetch", "imagenet"], "unknown downloadable dataset"),
    ],
)
def test_bad_input_gets_one_sentence(run, arguments, said):
    code, _, err = run(*arguments)
    assert code == 2
    assert said in err
    *progress, last = err.splitlines()
    assert last.startswith("Error: ")
    assert all(line.endswith(" ...") for line in progress)  # of what took a second


def test_an_output_that_cannot_be_written_is_refused_before_the_work(run, tmp_path):
    (tmp_path / "bad.npz").touch()
    code, _, err = run("probe", "-m", f"npz:{tmp_path / 'bad.npz'}", "--json", tmp_path)
    assert code == 2
    assert "is a folder" in err


def test_two_outputs_in_one_file_are_refused(run, tmp_path):
    same = tmp_path / "same"
    code, _, err = run("compare", "-m", "tiny", "-d", "scenes", "--html", same, "--json", same)
    assert code == 2
    assert "two outputs" in err


@pytest.mark.parametrize(
    "arguments", [["probe"], ["prob"], ["probe", "-m", "tiny", "--rows", "0"], ["embed", "-m", "tiny", "--rows", "x"]]
)
def test_usage_errors_are_one_sentence_that_names_the_help(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert "--help" in err


def test_the_module_is_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["hiergeo", "data", "check", "nosuch.csv"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("hiergeo", run_name="__main__")
    assert stop.value.code == 2
    assert "nosuch.csv" in capsys.readouterr().err


def test_rows_of_another_tool_are_measured_as_the_model_that_made_them(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows, tiny = scenes.load("test", count=8).rows, load("tiny")
    texts = ["", *dict.fromkeys(text for row in rows for text in row.positive)]
    pd.DataFrame([row.positive for row in rows]).rename(columns="level{}".format).to_csv("own.csv", index=False)
    (tmp_path / "far").mkdir()
    np.save("rows.npy", tiny.encode_text(texts).numpy())
    pd.DataFrame({"title": texts}).to_csv("far/texts.csv", index=False)
    measured = []
    for words in (("-m", "tiny"), ("-m", "rows.npy", "--captions", tmp_path / "far/texts.csv")):
        code, _out, err = run("probe", *words, "-d", "chains:own.csv", "--json", "probe.json")
        assert code == 0, err
        measured.append(metrics(Path("probe.json")))
    assert measured[1]["tau_d"] == pytest.approx(measured[0]["tau_d"], abs=1e-6)
    assert run("probe", "-m", "tiny", "--captions", "far/texts.csv")[0] == 2
