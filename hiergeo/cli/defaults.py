"""What options show of the rooms behind them: to import these for a ``--help`` takes seconds.

`tests/cli/test_defaults.py` compares every value with the one that it repeats.
"""

from typing import NamedTuple

AUTO = "auto"

COMPARED = ["euclidean", "lorentz:-1", "poincare:-0.5", "sphere:0.25"]
"""Geometries that are compared where none is named."""

SHARPEN = ["prior=40", "mean=1", "order=20"]
"""Losses of heads."""

RE = ["prior=10", "mean=1", "hard=1"]
"""Losses of towers."""

OWN_LOSSES = ("adaptive", "entailment", "hard", "max_margin", "mean", "order", "prior", "transitivity")

SETTINGS = (
    *("accumulate", "amp", "batch", "every", "hidden", "learning_rate", "lora", "losses", "outputs"),
    *("patience", "seed", "steps", "unit", "validation", "weight_decay"),
)
"""Names in `hiergeo.training.Recipe` and `TowerRecipe`, which plans can say."""


class Tree(NamedTuple):
    """Of `hiergeo.search.taxonomy.TreeSettings`."""

    by: str = "angle"
    k: int = 1
    min_confidence: float = 0.995


MOST_PARENTS = 64
MOST_HITS = 1024

HIERARCAPS_PARTS = ["test", "expanded", "train", "images"]
PUBLIC = ("breeds", "hyperlex", "sugarcrepe")
"""Public files that can be downloaded."""
