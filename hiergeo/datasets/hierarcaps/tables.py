"""The tables of HierarCaps: CSV files read record by record under caps, and what their records say."""

import csv
import gzip
import io
import itertools
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import BinaryIO, TextIO

from hiergeo import _limits
from hiergeo._text import one_line, shortened
from hiergeo.datasets.hierarchy import Row
from hiergeo.errors import InputError, UnavailableError, reason
from hiergeo.storage.files import GZIP, Inflated, not_utf8, read_text, size_of

LENGTH = struct.Struct("<I")
"""Last four bytes of a gzip file: its inflated size modulo 2^32."""

INTACT, UTF8 = "replace it by an intact copy", "save it as UTF-8 text"
"""What to do about a bad file."""


@dataclass(frozen=True)
class Table:
    """A CSV file that is being read.

    Attributes:
        file: its name.
        header: the names of its columns.
        records: its records, blank lines left out, to be walked through once; damage further in the file is an
            `InputError` or `UnavailableError` raised on the way.
    """

    file: str
    header: list[str]
    records: Iterator[list[str]]


def read_table(path: Path) -> Table:
    """Begin to read the CSV file at `path` (UTF-8, gzip or not); cells may hold newlines.

    Lines end with LF, CR LF or CR. A cell may have 131,072 characters and a record 1,048,576.

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        InputError: it is truncated, undecodable, no CSV, has no records, or inflates beyond `hiergeo._limits`.
    """
    records = _records(path)
    header = next(records, None)
    if header is None:
        raise InputError(f"{path} is empty: {INTACT}.")
    first = next(records, None)
    if first is None:
        raise InputError(f"{path} has a header but no rows: {INTACT}.")
    return Table(path.name, header, itertools.chain([first], records))


def _records(path: Path) -> Iterator[list[str]]:
    size = size_of(path)
    if size is None:
        raise UnavailableError(
            f"{path} is not there: run `hiergeo data fetch hierarcaps`, "
            "or set HIERGEO_DATA_HOME to the folder that holds hierarcaps/."
        )
    try:
        with path.open("rb") as handle:
            yield from _records_in(path, handle, size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is truncated or not gzip ({error}): {INTACT}.") from error
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {reason(error)}.") from error


def _records_in(path: Path, handle: BinaryIO, size: int) -> Iterator[list[str]]:
    begins = handle.read(len(GZIP))
    handle.seek(0)
    if begins == GZIP:
        stream: BinaryIO = io.BufferedReader(_inflated(path, handle, size))
    elif path.suffix == ".gz":
        raise InputError(f"{path} is truncated or not gzip: {INTACT}.")
    else:
        stream = handle
    with io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text:
        lines = _Lines(path, text, begins)
        try:
            for record in csv.reader(lines, strict=True):
                if record:
                    yield record
                    lines.records += 1
                lines.characters = 0
        except csv.Error as error:
            problem = "a cell is longer than a caption can be" if "field limit" in str(error) else str(error)
            raise InputError(f"{path} is not a CSV file ({problem}; {lines.place}): {INTACT}.") from error


class _Lines:
    """The lines of a CSV file, each checked as it passes.

    Attributes:
        records: how many were complete before the one at hand.
        characters: how many of the one at hand have passed.
    """

    def __init__(self, path: Path, text: TextIO, begins: bytes) -> None:
        self._path, self._text, self._begins = path, text, begins
        self.records = self.characters = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(_limits.RECORD_CHARACTERS + 1):
            self.characters += len(line)
            if self.characters > _limits.RECORD_CHARACTERS:
                longest = f"{_limits.RECORD_CHARACTERS:,}"
                raise self._refusal(f"it has more than {longest} characters, as if a quote were missing")
            if not line.isascii():
                self._check_encoding(line)
            if "\0" in line:
                raise self._refusal("there are null characters", UTF8)
            yield line

    @property
    def place(self) -> str:
        """Description of the current record."""
        return f"data row {self.records - 1} (the first is 0)" if self.records else "header"

    def _check_encoding(self, line: str) -> None:
        try:
            line.encode()
        except UnicodeEncodeError as error:
            raise self._refusal(not_utf8(self._begins), UTF8) from error

    def _refusal(self, problem: str, cure: str = INTACT) -> InputError:
        return InputError(f"{self._path}, {self.place}: {problem}; {cure}.")


def _inflated(path: Path, packed: BinaryIO, size: int) -> Inflated:
    """The content of a gzip file, refused where it is as much as that of no real table.

    How much it is stands at the end of the file, where it can be wrong; so it is counted besides.
    """

    def refusal(problem: str = "inflates as no real table does") -> InputError:
        return InputError(f"{path} {problem}: {INTACT}, or save it without compression if it is right.")

    most = max(_limits.TABLE_BYTES, _limits.TABLE_RATIO * size)
    packed.seek(-min(size, LENGTH.size), io.SEEK_END)
    tail = packed.read(LENGTH.size)
    packed.seek(0)
    if len(tail) == LENGTH.size and LENGTH.unpack(tail)[0] > most:
        raise refusal("is truncated, or inflates as no real table does")
    return Inflated(packed, most, refusal)


SOURCE = "https://raw.githubusercontent.com/TAU-VAILab/hierarcaps/ba22b8914db10973e38d2c03f08bb4dce7ba118e"
"""The public repository at the commit whose files the checksums describe."""

IMAGE_COLUMN = "image_url"


@dataclass(frozen=True)
class Published:
    """A published CSV file.

    Attributes:
        file: its name.
        positive: the column of the chains of true captions.
        negative: the column of the contradicting chains, None where there are none.
        coco: whether every image is one of MS-COCO val2014; otherwise image addresses are arbitrary.
        sha256: of its bytes; None where it is recorded at the first download.
    """

    file: str
    positive: str
    negative: str | None
    coco: bool
    sha256: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a file of this kind must have."""
        return tuple(name for name in (self.positive, self.negative, IMAGE_COLUMN) if name)

    def path(self, home: Path) -> Path:
        """Where this file lies in the data home."""
        return folder(home) / self.file


TEST = Published(
    "hierarcaps_test.csv",
    positive="captions",
    negative=None,
    coco=True,
    sha256="3474564194fd2a85e1d8f4dbe6e040c795e94677b2982cfb161b14908cae33b0",
)
EXPANDED = Published(
    "hierarcaps_test_expanded.csv.gz",
    positive="positive",
    negative="negative",
    coco=True,
    sha256="746a0fee51ee4554d7f050a9d6838699375f7175c12655cbd98562f42afe8590",
)
TRAIN = Published("hierarcaps_train.csv.gz", positive="positive", negative="negative", coco=False, sha256=None)

FILES = {"test": TEST, "expanded": EXPANDED, "train": TRAIN}


def folder(home: Path) -> Path:
    """The folder of HierarCaps in the data home."""
    return home / "hierarcaps"


def layout_of(path: Path, header: list[str]) -> Published:
    """Which published file `path` is like: by its name (compressed or not), otherwise by its header."""
    stem = path.name.removesuffix(".gz")
    for published in FILES.values():
        if published.file.removesuffix(".gz") == stem:
            return published
    return TEST if TEST.positive in header else TRAIN


def recorded_checksum(path: Path) -> str | None:
    """The digest that the file at `path` must have: the published one, or the one recorded beside it.

    Raises:
        InputError: the record beside it is damaged.
    """
    for published in FILES.values():
        if published.file == path.name and published.sha256:
            return published.sha256
    record = checksum_record(path)
    if not record.exists():
        return None
    found = re.match(r"([0-9a-f]{64})\s", read_text(record, "fetch the data"))
    if found is None:
        raise InputError(f"{record} holds no SHA-256: delete it and fetch again.")
    return found[1]


def checksum_record(path: Path) -> Path:
    """The side file, in the format of ``sha256sum``, that remembers the digest of a first download."""
    return path.with_name(f"{path.name}.sha256")


@cache
def test_images() -> Mapping[int, str]:
    """The SHA-256 of every image of the test split by its number in MS-COCO; the list is part of this package."""
    listed = resources.files(__package__).joinpath("test_images.sha256").read_text("ascii").splitlines()
    pairs = (line.split() for line in listed)
    return {int(name[-16:-4]): digest for digest, name in pairs}


_COCO = re.compile(r"/COCO_val2014_([0-9]{12})\.jpg$")

TIERS = 4
"""Captions in a chain of HierarCaps."""

QUOTED = 100
"""Most characters of a cell that a defect quotes."""


@dataclass(frozen=True)
class Defect:
    """Something wrong in a file, in one of its rows (counted from 0, as `Row.row_id`), in one of its columns."""

    file: str
    row: int | None
    column: str | None
    problem: str

    def __str__(self) -> str:
        row = "" if self.row is None else f", data row {self.row} (the first is 0)"
        column = "" if self.column is None else f", column {self.column}"
        return one_line(f"{self.file}{row}{column}: {self.problem}")


def parse_rows(table: Table, layout: Published) -> Iterator[Row | Defect]:
    """Read every record of `table` as a row of the columns that `layout` names: the row, or its defects.

    Where a column is missing or there twice, those are the only defects.
    """
    flaws = list(_header_defects(table, layout))
    if flaws:
        yield from flaws
        return
    width = len(table.header)
    places = [table.header.index(name) for name in layout.columns]
    for row_id, record in enumerate(table.records):
        if len(record) != width:
            yield Defect(table.file, row_id, None, f"{len(record)} cells where the header names {width}")
            continue
        *cells, url = (record[place] for place in places)
        chains = [chain(cell) for cell in cells]
        image_id = coco_number(url)
        unnamed = layout.coco and image_id is None
        if unnamed or not all(len(tiers) == TIERS and all(tiers) for tiers in chains):
            for name, tiers in zip(layout.columns, chains, strict=False):
                for problem in _chain_problems(tiers):
                    yield Defect(table.file, row_id, name, problem)
            if unnamed:
                yield Defect(table.file, row_id, IMAGE_COLUMN, f"'{_quoted(url)}' names no MS-COCO val2014 image")
        else:
            yield Row(row_id, chains[0], chains[1] if layout.negative else None, image_id)


def chain(cell: str) -> tuple[str, ...]:
    """The stripped tiers of a cell such as ``animal => dog => a wet dog => A wet dog in the rain.``"""
    return tuple(map(str.strip, cell.split("=>")))


def coco_number(url: str) -> int | None:
    """The number of the MS-COCO val2014 image at `url`; None for any other address."""
    match = _COCO.search(url)
    return int(match[1]) if match else None


def _header_defects(table: Table, layout: Published) -> Iterator[Defect]:
    for name in layout.columns:
        if name not in table.header:
            found = ", ".join(map(_quoted, table.header))
            yield Defect(table.file, None, name, f"missing (found: {shortened(found, 3 * QUOTED)})")
        elif table.header.count(name) > 1:
            yield Defect(table.file, None, name, "there twice")


def _quoted(cell: str) -> str:
    return shortened(one_line(cell), QUOTED)


def _chain_problems(tiers: tuple[str, ...]) -> Iterator[str]:
    if len(tiers) != TIERS:
        yield f"{len(tiers)} tier{'s' * (len(tiers) != 1)} instead of {TIERS}"
    for level, tier in enumerate(tiers[: 2 * TIERS]):
        if not tier:
            yield f"tier {level} is empty"
