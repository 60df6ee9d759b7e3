"""What an index is made of: captions, images and embeddings of any number, read as a stream of batches."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, tee
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage.files import path_of
from hiergeo.datasets.pictures import SUFFIXES
from hiergeo.datasets.reading import Columns, Sample, sound
from hiergeo.search import layout
from hiergeo.search.given import Blocks, Embeddings
from hiergeo.search.shards import Labels
from hiergeo.search.stored import Stored, read_stored

ID = 1 << 63
"""Ids are below it."""

COLUMN = ", or a table of captions with a column of images"
"""What else can be done where captions and images differ in number."""


@final
@dataclass(frozen=True)
class CaptionFiles:
    """Captions in files, with images and ids where the files have them.

    Attributes:
        path: a file, a folder or a pattern of what `hiergeo.datasets.reading` reads.
        caption: the column of captions; None is the usual one.
        image: the column of images; None is the usual one.
    """

    path: Path | str
    caption: str | None = None
    image: str | None = None

    def columns(self, images: Path | None = None) -> dict[str, Iterator[Any]]:
        """The ``captions``, and perhaps the ``images`` and ``ids`` beside them, each read a row at a time.

        All must be read at one pace: what one of them is ahead of the others is held in memory. An image is a path, or
        what its row names where that is no file; None for a row without one. An id that is no whole number is left as
        it is.

        Args:
            images: the folder that names of images are relative to; None is that of each file.

        Raises:
            InputError: there is no such file, or a row that cannot be used; the file and the row are named.
        """
        rows = sound(self.path, Columns("captions", self.caption, self.image, "id", images))
        first = next(rows, None)
        if first is None:
            return {"captions": iter(())}
        captions, pictures, ids = tee(self._alike(chain([first], rows), first), 3)
        columns: dict[str, Iterator[Any]] = {"captions": (row.caption for row in captions)}
        if first.name is not None:
            columns["images"] = (_image(row, images) for row in pictures)
        if first.id is not None:
            columns["ids"] = (_id(row.id) for row in ids)
        return columns

    def _alike(self, rows: Iterator[Sample], first: Sample) -> Iterator[Sample]:
        for row in rows:
            if (row.name is None, row.id is None) != (first.name is None, first.id is None):
                raise InputError(f"some inputs of {self.path} have a column of images or ids and others do not.")
            yield row


def _image(row: Sample, images: Path | None) -> str | Path | None:
    if not row.name or row.reference is None:
        return None
    file = Path(row.reference)
    return file if images is not None or _is_file(file) else row.name


def _id(cell: Any) -> Any:
    """The whole number of a cell; anything else as it is."""
    digits = cell.strip() if isinstance(cell, str) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else cell


Captions: TypeAlias = Iterable[str] | str | Path | CaptionFiles
"""Captions; or a file, a folder or a pattern of files of them, perhaps with images and ids."""

Images: TypeAlias = Iterable[str | Path] | str | Path
"""Paths of images; or a folder, whose images are taken in order of their paths."""


"""(N, D); or blocks (n, D) of them; or a .npy file; or an .npz with their captions, as ``hiergeo embed`` writes it, or
what was read from one."""

Item = TypeVar("Item")


class Batch(NamedTuple):
    """Items that follow each other.

    Attributes:
        start: number of the first.
        size: how many.
        captions: one for each; None for items without captions.
        images: paths or other references, one for each, None for a row without one; None for items without images.
        embeddings: (n, D); None where captions or images are to be embedded.
        ids: (n,) int64; None where they are to be counted.
    """

    start: int
    size: int
    captions: list[str] | None
    images: list[str | Path | None] | None
    embeddings: Tensor | None
    ids: Tensor | None

    def hash_into(self, digest: "hashlib._Hash") -> None:
        """Add the content of the batch to a hash; of images their names, sizes and times of change."""
        for words in (self.captions, map(_identified, self.images or ())):
            for word in words or ():
                raw = word.encode("utf-8", "surrogateescape")
                digest.update(len(raw).to_bytes(8, "little") + raw)
        for numbers in (self.embeddings, self.ids):
            if numbers is not None:
                digest.update(numbers.contiguous().numpy().tobytes())

    def labels(self, folder: Path) -> Labels:
        """Captions and references to images, as the index in `folder` keeps them."""
        nothing: list[str | None] = [None] * self.size
        images = nothing
        if self.images is not None:
            images = [None if image is None else reference(image, folder) for image in self.images]
        return Labels(self.captions if self.captions is not None else nothing, images)


@final
@dataclass(frozen=True)
class Inputs:
    """What an index is made of; each that is given has one entry for every item.

    Attributes:
        captions: of the items. Those of a table with a column ``image`` bring their images.
        images: items of their own, or references beside captions or embeddings.
        embeddings: of the items, instead of embedding captions or images.
        ids: whole numbers in [0, 2^63), distinct; None counts. Those of a table with a column ``id`` are its own.
        stored: the file that the embeddings are from.
    """

    captions: Captions | None = None
    images: Images | None = None
    embeddings: Embeddings | None = None
    ids: Iterable[int] | Tensor | None = None
    stored: Stored | None = None

    @classmethod
    def of(
        cls,
        captions: Captions | None,
        images: Images | None,
        embeddings: Embeddings | None,
        ids: Iterable[int] | Tensor | None,
    ) -> "Inputs":
        """Inputs as people name them; an .npz of embeddings is read, and brings its captions unless others are given.

        Raises:
            InputError: it cannot be read.
        """
        if isinstance(embeddings, str | Path) and str(embeddings).lower().endswith(".npz"):
            embeddings = read_stored(path_of(embeddings))
        if isinstance(embeddings, Stored):
            captions = embeddings.captions if captions is None else captions
            return cls(captions, images, embeddings.embeddings, ids, embeddings)
        return cls(captions, images, embeddings, ids)

    def given(self) -> list[str]:
        """Names of those that are given."""
        return [name for name in ("captions", "images", "embeddings", "ids") if getattr(self, name) is not None]

    def batches(self) -> Iterator[Batch]:
        """The items, `layout.BATCH` at a time.

        Raises:
            InputError: nothing that items can be made of, numbers of captions, images, embeddings and ids that differ,
                or an item that cannot be used, which is named by its row.
            UnavailableError: a file that is not there.
        """
        takers = self._takers()
        start, size = 0, layout.BATCH
        while True:
            parts = {name: take(start, size) for name, take in takers.items()}
            counts = {name: len(part) for name, part in parts.items()}
            most = max(counts.values())
            short = min(counts, key=lambda name: counts[name])
            if counts[short] < most:
                more = max(counts, key=lambda name: counts[name])
                told = f"there are {start + counts[short]} {short} and more {more}: give one for each item"
                pictured = {short, more} == {"captions", "images"}
                raise InputError(f"{told}{COLUMN if pictured else ''}.")
            if not most:
                return
            yield Batch(start, most, *(parts.get(name) for name in ("captions", "images", "embeddings", "ids")))
            start += most
            if most < size:
                return

    def _takers(self) -> dict[str, Callable[[int, int], Any]]:
        """For each kind of input what gives the next so many entries of it, checked."""
        takers: dict[str, Callable[[int, int], Any]] = {}
        ids: Any = self.ids
        folder = _folder(self.images)
        if self.captions is not None:
            files = CaptionFiles(self.captions) if isinstance(self.captions, str | Path) else self.captions
            told = files.columns(folder) if isinstance(files, CaptionFiles) else {"captions": files}
            takers["captions"] = _taker(told["captions"], _check_caption)
            if "images" in told:
                folder = None
                takers["images"] = _taker(told["images"], _check_cell)
                if self.images is not None and not isinstance(self.images, str | Path):
                    raise InputError("the captions bring images, and images are given beside them: give one.")
            if "ids" in told:
                ids = told["ids"]
                if self.ids is not None:
                    raise InputError("the captions have a column 'id', and ids are given beside them: give one.")
        if folder is not None:
            takers["images"] = _taker(_pictures(folder), _check_image)
        elif self.images is not None and not isinstance(self.images, str | Path):
            takers["images"] = _taker(self.images, _check_image)
        if self.embeddings is not None:
            takers["embeddings"] = Blocks(self.embeddings).take
        if not takers:
            raise InputError("there is nothing to index: give captions, images or embeddings.")
        if ids is not None:
            stream = _taker(_numbers(ids), _check_id)
            takers["ids"] = lambda start, size: torch.tensor(stream(start, size), dtype=torch.int64)
        return takers


def _identified(image: str | Path | None) -> str:
    """An image as a build that is resumed tells it from another one: its name, and of a file what it is by now."""
    try:
        found = None if image is None else os.stat(image)
    except (OSError, ValueError):
        found = None
    return f"{image}" if found is None else f"{image}\0{found.st_size}\0{found.st_mtime_ns}"


def reference(image: str | Path, folder: Path) -> str:
    """How an index refers to an image: relative to the index in `folder` if it lies beside or below it.

    A string that names no file is kept as it is; `folder / reference` is the path of any other.
    """
    path = Path(image)
    if isinstance(image, str) and not _is_file(path):
        return image
    path, home = path.resolve(), folder.resolve().parent
    return os.path.relpath(path, folder.resolve()) if path.is_relative_to(home) else str(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _folder(images: Images | None) -> Path | None:
    if not isinstance(images, str | Path):
        return None
    path = path_of(images)
    if not path.is_dir():
        raise InputError(f"{path} is not a folder of images: name one, or give a list of paths.")
    return path


def _pictures(folder: Path) -> Iterator[Path]:
    """The images in a folder and those below it, in order of their paths."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {reason(error)}.") from error
    for path in entries:
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _pictures(path)
        elif path.suffix.lower() in SUFFIXES:
            yield path


def _taker(items: Iterable[Item], check: Callable[[int, Item], None]) -> Callable[[int, int], list[Item]]:
    """What gives the next entries of an iterable; it is called with the number of the first and how many."""
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise InputError(f"captions and images must be lists or other iterables, not {type(items).__name__}.")
    stream = iter(items)

    def take(start: int, size: int) -> list[Item]:
        part = list(islice(stream, size))
        for row, item in enumerate(part, start):
            check(row, item)
        return part

    return take


def _check_caption(row: int, caption: object) -> None:
    if not isinstance(caption, str):
        raise InputError(
            f"the caption of row {row} (the first is 0) is of type {type(caption).__name__}: give a string."
        )
    if not caption.isascii() and any("\ud800" <= letter <= "\udfff" for letter in caption):
        raise InputError(f"the caption of row {row} (the first is 0) holds half of a surrogate pair: decode it anew.")


def _check_image(row: int, image: object) -> None:
    if not isinstance(image, str | Path):
        raise InputError(f"the image of row {row} (the first is 0) is of type {type(image).__name__}: give its path.")


def _check_cell(row: int, image: object) -> None:
    if image is not None:
        _check_image(row, image)


def ids_of(ids: Iterable[int] | Tensor) -> Tensor:
    """Ids (n,) int64 as a tensor.

    Raises:
        InputError: one that is no whole number in [0, 2^63); it is named by its row.
    """
    parts = list(_numbers(ids))
    for row, item in enumerate(parts):
        _check_id(row, item)
    return torch.tensor(parts, dtype=torch.int64)


def _numbers(ids: Iterable[int] | Tensor) -> Iterator[int]:
    if isinstance(ids, Tensor | np.ndarray):
        return (item for part in torch.as_tensor(ids).split(layout.BATCH) for item in part.tolist())
    if not isinstance(ids, Iterable) or isinstance(ids, str | bytes):
        raise InputError(f"ids must be whole numbers in a list or another iterable, not {type(ids).__name__}.")
    return iter(ids)


def _check_id(row: int, item: object) -> None:
    if isinstance(item, bool) or not isinstance(item, int | np.integer) or not 0 <= item < ID:
        raise InputError(f"the id of row {row} (the first is 0) is {item!r}: it must be a whole number in [0, 2^63).")
