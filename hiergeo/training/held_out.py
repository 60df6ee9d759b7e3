"""The test data that a model may be judged on: images and rows that nothing was fitted to."""

from pathlib import Path

import numpy as np

from hiergeo.adapters import _archive
from hiergeo.datasets import Hierarchy
from hiergeo.errors import InputError


def held_out_images(path: Path | str) -> frozenset[int] | None:
    """The ids of the images that an embedding file marks in ``heldout`` (m,), booleans; None where it marks none.

    Raises:
        InputError: the file cannot be read, or the mark does not fit its images.
    """
    arrays = _archive.arrays(Path(path))
    if "heldout" not in arrays:
        return None
    marked, ids = arrays["heldout"], arrays.get("image_id")
    if ids is None or marked.dtype != bool or marked.shape != ids.shape:
        raise InputError(f"{path} marks held-out images in an array that does not fit its image_id.")
    return frozenset(ids[marked].tolist())


def rows_without(captions: frozenset[str], test: Hierarchy) -> np.ndarray:
    """Booleans (rows of `test`,): True where no positive caption is, letter by letter, in `captions`."""
    return np.array([captions.isdisjoint(row.positive) for row in test.rows])
