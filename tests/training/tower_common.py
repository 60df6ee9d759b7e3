"""What the tests of fine-tuning share: a few scenes, a short training of the tiny model, and what came of it."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from hiergeo import adapters, datasets
from hiergeo.datasets import Hierarchy
from hiergeo.training import TowerRecipe, TrainedFolder, fine_tune

ROWS = 60
SHORT: dict[str, Any] = {"learning_rate": 3e-4, "batch": 8, "steps": 6, "every": 2, "validation": 0.2}


def scenes(rows: int = ROWS) -> Hierarchy:
    return datasets.load("scenes", "train", count=rows)


def tuned(out: Path, *, overwrite: bool = False, geometry: Any = "euclidean", **changes: Any) -> TrainedFolder:
    """The tiny model after a short training, `SHORT` but for the changes."""
    recipe = TowerRecipe(**(SHORT | changes))
    return fine_tune(adapters.load("tiny"), scenes(), out, geometry, recipe, overwrite=overwrite)


def curve(out: Path) -> dict[str, list[float]]:
    """Name -> its value after every step."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "look" not in line]
    return {name: [step[name] for step in steps] for name in steps[0] if name != "step"}


def weights(out: Path) -> dict[str, Tensor]:
    return load_file(out / "model" / "open_clip_model.safetensors")
