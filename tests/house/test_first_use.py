"""What a newcomer tries first: names under `hiergeo`, objects at the prompt, plug-ins that fail."""

import importlib
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

import hiergeo
from hiergeo._core import plugins
from hiergeo._core.errors import HiergeoError, InputError
from hiergeo.geometry import Space
from tests.tools import warm

HOMES = {
    "report": "report",
    "training": "training",
    "study": "training.study",
    "metrics": "evaluation.metrics",
    "testing": "testing",
    "datasets.hierarcaps": "datasets.hierarcaps",
}
NAMING = """
import os, sys, torch
import hiergeo
assert not [name for name in sys.modules if name.startswith("hiergeo.evaluation")]
for name in sys.argv[1:]:
    if not os.fork():
        print(eval(f"hiergeo.{name}").__name__, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each name meets a fork of its own")
def test_modules_are_there_without_an_import_of_their_own():
    done = subprocess.run([sys.executable, "-c", NAMING, *HOMES], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [f"hiergeo.{home}" for home in HOMES.values()], done.stderr


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = hiergeo.nonsense


@pytest.mark.parametrize("name", hiergeo.MODULES)
def test_modules_are_imported_by_their_public_names(name):
    public, room = (importlib.import_module(f"hiergeo.{of}") for of in (name, hiergeo.MODULES[name]))
    names = getattr(room, "__all__", None) or [of for of in vars(room) if not of.startswith("_")]
    assert all(getattr(public, of) is getattr(room, of) for of in names)
    with pytest.raises(ImportError, match="nonsense"):
        exec(f"from hiergeo.{name} import nonsense")


@pytest.mark.parametrize("measure", [hiergeo.evaluate, hiergeo.compare, hiergeo.audit])
def test_arguments_in_the_wrong_order_get_one_sentence(measure):
    data = hiergeo.datasets.load("scenes", count=5)
    spaces = [["euclidean", "lorentz:-1"]] if measure is hiergeo.compare else []
    for model in (data, None, torch.eye(3)):
        with pytest.raises(InputError, match="first argument is a model"):
            measure(model, "tiny", *spaces)
    with pytest.raises(InputError, match="data are"):
        measure("tiny", torch.eye(3), *spaces)


def test_objects_are_short_at_the_prompt():
    model = hiergeo.adapters.load("tiny")
    comparison = hiergeo.compare(model, hiergeo.datasets.load("scenes", count=20), ["euclidean", "lorentz:-1"])
    for shown in (model, comparison, comparison.embedded, comparison.embedded.hierarchy, comparison.results[0]):
        assert len(repr(shown)) < 200
        assert " at 0x" not in repr(shown)
    assert "tiny" in repr(model)
    assert "lorentz:-1" in repr(comparison)
    assert f"{comparison.results[0].metrics['tau_d']:.4f}" in repr(comparison.results[0])


def broken(*_: object, **__: object) -> None:
    raise KeyError("weights\n")


@pytest.mark.parametrize("stage", ["load", "call"])
def test_a_plug_in_that_fails_is_named(monkeypatch, stage):
    entry = SimpleNamespace(
        name="frail", value="frail_package:make", group="any", load=broken if stage == "load" else lambda: broken
    )
    monkeypatch.setattr(plugins, "entry_points", lambda **_: [entry])
    for attempt in (lambda: hiergeo.adapters.load("frail:x"), lambda: hiergeo.geometry.parse("frail")):
        with pytest.raises(HiergeoError, match=r"'frail'.*KeyError") as caught:
            attempt()
        assert isinstance(caught.value.__cause__, KeyError)


def test_a_space_names_its_cones():
    x, y = torch.tensor([[0.3, 0.1]]), torch.tensor([[0.6, 0.5]])
    space = Space(hiergeo.Euclidean(), min_radius=0.15)
    assert torch.equal(space.margin(x, y), Space(hiergeo.Euclidean()).margin(x, y, 0.15))
    assert torch.allclose(space.pairwise_margin(x, y)[0], space.margin(x, y))
    assert space.rooted(torch.zeros(2)).min_radius == 0.15
    with pytest.raises(InputError, match="min_radius"):
        Space(hiergeo.Euclidean(), min_radius=0.0)


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A head of another dimension than its model, trained in a hyperbolic space with the default losses."""
    folder = tmp_path_factory.mktemp("head") / "head"
    arguments = (
        "train",
        "head",
        "-m",
        "tiny",
        "-d",
        "scenes",
        "--rows",
        "40",
        "-g",
        "lorentz:-1",
        "--set",
        "outputs=8",
    )
    command = [sys.executable, "-m", "hiergeo", *arguments, "--set", "steps=3", "--out", str(folder)]
    return folder, warm.run(command, text=True)


@pytest.mark.slow
def test_default_losses_fit_the_dimension_that_was_asked_for(head):
    _, done = head
    (note,) = (line for line in done.stderr.splitlines() if not line.endswith(" ..."))
    assert "prior" in note


@pytest.mark.parametrize(("geometry", "noted"), [("euclidean", True), ("lorentz:-1", False), ("poincare:-1.01", True)])
@pytest.mark.slow
def test_a_head_measured_elsewhere_than_it_was_trained_is_noted(run, head, geometry, noted):
    code, _, err = run("probe", "-m", f"head:{head[0]}", "-d", "scenes", "--rows", 20, "-g", geometry)
    assert code == 0, err
    assert ("trained in lorentz:-1" in err) == noted


def test_dir_shows_public_names_alone():
    assert set(dir(hiergeo)) == set(hiergeo.__all__)
