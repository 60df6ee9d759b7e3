"""Chains of one's own: folders that `hiergeo chains build` made, and CSV files in the formats of HierarCaps.

A file has a row a chain: the columns ``positive``, perhaps ``negative`` and ``image_url`` (as HierarCaps' training
file), or ``captions`` and perhaps ``image_url`` (as its test file). The texts of a chain are joined by ``=>``, general
to specific. Addresses of images are never fetched.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import final

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, unknown_name
from hiergeo._core.storage.files import csv_rows, path_of, size_of
from hiergeo.datasets.addresses import coco_number, image_numbers, image_refs
from hiergeo.datasets.hierarchy import LEAST_TIERS, Hierarchy, Row
from hiergeo.datasets.reading.samples import garbled
from hiergeo.datasets.tables import Table, TableDefect, parse_records, quoted, read_table, without_defects

NAME = "chains"

FILES = {
    "train": ("train.csv", None),
    "test": ("test.csv", "test_expanded.csv"),
}
"""Split -> its file in a built folder, and the file of the same rows with negatives."""

CURE = "name a folder made by `hiergeo chains build`, or a CSV file of chains"

POSITIVE, NEGATIVE, CAPTIONS, IMAGE, ID = "positive", "negative", "captions", "image_url", "id"
"""Columns of files of chains."""

ARROW = " => "

CELL_CHARACTERS = 131_072
"""Characters of a cell that Python's CSV reader takes."""


@final
@dataclass(frozen=True)
class Chain:
    """A row of a file of chains.

    Attributes:
        row: its number: that of column ``id`` where the layout has one, otherwise its place in the file, from 0.
        positive: stripped texts, general to specific.
        negative: a text that contradicts each of them; None without.
        image: the address of its image; empty without one.
    """

    row: int
    positive: tuple[str, ...]
    negative: tuple[str, ...] | None = None
    image: str = ""


@final
@dataclass(frozen=True)
class Layout:
    """The columns of a file of chains, and what its rows must be.

    Attributes:
        positive: the column of the chains of true captions.
        negative: the column of the contradicting chains, if there is one.
        image: the column of the addresses of images, if there is one.
        id: the column of numbers of rows, if they are wanted.
        tiers: captions of every chain, negatives included; None is as many as the first chain has, and negatives may
            be blank.
        coco: whether every image must be one of MS-COCO.
    """

    positive: str
    negative: str | None = None
    image: str | None = None
    id: str | None = None
    tiers: int | None = None
    coco: bool = False


def load(split: str = "test", *, address: str = "", images: Path | str | None = None) -> Hierarchy:
    """Read a split of a built folder, or a file.

    Images are numbered as in MS-COCO where their address tells, the others from `UNNUMBERED` on in the order in which
    they appear. They are looked for in the folder of the file, at their relative path, and in its folder ``images``,
    there also by name alone. Where none is found the hierarchy has no images, and only captions are measured.

    Args:
        split: ``train`` or ``test``; a file is the same whatever is named.
        address: the folder or the file.
        images: the folder in which to look for images instead; all images are then expected to be there.

    Raises:
        InputError: no address, an unknown split, or a damaged file (which row, and how).
        UnavailableError: the folder or the file is not there.
    """
    if split not in FILES:
        raise unknown_name("split of chains", split, FILES)
    source = located(address)
    rows = read(source) if source.is_file() else read_split(source, split)
    numbers = image_numbers(each.image for each in rows)
    folder = source.parent if source.is_file() else source
    return Hierarchy(
        f"{NAME}:{address}",
        split,
        tuple(Row(at, each.positive, each.negative, numbers.get(each.image)) for at, each in enumerate(rows)),
        image_refs(numbers, folder if images is None else path_of(images), images is not None),
    )


def located(address: str) -> Path:
    """The folder or the file that a user named. Raises InputError for none, UnavailableError if it is not there."""
    if not address:
        raise InputError(f"'{NAME}' needs an address: write {NAME}:DIR or {NAME}:FILE.csv.")
    path = path_of(address)
    if not path.is_dir() and size_of(path) is None:
        raise UnavailableError(f"{path} is not there: {CURE}.")
    return path


def read_split(folder: Path, split: str) -> list[Chain]:
    """The chains of a split of a built folder, with negatives where there are any.

    Raises:
        InputError: an unknown split, one without rows, a damaged file, or two files of the split that do not agree.
        UnavailableError: the folder does not have the split; the message names those that it has.
    """
    path = folder / FILES[split][0]
    if size_of(path) is None:
        there = [name for name, (file, _) in FILES.items() if size_of(folder / file) is not None]
        advice = f"it has {' and '.join(there)}" if there else CURE
        raise UnavailableError(f"{path} is not there: {advice}.")
    others = [name for name, (file, _) in FILES.items() if has_rows(folder / file)]
    if others and size_of(path) and not has_rows(path):
        raise InputError(
            f"the split {split} of {folder} has no rows: name another one (--split {others[0]}), or build the folder "
            "again with another --test-fraction, or from more images."
        )
    return list(ChainRows(folder, split))


def read(path: Path | str) -> list[Chain]:
    """The chains of a CSV file, gzip or not, in the format of HierarCaps' training or test file.

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        InputError: a defect: which row, which column, and what.
    """
    return list(ChainRows(Path(path)))


@final
@dataclass(frozen=True)
class ChainRows:
    """The chains of a split or a file, read anew and one by one whenever they are walked through.

    Attributes:
        place: the folder of the split, or the file.
        split: its name; empty for a file.
    """

    place: Path
    split: str = ""

    def __iter__(self) -> Iterator[Chain]:
        """Raises InputError, UnavailableError: as `read_split` and `read`, on the way."""
        plain, expanded = FILES[self.split] if self.split else ("", None)
        if expanded is None or size_of(self.place / expanded) is None:
            yield from _rows_of(self.place / plain)
            return
        pairs = zip_longest(_rows_of(self.place / plain), _rows_of(self.place / expanded))
        for place, (row, other) in enumerate(pairs):
            if row is None or other is None or (row.positive, row.image) != (other.positive, other.image):
                raise InputError(
                    f"{plain} and {expanded} in {self.place} differ from data row {place} on (the first is 0): they "
                    "must hold the same chains; make both again."
                )
            yield replace(row, negative=other.negative)


def _rows_of(path: Path) -> Iterator[Chain]:
    table = read_table(path, CURE)
    return without_defects(path, parse(table, layout_of(table.header)))


def everything(place: Path) -> tuple[Path, dict[str, ChainRows]]:
    """The folder of images, and the chains of every split of a built folder, or those of a file under its name.

    Splits without rows are left out. Nothing is read yet.

    Raises:
        InputError: a folder or device where a file should be.
        UnavailableError: the folder has no split.
    """
    if place.is_file():
        return place.parent, {place.name: ChainRows(place)}
    there = [split for split, (file, _) in FILES.items() if has_rows(place / file)]
    if not there:
        raise UnavailableError(f"{place} holds no chains: {CURE}.")
    return place, {split: ChainRows(place, split) for split in there}


def has_rows(path: Path) -> bool:
    """Whether a file is there and has more than a header."""
    if size_of(path) is None:
        return False
    with path.open("rb") as handle:
        return bool(handle.readline()) and bool(handle.readline())


def layout_of(header: Sequence[str]) -> Layout:
    """The layout of a file of one's own, by its header: that of HierarCaps' training file, or of its test file."""
    plain = POSITIVE not in header and CAPTIONS in header
    negative, image, number = (name if name in header else None for name in (NEGATIVE, IMAGE, ID))
    return Layout(CAPTIONS if plain else POSITIVE, None if plain else negative, image, number)


def parse(table: Table, layout: Layout) -> Iterator[Chain | TableDefect]:
    """The chains of a table that is being read, and its defects."""
    sides = [name for name in (layout.positive, layout.negative) if name]
    others = [name for name in (layout.image, layout.id) if name]
    tiers = layout.tiers
    for record in parse_records(table, [*sides, *others]):
        if isinstance(record, TableDefect):
            yield record
            continue
        row, cells = record
        rest = dict(zip(others, cells[len(sides) :], strict=True))
        chains = [tuple(map(str.strip, cell.split("=>"))) for cell in cells[: len(sides)]]
        tiers = tiers or max(len(chains[0]), LEAST_TIERS)
        if layout.tiers is None and chains[1:] == [("",)]:
            chains.pop()
        flaws = [(name, flaw) for name, texts in zip(sides, chains, strict=False) for flaw in _flaws(texts, tiers)]
        image = rest.get(layout.image or "", "").strip()
        if layout.coco and coco_number(image) is None:
            flaws.append((layout.image or "", f"'{quoted(image)}' names no MS-COCO image"))
        if flaws:
            yield from (TableDefect(table.file, row, name, flaw) for name, flaw in flaws)
            continue
        number = rest.get(layout.id or "", "").strip()
        numbered = number.isascii() and number.isdigit() and len(number) < limits.JSON_DIGITS
        yield Chain(int(number) if numbered else row, chains[0], chains[1] if len(chains) > 1 else None, image)


def _flaws(texts: tuple[str, ...], tiers: int) -> Iterator[str]:
    """What is wrong with a chain: another number of tiers, and tiers that are empty."""
    if len(texts) != tiers:
        yield f"{len(texts)} tier{'s' * (len(texts) != 1)} instead of {tiers}"
    for level, tier in enumerate(texts[: 2 * tiers]):
        if not tier:
            yield f"tier {level} is empty"


def write_train(path: Path | str, chains: Iterable[Chain]) -> int:
    """Write chains as HierarCaps' training file: ``positive,negative,image_url``.

    Returns:
        How many.

    Raises:
        InputError: a text that is empty or not stripped, holds ``=>`` or a line end, or chains of different lengths.
        UnavailableError: the file cannot be written; what was there stays.
    """
    with csv_rows(path, (POSITIVE, NEGATIVE, IMAGE)) as write:
        rows = ((ARROW.join(row.positive), ARROW.join(row.negative or ()), row.image) for row in _checked(path, chains))
        return sum(1 for _ in map(write, rows))


def writable(text: str) -> str:
    """Why a text cannot be a tier of a file of chains, for the end of a sentence; empty if it can."""
    if not text.strip():
        return "is empty"
    if text != text.strip():
        return "begins or ends with white space"
    if "=>" in text:
        return "holds '=>', which separates tiers"
    return "" if is_address(text) else "holds a line end, a null character or half a character (a lone surrogate)"


def is_address(image: str) -> bool:
    """Whether files of chains can hold the address of an image: it is of one line and of whole characters."""
    return not any(map(image.__contains__, "\r\n")) and not garbled(image)


def _checked(path: Path | str, chains: Iterable[Chain]) -> Iterator[Chain]:
    tiers: int | None = None
    for row in chains:
        tiers = tiers or len(row.positive)
        for texts in (row.positive, row.negative):
            if texts is None:
                continue
            if len(texts) != tiers or tiers < LEAST_TIERS:
                needed = max(tiers, LEAST_TIERS)
                raise InputError(
                    f"cannot write {path}: chain {row.row} has {len(texts)} tiers where {needed} are needed."
                )
            for text in texts:
                if flaw := writable(text):
                    raise InputError(f"cannot write {path}: the text '{text}' of chain {row.row} {flaw}.")
            if sum(map(len, texts)) + len(ARROW) * tiers > CELL_CHARACTERS:
                raise InputError(f"cannot write {path}: chain {row.row} has more than {CELL_CHARACTERS:,} characters.")
        if not is_address(row.image):
            raise InputError(f"cannot write {path}: '{row.image}', the image of chain {row.row}, is not an address.")
        yield row
