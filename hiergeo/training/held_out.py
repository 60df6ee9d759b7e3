"""The test data that a model may be judged on: images and rows that nothing was fitted to."""

from pathlib import Path

import numpy as np

from hiergeo import datasets
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.errors import InputError
from hiergeo.storage import archives
from hiergeo.storage.archives import Array

MARKS = {"heldout": Array("b", (1,), required=False), "image_id": Array("iu", (1,), required=False)}
"""The arrays of an embedding file that say which images nothing was fitted to."""


def held_out_images(path: Path | str) -> frozenset[int] | None:
    """The ids of the images that an embedding file marks in ``heldout`` (m,), booleans; None where it marks none.

    Raises:
        InputError: the file cannot be read, or the mark does not fit its images.
    """
    arrays = archives.read(path, MARKS)
    if "heldout" not in arrays:
        return None
    marked, ids = arrays["heldout"], arrays.get("image_id")
    if ids is None or marked.shape != ids.shape:
        raise InputError(f"{path} marks held-out images in an array that does not fit its image_id.")
    return frozenset(ids[marked].tolist())


def rows_without(captions: frozenset[str], test: Hierarchy) -> np.ndarray:
    """Booleans (rows of `test`,): True where no positive caption is, letter by letter, in `captions`."""
    return np.array([captions.isdisjoint(row.positive) for row in test.rows])


def unseen_rows(captions: frozenset[str] | None, test: Hierarchy) -> np.ndarray | None:
    """Booleans of the test rows without any of the captions trained on; None where there are none, or nothing is known.

    Unknown captions, of a file of embeddings alone, are taken for those of HierarCaps' split without its test images.
    """
    if captions is None and test.name == "hierarcaps":
        captions = frozenset(datasets.load("hierarcaps", "expanded-train").texts)
    rows = None if captions is None else rows_without(captions, test)
    return rows if rows is not None and rows.any() else None


def held_out_of(model: Model) -> frozenset[int] | None:
    """The images that stored embeddings mark as held out; None where a model marks none."""
    kind, _, file = model.name.partition(":")
    return held_out_images(file) if kind == "npz" else None
