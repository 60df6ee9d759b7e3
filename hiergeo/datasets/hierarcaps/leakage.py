"""Keeping the test split out of training: a refusal for shared images, a mask for shared texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hiergeo.datasets._base import Hierarchy, Row
from hiergeo.datasets._home import data_home
from hiergeo.datasets.hierarcaps.splits import NAME, test_image_ids
from hiergeo.errors import InputError


def check_no_leakage(training: Hierarchy | Sequence[Row], *, home: Path | None = None) -> None:
    """Refuse to train on rows that describe images of the test split.

    Args:
        training: the rows to train on, their `image_id` being MS-COCO's; a hierarchy of another dataset passes.
        home: the data home, by default `data_home()`.

    Raises:
        InputError: some rows do; it counts them and names the split to use.
    """
    if isinstance(training, Hierarchy) and training.name != NAME:
        return
    rows = training.rows if isinstance(training, Hierarchy) else training
    if all(row.image_id is None for row in rows):
        return
    test = test_image_ids(home or data_home())
    leaked = sum(row.image_id in test for row in rows)
    if leaked:
        source = f"split '{training.split}'" if isinstance(training, Hierarchy) else "these rows"
        raise InputError(
            f"cannot train on {source}: {leaked} of {len(rows)} rows describe test images; "
            "train on split 'expanded-train' instead."
        )


def unseen_rows(test: Hierarchy, training: Hierarchy) -> np.ndarray:
    """Which test rows share no caption with the training set.

    Returns:
        Booleans of shape (rows of `test`,): True where none of the row's positive captions is, letter by letter, among
        the captions (positive or negative) of `training`.
    """
    seen = frozenset(training.texts)
    return np.array([seen.isdisjoint(row.positive) for row in test.rows])
