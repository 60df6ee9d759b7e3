"""What an index is made of: captions, images and embeddings of any number, read as a stream of batches."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, tee
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError, reason, several
from hiergeo._core.storage.files import path_of
from hiergeo.datasets.pictures import SUFFIXES
from hiergeo.datasets.reading import Columns, Sample, sound
from hiergeo.search import layout
from hiergeo.search.queries import are_numbers, is_dense, tensor_kind
from hiergeo.search.shards import Labels
from hiergeo.search.stored import Stored, read_stored

FLOATS = (np.float16, np.float32, np.float64)
"""Of numpy, that torch has too."""

ID = 1 << 63
"""Ids are below it."""


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
        """The ``captions``, and perhaps ``images`` and ``ids`` beside them, row by row; to be read at one pace.

        An image is a path, or what its row names where that is not a file; None for a row without one. An id may still
        be any cell. Names of images are relative to `images`, or to the folder of each file. Raises InputError, with
        file and row.
        """
        rows = sound(self.path, Columns("captions", self.caption, self.image, "id", images))
        first = next(rows, None)
        if first is None:
            raise InputError(f"{self.path} holds no captions: name files that have some.")
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
    """The whole number of a cell; any other cell as it is."""
    digits = cell.strip() if isinstance(cell, str) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else cell


Captions: TypeAlias = Iterable[str] | str | Path | CaptionFiles
"""Captions; or a file, a folder or a pattern of files of them, perhaps with images and ids."""

Images: TypeAlias = Iterable[str | Path] | str | Path
"""Paths of images; or a folder, whose images are taken in order of their paths."""

Embeddings: TypeAlias = Tensor | Iterable[Tensor] | str | Path | Stored
"""(N, D); or blocks (n, D) of them; or a .npy file; or an .npz with their captions, as ``hiergeo embed`` writes it, or
what was read from one."""


class ItemBatch(NamedTuple):
    """Items that follow each other from number `start` on; None where there is nothing of a kind.

    `images` are paths or other references, None for a row without one; `embeddings` (n, D), `ids` (n,) int64.
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
        images = [None if image is None else reference(image, folder) for image in self.images or ()]
        nothing: list[str | None] = [None] * self.size
        return Labels(self.captions or nothing, images or nothing)


@final
class ItemInputs:
    """What an index is made of: `build`'s arguments, each of those that are given with one entry for every item.

    Attributes:
        stored: the file that the embeddings are from.
    """

    def __init__(
        self,
        captions: Captions | None,
        images: Images | None,
        embeddings: Embeddings | None,
        ids: Iterable[int] | Tensor | None,
    ) -> None:
        if isinstance(embeddings, str | Path) and str(embeddings).lower().endswith(".npz"):
            embeddings = read_stored(path_of(embeddings))
        self.stored = embeddings if isinstance(embeddings, Stored) else None
        if isinstance(embeddings, Stored):
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
        columns = self._columns()
        start, size = 0, layout.BATCH
        while True:
            parts = {name: take(size) for name, take in columns.items()}
            counts = {name: len(part) for name, part in parts.items()}
            short, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
            if counts[short] < counts[most]:
                raise InputError(
                    f"there are {start + counts[short]} {short} and more {most}: give one for each item"
                    f"{', or a table with both' if {short, most} == {'captions', 'images'} else ''}."
                )
            if counts[most]:
                yield ItemBatch(start, counts[most], *map(parts.get, ("captions", "images", "embeddings", "ids")))
            start += counts[most]
            if counts[most] < size:
                return

    def _columns(self) -> dict[str, Callable[[int], Any]]:
        """For each kind of input what gives the next so many entries of it, checked."""
        folder = _folder(self.images)
        columns: dict[str, Any] = {"captions": self.captions, "images": self.images, "ids": self.ids}
        if isinstance(self.captions, str | Path | CaptionFiles):
            files = self.captions if isinstance(self.captions, CaptionFiles) else CaptionFiles(self.captions)
            found = files.columns(folder)
            for name in ("images", "ids"):
                if name in found and columns[name] is not None and not (name == "images" and folder is not None):
                    raise InputError(
                        f"the captions have a column of {name}, and {name} are given beside them: give one."
                    )
            columns |= found
        if folder is not None and columns["images"] is self.images:
            columns["images"] = _pictures(folder)
        takers = {
            name: _taker(name, items, gaps=name == "images" and items is not self.images)
            for name, items in columns.items()
            if items is not None
        }
        if self.embeddings is not None:
            takers["embeddings"] = _Blocks(self.embeddings).take
        if not set(takers) - {"ids"}:
            raise InputError("there is nothing to index: give captions, images or embeddings.")
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
    if next(_pictures(path), None) is None:
        raise InputError(f"{path} holds no images: name a folder that has some.")
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


def _taker(name: str, items: Any, gaps: bool) -> Callable[[int], Any]:
    """What gives the next so many entries of a column, at most: of ids as a tensor."""
    column = _checked(name, items, gaps)
    if name == "ids":
        return lambda size: torch.tensor(list(islice(column, size)), dtype=torch.int64)
    return lambda size: list(islice(column, size))


def _checked(name: str, items: Any, gaps: bool = False) -> Iterator[Any]:
    """The entries of a column, None among them with `gaps`; raises InputError for an unusable one, with its row."""
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise InputError(f"{name} must be a list or another iterable, not {type(items).__name__}.")
    if isinstance(items, Tensor) and not is_dense(items):
        raise InputError(f"{name} must be a dense tensor, not {tensor_kind(items)}.")
    if isinstance(items, Tensor | np.ndarray) and name == "ids":
        items = (item for part in torch.as_tensor(items).split(layout.BATCH) for item in part.tolist())
    rows = ((row, item, None if gaps and item is None else _problem(name, item)) for row, item in enumerate(items))
    for row, item, problem in rows:
        if problem:
            others = (f"of row {other} {wrong}" for other, _, wrong in rows if wrong)
            first = f"the {name.removesuffix('s')} of row {row} (the first is 0) {problem}"
            raise InputError(f"{several(first, others)}.")
        yield item


def _problem(name: str, item: object) -> str | None:
    """What is wrong with an entry of a column; None where nothing is."""
    if name == "ids":
        whole = isinstance(item, int | np.integer) and not isinstance(item, bool) and 0 <= item < ID
        return None if whole else f"is {item!r}: it must be a whole number in [0, 2^63)"
    if name == "images":
        return None if isinstance(item, str | Path) else f"is of type {type(item).__name__}: give its path"
    if not isinstance(item, str):
        return f"is of type {type(item).__name__}: give a string"
    if not item.isascii() and any("\ud800" <= letter <= "\udfff" for letter in item):
        return "holds half of a surrogate pair: decode it anew"
    return None


def ids_of(ids: Iterable[int] | Tensor) -> Tensor:
    """Ids (n,) int64 as a tensor; raises InputError, with its row, for one outside of [0, 2^63)."""
    return torch.tensor(list(_checked("ids", ids)), dtype=torch.int64)


@final
class _Blocks:
    """Embeddings in blocks of any lengths, taken in others."""

    def __init__(self, embeddings: Any) -> None:
        if isinstance(embeddings, str | Path):
            embeddings = [_mapped(path_of(embeddings))]
        several = isinstance(embeddings, Iterable) and not isinstance(embeddings, Tensor | np.ndarray)
        self._blocks: Iterator[Any] = iter(embeddings if several else [embeddings])
        self._rest, self._dim, self._row = torch.empty(0, 0), 0, 0

    def take(self, size: int) -> Tensor:
        """The next rows, at most `size`, float32 on the CPU."""
        parts: list[Tensor] = []
        while size:
            if not len(self._rest):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._rest = self._checked(block)
                continue
            part, self._rest = self._rest[:size], self._rest[size:]
            parts.append(part.detach().to("cpu", torch.float32))
            size -= len(part)
        whole = torch.cat(parts) if parts else torch.empty(0, self._dim)
        bad = (~whole.isfinite().all(dim=1)).nonzero()
        if len(bad):
            row = self._row + int(bad[0])
            raise InputError(
                f"the embedding of row {row} (the first is 0) holds NaN or Inf: every number must be finite."
            )
        self._row += len(whole)
        return whole

    def _checked(self, block: Any) -> Tensor:
        if isinstance(block, np.ndarray) and block.dtype in FLOATS:
            tensor = torch.from_numpy(block if min(block.strides, default=0) >= 0 else block.copy())
        else:
            tensor = block
        if not are_numbers(tensor, 2) or not tensor.shape[1]:
            raise InputError(
                f"embeddings must be dense floating-point tensors (n, D), D >= 1, not {tensor_kind(block)}."
            )
        if self._dim and tensor.shape[1] != self._dim:
            raise InputError(f"a block of embeddings has dimension {tensor.shape[1]}, and those before it {self._dim}.")
        self._dim = tensor.shape[1]
        return tensor


def _mapped(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as embeddings ({reason(error)}): name a .npy file.") from error
