"""What the tests of studies share: a small study on embeddings whose hierarchy a head can learn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hiergeo.training.study import Study, StudyPlan, StudySettings, run_study
from tests.training.training_common import FAST, chains, hierarchy, stored

SMALL = replace(FAST, losses={"mean": 1.0, "order": 5.0}, hidden=0, steps=12, every=6)
GEOMETRIES = ("euclidean", "lorentz:-1", "poincare:-1", "product:lorentz:-1x2,euclidean:x2")


def plan(**changes: Any) -> StudyPlan:
    settings: dict[str, Any] = {"geometries": GEOMETRIES, "dims": (4,), "seeds": (0, 1), "recipe": SMALL}
    settings["learning_rates"] = (0.02,)
    return StudyPlan(**(settings | changes))


def study(folder: Path, **changes: object) -> Study:
    return run_study(plan(**changes), chains(), stored(folder / "base.npz"), hierarchy(), StudySettings(samples=100))
