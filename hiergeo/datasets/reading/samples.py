"""What readers give, row by row: samples, and defects in place of rows that cannot be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_args

from pydantic import Field

from hiergeo._core import limits
from hiergeo._core.errors import InputError, reason, unknown_name
from hiergeo._core.storage.documents import Foreign, parse_json, validated

Items: TypeAlias = Literal["captions", "images", "pairs"]
"""What becomes an item: captions (with the reference of their image), images (with their caption), or both as two."""

ITEMS: tuple[Items, ...] = get_args(Items)

CAPTIONS = ("caption", "text", "title", "captions")
"""Columns that captions are taken from where none is named, in this order and whatever the case of their letters."""

IMAGES = ("image", "image_path", "filepath", "file_path", "file_name", "path", "image_url", "url")
"""Columns that images are taken from where none is named."""

KEYS = ("id", "sku")
"""Columns that ids of items are taken from."""

IDS = (*KEYS, "image_id")
"""Columns that ids of images are taken from, of which several captions may be."""

REFERENCES = ("http://", "https://", "s3://", "gs://")
"""Beginnings of addresses, which are kept as references but not opened."""

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A position within an image, relative to its width or height."""

EMPTY, MISSING, NOT_UTF8 = "it is empty", "there is no caption", "the bytes are not UTF-8"
"""Faults of captions."""


class Cells(NamedTuple):
    """What belongs to the caption, image, id and boxes of a row: their columns, or what is in them; None for none."""

    caption: Any
    image: Any = None
    id: Any = None
    boxes: Any = None


@dataclass(frozen=True)
class Columns:
    """Which columns are read, and for what.

    Attributes:
        items: what becomes an item.
        caption: the column of captions; None is the first of `CAPTIONS` that is there.
        image: the column of images; None is the first of `IMAGES` that is there.
        id: the column of ids, or names of which it has one, if they are wanted; it may be missing.
        folder: what names of images in tables are relative to; None is the folder of the table.
        several: whether a row may hold a list of captions of its image.
        boxes: the column of the boxes of an image, if they are wanted; in archives they are files.
        named: how a user names a column of ``caption`` or ``image``, for errors.
    """

    items: Items = "captions"
    caption: str | None = None
    image: str | None = None
    id: str | Sequence[str] | None = None
    folder: Path | None = None
    several: bool = False
    boxes: str | None = None
    named: str = "{}_column"

    @property
    def texts(self) -> bool:
        """Whether captions become items."""
        return self.items != "images"

    @property
    def pictures(self) -> bool:
        """Whether images become items."""
        return self.items != "captions"

    def find(self, header: Sequence[str], where: Path) -> Cells:
        """The columns of a table.

        Raises:
            MissingColumnError: one that is named or needed is missing or there twice, or one is named for two things.
        """
        if not header:
            raise MissingColumnError(f"{where} is empty: there are no captions or images in it.")
        others = [name for name in header if name not in (self.caption, self.image)]
        caption = self.caption or usual(others, CAPTIONS)
        image = self.image or usual(others, IMAGES)
        for name, needed, what in ((caption, self.texts, "caption"), (image, self.pictures, "image")):
            if needed and name is None:
                known, there = (CAPTIONS, IMAGES)[what == "image"], ", ".join(header[:12])
                raise MissingColumnError(
                    f"{where} has no column named {', '.join(known[:-1])} or {known[-1]} (it has {there}): name yours "
                    f"with {self.named.format(what)}."
                )
        for name in filter(None, (caption, image, self.boxes)):
            if name not in header:
                raise MissingColumnError(str(unknown_name("column", name, header, f" of {where}")))
            if header.count(name) > 1:
                raise MissingColumnError(f"{where} has the column '{name}' twice: rename or remove one.")
        if caption is not None and caption == image:
            raise MissingColumnError(f"captions and images cannot both be in the column '{image}': name two columns.")
        ids = (self.id,) if isinstance(self.id, str) else self.id or ()
        return Cells(caption, image, usual(header, ids), self.boxes)


def usual(names: Sequence[str], known: Sequence[str]) -> str | None:
    """The first of some known names that is among the names of columns, whatever the case of their letters."""
    folded = {name.casefold(): name for name in reversed(names)}
    return next((folded[name] for name in known if name in folded), None)


class Box(NamedTuple):
    """A part of an image with the phrase that describes it.

    Its bytes, or None where `edges` (left, top, right, bottom, in fractions of the sides) say what it is of the whole.
    """

    phrase: str
    image: bytes | None = None
    edges: tuple[float, float, float, float] = (0, 0, 1, 1)


class Sample(NamedTuple):
    """One row of an input.

    Attributes:
        row: its number in the input, from 0.
        caption: None for a row without one.
        image: the bytes of its image, or the file; None for a row without one, and where images are not wanted.
        reference: what the image is called in answers.
        name: the image as the row names it, empty where it names none; None in inputs without images.
        id: as its cell holds it, empty for none; None in inputs without ids.
        others: captions beside the first, where `Columns.several`.
        boxes: parts of the image, where `Columns.boxes`.
    """

    row: int
    caption: str | None = None
    image: bytes | Path | None = None
    reference: str | None = None
    name: str | None = None
    id: Any = None
    others: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return 200 + len(self.caption or "") + (len(self.image) if isinstance(self.image, bytes) else 0)


@dataclass(frozen=True, slots=True)
class Defect:
    """Rows that are set aside: the first, why (for the end of a sentence), how many, and if the input ends there."""

    row: int
    reason: str
    rows: int = 1
    ends: bool = False


Read: TypeAlias = Sample | Defect


class UnreadableError(InputError):
    """Error raised for an input of which no row can be read."""


class MissingColumnError(UnreadableError):
    """Error raised for an input without a column that is named or needed."""


class BrokenError(Exception):
    """Error raised within an input of which nothing more can be read."""


def sample(row: int, columns: Columns, cells: Cells, reference: str | None = None, name: str | None = None) -> Read:
    """The sample of a row, or what keeps it from being embedded as far as can be seen without a model.

    Its caption is a string, or a list of strings where `Columns.several`; its image bytes or a file; boxes are `Box`.
    """
    captions = cells.caption if columns.several and isinstance(cells.caption, list) else (cells.caption,)
    for caption in captions or (None,):
        if not isinstance(caption, str | None):
            return Defect(row, f"the caption is of type {type(caption).__name__}, not a string")
        fault = MISSING if caption is None else fault_of(caption)
        if fault and (columns.texts or (caption and caption.strip())):
            return Defect(row, fault)
    if columns.pictures and cells.image is None:
        address = reference is not None and reference.startswith(REFERENCES)
        return Defect(row, "the image is an address: download it first" if address else "there is no image")
    usable = [caption for caption in captions if caption and not caption.isspace()] or (None,)
    image = cells.image if columns.pictures else None
    return Sample(row, usable[0], image, reference, name, cells.id, tuple(usable[1:]), tuple(cells.boxes or ()))


def in_table(row: int, columns: Columns, where: Path, names: Cells, cells: Cells) -> Read:
    """The sample of a row of a table, whose image is bytes, or an address or a file name relative to a folder.

    A name that is too long for either, such as an image in letters, is none.
    """
    cells = cells if names.id is None or cells.id is not None else cells._replace(id="")
    if names.boxes is not None:
        try:
            cells = cells._replace(boxes=_boxes(cells.boxes))
        except ValueError as error:
            return Defect(row, f"its boxes cannot be used ({reason(error)})")
    if names.image is None:
        return sample(row, columns, cells)
    if isinstance(cells.image, bytes):
        reference = spelled(f"{where}#{row}")
        return sample(row, columns, cells, reference, reference)
    if not isinstance(cells.image, str | None):
        return Defect(row, f"the image is of type {type(cells.image).__name__}, not the name of a file")
    name = (cells.image or "").strip()
    if not name or "\0" in name or len(name) > limits.PATH_BYTES:
        return sample(row, columns, cells._replace(image=None), None, "")
    address = name.startswith(REFERENCES)
    file = None if address else (columns.folder or where.parent) / name
    return sample(row, columns, cells._replace(image=file), spelled(name if address else str(file)), name)


class _Cut(Foreign):
    """A box in a table: what it is called, and its left, top, right and bottom edge."""

    phrase: Annotated[str, Field(min_length=1)]
    box: tuple[Fraction, Fraction, Fraction, Fraction]


def _boxes(cell: Any) -> tuple[Box, ...]:
    """The boxes in a cell, a list of objects or its JSON. Raises ValueError for one that cannot be used."""
    listed = parse_json(cell.encode("utf-8", "surrogateescape")) if isinstance(cell, str) and cell.strip() else cell
    cuts = validated(list[_Cut], listed or [])
    for cut in cuts:
        left, top, right, bottom = cut.box
        if fault := fault_of(cut.phrase):
            raise ValueError(f"the phrase of a box: {fault}")
        if not (left < right and top < bottom):
            raise ValueError(f"the box {list(cut.box)} is empty: its edges are left, top, right, bottom")
    return tuple(Box(cut.phrase, None, cut.box) for cut in cuts)


def fault_of(caption: str) -> str | None:
    """What keeps a caption from being embedded; None if nothing does."""
    if len(caption) > limits.ITEM_CHARACTERS:
        return f"the caption is longer than {limits.ITEM_CHARACTERS:,} characters"
    return garbled(caption) or (None if caption.strip() else EMPTY)


def garbled(text: str) -> str | None:
    """What shows that something was not text before it was decoded; None if nothing does."""
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return NOT_UTF8
    return "there are null characters" if "\0" in text else None


def broken_json(error: ValueError) -> str:
    """What keeps JSON from being read."""
    return NOT_UTF8 if isinstance(error, UnicodeError) else f"broken JSON ({reason(error)})"


def spelled(name: str) -> str:
    """A name as text that can be stored: bytes that are not UTF-8 become escapes."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()
