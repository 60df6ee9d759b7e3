"""`scenes`: a procedural, licence-free hierarchy of captions and images of coloured shapes."""

from collections.abc import Sequence
from functools import lru_cache, partial
from random import Random

from hiergeo._core import limits
from hiergeo._core.errors import check_whole, unknown_name
from hiergeo.datasets.hierarchy import Hierarchy, ImageRef, Labelled, Row
from hiergeo.datasets.scenes.drawing import picture
from hiergeo.datasets.scenes.world import KINDS, SPLITS, Facts, Scene, chain, facts, falsehood, phrase, pick, sample

COUNTS = {"train": 20_000, "validation": 1_000, "test": 1_000}
"""Default number of rows of each split."""

PROMPTS = ("a plain {}", "a striped {}", "a dotted {}", "a small {}", "a big {}")
"""Prompts for the kind of a shape; the adjective avoids the choice between "a" and "an"."""

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
    larger one. Row ids are image ids, from 0; images are drawn when opened.

    Args:
        split: ``train``, ``validation`` or ``test``; ``balanced`` is the test split, balanced.
        count: number of rows, at least 1; by default that of `COUNTS`.
        seed: which of the endless draws of that split.
        balanced: whether captions keep their number of words from tier to tier, or lose some, so that length says
            nothing of how specific a caption is: see `balanced_chain`.
        first: only so many of these rows, at least 1; None is all.

    Raises:
        InputError: the split is unknown, or `count` or `first` below 1.
    """
    name, balanced = split, balanced or split == BALANCED
    split = "test" if split == BALANCED else split
    if split not in SPLITS:
        raise unknown_name("split of scenes", split, [*SPLITS, BALANCED])
    count = COUNTS[split] if count is None else count
    check_whole("count", count, 1, limits.COUNT)
    if first is not None:
        check_whole("first", first, 1, limits.COUNT)
        count = min(count, first)
    rows, images = zip(*(_row(split, seed, row_id, balanced) for row_id in range(count)), strict=True)
    return Hierarchy("scenes", f"{name}, balanced" if balanced and name != BALANCED else name, rows, images)


def lone_shapes(templates: Sequence[str] = PROMPTS) -> Labelled:
    """The scenes with a single shape among those of the test split, labelled by its kind. Raises as `Labelled`."""
    scenes = (scene_and_chain("test", 0, row_id)[0] for row_id in range(COUNTS["test"]))
    alone = [(row_id, scene) for row_id, scene in enumerate(scenes) if len(scene.things) == 1]
    return Labelled(
        name="scenes",
        images=tuple(_image(row_id, scene) for row_id, scene in alone),
        labels=tuple(KINDS.index(scene.things[0].kind) for _, scene in alone),
        classes=KINDS,
        templates=tuple(templates),
    )


@lru_cache(maxsize=1 << 12)
def scene_and_chain(
    split: str, seed: int, row_id: int, balanced: bool = False
) -> tuple[Scene, tuple[str, ...], tuple[str, ...]]:
    """One row in full: the scene itself, its positive captions and its negative ones."""
    scene, positive, negative = scene_and_facts(split, seed, row_id, balanced)
    return scene, tuple(map(phrase, positive)), tuple(map(phrase, negative))


def scene_and_facts(
    split: str, seed: int, row_id: int, balanced: bool = False
) -> tuple[Scene, tuple[Facts, ...], tuple[Facts, ...]]:
    """As `scene_and_chain`, with what captions tell in the place of their words."""
    random = Random(f"scenes/{split}{'/balanced' if balanced else ''}/{seed}/{row_id}")
    scene = sample_balanced(split, random) if balanced else sample(split, random)
    return scene, *(balanced_chain(scene, random) if balanced else chain(scene, random))


def _row(split: str, seed: int, row_id: int, balanced: bool) -> tuple[Row, ImageRef]:
    scene, positive, negative = scene_and_chain(split, seed, row_id, balanced)
    return Row(row_id, positive, negative, image_id=row_id), _image(row_id, scene)


@lru_cache(maxsize=1 << 12)
def _image(row_id: int, scene: Scene) -> ImageRef:
    """The image of a scene, of all datasets that hold it, so that it is drawn once to be known by its pixels."""
    return ImageRef(row_id, partial(picture, scene))


ATTRIBUTES = ("colour", "size", "pattern")
ONE_WORD = ("above", "below")
"""Relations of one word, as long as "and"."""


def sample_balanced(split: str, random: Random) -> Scene:
    """A scene of `split` with two things of different families, one above the other."""
    while True:
        scene = sample(split, random)
        if scene.position in ONE_WORD and len({thing.family for thing in scene.things}) == 2:
            return scene


def balanced_chain(scene: Scene, random: Random) -> tuple[tuple[Facts, ...], tuple[Facts, ...]]:
    """Chains as of `hiergeo.datasets.scenes.world.chain` whose captions do not grow; half of them get shorter.

    A kind tells more than a family and takes a word less, and a relation takes the place of "and":

        a curved shape and an angular shape             a curved shape and an angular shape
        a red circle and an angular shape               a circle and an angular shape
        a red circle and a blue square                  a circle and a square
        a red circle above a blue square                a circle above a square
    """
    truth = facts(scene)
    shorter = random.random() < 0.5
    shared = [name for name in ATTRIBUTES if random.random() < 0.35][:2]
    first = pick(random, (0, 1))
    steps = [[f"{thing}.{name}" for thing in (0, 1) for name in ("family", *shared)]]
    for thing in (first, 1 - first):
        beside = pick(random, [name for name in ATTRIBUTES if name not in shared])
        steps.append([f"{thing}.kind", *([] if shorter else [f"{thing}.{beside}"])])
    claim = {"count": truth["count"]}
    positive, negative = [], []
    for slots in (*steps, ["place"]):
        claim = claim | {slot: truth[slot] for slot in slots}
        positive.append(claim)
        negative.append(claim | falsehood(pick(random, sorted(slots)), claim, truth, random))
    return tuple(positive), tuple(negative)
