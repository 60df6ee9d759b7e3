"""`scenes`: a procedural, licence-free hierarchy of captions and images of coloured shapes."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from hiergeo.datasets._base import Hierarchy, ImageRef, Row
from hiergeo.datasets.scenes.captions import chain, phrase
from hiergeo.datasets.scenes.draw import picture
from hiergeo.datasets.scenes.world import SPLITS, Scene, sample
from hiergeo.errors import InputError, unknown_name

if TYPE_CHECKING:
    from PIL.Image import Image

COUNTS = {"train": 20_000, "validation": 1_000, "test": 1_000}
"""Rows of each split unless told otherwise."""


def load(split: str = "test", *, count: int | None = None, seed: int = 0) -> Hierarchy:
    """Scenes with a chain of four captions each and the contradicting chain, the same on every platform.

    Splits share no full description of a scene, whatever their seeds; a smaller `count` gives the first rows of a
    larger one. Row ids are image ids, from 0; images are drawn when opened.

    Args:
        split: ``train``, ``validation`` or ``test``.
        count: number of rows, at least 1; by default that of `COUNTS`.
        seed: which of the endless draws of that split.

    Raises:
        InputError: the split is unknown or `count` is below 1.
    """
    if split not in SPLITS:
        raise unknown_name("split of scenes", split, SPLITS)
    count = COUNTS[split] if count is None else count
    if count < 1:
        raise InputError(f"scenes cannot be loaded with count={count}: ask for at least 1 row.")
    rows, images = zip(*(_row(split, seed, row_id) for row_id in range(count)), strict=True)
    return Hierarchy("scenes", split, rows, images)


def scene_and_chain(split: str, seed: int, row_id: int) -> tuple[Scene, tuple[str, ...], tuple[str, ...]]:
    """One row in full: the scene itself, its positive captions and its negative ones."""
    random = Random(f"scenes/{split}/{seed}/{row_id}")
    scene = sample(split, random)
    positive, negative = chain(scene, random)
    return scene, tuple(map(phrase, positive)), tuple(map(phrase, negative))


def _row(split: str, seed: int, row_id: int) -> tuple[Row, ImageRef]:
    scene, positive, negative = scene_and_chain(split, seed, row_id)
    return Row(row_id, positive, negative, image_id=row_id), ImageRef(row_id, _opener(scene))


def _opener(scene: Scene) -> "Callable[[], Image]":
    return partial(picture, scene)
