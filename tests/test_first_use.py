"""What a newcomer tries first: names under `hiergeo`, objects at the prompt, plug-ins that fail."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

import hiergeo
from hiergeo.adapters import _registry
from hiergeo.errors import HiergeoError
from hiergeo.geometry import spec


@pytest.mark.parametrize("name", ["report", "training", "study", "testing", "info", "datasets.hierarcaps"])
def test_modules_are_there_without_an_import_of_their_own(name):
    code = f"import hiergeo; print(hiergeo.{name}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"hiergeo.{name}", done.stderr


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = hiergeo.nonsense


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
    monkeypatch.setattr(_registry, "entry_points", lambda **_: [entry])
    monkeypatch.setattr(spec, "entry_points", lambda **_: [entry])
    for attempt in (lambda: hiergeo.adapters.load("frail:x"), lambda: hiergeo.geometry.parse("frail")):
        with pytest.raises(HiergeoError, match=r"'frail'.*KeyError") as caught:
            attempt()
        assert isinstance(caught.value.__cause__, KeyError)
