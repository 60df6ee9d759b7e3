"""The recipes of the page on interoperation train: losses fall, weights and curvatures move."""

import importlib.util
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = Path(__file__).parents[2] / "docs" / "interoperation.md"


def recipe(name: str) -> dict[str, Any]:
    """The names that a marked block of the page defines, once it has run."""
    found = re.search(
        rf"^<!-- recipe: {name} -->\n```py(?:thon)?\n(.*?)^```",
        PAGE.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert found is not None, f"the page has no recipe '{name}'"
    namespace: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(found[1], str(PAGE), "exec"), namespace)
    return namespace


@pytest.mark.slow
def test_the_trainer_of_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("accelerate")
    monkeypatch.chdir(tmp_path)
    made = recipe("trainer")
    losses = [step["loss"] for step in made["trainer"].state.log_history if "loss" in step]
    assert len(losses) == 12
    assert sum(losses[-3:]) < sum(losses[:3]) - 0.3
    moved = [
        not torch.equal(new, old.to(new))
        for new, old in zip(made["tower"].parameters(), made["before"].parameters(), strict=True)
    ]
    assert any(moved)
    assert all(not weight.requires_grad for weight in made["before"].parameters())


@pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason="needs lightning: pip install lightning")
@pytest.mark.filterwarnings("ignore")
def test_lightning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = recipe("lightning")
    module = made["module"]
    curvature = module.space.geometry.value
    assert -10 <= curvature <= -0.1
    assert not math.isclose(curvature, -1.0)
    tau = float(made["fit"].callback_metrics["tau_d"])
    module.order.update(module.space.radius(module(made["chains"].tensors[0])))
    assert tau == pytest.approx(float(module.order.compute()), abs=1e-6)
