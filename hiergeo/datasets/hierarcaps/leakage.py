"""Keeping the test split out of training: a refusal for shared images, a mask for shared texts."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hiergeo.datasets._base import Hierarchy, Row
from hiergeo.datasets._home import data_home
from hiergeo.datasets.hierarcaps.published import TEST, test_images
from hiergeo.datasets.hierarcaps.splits import NAME, read_rows
from hiergeo.errors import InputError, UnavailableError


def check_no_leakage(training: Hierarchy | Sequence[Row], *, home: Path | None = None) -> None:
    """Refuse to train on rows that describe images of the test split.

    Rows are told by the number of their image in MS-COCO. Those that have none are told by their captions, where all of
    a chain are those of a test row; that needs the test split in the data home, and a warning says where it is missing.

    Args:
        training: the rows to train on; a hierarchy of another dataset passes.
        home: the data home, by default `data_home()`.

    Raises:
        InputError: some rows do; it counts them and names the split to use.
    """
    if isinstance(training, Hierarchy) and training.name != NAME:
        return
    rows = training.rows if isinstance(training, Hierarchy) else training
    leaked = sum(row.image_id in test_images() for row in rows)
    unnamed = [row.positive for row in rows if row.image_id is None]
    if unnamed:
        leaked += sum(map(_test_chains(home or data_home()).__contains__, unnamed))
    if leaked:
        source = f"split '{training.split}'" if isinstance(training, Hierarchy) else "these rows"
        raise InputError(
            f"cannot train on {source}: {leaked} of {len(rows)} rows describe test images; "
            "train on split 'expanded-train' instead."
        )


def _test_chains(home: Path) -> frozenset[tuple[str, ...]]:
    try:
        return frozenset(row.positive for row in read_rows(TEST.path(home), TEST))
    except UnavailableError as error:
        warnings.warn(
            f"rows without a number of MS-COCO cannot be compared with the test captions of HierarCaps: {error}",
            stacklevel=4,
        )
        return frozenset()


def unseen_rows(test: Hierarchy, training: Hierarchy) -> np.ndarray:
    """Which test rows share no caption with the training set.

    Returns:
        Booleans of shape (rows of `test`,): True where none of the row's positive captions is, letter by letter, among
        the captions (positive or negative) of `training`.
    """
    seen = frozenset(training.texts)
    return np.array([seen.isdisjoint(row.positive) for row in test.rows])
