"""Leakage: rows of chains that share an image or a text with a test set, such as that of HierarCaps."""

import filecmp
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, final
from urllib.parse import unquote

from hiergeo import datasets
from hiergeo._core.errors import UnavailableError
from hiergeo._core.storage.files import csv_rows
from hiergeo._core.text import inert
from hiergeo.datasets import Hierarchy, chains
from hiergeo.datasets.addresses import coco_number, image_file
from hiergeo.datasets.chains import Chain
from hiergeo.datasets.hierarcaps import image_name

NUMBER, ADDRESS, BYTES, TEXT = "coco number", "image address", "same picture", "text"

KINDS = (NUMBER, ADDRESS, BYTES, TEXT)
"""How a row can share its image or its most specific text with a row of another set, the surest first."""

WORD = re.compile(r"\w+")


@final
@dataclass(frozen=True)
class Reference:
    """Rows that others are compared with, the folder that may hold their images, and why they are missing, if so."""

    name: str
    rows: tuple[Chain, ...] = ()
    folder: Path | None = None
    missing: str = ""


class Leak(NamedTuple):
    """A row that shares something, of a kind of `KINDS`, with the other row of that number; what, says `detail`."""

    split: str
    row: int
    kind: str
    against: str
    other_row: int
    detail: str


@final
@dataclass(frozen=True)
class Leakage:
    """What a set of chains shares with others.

    Attributes:
        leaks: at most one for each row, kind and other set.
        rows: how many rows were compared, by split.
        against: the other sets that were compared.
        unchecked: other sets that could not be, and why.
    """

    leaks: tuple[Leak, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    against: tuple[str, ...] = ()
    unchecked: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[tuple[str, str, str], int]:
        """Rows by split, other set and kind."""
        return dict(Counter((leak.split, leak.against, leak.kind) for leak in self.leaks))

    def without(self, rows: Iterable[Chain], split: str) -> list[Chain]:
        """The rows of a split that share nothing with the other sets."""
        leaking = {leak.row for leak in self.leaks if leak.split == split}
        return [row for row in rows if row.row not in leaking]

    def write(self, path: Path | str) -> None:
        """Write the leaks as CSV. Raises UnavailableError if the file cannot be written."""
        with csv_rows(path, Leak._fields) as write:
            for leak in self.leaks:
                write(list(map(inert, leak)))


def leakage(
    rows: Mapping[str, Iterable[Chain]], against: Iterable[Reference], *, folder: Path | None = None
) -> Leakage:
    """Compare the rows of splits with other sets.

    Images are compared by their number in MS-COCO, their address and, where both files are there, their bytes; texts
    by their words, whatever the case, blanks and punctuation.

    Args:
        rows: the chains of each split, which are walked through once and not held.
        against: the other sets.
        folder: where the files of the images of `rows` may be.
    """
    others = list(against)
    indices = [_Index(other) for other in others if not other.missing]
    leaks: list[Leak] = []
    counts: dict[str, int] = dict.fromkeys(rows, 0)
    for split, chains_of_split in rows.items():
        for row in chains_of_split:
            counts[split] += 1
            for index in indices:
                matches = index.leaks(row, folder)
                leaks += (Leak(split, row.row, kind, index.name, number, what) for kind, number, what in matches)
    missing = {other.name: other.missing for other in others if other.missing}
    return Leakage(tuple(leaks), counts, tuple(index.name for index in indices), missing)


def reference(name: str, split: str = "test", rows: int | None = None) -> Reference:
    """A dataset to compare with, by its name as `hiergeo.datasets.load` knows it, or its first rows.

    A dataset that is not on this machine is a reference whose `missing` says so.

    Raises:
        InputError: the name or the split is unknown, or the data is damaged.
    """
    try:
        hierarchy = datasets.load(name, split, rows=rows)
    except UnavailableError as error:
        return Reference(f"{name} {split}", missing=str(error))
    kind, _, address = name.partition(":")
    if kind == chains.NAME:
        path = chains.located(address)
        own, is_file = chains.read(path, split), path.is_file()
        return Reference(f"{path.name} {split}", tuple(own), path.parent if is_file else path)
    folders = {image.path.parent for image in hierarchy.images if image.path is not None}
    return Reference(f"{name} {split}", tuple(_chains(hierarchy)), folders.pop() if len(folders) == 1 else None)


def _chains(hierarchy: Hierarchy) -> Iterator[Chain]:
    """Rows as chains, with names of images that MS-COCO's numbers can be read from in HierarCaps alone."""
    names: dict[int | None, str] = {image.image_id: image.path.name for image in hierarchy.images if image.path}
    for row in hierarchy.rows:
        name = names.get(row.image_id, "")
        if hierarchy.name == "hierarcaps" and row.image_id is not None:
            name = image_name(row.image_id)
        yield Chain(row.row_id, row.positive, row.negative, name)


@final
class _Index:
    """The rows of another set by what a row can share with them."""

    def __init__(self, other: Reference) -> None:
        self.name, self._rows = other.name, other.rows
        self._firsts: dict[str, dict[str, int]] = {kind: {} for kind in KEYS}
        self._files: dict[int, list[tuple[Path, int]]] = defaultdict(list)
        for position, row in enumerate(other.rows):
            for kind, key in KEYS.items():
                self._firsts[kind].setdefault(key(row), position)
            if (file := _file(row, other.folder)) is not None:
                self._files[file.stat().st_size].append((file, position))

    def leaks(self, row: Chain, folder: Path | None) -> Iterator[tuple[str, int, str]]:
        """What a row, whose image may be in a folder, shares: the kind, the number of their row, and a detail."""
        for kind in KINDS:
            if kind == BYTES:
                position, detail = self._same_bytes(_file(row, folder))
            else:
                detail = KEYS[kind](row)
                position = self._firsts[kind].get(detail) if detail else None
            if position is not None:
                other = self._rows[position]
                yield kind, other.row, other.positive[-1] if kind == TEXT else detail

    def _same_bytes(self, file: Path | None) -> tuple[int | None, str]:
        """The position and the name of the first file with the same bytes; only files of the same size are read."""
        for other, position in self._files.get(file.stat().st_size, ()) if file is not None else ():
            if filecmp.cmp(str(file), other, shallow=False):
                return position, other.name
        return None, ""


def words(text: str) -> str:
    """The words of a text in their order, whatever their case; the text itself where it has none."""
    return " ".join(WORD.findall(text.casefold())) or text


def _number(row: Chain) -> str:
    number = coco_number(row.image) if row.image else None
    return "" if number is None else str(number)


def _address(row: Chain) -> str:
    """An address of the web without what hardly tells two apart: the scheme, case, a fragment."""
    is_web = re.match(r"https?://.", row.image) and not _number(row)
    return re.sub(r"^https?://|#.*$", "", unquote(row.image).casefold()) if is_web else ""


KEYS: dict[str, Callable[[Chain], str]] = {
    NUMBER: _number,
    ADDRESS: _address,
    TEXT: lambda row: words(row.positive[-1]),
}
"""What rows share that have equal keys of a kind; an empty key is shared with nobody."""


def _file(row: Chain, folder: Path | None) -> Path | None:
    """The file of the image of a row, if it is there."""
    file = image_file(row.image, folder) if row.image and folder is not None else None
    return file if file is not None and file.is_file() else None
