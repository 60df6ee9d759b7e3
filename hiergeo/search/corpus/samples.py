"""What readers give, row by row: samples, and defects in place of rows that cannot be used."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from gzip import BadGzipFile
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, get_args

from hiergeo._core import limits
from hiergeo._core.errors import InputError, reason, unknown_name
from hiergeo._core.storage.files import size_of
from hiergeo._core.storage.texts import GZIP, Inflated

Items: TypeAlias = Literal["captions", "images", "pairs"]
"""What becomes an item of the index: captions (with the reference of their image), images (with their caption), or both
as two items."""

ITEMS: tuple[Items, ...] = get_args(Items)

CAPTIONS = ("caption", "text")
"""Columns that captions are taken from where none is named, in this order and whatever the case of their letters."""

IMAGES = ("image", "image_path", "file_name", "image_url", "url")
"""Columns that images are taken from where none is named."""

REFERENCES = ("http://", "https://", "s3://", "gs://")
"""Beginnings of addresses, which are kept as references but not opened."""


@dataclass(frozen=True)
class Columns:
    """Which columns are read, and for what.

    Attributes:
        items: what becomes an item.
        caption: the column of captions; None is the first of `CAPTIONS` that is there.
        image: the column of images; None is the first of `IMAGES` that is there.
    """

    items: Items = "captions"
    caption: str | None = None
    image: str | None = None

    @property
    def texts(self) -> bool:
        """Whether captions become items."""
        return self.items != "images"

    @property
    def pictures(self) -> bool:
        """Whether images become items."""
        return self.items != "captions"

    def found(self, header: Iterable[str], where: Path) -> tuple[str | None, str | None]:
        """The columns of captions and of images in a table; None for one that is not needed and not there.

        Raises:
            UnreadableError: a column that is named or needed is missing.
        """
        names = list(header)
        caption = _column(names, self.caption, CAPTIONS, self.texts, where)
        return caption, _column(names, self.image, IMAGES, self.pictures, where)


def _column(names: list[str], asked: str | None, usual: tuple[str, ...], needed: bool, where: Path) -> str | None:
    if asked is not None:
        if asked not in names:
            raise MissingColumnError(str(unknown_name("column", asked, names or ["none"], f" of {where}")))
        return asked
    folded = {name.casefold(): name for name in reversed(names)}
    found = next((folded[name] for name in usual if name in folded), None)
    if found is None and needed:
        told = ", ".join(names[:12])
        raise MissingColumnError(
            f"{where} has no column named {' or '.join(usual)}: name one (it has {told or 'none'})."
        )
    return found


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of an input.

    Attributes:
        row: its place in the input, from 0.
        caption: None for a row without one.
        image: the bytes of its image, or the file; None for a row without one, and where images are not wanted.
        reference: what the image is called in answers.
    """

    row: int
    caption: str | None = None
    image: bytes | Path | None = None
    reference: str | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return 200 + len(self.caption or "") + (len(self.image) if isinstance(self.image, bytes) else 0)


@dataclass(frozen=True, slots=True)
class Defect:
    """Rows that are set aside.

    Attributes:
        row: the first of them.
        reason: what is wrong, for the end of a sentence.
        rows: how many they are.
        ends: whether the rest of the input is lost with them.
    """

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
    """Error raised within an input from whose present place on nothing can be read."""


def checked(found: Iterator[Read], columns: Columns, where: Path) -> Iterator[Read]:
    """Samples that can be embedded as far as can be seen without a model; defects in place of the others.

    Damage to the file ends it: with an `UnreadableError` if there is no row before it, with a `Defect` otherwise.
    """
    row = -1
    try:
        for each in found:
            row = each.row
            if isinstance(each, Sample) and not columns.texts and each.caption is not None and not each.caption.strip():
                each = replace(each, caption=None)
            fault = None if isinstance(each, Defect) else _fault(each, columns)
            yield each if fault is None else Defect(row, fault)
    except (BrokenError, EOFError, BadGzipFile, zlib.error, OSError) as error:
        if row < 0:
            raise UnreadableError(f"{where} cannot be read: {reason(error)}.") from error
        yield Defect(row + 1, f"from here on the file cannot be read ({reason(error)})", ends=True)


def _fault(sample: Sample, columns: Columns) -> str | None:
    if columns.texts:
        fault = MISSING if sample.caption is None else fault_of(sample.caption)
        if fault:
            return fault
    elif sample.caption is not None and fault_of(sample.caption):
        return f"of its caption, {fault_of(sample.caption)}"
    if columns.pictures and sample.image is None:
        if sample.reference and sample.reference.startswith(REFERENCES):
            return "the image is an address: download it first"
        return "there is no image"
    return None


EMPTY, MISSING = "it is empty", "there is no caption"
"""Faults of captions that hold nothing."""


def fault_of(caption: str) -> str | None:
    """What keeps a caption from being embedded; None if nothing does."""
    if len(caption) > limits.ITEM_CHARACTERS:
        return f"the caption is longer than {limits.ITEM_CHARACTERS:,} characters"
    if caption.isascii():
        return "the caption holds null characters" if "\0" in caption else None if caption.strip() else EMPTY
    if "\0" in caption:
        return "the caption holds null characters"
    if any("\ud800" <= letter <= "\udfff" for letter in caption):
        return "the bytes are not UTF-8"
    return None if caption.strip() else EMPTY


def image_file(row: int, caption: str | None, folder: Path, image: str, wanted: bool) -> Sample:
    """The sample of a row that names an image by an address or by a file, relative to a folder.

    What is too long to be either, such as an image in letters, is passed over.
    """
    if not image or "\0" in image or len(image) > limits.PATH_BYTES:
        return Sample(row, caption)
    if image.startswith(REFERENCES):
        return Sample(row, caption, None, spelled(image))
    file = folder / image
    return Sample(row, caption, file if wanted else None, spelled(str(file)))


def spelled(name: str) -> str:
    """A name as text that can be stored: bytes that are no UTF-8 become escapes."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """An input as a stream of bytes; one that is compressed with gzip is inflated, under the caps of `_limits`.

    Raises:
        UnreadableError: it is missing, or no file.
    """
    size = size_of(path)
    if size is None:
        raise UnreadableError(f"{path} is not there.")
    most = max(limits.INFLATED_BYTES, limits.INFLATED_RATIO * size)
    bomb = BrokenError(f"it inflates to more than {most:,} bytes, as no real file does")
    with path.open("rb") as raw:
        begins = raw.read(len(GZIP))
        raw.seek(0)
        if begins != GZIP:
            yield raw
        else:
            with BufferedReader(Inflated(raw, most, lambda: bomb), 1 << 16) as stream:
                yield stream
