"""How far the similarities of texts moved while a model was trained."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.errors import InputError
from hiergeo.metrics._checks import checked


class Drift(NamedTuple):
    """Two models' cosines of the same pairs of texts.

    Attributes:
        change: mean |cos_after - cos_before| over all pairs, in [0, 2]; 0 where nothing moved.
        correlation: Pearson's, in [-1, 1]; NaN where all cosines of a model are equal.
    """

    change: float
    correlation: float


def similarity_drift(before: ArrayLike, after: ArrayLike) -> Drift:
    """The drift of the cosine similarities of n texts between two models, over all n (n - 1) / 2 pairs; O(n^2) memory.

    Args:
        before: (n, D) embeddings, of any norm but 0.
        after: (n, D'), of the same texts.

    Raises:
        InputError: fewer than two texts, different numbers of them, a zero row, NaN.
    """
    old, new = (_cosines(name, rows) for name, rows in (("before", before), ("after", after)))
    if len(old) != len(new):
        raise InputError(f"before and after must be of the same texts, not {len(old)} and {len(new)} pairs.")
    level = old.std() == 0 or new.std() == 0
    return Drift(float(np.abs(new - old).mean()), float("nan") if level else float(np.corrcoef(old, new)[0, 1]))


def _cosines(name: str, rows: ArrayLike) -> np.ndarray:
    array = checked(name, rows, ndim=2)
    if len(array) < 2:
        raise InputError(f"{name} must hold at least 2 texts, not {len(array)}.")
    norm = np.linalg.norm(array, axis=1, keepdims=True)
    if not norm.all():
        raise InputError(f"row {int(np.argmin(norm))} of {name} is zero: it has no direction.")
    unit = array / norm
    return np.clip(unit @ unit.T, -1, 1)[np.triu_indices(len(array), k=1)]
