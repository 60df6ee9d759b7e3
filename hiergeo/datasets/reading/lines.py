"""Inputs that are read line by line: plain text, JSON Lines and CSV, each in bounded memory.

CSV by the standard library: pyarrow takes all behind a quote that is never closed for one cell, without a word.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from hiergeo._core.errors import reason
from hiergeo._core.storage.documents import parse_json
from hiergeo.datasets.reading.samples import (
    NOT_UTF8,
    BrokenError,
    Cells,
    Columns,
    Defect,
    Read,
    UnreadableError,
    in_table,
    sample,
)
from hiergeo.datasets.reading.streams import lines


def read_text(path: Path, columns: Columns) -> Iterator[Read]:
    """One caption a line; blank lines count as rows and give nothing."""
    if columns.pictures:
        raise UnreadableError(f"{path} holds no images: a text has captions only.")
    for row, line in enumerate(lines(path)):
        if not line.isspace():
            yield sample(row, columns, Cells(line.strip("\r\n")))


def read_json_lines(path: Path, columns: Columns) -> Iterator[Read]:
    """One object a line, its caption and image under the names of their columns; blank lines as in `read_text`."""
    names = None
    for row, line in enumerate(lines(path)):
        if line.isspace():
            continue
        try:
            value = parse_json(line.encode("utf-8", "surrogateescape"))
            if not isinstance(value, dict):
                raise ValueError("the line is not an object")
        except ValueError as error:
            yield Defect(row, NOT_UTF8 if isinstance(error, UnicodeError) else f"broken JSON ({reason(error)})")
            continue
        names = names or columns.find(list(value), path)
        yield in_table(row, columns, path, names, Cells(*(None if name is None else value.get(name) for name in names)))


def read_csv(path: Path, columns: Columns, delimiter: str = ",") -> Iterator[Read]:
    """A table with a header; cells may hold line ends. Rows are counted without the header and blank lines."""
    records = csv.reader(lines(path), strict=True, delimiter=delimiter)
    try:
        header = next(records, None)
        if header is None:
            return
        names = columns.find(header, path)
        places = [None if name is None else header.index(name) for name in names]
        for row, record in enumerate(filter(None, records)):
            if len(record) == len(header):
                cells = Cells(*(None if place is None else record[place] for place in places))
                yield in_table(row, columns, path, names, cells)
            else:
                yield Defect(row, f"{len(record)} cells for {len(header)} columns")
    except csv.Error as error:
        raise BrokenError(f"line {records.line_num} is not CSV: {reason(error)}; is a quote missing?") from error
