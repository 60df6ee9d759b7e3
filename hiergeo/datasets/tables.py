"""Tables of chains of captions: CSV files read record by record under caps, and what is wrong in them."""

import csv
import gzip
import io
import itertools
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, TypeVar

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage.files import size_of
from hiergeo._core.storage.texts import GZIP, Inflated, not_utf8
from hiergeo._core.text import one_line, shortened

T = TypeVar("T")

COUNTED = 1000
"""Number of defects after which reading stops."""

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


def read_table(path: Path, cure: str) -> Table:
    """Begin to read the CSV file at `path` (UTF-8, gzip or not); cells may hold newlines.

    Lines end with LF, CR LF or CR. A cell may have 131,072 characters and a record 1,048,576.

    Args:
        path: the file.
        cure: what to do where there is none, such as "write one chain a row".

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        InputError: it is truncated, undecodable, no CSV, has no records, or inflates beyond `hiergeo._core.limits`.
    """
    records = _records(path, cure)
    header = next(records, None)
    if header is None:
        raise InputError(f"{path} is empty: {INTACT}.")
    first = next(records, None)
    if first is None:
        raise InputError(f"{path} has a header but no rows: {INTACT}.")
    return Table(path.name, header, itertools.chain([first], records))


def _records(path: Path, cure: str) -> Iterator[list[str]]:
    size = size_of(path)
    if size is None:
        raise UnavailableError(f"{path} is not there: {cure}.")
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
        while line := self._text.readline(limits.RECORD_CHARACTERS + 1):
            self.characters += len(line)
            if self.characters > limits.RECORD_CHARACTERS:
                longest = f"{limits.RECORD_CHARACTERS:,}"
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

    most = max(limits.TABLE_BYTES, limits.TABLE_RATIO * size)
    packed.seek(-min(size, LENGTH.size), io.SEEK_END)
    tail = packed.read(LENGTH.size)
    packed.seek(0)
    if len(tail) == LENGTH.size and LENGTH.unpack(tail)[0] > most:
        raise refusal("is truncated, or inflates as no real table does")
    return Inflated(packed, most, refusal)


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


def parse_records(table: Table, columns: Sequence[str]) -> Iterator[tuple[int, list[str]] | Defect]:
    """The number of every record of `table` and its cells in `columns`, or its defect.

    Where a column is missing or there twice, those are the only defects.
    """
    flaws = list(_header_defects(table, columns))
    if flaws:
        yield from flaws
        return
    width = len(table.header)
    places = [table.header.index(name) for name in columns]
    for row_id, record in enumerate(table.records):
        if len(record) != width:
            yield Defect(table.file, row_id, None, f"{len(record)} cells where the header names {width}")
        else:
            yield row_id, [record[place] for place in places]


def without_defects(path: Path, found: Iterable[T | Defect]) -> list[T]:
    """What was found in a file where nothing is wrong with it.

    Raises:
        InputError: names the first defect and counts them, `COUNTED` at most; or there is not enough memory.
    """
    sound: list[T] = []
    defects: list[Defect] = []
    try:
        for each in found:
            if not isinstance(each, Defect):
                sound.append(each)
                continue
            defects.append(each)
            if len(defects) == COUNTED:
                break
    except MemoryError as error:
        raise InputError(f"{path} holds more rows than this machine has memory for: part it.") from error
    if defects:
        count = f"at least {COUNTED}" if len(defects) == COUNTED else str(len(defects))
        more = f" (the first of {count} defects)" if len(defects) > 1 else ""
        raise InputError(f"{defects[0]}{more}; correct {path} or replace it by an intact copy.")
    return sound


def chain(cell: str) -> tuple[str, ...]:
    """The stripped tiers of a cell such as ``animal => dog => a wet dog => A wet dog in the rain.``"""
    return tuple(map(str.strip, cell.split("=>")))


def _header_defects(table: Table, columns: Sequence[str]) -> Iterator[Defect]:
    for name in columns:
        if name not in table.header:
            found = ", ".join(map(quoted, table.header))
            yield Defect(table.file, None, name, f"missing (found: {shortened(found, 3 * QUOTED)})")
        elif table.header.count(name) > 1:
            yield Defect(table.file, None, name, "there twice")


def quoted(cell: str) -> str:
    """A cell as a defect quotes it."""
    return shortened(one_line(cell), QUOTED)


def chain_problems(tiers: tuple[str, ...], wanted: int) -> Iterator[str]:
    """What is wrong with a chain: another number of tiers than `wanted`, and tiers that are empty."""
    if len(tiers) != wanted:
        yield f"{len(tiers)} tier{'s' * (len(tiers) != 1)} instead of {wanted}"
    for level, tier in enumerate(tiers[: 2 * wanted]):
        if not tier:
            yield f"tier {level} is empty"
