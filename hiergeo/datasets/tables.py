"""Tables of chains of captions: CSV files read record by record under caps, and what is wrong in them."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage.files import size_of
from hiergeo._core.text import one_line, shortened
from hiergeo.datasets.reading import samples
from hiergeo.datasets.reading.lines import records
from hiergeo.datasets.reading.samples import BrokenError, garbled
from hiergeo.datasets.reading.streams import check_inflated, opened_text

T = TypeVar("T")

COUNTED = 1000
"""Number of defects after which reading stops."""

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
    """Begin to read the CSV file at `path` (UTF-8, perhaps compressed); cells may hold newlines.

    Lines end with LF, CR LF or CR. A cell may have 131,072 characters and a record 1,048,576.

    Args:
        path: the file.
        cure: what to do where there is none, such as "write one chain a row".

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        InputError: it is truncated, undecodable, not CSV, has no records, or inflates beyond `hiergeo._core.limits`.
    """
    if size_of(path) is None:
        raise UnavailableError(f"{path} is not there: {cure}.")
    found = _records(path)
    header = next(found, None)
    if header is None:
        raise InputError(f"{path} is empty: {INTACT}.")
    first = next(found, None)
    if first is None:
        raise InputError(f"{path} has a header but no rows: {INTACT}.")
    return Table(path.name, header, itertools.chain([first], found))


def _records(path: Path) -> Iterator[list[str]]:
    try:
        check_inflated(path, limits.TABLE_BYTES, limits.TABLE_RATIO)
        with opened_text(path, limits.TABLE_BYTES, limits.TABLE_RATIO) as lines:
            for row, record in enumerate(records(lines), -1):
                place = f"data row {row} (the first is 0)" if row >= 0 else "header"
                if isinstance(record, samples.Defect):
                    raise InputError(f"{path}, {place}: {record.reason}; {INTACT}.")
                if fault := garbled("".join(record)):
                    raise InputError(f"{path}, {place}: {fault}; {UTF8}.")
                yield record
    except (BrokenError, OSError) as error:
        if getattr(error, "errno", None):
            raise UnavailableError(f"cannot read {path}: {reason(error)}.") from error
        raise InputError(f"{path} is truncated or damaged ({reason(error)}): {INTACT}.") from error


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
