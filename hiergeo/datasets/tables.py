"""Tables of chains of captions: CSV files read record by record under caps, and what is wrong in them."""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, reason, several
from hiergeo._core.storage.files import size_of
from hiergeo._core.text import one_line, shortened
from hiergeo.datasets.reading.lines import lines
from hiergeo.datasets.reading.samples import BrokenError, garbled

T = TypeVar("T")

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

    Lines end with LF, CR LF or CR. A cell may have 131,072 characters.

    Args:
        path: the file.
        cure: what to do where there is none, such as "write one chain a row".

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        InputError: it is truncated, undecodable, not CSV, has no records, or inflates beyond `hiergeo._core.limits`.
    """
    if size_of(path) is None:
        raise UnavailableError(f"{path} is not there: {cure}.")
    records = _records(path)
    header = next(records, None)
    if header is None:
        raise InputError(f"{path} is empty: {INTACT}.")
    first = next(records, None)
    if first is None:
        raise InputError(f"{path} has a header but no rows: {INTACT}.")
    return Table(path.name, header, itertools.chain([first], records))


def _records(path: Path) -> Iterator[list[str]]:
    try:
        records = csv.reader(lines(path, limits.TABLE_BYTES, limits.TABLE_RATIO), strict=True)
        for row, record in enumerate(filter(None, records), -1):
            if fault := garbled("".join(record)):
                where = f"data row {row} (the first is 0)" if row >= 0 else "header"
                raise InputError(f"{path}, {where}: {fault}; {UTF8}.")
            yield record
    except csv.Error as error:
        raise InputError(f"{path}, line {records.line_num}: not CSV ({reason(error)}); {INTACT}.") from error
    except (BrokenError, OSError) as error:
        if getattr(error, "errno", None):
            raise UnavailableError(f"cannot read {path}: {reason(error)}.") from error
        raise InputError(f"{path} is truncated or damaged ({reason(error)}): {INTACT}.") from error


QUOTED = 100
"""Most characters of a cell that a defect quotes."""


@dataclass(frozen=True)
class TableDefect:
    """Something wrong in a file, in one of its rows (counted from 0, as `Row.row_id`), in one of its columns."""

    file: str
    row: int | None
    column: str | None
    problem: str

    def __str__(self) -> str:
        row = None if self.row is None else f"data row {self.row} (the first is 0)"
        return self._written(self.file, row)

    def beside(self) -> str:
        """What it is beside another one of the same file."""
        return self._written(None if self.row is None else f"row {self.row}")

    def _written(self, *where: str | None) -> str:
        column = None if self.column is None else f"column {self.column}"
        return one_line(f"{', '.join(filter(None, (*where, column)))}: {self.problem}")


def parse_records(table: Table, columns: Sequence[str]) -> Iterator[tuple[int, list[str]] | TableDefect]:
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
            yield TableDefect(table.file, row_id, None, f"{len(record)} cells where the header names {width}")
        else:
            yield row_id, [record[place] for place in places]


def without_defects(path: Path, records: Iterable[T | TableDefect]) -> Iterator[T]:
    """What stands in a file where nothing is wrong with it.

    Raises:
        InputError: on the way, names the first defects and counts the others.
    """
    records = iter(records)
    for each in records:
        if isinstance(each, TableDefect):
            others = (other.beside() for other in records if isinstance(other, TableDefect))
            raise InputError(f"{several(str(each), others)}; correct {path} or replace it by an intact copy.")
        yield each


def _header_defects(table: Table, columns: Sequence[str]) -> Iterator[TableDefect]:
    for name in columns:
        if name not in table.header:
            header = ", ".join(map(quoted, table.header))
            yield TableDefect(table.file, None, name, f"missing (found: {shortened(header, 3 * QUOTED)})")
        elif table.header.count(name) > 1:
            yield TableDefect(table.file, None, name, "there twice")


def quoted(cell: str) -> str:
    """A cell as a defect quotes it."""
    return shortened(one_line(cell), QUOTED)
