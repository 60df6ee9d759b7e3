"""Chains of one's own: folders that `hiergeo chains build` made, and files in the formats of HierarCaps.

A file has a row a chain: the columns ``positive``, perhaps ``negative`` and ``image_url`` (as HierarCaps' training
file), or ``captions`` and perhaps ``image_url`` (as its test file). The texts of a chain are joined by ``=>``, general
to specific, or each has a column of its own (``level0``, ``level1``, ...; perhaps ``negative0``, ...). In JSON rows are
objects, and a chain may be a list. Addresses of images are never fetched.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import final

import numpy as np

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, unknown_name
from hiergeo._core.storage.files import csv_rows, path_of, size_of
from hiergeo._core.text import shortened
from hiergeo.datasets.addresses import image_numbers, image_refs
from hiergeo.datasets.hierarchy import LEAST_TIERS, Hierarchy, ImageRef, Row
from hiergeo.datasets.pictures import file_ref
from hiergeo.datasets.reading.columnar import arrow_files
from hiergeo.datasets.reading.samples import IMAGES, garbled
from hiergeo.datasets.tables import LEVELS, QUOTED, TIERS, Table, numbered, quoted, read_table

NAME = "chains"

FILES = {
    "train": ("train.csv", None),
    "test": ("test.csv", "test_expanded.csv"),
}
"""Split -> its file in a built folder, and the file of the same rows with negatives."""

CURE = "name a folder made by `hiergeo chains build`, or a table of chains"

POSITIVE, NEGATIVE, CAPTIONS, IMAGE, ID = "positive", "negative", "captions", "image_url", "id"
"""Columns of files of chains."""

IMAGE_COLUMNS = (IMAGE, *IMAGES, "image_id", "sku")
"""Columns of images, of which the first that a file has counts."""

ARROW = f" {TIERS} "

CELL_CHARACTERS = 131_072
"""Characters of a cell that Python's CSV reader takes."""


@final
@dataclass(frozen=True)
class Chain:
    """A row of a file of chains: its number, texts from general to specific, and the address of its image.

    The number is that in the column ``id`` if there is one, otherwise the position in the file, from 0. `negative`
    holds a text that contradicts each of `positive`.
    """

    row: int
    positive: tuple[str, ...]
    negative: tuple[str, ...] | None = None
    image: str = ""


def load(split: str = "test", *, address: str = "", images: Path | str | None = None) -> Hierarchy:
    """Read a split of a built folder, or a file.

    Images are numbered as in MS-COCO where their address tells, the others from `UNNUMBERED` on in the order in which
    they appear. They are looked for in the folder of the file, at their relative path, and in its folder ``images``,
    there also by name alone. If none exists only captions are measured, and the images of which a model has stored
    embeddings (`hiergeo.embedded`, ``npz:FILE``).

    Args:
        split: ``train`` or ``test``; a file is the same for both.
        address: the folder or the file.
        images: the folder in which to look for images instead; all images are then expected to be there.

    Raises:
        InputError: no address, an unknown split, or a damaged file (which row, and how).
        UnavailableError: the folder or the file is not there.
    """
    if split not in FILES:
        raise unknown_name("split of chains", split, FILES)
    source = located(address)
    folder = source.parent if source.is_file() else source
    chains = read(source, split)
    numbers = image_numbers(chain.image for chain in chains)
    refs = image_refs(numbers, folder if images is None else path_of(images))
    return _hierarchy(f"{NAME}:{address}", split, chains, numbers, refs, images is not None)


def from_lists(
    positive: Iterable[Sequence[str]],
    negative: Iterable[Sequence[str]] | None = None,
    image: Iterable[str | int | Path | None] | None = None,
    *,
    name: str = "own",
) -> Hierarchy:
    """Chains that are in memory as data of the same kind as a file of them.

    Args:
        positive: n chains of T captions each, from general to specific.
        negative: n chains of captions that contradict those of `positive`; None for data without.
        image: what the image of each chain is called, as in `load`: the path of a file, or an ``image_id`` of
            `hiergeo.embedded`; None for a chain without an image.
        name: what results call the data.

    Raises:
        InputError: no chains, chains of different lengths, a caption that is empty or no string, or another number of
            contradicting chains or images.
    """
    chains = _texts(positive)
    against = [None] * len(chains) if negative is None else _texts(negative)
    images = [None] * len(chains) if image is None else list(image)
    for what, others in (("contradicting chains", against), ("images", images)):
        if len(others) != len(chains):
            raise InputError(f"there are {len(chains)} chains and {len(others)} {what}: give one for each chain.")
    for row, address in enumerate(images):
        if not isinstance(address, str | int | np.integer | Path | None):
            raise InputError(f"the image of chain {row} (the first is 0) is {address}: give a name, a number or None.")
    addresses = ["" if address is None else str(address) for address in images]
    rows = [Chain(at, *parts) for at, parts in enumerate(zip(chains, against, addresses, strict=True))]
    numbers = image_numbers(addresses)
    files = {number: replace(file_ref(number, Path(address)), address=address) for address, number in numbers.items()}
    return _hierarchy(name, "test", rows, numbers, tuple(files.values()), False)


def _texts(chains: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """Chains of stripped captions; raises InputError for one that holds anything else."""
    stripped = []
    for row, chain in enumerate(chains):
        listed = isinstance(chain, Iterable) and not isinstance(chain, str)
        if not listed or not all(isinstance(text, str) and text.strip() for text in chain):
            raise InputError(f"chain {row} (the first is 0) must be a list of captions that are not empty strings.")
        stripped.append(tuple(map(str.strip, chain)))
    return stripped


def _hierarchy(
    name: str,
    split: str,
    chains: Sequence[Chain],
    numbers: Mapping[str, int],
    images: tuple[ImageRef, ...],
    expected: bool,
) -> Hierarchy:
    """Chains as data; images whose files are not `expected` to be there are absent if none is."""
    rows = tuple(Row(at, row.positive, row.negative, numbers.get(row.image)) for at, row in enumerate(chains))
    there = expected or any(image.path is not None and image.path.is_file() for image in images)
    return Hierarchy(name, split, rows, images if there else (), () if there else images)


def located(address: str) -> Path:
    """The folder or the file that a user named. Raises InputError for none, UnavailableError if it is not there."""
    if not address:
        raise InputError(f"'{NAME}' needs an address: write {NAME}:DIR or {NAME}:FILE.csv.")
    path = path_of(address)
    if not path.is_dir() and size_of(path) is None:
        raise UnavailableError(f"{path} is not there: {CURE}.")
    return path


def read(source: Path | str, split: str = "test") -> list[Chain]:
    """The chains of a CSV file, or of a split of a built folder with negatives where there are any.

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        InputError: a damaged file (which row, which column, and what), or two files of a split that do not agree.
    """
    source = Path(source)
    return list(ChainRows(source, split if source.is_dir() else ""))


@final
@dataclass(frozen=True)
class ChainRows:
    """The chains of a file, or of a split of a folder, read anew and one by one whenever they are walked through."""

    source: Path
    split: str = ""

    def __iter__(self) -> Iterator[Chain]:
        """Raises InputError, UnavailableError: as `read`, on the way."""
        plain, expanded = FILES[self.split] if self.split else ("", None)
        if saved := next((of for of in (self.source / self.split, self.source) if arrow_files(of)), None):
            yield from parse(read_table(saved, CURE))
            return
        if expanded is None or size_of(self.source / expanded) is None:
            yield from parse(read_table(self.source / plain, CURE))
            return
        pairs = zip_longest(*(parse(read_table(self.source / name, CURE)) for name in (plain, expanded)))
        for index, (row, other) in enumerate(pairs):
            if row is None or other is None or (row.positive, row.image) != (other.positive, other.image):
                raise InputError(
                    f"{plain} and {expanded} in {self.source} differ from data row {index} on (the first is 0): they "
                    "must hold the same chains; make both again."
                )
            yield replace(row, negative=other.negative)


def everything(source: Path) -> tuple[Path, dict[str, ChainRows]]:
    """The folder of images, and the chains of every split of a built folder that has rows, or those of a file.

    Raises:
        UnavailableError: the folder has no split.
    """
    if source.is_file() or arrow_files(source):
        return source.parent, {source.name: ChainRows(source)}
    splits = [split for split, (file, _) in FILES.items() if _has_rows(source / file) or arrow_files(source / split)]
    if not splits:
        raise UnavailableError(f"{source} holds no chains: {CURE}.")
    return source, {split: ChainRows(source, split) for split in splits}


def _has_rows(path: Path) -> bool:
    if size_of(path) is None:
        return False
    with path.open("rb") as handle:
        return bool(handle.readline()) and bool(handle.readline())


def parse(table: Table, tiers: int | None = None) -> Iterator[Chain]:
    """The chains of a table that is being read, each of so many texts; None is as many as the first one has.

    Raises:
        InputError: on the way, a column that is missing, or a chain of another length or with an empty text.
    """
    sides = _sides(table)
    image = next((name for name in IMAGE_COLUMNS if name in table.header), IMAGE)
    others = [name for name in (image, ID) if name in table.header]
    for row, cells in table.cells([*(name for columns in sides for name in columns), *others]):
        taken = iter(cells)
        told = [[next(taken).strip() for _ in columns] for columns in sides]
        facts = dict(zip(others, taken, strict=True))
        chains = [_tiers(parts) for parts in told if parts is told[0] or any(parts)]
        tiers = tiers or max(len(chains[0]), LEAST_TIERS)
        for columns, texts in zip(sides, chains, strict=False):
            column = columns[0] if len(columns) == 1 else f"{columns[0]} to {columns[-1]}"
            if len(texts) != tiers:
                raise table.error(row, column, f"{len(texts)} tier{'s' * (len(texts) != 1)} instead of {tiers}")
            if "" in texts:
                raise table.error(row, column, f"tier {texts.index('')} is empty")
        number = facts.get(ID, "").strip()
        given = number.isascii() and number.isdigit() and len(number) < limits.JSON_DIGITS
        negative = chains[1] if len(chains) > 1 else None
        yield Chain(int(number) if given else row, chains[0], negative, facts.get(image, "").strip())


def _sides(table: Table) -> list[list[str]]:
    """The columns of a chain, and of what contradicts it: one column each, or one for each tier."""
    for name in (POSITIVE, CAPTIONS):
        if name in table.header:
            return [[name], [NEGATIVE]] if name == POSITIVE and NEGATIVE in table.header else [[name]]
    if levels := numbered(table.header, LEVELS):
        return [levels, *filter(None, [numbered(table.header, (NEGATIVE,))])]
    header = shortened(", ".join(map(quoted, table.header)), 3 * QUOTED)
    usual = f"{POSITIVE} or {CAPTIONS}, joined by '{TIERS}', or in level0, level1, ..."
    raise table.error(None, POSITIVE, f"missing (there are: {header}), and chains stand in {usual}")


def _tiers(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(text.strip() for text in (cells[0].split(TIERS) if len(cells) == 1 else cells))


def write_train(path: Path | str, chains: Iterable[Chain]) -> int:
    """Write chains as HierarCaps' training file: ``positive,negative,image_url``; returns how many.

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
    for chain in chains:
        tiers = tiers or len(chain.positive)
        for texts in filter(None, (chain.positive, chain.negative)):
            flaw = next((f"the text '{text}' {writable(text)}" for text in texts if writable(text)), "")
            if len(texts) != tiers or tiers < LEAST_TIERS:
                flaw = f"it has {len(texts)} tiers where {max(tiers, LEAST_TIERS)} are needed"
            elif sum(map(len, texts)) + len(ARROW) * tiers > CELL_CHARACTERS:
                flaw = f"it has more than {CELL_CHARACTERS:,} characters"
            elif not is_address(chain.image):
                flaw = f"'{chain.image}' is not an address of an image"
            if flaw:
                raise InputError(f"cannot write chain {chain.row} to {path}: {flaw}.")
        yield chain
