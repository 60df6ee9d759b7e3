"""Leakage: rows of chains that share an image or a text with a test set, such as that of HierarCaps."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final
from urllib.parse import unquote, urlsplit

from hiergeo import datasets
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage.files import csv_rows, sha256
from hiergeo._core.text import inert
from hiergeo.construction.drafts import normalised
from hiergeo.construction.resemblance import NearTexts
from hiergeo.datasets import Hierarchy, chains
from hiergeo.datasets.addresses import SCHEME, coco_number, image_file
from hiergeo.datasets.chains import Chain
from hiergeo.datasets.hierarcaps.published import image_name

NUMBER, ADDRESS, BYTES = "coco number", "image address", "same picture"
TEXT, NEAR_TEXT = "text", "similar text"

KINDS = (NUMBER, ADDRESS, BYTES, TEXT, NEAR_TEXT)
"""How a row can share its image or its most specific text with a row of another set, the surest first."""

SIMILARITY = 0.8
"""Least share of common words of similar texts."""

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
        compared: names of the other sets.
        unchecked: other sets that could not be compared, and why.
    """

    leaks: tuple[Leak, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    compared: tuple[str, ...] = ()
    unchecked: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[tuple[str, str, str], int]:
        """Rows by split, other set and kind."""
        return dict(Counter((each.split, each.against, each.kind) for each in self.leaks))

    def as_dict(self) -> dict[str, Any]:
        """JSON values for a card, the same on every machine."""
        found = self.counts

        def of(split: str, name: str) -> dict[str, Any]:
            return {"kinds": {kind: found.get((split, name, kind), 0) for kind in KINDS}}

        counts = {split: {name: of(split, name) for name in self.compared} for split in self.rows}
        return {"counts": counts, "unchecked": dict.fromkeys(self.unchecked, ABSENT)}

    def without(self, rows: Iterable[Chain], split: str) -> list[Chain]:
        """The rows of a split that share nothing with the other sets."""
        leaking = {each.row for each in self.leaks if each.split == split}
        return [each for each in rows if each.row not in leaking]

    def write(self, path: Path | str) -> None:
        """Write the leaks as CSV. Raises UnavailableError if the file cannot be written."""
        with csv_rows(path, COLUMNS) as write:
            for each in self.leaks:
                write([inert(getattr(each, name)) for name in COLUMNS])


def leakage(
    rows: Mapping[str, Iterable[Chain]],
    against: Iterable[Reference],
    *,
    folder: Path | None = None,
    similarity: float = SIMILARITY,
) -> Leakage:
    """Compare the rows of splits with other sets.

    Images are compared by their number in MS-COCO, their address, and, where both files are
    there, by their bytes. Texts are compared without case, blanks and full stops at the end, and the
    most specific ones also by the words that they share.

    Args:
        rows: the chains of each split, which are walked through once for each other set and not kept.
        against: the other sets.
        folder: where the files of the images of `rows` may be.
        similarity: least share of common words of similar texts, in (0, 1].

    Raises:
        InputError: the similarity is out of its range.
    """
    if not 0 < similarity <= 1:
        raise InputError(f"similarity must be above 0 and at most 1, not {similarity}.")
    leaks: list[Leak] = []
    compared: list[str] = []
    unchecked: dict[str, str] = {}
    counts: dict[str, int] = {}
    for other in against:
        if other.missing:
            unchecked[other.name] = other.missing
            continue
        compared.append(other.name)
        known = _Known(other.rows, similarity)
        pictures = _files(enumerate(other.rows), other.folder) if folder is not None else {}
        for split, chains_of_split in rows.items():
            numbers: list[int] = []
            found: list[tuple[int, str, int, str]] = []
            files: dict[Path, list[int]] = defaultdict(list)
            for place, row in enumerate(chains_of_split):
                numbers.append(row.row)
                found += ((place, *each) for each in known.shared(row))
                for file in _files([(place, row)], folder) if pictures else ():
                    files[file].append(place)
            for file, same in _by_bytes(list(files), list(pictures)):
                found += ((place, BYTES, pictures[same][0], same.name) for place in files[file])
            found.sort(key=lambda leak: (leak[0], KINDS.index(leak[1])))
            leaks += (
                Leak(split, numbers[place], kind, other.name, other.rows[theirs].row, detail)
                for place, kind, theirs, detail in found
            )
            counts[split] = len(numbers)
    rows_of = {split: counts[split] if split in counts else sum(1 for _ in each) for split, each in rows.items()}
    return Leakage(tuple(leaks), rows_of, tuple(compared), unchecked)


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
        file = path.is_file()
        rows = chains.read(path) if file else chains.read_split(path, split)
        return Reference(f"{path.name} {split}", tuple(rows), path.parent if file else path)
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
class _Known:
    """The rows of another set, by what a row can share with them."""

    def __init__(self, rows: Sequence[Chain], similarity: float) -> None:
        self._images = [(kind, key, _firsts(key(row.image) for row in rows)) for kind, key in KEYS]
        self._specific = [row.positive[-1] for row in rows]
        self._equal = _firsts(map(normalised, self._specific))
        self._near = NearTexts(self._specific, similarity)

    def shared(self, row: Chain) -> Iterator[tuple[str, int, str]]:
        """What a row shares with them: the kind, the place of their row, and a detail."""
        for kind, key, known in self._images:
            value = key(row.image)
            if value and value in known:
                yield kind, known[value], value
        text = row.positive[-1]
        equal = self._equal.get(normalised(text))
        near = self._near.nearest(text) if equal is None else None
        if equal is not None:
            yield TEXT, equal, self._specific[equal]
        elif near is not None:
            yield NEAR_TEXT, near[0], f"{near[1]:.2f} {self._specific[near[0]]}"


def _firsts(values: Iterable[str]) -> dict[str, int]:
    """The first place of each value."""
    found: dict[str, int] = {}
    for place, value in enumerate(values):
        found.setdefault(value, place)
    return found


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


def _by_bytes(mine: Sequence[Path], theirs: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Files with the first file of theirs that has the same bytes; those alone are read whose size is there."""
    sizes, known_sizes = ({file.stat().st_size for file in files} for files in (mine, theirs))
    digests = {sha256(file): file for file in reversed(theirs) if file.stat().st_size in sizes}
    for file in mine:
        if file.stat().st_size in known_sizes and (same := digests.get(sha256(file))) is not None:
            yield file, same


def _files(rows: Iterable[tuple[int, Chain]], folder: Path | None) -> dict[Path, list[int]]:
    """The image files that are there, and the places of their rows."""
    found: dict[Path, list[int]] = defaultdict(list)
    for place, row in rows:
        file = image_file(row.image, folder) if row.image and folder is not None else None
        if file is not None and file.is_file():
            found[file].append(place)
    return dict(found)
