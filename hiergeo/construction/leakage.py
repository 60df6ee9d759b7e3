"""Leakage: rows of chains that share an image or a text with a test set, such as that of HierarCaps."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from operator import add
from pathlib import Path
from typing import Any, final
from urllib.parse import unquote, urlsplit

from hiergeo import datasets
from hiergeo._core.errors import UnavailableError
from hiergeo._core.storage.files import csv_rows, sha256
from hiergeo._core.text import inert
from hiergeo.datasets import Hierarchy, chains
from hiergeo.datasets.addresses import SCHEME, coco_number, image_file
from hiergeo.datasets.chains import Chain
from hiergeo.datasets.hierarcaps import image_name

NUMBER, ADDRESS, BYTES, TEXT = "coco number", "image address", "same picture", "text"

KINDS = (NUMBER, ADDRESS, BYTES, TEXT)
"""How a row can share its image or its most specific text with a row of another set, the surest first."""

WORD = re.compile(r"\w+")

COLUMNS = ("split", "row", "kind", "against", "other_row", "detail")

ABSENT = "it was not on the machine; where it is, `hiergeo chains leaks` compares with it."
"""What a card says of a set that could not be compared; why is a matter of the machine."""


@final
@dataclass(frozen=True)
class Reference:
    """Rows that others are compared with.

    Attributes:
        name: such as ``hierarcaps test``.
        rows: their chains and the addresses of their images.
        folder: where files of their images may be; None where there are none.
        missing: why it could not be read, and what to do; empty where it could.
    """

    name: str
    rows: tuple[Chain, ...] = ()
    folder: Path | None = None
    missing: str = ""


@final
@dataclass(frozen=True)
class Leak:
    """A row that shares something.

    Attributes:
        split: of the row.
        row: its number.
        kind: one of `KINDS`.
        against: the name of the other set.
        other_row: the number of the row there.
        detail: what is shared.
    """

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
        tiers: by split and other set, how many rows have a text at each tier, general to specific, that occurs anywhere
            in the other set. Short texts such as ``dog`` are shared by any two sets.
        unchecked: other sets that could not be compared, and why.
    """

    leaks: tuple[Leak, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    tiers: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    unchecked: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[tuple[str, str, str], int]:
        """Rows by split, other set and kind."""
        return dict(Counter((leak.split, leak.against, leak.kind) for leak in self.leaks))

    def as_dict(self) -> dict[str, Any]:
        """JSON values for a card, the same on every machine."""
        rows, counts = self.counts, {split: dict[str, Any]() for split in self.rows}
        for (split, against), tiers in self.tiers.items():
            kinds = {kind: rows.get((split, against, kind), 0) for kind in KINDS}
            counts[split][against] = {"kinds": kinds, "rows_with_a_shared_text_by_tier": list(tiers)}
        return {"counts": counts, "unchecked": dict.fromkeys(self.unchecked, ABSENT)}

    def without(self, rows: Iterable[Chain], split: str) -> list[Chain]:
        """The rows of a split that share nothing with the other sets."""
        leaking = {leak.row for leak in self.leaks if leak.split == split}
        return [row for row in rows if row.row not in leaking]

    def write(self, path: Path | str) -> None:
        """Write the leaks as CSV. Raises UnavailableError if the file cannot be written."""
        with csv_rows(path, COLUMNS) as write:
            for leak in self.leaks:
                write([inert(getattr(leak, name)) for name in COLUMNS])


def leakage(
    rows: Mapping[str, Iterable[Chain]], against: Iterable[Reference], *, folder: Path | None = None
) -> Leakage:
    """Compare the rows of splits with other sets.

    Images are compared by their number in MS-COCO, their address and, where both files are there, their bytes; texts
    by their words, whatever the case, blanks and punctuation.

    Args:
        rows: the chains of each split, which are walked through once for each other set and not kept.
        against: the other sets.
        folder: where the files of the images of `rows` may be.
    """
    leaks: list[Leak] = []
    tiers: dict[tuple[str, str], tuple[int, ...]] = {}
    unchecked: dict[str, str] = {}
    counts: dict[str, int] = {}
    for other in against:
        if other.missing:
            unchecked[other.name] = other.missing
            continue
        index = _Index(other)
        for split, chains_of_split in rows.items():
            shared: list[int] = []
            count = 0
            for row in chains_of_split:
                count += 1
                shared = list(map(add, shared or repeat(0), index.tiers(row)))
                leaks += (Leak(split, row.row, *leak) for leak in index.leaks(row, folder))
            tiers[split, other.name], counts[split] = tuple(shared), count
    rows_of = {
        split: counts[split] if split in counts else sum(1 for _ in chains_of_split)
        for split, chains_of_split in rows.items()
    }
    return Leakage(tuple(leaks), rows_of, tiers, unchecked)


def reference(name: str, split: str = "test", **options: Any) -> Reference:
    """A dataset to compare with, by its name as `hiergeo.datasets.load` knows it.

    A dataset that is not on this machine is a reference whose `missing` says so.

    Raises:
        InputError: the name or the split is unknown, or the data is damaged.
    """
    try:
        hierarchy = datasets.load(name, split, **options)
    except UnavailableError as error:
        return Reference(f"{name} {split}", missing=str(error))
    kind, _, address = name.partition(":")
    if kind == chains.NAME:
        path = chains.located(address)
        folder = path.parent if path.is_file() else path
        return Reference(f"{path.name} {split}", tuple(chains.read(path, split)), folder)
    return Reference(f"{name} {split}", tuple(_chains(hierarchy)), _folder(hierarchy))


def _chains(hierarchy: Hierarchy) -> Iterator[Chain]:
    """Rows as chains, with names of images that MS-COCO's numbers can be read from in HierarCaps alone."""
    names: dict[int | None, str] = {image.image_id: image.path.name for image in hierarchy.images if image.path}
    for row in hierarchy.rows:
        name = names.get(row.image_id, "")
        if hierarchy.name == "hierarcaps" and row.image_id is not None:
            name = image_name(row.image_id)
        yield Chain(row.row_id, row.positive, row.negative, name)


def _folder(hierarchy: Hierarchy) -> Path | None:
    folders = {image.path.parent for image in hierarchy.images if image.path is not None}
    return folders.pop() if len(folders) == 1 else None


@final
class _Index:
    """The rows of another set, by what a row can share with them."""

    def __init__(self, other: Reference) -> None:
        self._other = other
        rows = other.rows
        self._images = [(kind, key, _firsts(key(row.image) for row in rows)) for kind, key in KEYS]
        self._specific = _firsts(words(row.positive[-1]) for row in rows)
        self._texts = {words(text) for row in rows for text in row.positive}
        self._sizes: dict[int, dict[Path, int]] = defaultdict(dict)
        for position, row in enumerate(rows):
            if (file := _file(row, other.folder)) is not None:
                self._sizes[file.stat().st_size].setdefault(file, position)
        self._digests: dict[int, dict[str, Path]] = {}

    def leaks(self, row: Chain, folder: Path | None) -> Iterator[tuple[str, str, int, str]]:
        """What a row, whose image may be in a folder, shares: the kind, their name, their row, and a detail."""
        name, rows = self._other.name, self._other.rows
        for kind, key, positions in self._images:
            value = key(row.image)
            if value and value in positions:
                yield kind, name, rows[positions[value]].row, value
        if (file := _file(row, folder)) is not None and (same := self._same_bytes(file)) is not None:
            yield BYTES, name, rows[self._sizes[same.stat().st_size][same]].row, same.name
        if (position := self._specific.get(words(row.positive[-1]))) is not None:
            yield TEXT, name, rows[position].row, rows[position].positive[-1]

    def tiers(self, row: Chain) -> Iterator[bool]:
        """Whether the text of each tier is one of theirs."""
        return (words(text) in self._texts for text in row.positive)

    def _same_bytes(self, file: Path) -> Path | None:
        """The first file of theirs with the same bytes; only those of its size are read, and each once."""
        size = file.stat().st_size
        if size not in self._sizes:
            return None
        if size not in self._digests:
            self._digests[size] = {sha256(other): other for other in reversed(self._sizes[size])}
        return self._digests[size].get(sha256(file))


def words(text: str) -> str:
    """The words of a text in their order, whatever their case; the text itself where it has none."""
    return " ".join(WORD.findall(text.casefold())) or text


def _firsts(values: Iterable[str]) -> dict[str, int]:
    """The first position of each value."""
    firsts: dict[str, int] = {}
    for position, value in enumerate(values):
        firsts.setdefault(value, position)
    return firsts


def _number(address: str) -> str:
    number = coco_number(address) if address else None
    return "" if number is None else str(number)


def _address(address: str) -> str:
    """An address of the web without what does not tell two apart: the scheme, the case of the host, a fragment."""
    if not SCHEME.match(address) or _number(address):
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.netloc.casefold()}{unquote(parts.path)}{query}" if parts.netloc else ""


KEYS = ((NUMBER, _number), (ADDRESS, _address))
"""What tells an image by its name, for each kind."""


def _file(row: Chain, folder: Path | None) -> Path | None:
    """The file of the image of a row, if it is there."""
    file = image_file(row.image, folder) if row.image and folder is not None else None
    return file if file is not None and file.is_file() else None
