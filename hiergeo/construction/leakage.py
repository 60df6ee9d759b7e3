"""Leakage: rows of chains that share an image or a text with a test set, such as that of HierarCaps."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import add
from pathlib import Path
from typing import Any, final
from urllib.parse import unquote, urlsplit

from hiergeo import datasets
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage.files import csv_rows, sha256
from hiergeo._core.text import inert
from hiergeo.construction.drafts import normalised
from hiergeo.construction.resemblance import NearTexts, near_pictures, thumbnails
from hiergeo.datasets import Hierarchy, chains
from hiergeo.datasets.addresses import SCHEME, coco_number, image_file
from hiergeo.datasets.chains import Chain
from hiergeo.datasets.hierarcaps.published import image_name

NUMBER, ADDRESS, BYTES, PICTURE = "coco number", "image address", "same picture", "similar picture"
TEXT, NEAR_TEXT = "text", "similar text"

KINDS = (NUMBER, ADDRESS, BYTES, PICTURE, TEXT, NEAR_TEXT)
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
        return dict(Counter((each.split, each.against, each.kind) for each in self.leaks))

    def as_dict(self) -> dict[str, Any]:
        """JSON values for a card, the same on every machine."""
        counts: dict[str, dict[str, Any]] = {split: {} for split in self.rows}
        for (split, against), tiers in self.tiers.items():
            kinds = {kind: self.counts.get((split, against, kind), 0) for kind in KINDS}
            counts[split][against] = {"kinds": kinds, "rows_with_a_shared_text_by_tier": list(tiers)}
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
    progress: bool = False,
) -> Leakage:
    """Compare the rows of splits with other sets.

    Images are compared by their number in MS-COCO, their address, and, where both files are
    there, by their bytes and their look. Texts are compared without case, blanks and full stops at the end, and the
    most specific ones also by the words that they share.

    Args:
        rows: the chains of each split, which are walked through once for each other set and not kept.
        against: the other sets.
        folder: where the files of the images of `rows` may be.
        similarity: least share of common words of similar texts, in (0, 1].
        progress: draw a bar while pictures are read.

    Raises:
        InputError: the similarity is out of its range.
    """
    if not 0 < similarity <= 1:
        raise InputError(f"similarity must be above 0 and at most 1, not {similarity}.")
    leaks: list[Leak] = []
    tiers: dict[tuple[str, str], tuple[int, ...]] = {}
    unchecked: dict[str, str] = {}
    counts: dict[str, int] = {}
    for other in against:
        if other.missing:
            unchecked[other.name] = other.missing
            continue
        known = _Known(other.rows, similarity)
        pictures = _files(enumerate(other.rows), other.folder) if folder is not None else {}
        for split, chains_of_split in rows.items():
            numbers: list[int] = []
            shared: list[int] = []
            found: list[tuple[int, str, int, str]] = []
            files: dict[Path, list[int]] = defaultdict(list)
            for place, row in enumerate(chains_of_split):
                numbers.append(row.row)
                shared = list(map(add, shared or repeat(0), known.tiers(row)))
                found += ((place, *each) for each in known.shared(row))
                for file in _files([(place, row)], folder) if pictures else ():
                    files[file].append(place)
            for file, kind, same in _by_picture(list(files), list(pictures), progress):
                found += ((place, kind, pictures[same][0], same.name) for place in files[file])
            found.sort(key=lambda leak: (leak[0], KINDS.index(leak[1])))
            leaks += (
                Leak(split, numbers[place], kind, other.name, other.rows[theirs].row, detail)
                for place, kind, theirs, detail in found
            )
            tiers[split, other.name], counts[split] = tuple(shared), len(numbers)
    rows_of = {split: counts[split] if split in counts else sum(1 for _ in each) for split, each in rows.items()}
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
        self._texts = {normalised(text) for row in rows for text in row.positive}

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

    def tiers(self, row: Chain) -> Iterator[bool]:
        """Whether the text of each tier is one of theirs."""
        return (normalised(text) in self._texts for text in row.positive)


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


def _by_picture(mine: Sequence[Path], theirs: Sequence[Path], progress: bool) -> Iterator[tuple[Path, str, Path]]:
    """Files with the file of theirs that has the same bytes, or else with one that looks alike, and the kind."""
    if not (mine and theirs):
        return
    sizes, known_sizes = ({file.stat().st_size for file in files} for files in (mine, theirs))
    digests = {sha256(file): file for file in reversed(theirs) if file.stat().st_size in sizes}
    rest = []
    for file in mine:
        if file.stat().st_size in known_sizes and (same := digests.get(sha256(file))) is not None:
            yield file, BYTES, same
        else:
            rest.append(file)
    near = near_pictures(thumbnails(rest, progress=progress), thumbnails(theirs, progress=progress))
    for place, other in near:
        yield rest[place], PICTURE, theirs[other]


def _files(rows: Iterable[tuple[int, Chain]], folder: Path | None) -> dict[Path, list[int]]:
    """The image files that are there, and the places of their rows."""
    found: dict[Path, list[int]] = defaultdict(list)
    for place, row in rows:
        file = image_file(row.image, folder) if row.image and folder is not None else None
        if file is not None and file.is_file():
            found[file].append(place)
    return dict(found)
