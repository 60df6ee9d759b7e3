"""What a dataset is: rows of captions from general to specific with the images they describe, or labelled images."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hiergeo._core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST_TIERS = 2
"""Least number of captions in a chain."""


@dataclass(frozen=True)
class Row:
    """One chain of captions of one image, general to specific, and the contradicting chain where there is one."""

    row_id: int
    positive: tuple[str, ...]
    negative: tuple[str, ...] | None = None
    image_id: int | None = None


@dataclass(frozen=True)
class ImageRef:
    """An image by id, opened only when its pixels are needed; `hashes` are those of its pixels, by name.

    `address` is what a table calls it, where it is from one.
    """

    image_id: int
    open: Callable[[], "Image"] = field(compare=False, repr=False)
    path: Path | None = None
    hashes: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    address: str = ""

    @property
    def name(self) -> str:
        """What figures and messages call it: the name of its file or address, or else its number."""
        called = self.address.rstrip("/").rpartition("/")[2] or (self.path and self.path.name)
        return called or f"image {self.image_id}"


class Truth(Protocol):
    """What a dataset that knows it says of its captions and pictures."""

    def entails(self, specific: str, general: str) -> bool:
        """Whether one caption is true of every picture of which another one is."""
        ...

    def is_true(self, caption: str, image: ImageRef) -> bool:
        """Whether a caption is true of a picture."""
        ...


@dataclass(frozen=True, repr=False)
class Hierarchy:
    """A named split of chains.

    Attributes:
        name: dataset name, such as ``hierarcaps``.
        split: split name, such as ``test``.
        rows: the chains, all of the same number of non-empty stripped captions, at least two.
        images: the distinct images of the rows, in order of first appearance; empty when rows have none.
        absent: instead of `images` those whose files are not there, of which a model may have stored embeddings.
        truth: of every caption for every picture and every caption, where the dataset knows it.
    """

    name: str
    split: str
    rows: tuple[Row, ...]
    images: tuple[ImageRef, ...] = ()
    absent: tuple[ImageRef, ...] = ()
    truth: Truth | None = None

    def __repr__(self) -> str:
        images = f"{len(self.absent)} images without files" if self.absent else f"{len(self.images)} images"
        return f"<{self.name} {self.split}, {len(self.rows)} rows, {images}>"

    def __post_init__(self) -> None:
        if not self.rows:
            raise InputError(f"the {self.split} split of {self.name} is empty: nothing to evaluate.")
        if self.tiers < LEAST_TIERS:
            raise InputError(f"row {self.rows[0].row_id} of {self.name} has a chain of fewer than {LEAST_TIERS} tiers.")
        for row in self.rows:
            if any(len(chain) != self.tiers for chain in (row.positive, row.negative) if chain is not None):
                raise InputError(f"row {row.row_id} of {self.name} has a chain of other than {self.tiers} tiers.")
        orphans = {image.image_id for image in (*self.images, *self.absent)} - {row.image_id for row in self.rows}
        if orphans:
            raise InputError(f"image {min(orphans)} of {self.name} belongs to no row: leave it out.")

    @property
    def tiers(self) -> int:
        """Captions in each chain."""
        return len(self.rows[0].positive)

    @cached_property
    def has_negatives(self) -> bool:
        """Whether every row carries a contradicting chain."""
        return all(row.negative is not None for row in self.rows)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The distinct captions of all chains, positive then negative, in order of first appearance."""
        sides = ([row.positive for row in self.rows], [row.negative or () for row in self.rows])
        return distinct(caption for chains in sides for chain in chains for caption in chain)

    def take(self, count: int) -> "Hierarchy":
        """The first `count` rows and only their images. Raises InputError for a count below 1."""
        if count < 1:
            raise InputError(f"take at least 1 row of {self.name}, not {count}.")
        rows = self.rows[:count]
        shown = {row.image_id for row in rows}
        images, absent = (tuple(i for i in part if i.image_id in shown) for part in (self.images, self.absent))
        return replace(self, rows=rows, images=images, absent=absent)


def distinct(captions: Iterable[str]) -> tuple[str, ...]:
    """The captions without repeats, in order of first appearance."""
    return tuple(dict.fromkeys(captions))


@dataclass(frozen=True)
class Labelled:
    """Images, each of one class.

    Attributes:
        name: what the set is called.
        images: n of them.
        labels: (n,) the class of each, a position in `classes`.
        classes: at least two different names.
        templates: prompts with one ``{}`` each, where the name of a class goes.
        keys: what trees and lists of synsets call each class, such as a wnid; empty where that is its name.

    Raises:
        InputError: fewer than two classes, a name twice or empty, a class without images, labels that do not fit, or a
            template without ``{}``.
    """

    name: str
    images: tuple[ImageRef, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.keys and len(self.keys) != len(self.classes):
            raise InputError(f"{self.name} needs one key for each of its {len(self.classes)} classes.")
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes) or not all(map(str.strip, self.classes)):
            raise InputError(f"{self.name} needs at least two classes of different names, not {list(self.classes)}.")
        if len(self.labels) != len(self.images) or not set(self.labels) <= set(range(len(self.classes))):
            raise InputError(f"{self.name} needs a label below {len(self.classes)} for each of its images.")
        empty = [name for label, name in enumerate(self.classes) if label not in self.labels]
        if empty:
            raise InputError(f"the class '{empty[0]}' of {self.name} has no images: leave it out.")
        if not self.templates:
            raise InputError(f"{self.name} has no prompt templates: give at least one, such as 'a photo of a {{}}.'.")
        for template in self.templates:
            if template.count("{}") != 1:
                raise InputError(f"the template '{template}' must hold {{}} once, where the name of a class goes.")

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts of all classes, class by class."""
        return tuple(template.replace("{}", name) for name in self.classes for template in self.templates)
