"""`scenes`: pictures of things that people know, and what can be said of them from general to specific.

Generated and free to use; the truth of every caption for every picture is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, final

from hiergeo._core import limits
from hiergeo._core.errors import check_whole, unknown_name
from hiergeo.datasets.hierarchy import Hierarchy, ImageRef, Labelled, Row
from hiergeo.datasets.scenes.drawing import picture
from hiergeo.datasets.scenes.world import (
    SPLITS,
    Claim,
    Scene,
    balanced_chain,
    chain,
    holds,
    implies,
    parse,
    phrase,
    sample,
    sample_balanced,
)

if TYPE_CHECKING:
    from PIL.Image import Image

COUNTS = {"train": 20_000, "validation": 1_000, "test": 1_000, "unseen": 300}
"""Default number of rows of each split."""

PROMPTS = ("a small {}", "a big {}")
"""Prompts for a thing; the adjective avoids the choice between "a" and "an"."""

BALANCED = "balanced"
"""The test split with captions that do not grow, as a split of its own."""


def load(
    split: str = "test",
    *,
    count: int | None = None,
    seed: int = 0,
    balanced: bool = False,
    first: int | None = None,
) -> Hierarchy:
    """Scenes with a chain of four captions each and the contradicting chain, the same on every platform.

    Splits share no full description of a scene, whatever their seeds; a smaller `count` gives the first rows of a
    larger one. Row ids are image ids, from 0; images are drawn when opened. The `truth` of the hierarchy is exact.

    Args:
        split: ``train``, ``validation`` or ``test``; ``unseen`` has things that these never show; ``balanced`` is the
            test split, balanced.
        count: number of rows, at least 1; by default that of `COUNTS`.
        seed: which of the endless draws of that split.
        balanced: whether captions keep their number of words from tier to tier, or lose some, so that length says
            nothing of how specific a caption is: see `balanced_chain`.
        first: only so many of these rows, at least 1; None is all.

    Raises:
        InputError: the split is unknown, `count` or `first` below 1, or the unseen things are to be balanced.
    """
    name, balanced = split, balanced or split == BALANCED
    split = "test" if split == BALANCED else split
    if split not in SPLITS or (balanced and split == "unseen"):
        raise unknown_name("split of scenes", split, [*SPLITS, BALANCED])
    count = COUNTS[split] if count is None else count
    check_whole("count", count, 1, limits.COUNT)
    if first is not None:
        check_whole("first", first, 1, limits.COUNT)
        count = min(count, first)
    rows, images = zip(*(_row(split, seed, row_id, balanced) for row_id in range(count)), strict=True)
    title = f"{name}, balanced" if balanced and name != BALANCED else name
    return Hierarchy("scenes", title, rows, images, truth=Truth())


def lone_things(templates: Sequence[str] = PROMPTS) -> Labelled:
    """The scenes with a single thing among those of the test split, labelled by its word. Raises as `Labelled`."""
    scenes = (scene_and_chain("test", 0, row_id)[0] for row_id in range(COUNTS["test"]))
    alone = [(row_id, scene) for row_id, scene in enumerate(scenes) if len(scene.things) == 1]
    shown = sorted({scene.things[0].thing.index: scene.things[0].thing.word for _, scene in alone}.items())
    classes = tuple(word for _, word in shown)
    return Labelled(
        name="scenes",
        images=tuple(_image(row_id, scene) for row_id, scene in alone),
        labels=tuple(classes.index(scene.things[0].thing.word) for _, scene in alone),
        classes=classes,
        templates=tuple(templates),
    )


def entails(specific: str, general: str) -> bool:
    """Whether one caption is true of every scene of which another one is.

    Raises:
        InputError: one of them is not a caption of this world.
    """
    return implies(parse(specific), parse(general))


def is_true(caption: str, image: ImageRef) -> bool:
    """Whether a caption is true of the picture of a scene, of any of its splits.

    Raises:
        InputError: it is not a caption of this world.
    """
    assert isinstance(image.open, Drawn)
    return holds(parse(caption), image.open.scene)


@final
@dataclass(frozen=True)
class Truth:
    """The truth of captions of scenes; see `hiergeo.datasets.hierarchy.Truth`."""

    entails = staticmethod(entails)
    is_true = staticmethod(is_true)


@final
@dataclass(frozen=True)
class Drawn:
    """What opens the image of a scene."""

    scene: Scene

    def __call__(self) -> "Image":
        """The picture, drawn."""
        return picture(self.scene)


@lru_cache(maxsize=1 << 12)
def scene_and_chain(
    split: str, seed: int, row_id: int, balanced: bool = False
) -> tuple[Scene, tuple[str, ...], tuple[str, ...]]:
    """One row in full: the scene itself, its positive captions and its negative ones."""
    scene, positive, negative = scene_and_claims(split, seed, row_id, balanced)
    return scene, tuple(map(phrase, positive)), tuple(map(phrase, negative))


def scene_and_claims(
    split: str, seed: int, row_id: int, balanced: bool = False
) -> tuple[Scene, tuple[Claim, ...], tuple[Claim, ...]]:
    """As `scene_and_chain`, with what captions tell in the place of their words."""
    random = Random(f"scenes/{split}{'/balanced' if balanced else ''}/{seed}/{row_id}")
    if balanced:
        scene = sample_balanced(split, random)
        return scene, *balanced_chain(scene, random)
    scene = sample(split, random)
    return scene, *chain(scene, random, split == "unseen")


def _row(split: str, seed: int, row_id: int, balanced: bool) -> tuple[Row, ImageRef]:
    scene, positive, negative = scene_and_chain(split, seed, row_id, balanced)
    return Row(row_id, positive, negative, image_id=row_id), _image(row_id, scene)


@lru_cache(maxsize=1 << 12)
def _image(row_id: int, scene: Scene) -> ImageRef:
    """The image of a scene, of all datasets that hold it, so that it is drawn once to be known by its pixels."""
    return ImageRef(row_id, Drawn(scene))
