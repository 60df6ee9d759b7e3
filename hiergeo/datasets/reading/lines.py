"""Inputs that are read line by line: plain text, JSON Lines and CSV, each in bounded memory.

By the standard library: pyarrow's readers give up the rest of a file behind one missing quote or broken object, and
these one record.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from hiergeo._core.errors import reason
from hiergeo._core.storage.documents import parse_json
from hiergeo.datasets.reading.samples import NOT_UTF8, Cells, Columns, Defect, Read, UnreadableError, in_table, sample
from hiergeo.datasets.reading.streams import Lines, LongLineError, opened_text


def read_text(path: Path, columns: Columns) -> Iterator[Read]:
    """One caption a line; blank lines count as rows and give nothing."""
    if columns.pictures:
        raise UnreadableError(f"{path} holds no images: a text has captions only.")
    for row, line in _each_line(path):
        yield line if isinstance(line, Defect) else sample(row, columns, Cells(line.strip("\r\n")))


def read_json_lines(path: Path, columns: Columns) -> Iterator[Read]:
    """One object a line, its caption and image under the names of their columns; blank lines as in `read_text`."""
    names = None
    for row, line in _each_line(path):
        try:
            value = line if isinstance(line, Defect) else parse_json(line.encode("utf-8", "surrogateescape"))
            if not isinstance(value, dict | Defect):
                raise ValueError("the line is not an object")
        except ValueError as error:
            value = Defect(row, NOT_UTF8 if isinstance(error, UnicodeError) else f"broken JSON ({reason(error)})")
        if isinstance(value, Defect):
            yield value
            continue
        names = names or columns.find(list(value), path)
        yield in_table(row, columns, path, names, Cells(*(None if name is None else value.get(name) for name in names)))


def _each_line(path: Path) -> Iterator[tuple[int, str | Defect]]:
    with opened_text(path) as lines:
        while True:
            lines.renew()
            try:
                line = next(lines)
            except StopIteration:
                return
            except LongLineError as error:
                yield lines.number, Defect(lines.number, f"the line is too long: {reason(error)}")
            else:
                if not line.isspace():
                    yield lines.number, line


def read_csv(path: Path, columns: Columns, delimiter: str = ",") -> Iterator[Read]:
    """A table with a header; cells may hold line ends. Rows are counted without the header and blank lines."""
    with opened_text(path) as lines:
        rows = records(lines, delimiter)
        header = next(rows, None)
        if header is None:
            return
        if isinstance(header, Defect):
            raise UnreadableError(f"the header of {path} cannot be read: {header.reason}.")
        names = columns.find(header, path)
        places = [None if name is None else header.index(name) for name in names]
        for row, record in enumerate(rows):
            if isinstance(record, Defect):
                yield record
            elif len(record) != len(header):
                yield Defect(row, f"{len(record)} cells for {len(header)} columns")
            else:
                cells = Cells(*(None if place is None else record[place] for place in places))
                yield in_table(row, columns, path, names, cells)


def records(lines: Lines, delimiter: str = ",") -> Iterator[list[str] | Defect]:
    """The records of a CSV table, the header first; each that is damaged is a defect. Blank lines are passed over."""
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    row = -1
    while True:
        begins = lines.number + 2
        lines.renew()
        try:
            record = next(reader)
        except StopIteration:
            return
        except (csv.Error, LongLineError) as error:
            missing = ", is a quote missing?" if lines.number + 1 > begins else ""
            yield Defect(row, f"lines {begins} to {lines.number + 1} are not CSV ({reason(error)}{missing})")
        else:
            if not record:
                continue
            yield record
        row += 1
