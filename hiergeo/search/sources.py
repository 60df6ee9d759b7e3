"""What an index is made of: captions, images and embeddings of any number, read as a stream of batches."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo.adapters import hub
from hiergeo.datasets.pictures import SUFFIXES
from hiergeo.datasets.reading import Columns, Sample, sound
from hiergeo.datasets.reading.samples import KEYS
from hiergeo.geometry.coordinates import Coordinates, refuse_hyperboloid
from hiergeo.search import layout
from hiergeo.search.ids import Id, ids_of, numbers_of, texts_of
from hiergeo.search.queries import are_numbers, tensor_kind
from hiergeo.search.shards import Labels
from hiergeo.search.stored import Stored, read_stored

Take: TypeAlias = Callable[[int, int], dict[str, Any]]
"""Gives the columns of a number of items from some item on, or of fewer where there are no more."""

COLUMN = "--{0}-column, in Python CaptionFiles(..., {0}=NAME)"
"""How a column of files is named."""


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


Captions: TypeAlias = Iterable[str] | str | Path | CaptionFiles
"""Captions; or a file, a folder or a pattern of files of them, perhaps with images and ids."""

Images: TypeAlias = Iterable[str | Path] | str | Path
"""Paths of images; or a folder, whose images are taken in order of their paths."""

Embeddings: TypeAlias = Tensor | Iterable[Tensor] | str | Path | Stored
"""(N, D); or blocks (n, D) of them; or a file of them, perhaps with captions (`hiergeo.datasets.vectors`), or what was
read from one. ``?coordinates=hyperboloid&curvature=-1`` behind a file says which points its rows are."""


class ItemBatch(NamedTuple):
    """Items that follow each other from number `start` on; None where there is nothing of a kind."""

    start: int
    size: int
    captions: list[str] | None
    images: list[str | Path | None] | None
    embeddings: Tensor | None
    ids: list[Id] | None

    def hash_into(self, digest: "hashlib._Hash") -> None:
        """Add the content of the batch to a hash; of images their names, sizes and times of change."""
        for words in (self.captions, map(_identified, self.images or ())):
            for word in words or ():
                raw = word.encode("utf-8", "surrogateescape")
                digest.update(len(raw).to_bytes(8, "little") + raw)
        for numbers in (self.embeddings, None if self.ids is None else numbers_of(self.ids)):
            if numbers is not None:
                digest.update(numbers.contiguous().numpy().tobytes())

    def labels(self, folder: Path) -> Labels:
        """Captions and references to images, as the index in `folder` keeps them."""
        images = [None if image is None else reference(image, folder) for image in self.images or ()]
        nothing: list[str | None] = [None] * self.size
        return Labels(self.captions or nothing, images or nothing, texts_of(self.ids))


@final
class ItemInputs:
    """What an index is made of: `build`'s arguments; `stored` is the file that the embeddings are from.

    `coordinates` says which points of a hyperbolic space those are.
    """

    def __init__(
        self,
        captions: Captions | None,
        images: Images | None,
        embeddings: Embeddings | None,
        ids: Iterable[Id] | Tensor | None,
    ) -> None:
        self.coordinates: Coordinates | None = None
        if isinstance(embeddings, str | Path):
            name, options = hub.options_of(str(embeddings), hub.CoordinateOptions)
            embeddings, self.coordinates = path_of(name), options.read
            embeddings = read_stored(embeddings, self.coordinates)
        self.stored = embeddings if isinstance(embeddings, Stored) else None
        if isinstance(embeddings, Stored):
            self.coordinates = embeddings.coordinates
            if embeddings.images is None and captions is None:
                images = [str(name) for name in embeddings.names or ()] or images
            if captions is None and ids is None:
                ids = embeddings.ids
            captions = embeddings.captions if captions is None else captions
            embeddings = embeddings.embeddings
        self.captions, self.images, self.embeddings, self.ids = captions, images, embeddings, ids

    def given(self) -> list[str]:
        """Names of those that are given."""
        return [name for name in ("captions", "images", "embeddings", "ids") if getattr(self, name) is not None]

    def batches(self) -> Iterator[ItemBatch]:
        """The items, `layout.BATCH` at a time.

        Raises InputError for nothing to index, counts that differ, or an item that cannot be used, named by its row.
        """
        takers, start, size = list(self._takers()), 0, layout.BATCH
        while True:
            parts: dict[str, Any] = {}
            for take in takers:
                columns = take(start, size)
                for name in parts.keys() & columns.keys():
                    raise InputError(f"the captions have a column of {name}, and {name} are given too: give one.")
                parts |= columns
            if not parts.keys() - {"ids"}:
                raise InputError("there is nothing to index: give captions, images or embeddings.")
            short, most = (choose(parts, key=lambda name: len(parts[name])) for choose in (min, max))
            count = len(parts[most])
            if len(parts[short]) < count:
                raise InputError(
                    f"there are {start + len(parts[short])} {short} and more {most}: give one for each item"
                    f"{', or a table with both' if {short, most} == {'captions', 'images'} else ''}."
                )
            if count:
                yield ItemBatch(start, count, *map(parts.get, ("captions", "images", "embeddings", "ids")))
            start += count
            if count < size:
                return

    def _takers(self) -> Iterator[Take]:
        captions, images = self.captions, self.images
        folder = path_of(images) if isinstance(images, str | Path) else None
        pictures = images if folder is None else _pictures(folder)
        if isinstance(captions, str | Path | CaptionFiles):
            files = captions if isinstance(captions, CaptionFiles) else CaptionFiles(captions)
            first, take = _from_files(files, folder)
            yield take
            captions = None
            if folder is not None and first.name is not None:
                pictures = None
        for name, items in (("captions", captions), ("images", pictures), ("ids", self.ids)):
            if items is not None:
                yield _from_column(name, items)
        if self.embeddings is not None:
            yield _from_blocks(_located(self.embeddings, self.coordinates))


def _from_files(files: CaptionFiles, folder: Path | None) -> tuple[Sample, Take]:
    """The first row of files, and what gives their columns; images are relative to `folder`, or to each file."""
    rows = sound(files.path, Columns("captions", files.caption, files.image, KEYS, folder, named=COLUMN))
    first = next(rows, None)
    if first is None:
        raise InputError(f"{files.path} holds no captions: name files that have some.")
    rows = chain([first], rows)

    def take(start: int, size: int) -> dict[str, Any]:
        part = list(islice(rows, size))
        if any((row.name is None, row.id is None) != (first.name is None, first.id is None) for row in part):
            raise InputError(f"some inputs of {files.path} have a column of images or ids and others do not.")
        columns: dict[str, Any] = {"captions": [row.caption for row in part]}
        if first.name is not None:
            columns["images"] = [_image(row, folder) for row in part]
        if first.id is not None:
            columns["ids"] = ids_of((row.id for row in part), start)
        return columns

    return first, take


def _image(row: Sample, folder: Path | None) -> str | Path | None:
    """The image of a row: a path, or what it names where that is not a file; None where it names nothing."""
    if not row.name or row.reference is None:
        return None
    file = Path(row.reference)
    return file if folder is not None or _is_file(file) else row.name


def _from_column(name: str, items: Any) -> Take:
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise InputError(f"{name} must be a list or another iterable, not {type(items).__name__}.")
    if isinstance(items, Tensor | np.ndarray) and name == "ids":
        items = (item for part in torch.as_tensor(items).split(layout.BATCH) for item in part.tolist())
    column = iter(items)
    return lambda start, size: {name: _checked(name, list(islice(column, size)), start)}


def _checked(name: str, items: Sequence[Any], start: int = 0) -> Any:
    """Entries of a column; raises InputError for the first unusable one, by its row from `start`."""
    if name == "ids":
        return ids_of(items, start)
    for row, item in enumerate(items, start):
        if not isinstance(item, str) and (name != "images" or not isinstance(item, Path)):
            raise InputError(
                f"the {name.removesuffix('s')} of row {row} (the first is 0) is of type {type(item).__name__}: give "
                f"{'a path' if name == 'images' else 'a string'}."
            )
    return items


def _located(embeddings: Any, coordinates: Coordinates | None) -> Iterator[Tensor]:
    """Blocks of embeddings as tangent vectors; raises InputError for points of a hyperboloid that nothing names."""
    for number, block in enumerate(_blocks(embeddings)):
        if coordinates is not None:
            yield coordinates.tangent(block)
            continue
        if number == 0:
            cure = "?{} behind the name of their file, or give tangent vectors at its origin"
            refuse_hyperboloid(block, "the embeddings", cure)
        yield block


def _from_blocks(blocks: Iterator[Tensor]) -> Take:
    rest = torch.empty(0, 0)

    def take(start: int, size: int) -> dict[str, Tensor]:
        nonlocal rest
        parts = [rest] if len(rest) else []
        while sum(map(len, parts)) < size and (block := next(blocks, None)) is not None:
            parts.append(block)
        rows = torch.cat(parts) if parts else rest
        rows, rest = rows[:size], rows[size:]
        bad = (~rows.isfinite().all(dim=1)).nonzero()
        if len(bad):
            raise InputError(
                f"the embedding of row {start + int(bad[0])} (the first is 0) holds NaN or Inf: every number must be "
                f"finite."
            )
        return {"embeddings": rows}

    return take


def _blocks(embeddings: Any) -> Iterator[Tensor]:
    """Embeddings in blocks (n, D) float32 on the CPU of at most `layout.BATCH` rows; raises InputError."""
    single = isinstance(embeddings, Tensor | np.ndarray) or not isinstance(embeddings, Iterable)
    dim = None
    for block in [embeddings] if single else embeddings:
        floats = isinstance(block, np.ndarray) and block.dtype in (np.float16, np.float32, np.float64)
        rows = torch.from_numpy(np.ascontiguousarray(block)) if floats else block
        if not are_numbers(rows, 2) or not rows.shape[1]:
            raise InputError(
                f"embeddings must be dense floating-point tensors (n, D), D >= 1, not {tensor_kind(block)}."
            )
        if dim not in (None, rows.shape[1]):
            raise InputError(f"a block of embeddings has dimension {rows.shape[1]}, and those before it {dim}.")
        dim = rows.shape[1]
        yield from (part.detach().to("cpu", torch.float32) for part in rows.split(layout.BATCH))


def _identified(image: str | Path | None) -> str:
    """An image as a build that is resumed tells it from another one: its name, and of a file what it is by now."""
    try:
        facts = None if image is None else os.stat(image)
    except (OSError, ValueError):
        facts = None
    return f"{image}" if facts is None else f"{image}\0{facts.st_size}\0{facts.st_mtime_ns}"


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


def _pictures(folder: Path) -> list[Path]:
    """The images in a folder and those below it, in order of their paths; hidden ones are passed over."""
    paths = []
    for walked, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(walked, name) for name in files if not name.startswith(".")]
    pictures = sorted(path for path in paths if path.suffix.lower() in SUFFIXES)
    if not pictures:
        raise InputError(f"{folder} holds no images: name a folder that has some, or give a list of paths.")
    return pictures
