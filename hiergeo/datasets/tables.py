"""Tables of every format, read row by row under caps; the first wrong row ends the reading."""

import itertools
import re
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
from hiergeo.datasets.reading.columnar import arrow_files, columnar_rows
from hiergeo.datasets.reading.inputs import listing, suffix_of
from hiergeo.datasets.reading.lines import csv_records, lines, opened
from hiergeo.datasets.reading.samples import BrokenError, Columns, broken_json, garbled

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".arrow")
"""Suffixes of tables, which all but the last two may have before that of a compression."""

TIERS = "=>"
"""What separates the texts of a chain in a cell."""

LEVELS = ("level", "tier", "positive", "caption")
"""What columns of single texts are called before their number, from general to specific."""

QUOTED = 100
"""Most characters of a cell that an error quotes."""


@final
@dataclass(frozen=True)
class Table:
    """A file that is being read, whose records can be walked through once."""

    path: Path
    header: list[str]
    records: Iterator[list[Any]]

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
            yield row, [_cell(record[index]) for index in indices]

    def error(self, row: int | None, column: str | None, problem: str) -> InputError:
        """The error for what is wrong in the file, in a row (None is the header) and a column (None is all)."""
        where = "" if row is None else f", data row {row} (the first is 0)"
        return InputError(f"{self.path}{where}{(column and f', column {column}') or ''}: {problem}; correct the file.")


def read_table(path: Path, cure: str) -> Table:
    """Begin to read the table at `path`, as `records` does; a list of strings is the cell that joins them by ``=>``.

    Raises:
        UnavailableError: there is no such file (`cure` says what to do), or it cannot be read.
        InputError: it is truncated, undecodable, of no such format, has no rows, or inflates beyond
            `hiergeo._core.limits`.
    """
    if not arrow_files(path) and size_of(path) is None:
        raise UnavailableError(f"{path} is not there: {cure}.")
    rows = records(path)
    header, first = next(rows, None), next(rows, None)
    if header is None or first is None:
        raise InputError(f"{path} {'is empty' if header is None else 'has a header but no rows'}: name another one.")
    return Table(path, header, itertools.chain([first], rows))


def numbered(header: Sequence[str], words: Sequence[str]) -> list[str]:
    """The columns that are called by one of some words and 0, 1, 2, ... or 1, 2, 3, ..., in the order of numbers."""
    for word in words:
        found = {}
        for name in header:
            if match := re.fullmatch(rf"{word}[ _-]?(\d{{1,3}})", name.strip(), re.IGNORECASE):
                found[int(match[1])] = name
        if len(found) > 1 and sorted(found) in (list(range(len(found))), list(range(1, len(found) + 1))):
            return [found[number] for number in sorted(found)]
    return []


def records(path: Path) -> Iterator[list[Any]]:
    """The header of a table and its rows, in bounded memory; nothing of an empty one.

    CSV (cells end at commas, at tabs or semicolons where the header has none; they may hold line ends), TSV, Parquet,
    Arrow files and the folders of them that the library datasets saves, and JSON: a list of objects (``.json``) or an
    object a line (``.jsonl``, ``.ndjson``), all with the keys of the first one. Texts are UTF-8, perhaps compressed.

    Raises:
        UnavailableError: it cannot be read.
        InputError: it is truncated, undecodable, of no such format, or inflates beyond `hiergeo._core.limits`.
    """
    try:
        for row, record in enumerate(_stored(path), -1):
            if fault := garbled("".join(cell for cell in record if isinstance(cell, str))):
                where = f"data row {row} (the first is 0)" if row >= 0 else "header"
                raise InputError(f"{path}, {where}: {fault}; save it as UTF-8 text.")
            yield record
    except (BrokenError, OSError) as error:
        if getattr(error, "errno", None):
            raise UnavailableError(f"cannot read {path}: {reason(error)}.") from error
        raise InputError(f"{path} is damaged ({reason(error)}): replace it by an intact copy.") from error


def taken(path: Path | str, columns: Columns) -> str:
    """What is read of the first table under a path, as ``FILE: captions from 'title'``; empty where there is none.

    Raises:
        InputError: nothing is there, a damaged table, or one without a column that is needed.
    """
    inputs = listing(path, columns)
    tables = (inputs.base / source.name for source in inputs.sources if suffix_of(Path(source.name)) in TABLES)
    if (file := next(tables, None)) is None:
        return ""
    found = columns.find(next(records(file), []), file)
    told = [f"{what} from '{name}'" for what, name in zip(("captions", "images", "ids"), found, strict=False) if name]
    return f"{file.name}: {', '.join(told)}"


def _stored(path: Path) -> Iterator[list[Any]]:
    kind = suffix_of(path)
    if files := arrow_files(path) or [path] * (kind in (".parquet", ".arrow")):
        for at, file in enumerate(files):
            yield from itertools.islice(columnar_rows(file), int(at > 0), None)
    elif "json" in kind:
        yield from _objects(path, kind)
    else:
        yield from csv_records(path, "\t" if kind == ".tsv" else ",")


def _objects(path: Path, kind: str) -> Iterator[list[Any]]:
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
        yield [value.get(name) for name in header]


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
