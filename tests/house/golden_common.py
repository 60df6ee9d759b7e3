"""Recorded runs: one small study, one evaluation a protocol and space, one comparison a protocol.

``python tests/house/golden_common.py`` records them anew; `test_golden` repeats them and compares every number.
"""

import json
from pathlib import Path
from typing import Any

import hiergeo
from hiergeo import adapters, datasets
from hiergeo.training import Recipe, from_hierarchy
from hiergeo.training.study import Study, StudyPlan, StudySettings, run_study

FOLDER = Path(__file__).parents[1] / "golden"
PROTOCOLS = ("re", "traversal", "pairs")
SPACES = ("euclidean", "lorentz:-1", "sphere:0.1", "product:lorentz:-1x32,euclidean:x32")
ROWS = 150


def evaluations() -> dict[str, Any]:
    """``PROTOCOL/SPACE`` -> result."""
    model, data = adapters.load("tiny"), datasets.load("scenes").take(ROWS)
    return {
        f"{protocol}/{space}": parsed(hiergeo.evaluate(model, data, space, protocol, samples=200))
        for protocol in PROTOCOLS
        for space in SPACES
    }


def comparisons() -> dict[str, Any]:
    """Protocol -> comparison of all spaces and a second chart of one."""
    model, data = adapters.load("tiny"), datasets.load("scenes").take(ROWS)
    spaces = [*SPACES, "poincare:-1"]
    return {protocol: parsed(hiergeo.compare(model, data, spaces, protocol, samples=200)) for protocol in PROTOCOLS}


def study() -> Study:
    """Three geometries, one of them a product, with two seeds and two learning rates each."""
    model, test = adapters.load("tiny"), datasets.load("scenes").take(60)
    chains = from_hierarchy(datasets.load("scenes", "train").take(120), model)
    recipe = Recipe(steps=20, every=10, batch=32, hidden=16, validation=0.2)
    geometries = ("euclidean", "lorentz:-1", "product:lorentz:-1x32,euclidean:x32")
    plan = StudyPlan(geometries, (64,), (0, 1), (1e-3, 5e-3), recipe, learnable=True)
    return run_study(plan, chains, model, test, StudySettings(steps=20, samples=200))


def trainings(done: Study) -> dict[str, Any]:
    """The result of a study as JSON values, with the tuning and every head of a cell."""
    heads = {
        f"{cell.geometry}/d{cell.dim}": {
            "tuning": {f"{rate:g}": score for rate, score in cell.tuning.items()},
            "runs": [
                {
                    "diagnostics": run.result.diagnostics,
                    "best": run.trained.best,
                    "history": [look.as_dict() for look in run.trained.history],
                }
                for run in cell.runs
            ],
        }
        for cell in done.cells
    }
    return {**parsed(done), "heads": json.loads(json.dumps(heads))}


def parsed(result: Any) -> Any:
    """A result as JSON values, without the versions of what made it."""
    return without_versions(json.loads(result.to_json()))


def without_versions(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_versions(part) for name, part in value.items() if name not in ("hiergeo", "torch")}
    return [without_versions(part) for part in value] if isinstance(value, list) else value


def recorded() -> dict[str, Any]:
    """File stem -> what it records, computed now."""
    return {"evaluate": evaluations(), "compare": comparisons(), "study": trainings(study())}


if __name__ == "__main__":
    for name, values in recorded().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(values, indent=1) + "\n")
