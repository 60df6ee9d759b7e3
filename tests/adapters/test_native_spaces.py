"""The space that a model brings: where measurements use it, and what replaces it."""

import json

import pytest

import hiergeo
from hiergeo import adapters, datasets
from hiergeo.adapters.head import Head, HeadModel, HeadShape, write_head
from hiergeo.cli._io import beside
from hiergeo.evaluation import evaluate

LEARNT = "lorentz:-0.31"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A head on the bundled model that says that it was trained in a hyperbolic space."""
    dim = adapters.load("tiny").dim
    where = tmp_path_factory.mktemp("native") / "head"
    return write_head(where, Head(HeadShape(dim, dim)), {"base": "tiny", "geometry": LEARNT})


def geometries(path):
    return list(json.loads(path.read_text())["results"])


def test_a_head_brings_the_geometry_it_was_trained_in():
    tiny = adapters.load("tiny")
    head = Head(HeadShape(tiny.dim, tiny.dim))
    assert HeadModel(tiny, head).native_space() is None
    own = HeadModel(tiny, head, trained_in=LEARNT).native_space()
    assert own.geometry.spec == LEARNT
    assert own.centre == "model"


def test_measurements_use_it_unless_told_otherwise(folder):
    data = datasets.load("scenes", "test", count=6)
    head = adapters.load(f"head:{folder}")
    own = evaluate(head, data, samples=5)
    assert own.geometry == LEARNT
    assert own.metrics == evaluate(head, data, LEARNT, samples=5).metrics
    assert evaluate(head, data, "euclidean", samples=5).geometry == "euclidean"
    assert evaluate("tiny", data, samples=5).geometry == "euclidean"


@pytest.mark.parametrize(("options", "geometry"), [((), LEARNT), (("-g", "euclidean"), "euclidean")])
def test_probe_measures_there(run, tmp_path, folder, options, geometry):
    code, out, err = run(
        "probe", "-m", f"head:{folder}", "-d", "scenes", "--rows", 5, "--json", tmp_path / "a.json", *options
    )
    assert code == 0, err
    assert json.loads((tmp_path / "a.json").read_text())["settings"]["geometry"] == geometry
    assert geometry in out
    assert LEARNT in err


@pytest.mark.slow
def test_compare_adds_it_where_no_geometry_is_named(run, tmp_path, folder):
    outputs = ("--json", tmp_path / "a.json", "--html", tmp_path / "a.html")
    chosen = ("-d", "scenes", "--rows", 5, *outputs)
    code, _, err = run("compare", "-m", f"head:{folder}", *chosen)
    assert code == 0, err
    assert geometries(tmp_path / "a.json") == [LEARNT, "euclidean", "lorentz:-1", "poincare:-0.5", "sphere:0.25"]
    run("compare", "-m", f"head:{folder}", *chosen, "-g", "euclidean", "-g", "lorentz:-1")
    assert geometries(tmp_path / "a.json") == ["euclidean", "lorentz:-1"]


def test_compared_geometries_share_the_root_and_the_cones_of_the_space_that_is_brought(monkeypatch):
    own = hiergeo.Space("lorentz:-2", adapters.load("tiny").root() / 2, min_radius=0.3)
    spaces = beside(own, ["euclidean", "lorentz:-2", "sphere:0.25"])
    assert [space.geometry.spec for space in spaces] == ["lorentz:-2", "euclidean", "sphere:0.25"]
    assert all(space.root is own.root and space.min_radius == 0.3 for space in spaces)
    assert [space.centre for space in beside(hiergeo.Space("euclidean", "none"), ["lorentz:-1"])] == ["none", "none"]
