"""CSV and JSON files of chains of captions, read row by row under caps; the first wrong row ends the reading."""

import itertools
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage.documents import parse_json
from hiergeo._core.storage.files import size_of
from hiergeo._core.text import one_line, shortened
from hiergeo.datasets.reading.inputs import suffix_of
from hiergeo.datasets.reading.lines import csv_records, lines, opened
from hiergeo.datasets.reading.samples import BrokenError, broken_json, garbled

TIERS = "=>"
"""What separates the texts of a chain in a cell."""

QUOTED = 100
"""Most characters of a cell that an error quotes."""


@final
@dataclass(frozen=True)
class Table:
    """A file that is being read, whose records can be walked through once."""

    path: Path
    header: list[str]
    records: Iterator[list[str]]

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        """The number of each row, from 0, and its cells in some columns.

        Raises:
            InputError: a column that is missing or there twice, or on the way a damaged row.
            UnavailableError: on the way, the file cannot be read.
        """
        for name in columns:
            if name not in self.header:
                header = shortened(", ".join(map(quoted, self.header)), 3 * QUOTED)
                raise self.error(None, name, f"missing (there are: {header})")
            if self.header.count(name) > 1:
                raise self.error(None, name, "there twice")
        indices = [self.header.index(name) for name in columns]
        for row, record in enumerate(self.records):
            if len(record) != len(self.header):
                raise self.error(row, None, f"{len(record)} cells where the header names {len(self.header)}")
            yield row, [record[index] for index in indices]

    def error(self, row: int | None, column: str | None, problem: str) -> InputError:
        """The error for what is wrong in the file, in a row (None is the header) and a column (None is all)."""
        where = "" if row is None else f", data row {row} (the first is 0)"
        return InputError(f"{self.path}{where}{(column and f', column {column}') or ''}: {problem}; correct the file.")


def read_table(path: Path, cure: str) -> Table:
    """Begin to read the file at `path` (UTF-8, perhaps compressed): JSON by its name, CSV by any other.

    Cells of CSV may hold line ends. JSON is a list of objects (``.json``) or an object a line (``.jsonl``,
    ``.ndjson``), all with the keys of the first one; a list of strings is the cell that joins them by ``=>``.

    Raises:
        UnavailableError: there is no such file (`cure` says what to do), or it cannot be read.
        InputError: it is truncated, undecodable, of no such format, has no rows, or inflates beyond
            `hiergeo._core.limits`.
    """
    if size_of(path) is None:
        raise UnavailableError(f"{path} is not there: {cure}.")
    records = _records(path)
    header, first = next(records, None), next(records, None)
    if header is None or first is None:
        raise InputError(f"{path} {'is empty' if header is None else 'has a header but no rows'}: name another one.")
    return Table(path, header, itertools.chain([first], records))


def _records(path: Path) -> Iterator[list[str]]:
    kind = suffix_of(path)
    try:
        for row, record in enumerate(_objects(path, kind) if "json" in kind else csv_records(path), -1):
            if fault := garbled("".join(record)):
                where = f"data row {row} (the first is 0)" if row >= 0 else "header"
                raise InputError(f"{path}, {where}: {fault}; save it as UTF-8 text.")
            yield record
    except (BrokenError, OSError) as error:
        if getattr(error, "errno", None):
            raise UnavailableError(f"cannot read {path}: {reason(error)}.") from error
        raise InputError(f"{path} is damaged ({reason(error)}): replace it by an intact copy.") from error


def _objects(path: Path, kind: str) -> Iterator[list[str]]:
    """The keys of the first object of a JSON file, then the cells of every one; raises BrokenError for what is none."""
    header: list[str] = []
    for row, value in enumerate(_values(path, kind)):
        if not isinstance(value, dict):
            raise BrokenError(f"row {row} (the first is 0) is no object")
        if not row:
            header = list(value)
            yield header
        if others := value.keys() - set(header):
            raise BrokenError(f"row {row} (the first is 0) has the key '{min(others)}', which the first row lacks")
        yield [_cell(value.get(name)) for name in header]


def _values(path: Path, kind: str) -> Iterator[Any]:
    try:
        if kind != ".json":
            written = (line.encode("utf-8", "surrogateescape") for line in lines(path) if not line.isspace())
            yield from map(parse_json, written)
            return
        with opened(path) as stream:
            content = stream.read(limits.JSON_BYTES + 1)
        if len(content) > limits.JSON_BYTES:
            raise BrokenError(f"it has more than {limits.JSON_BYTES:,} bytes: write an object a line, as .jsonl")
        whole = parse_json(content.removeprefix(BOM_UTF8))
        if not isinstance(whole, list):
            raise BrokenError("it is no list of objects")
        yield from whole
    except InputError:
        raise
    except ValueError as error:
        raise BrokenError(broken_json(error)) from error


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return f" {TIERS} ".join(map(str, value))
    return "" if value is None else str(value)


def quoted(cell: str) -> str:
    """A cell as an error quotes it."""
    return shortened(one_line(cell), QUOTED)
