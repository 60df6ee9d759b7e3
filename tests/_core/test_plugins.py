"""Plug-ins of every kind by name: our own, those of other packages, and those that fail."""

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from hiergeo import Lorentz, adapters, datasets
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.plugins import Plugins
from hiergeo.evaluation import PROTOCOLS
from hiergeo.evaluation.benchmarks import BENCHMARKS
from hiergeo.evaluation.metrics.registry import PLUGINS
from hiergeo.geometry.spec import GEOMETRIES
from hiergeo.training import LOSSES, Objective, chain_loss, train_head
from tests.training.training_common import FAST, chains

KINDS = {
    "hiergeo.adapters": adapters.ADAPTERS,
    "hiergeo.benchmarks": BENCHMARKS,
    "hiergeo.datasets": datasets.DATASETS,
    "hiergeo.geometries": GEOMETRIES,
    "hiergeo.losses": LOSSES,
    "hiergeo.metrics": PLUGINS,
    "hiergeo.protocols": PROTOCOLS,
    "hiergeo.towers": adapters.TOWERS,
}


def one(**_: object) -> int:
    return 1


@pytest.fixture
def plugins(monkeypatch):
    """Plug-ins of a kind with three of ours and three of others, one of which takes a name of ours."""
    entries = [
        EntryPoint("two", f"{__name__}:one", "group"),
        EntryPoint("one", "no_such_package:thing", "group"),
        EntryPoint("lost", "no_such_package:thing", "group"),
        EntryPoint("elsewhere", "no_such_package:thing", "other group"),
    ]
    monkeypatch.setattr("hiergeo._core.plugins.entry_points", lambda group: [e for e in entries if e.group == group])
    own = {"one": one, "path": "os:path", "late": "json:dumps"}
    return Plugins("thing", "group", own)


def test_names_are_ours_and_those_of_others_and_ours_come_first(plugins):
    assert plugins.names() == ["late", "lost", "one", "path", "two"]
    assert plugins.get("one") is one
    assert plugins.get("two") is one
    assert plugins.get("late") is sys.modules["json"].dumps
    assert "two" in plugins
    assert "elsewhere" not in plugins


def test_unknown_names_are_refused_with_the_nearest(plugins):
    for attempt in (plugins.get, plugins.check):
        with pytest.raises(InputError, match="unknown thing 'lots': did you mean 'lost'"):
            attempt("lots")
        with pytest.raises(InputError, match=r"FILE\.py:NAME"):
            attempt("MyThing")
    plugins.check("lost")


def test_a_plug_in_that_cannot_be_imported_is_named(plugins):
    with pytest.raises(UnavailableError, match=r"thing 'lost' \(no_such_package:thing\)"):
        plugins.get("lost")


def test_only_what_others_raise_is_reported_for_them(plugins):
    with pytest.raises(UnavailableError, match="thing 'two' broke: KeyError"), plugins.running("two", "broke"):
        raise KeyError("x")
    with pytest.raises(KeyError), plugins.running("one", "broke"):
        raise KeyError("x")
    with pytest.raises(InputError, match="plain"), plugins.running("two", "broke"):
        raise InputError("plain")


@pytest.mark.parametrize("group", KINDS)
def test_every_kind_has_its_group_and_all_of_ours_can_be_imported(group):
    kind = KINDS[group]
    assert kind.group == group
    assert all(kind.get(name) is not None for name in kind.own)


def test_a_dataset_of_another_package(monkeypatch):
    made = datasets.load("scenes", count=3)
    entry = SimpleNamespace(name="pets", value="pets:load", group="hiergeo.datasets", load=lambda: load_pets)
    monkeypatch.setattr("hiergeo._core.plugins.entry_points", lambda group: [entry] if group == entry.group else [])

    def load_pets(split: str, *, count: int = 3) -> object:
        return {"test": made.take(count), "train": "rows"}[split]

    assert datasets.load("pets", count=2) == made.take(2)
    with pytest.raises(InputError, match="option of pets 'cuont': did you mean 'count'"):
        datasets.load("pets", cuont=2)
    with pytest.raises(InputError, match="is a str, not"):
        datasets.load("pets", "train")
    with pytest.raises(UnavailableError, match="dataset 'pets' could not read 'all': KeyError"):
        datasets.load("pets", "all")
    with pytest.raises(InputError, match="did you mean 'pets'"):
        datasets.load("pet")


def test_a_loss_of_another_package(monkeypatch):
    losses = {
        "spread": lambda batch: -batch.space.radius(batch.positive).std(),
        "long": lambda batch: batch.space.radius(batch.positive),
        "frail": lambda batch: batch.nothing,
    }
    entries = [
        SimpleNamespace(name=name, value=f"mine:{name}", group="hiergeo.losses", load=lambda loss=loss: loss)
        for name, loss in losses.items()
    ]
    monkeypatch.setattr("hiergeo._core.plugins.entry_points", lambda group: [e for e in entries if e.group == group])
    recipe = replace(FAST, losses={"spread": 1.0, "prior": 1.0})
    trained = train_head(chains(), Lorentz(-1), recipe)
    assert trained.history[-1].validation["spread"] < trained.history[0].validation["spread"]
    assert chain_loss("spread").sees_curvature
    with pytest.raises(InputError, match=r"loss 'long' gave \("):
        train_head(chains(), Lorentz(-1), replace(FAST, losses={"long": 1.0}))
    with pytest.raises(UnavailableError, match="loss 'frail' could not be taken: AttributeError"):
        train_head(chains(), Lorentz(-1), replace(FAST, losses={"frail": 1.0}))
    with pytest.raises(InputError, match="did you mean 'spread'"):
        Objective({"spraed": 1.0})
