"""What a verb is told reaches the function that does its work."""

import importlib
import inspect
from collections.abc import Callable, Mapping

import pytest
import torch

from hiergeo import search
from hiergeo._core.errors import InputError
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.geometry import Space
from hiergeo.search.taxonomy import TreeSettings

DATA = ("-m", "tiny", "-d", "scenes", "--rows", 5)


@pytest.fixture
def called(run, monkeypatch, tmp_path) -> Callable:
    """The arguments, by name, with which a verb calls a function, which then ends the verb."""
    monkeypatch.chdir(tmp_path)

    def call(target: str, *words: object) -> Mapping[str, object]:
        module, _, name = target.rpartition(":")
        home, given = importlib.import_module(module), []
        signature = inspect.signature(getattr(home, name))

        def noted(*arguments: object, **named: object) -> None:
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            given.append(bound.arguments)
            raise InputError("this is all that a test wants to know.")

        with monkeypatch.context() as patch:
            patch.setattr(home, name, noted)
            assert run(*words)[0] == 2
        return given.pop()

    return call


NUMBERS = ("--seed", 5, "--min-radius", 0.3)


def test_a_probe_has_the_settings_that_are_named(called):
    words = ("probe", *DATA, "--protocol", "traversal", "--root", "none", "--steps", 7, *NUMBERS)
    given = called("hiergeo.evaluation.measuring:evaluate", *words)
    assert (given["protocol"], given["steps"], given["seed"]) == ("traversal", 7, 5)
    assert (given["space"].root, given["space"].min_radius) == (None, 0.3)
    assert len(given["dataset"].rows) == 5


def test_a_comparison_has_the_settings_that_are_named(called):
    words = ("compare", *DATA, "--protocol", "traversal", "-g", "lorentz:-2", "-g", "sphere:0.1", *NUMBERS)
    given = called("hiergeo.evaluation:compare", *words)
    assert (given["protocol"], given["seed"]) == ("traversal", 5)
    (spaces,) = (value for value in given.values() if isinstance(value, list))
    assert [(space.geometry.spec, space.min_radius) for space in spaces] == [("lorentz:-2", 0.3), ("sphere:0.1", 0.3)]


def test_audits_have_the_settings_that_are_named(called):
    given = called("hiergeo.evaluation.auditing:audit", "audit", *DATA, *NUMBERS, "--twins", 3)
    assert (given["settings"], given["space"].min_radius) == (AuditSettings(seed=5), 0.3)
    assert given["twins"] == 3


def test_a_study_has_the_settings_that_are_named(called):
    heads = ("--train", "train", "--seeds", 2, "--learning-rate", 0.01, "--loss", "mean=1")
    heads += ("--set", "batch=16", "--set", "unit=false")
    given = called("hiergeo.training.study:run_study", "study", *DATA, *heads, "-g", "euclidean", "-g", "lorentz:-1")
    plan = given["plan"]
    assert (plan.dims, plan.seeds, plan.learning_rates) == ((64,), (0, 1), (0.01,))
    assert plan.geometries == ("euclidean", "lorentz:-1")
    assert (plan.recipe.every, plan.recipe.unit, plan.recipe.batch) == (50, False, 16)


def test_quality_has_the_settings_that_are_named(called):
    words = ("chains", "quality", "scenes", "--rows", 5, "--judge", "transformers:nli")
    settings = called("hiergeo.construction:quality", *words)
    assert (settings["judge"], settings["decisions"], len(settings["chains"].rows)) == ("transformers:nli", None, 5)


def test_a_taxonomy_has_the_settings_that_are_named(called, tmp_path):
    search.build(tmp_path / "index", None, embeddings=torch.eye(4), space=Space("euclidean", "none"))
    words = ("--by", "angle", "-k", 3, "--min-confidence", 0.25, "--seed", 5, "-g", "lorentz:-1")
    given = called("hiergeo.search.taxonomy:grow", "tree", tmp_path / "index", *words)
    assert given["settings"] == TreeSettings("angle", 3, 0.25, 5)
    assert given["space"] == "lorentz:-1"


@pytest.mark.parametrize(("words", "overwrite"), [((), False), (("--overwrite",), True)])
def test_embeddings_are_made_as_is_named(called, words, overwrite):
    given = called("hiergeo.adapters:embed", "embed", *DATA, "--out", "out.npz", "--batch-size", 3, *words)
    assert (given["batch_size"], given["overwrite"]) == (3, overwrite)


def test_parts_are_fetched_that_are_named(called):
    words = ("data", "fetch", "--part", "test", "--part", "val")
    assert list(called("hiergeo.datasets.hierarcaps:fetch", *words)["what"]) == ["test", "val"]
