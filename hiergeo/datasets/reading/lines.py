"""Text inputs, line by line in bounded memory: plain text, JSON Lines and CSV; and files that are inflated under a cap.

CSV by the standard library: pyarrow takes all behind a quote that is never closed for one cell, without a word.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, final

from hiergeo._core import limits
from hiergeo._core.errors import reason
from hiergeo._core.storage.documents import parse_json
from hiergeo._core.storage.files import size_of
from hiergeo.datasets.reading.samples import (
    BrokenError,
    Cells,
    Columns,
    Defect,
    Read,
    UnreadableError,
    broken_json,
    in_table,
    sample,
)

PACKED = {".gz": "gzip", ".tgz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
"""Suffix -> compression, as pyarrow calls it."""

MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of a file -> compression."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file as a stream of bytes; one whose content is compressed is inflated while it is read.

    Raises:
        UnreadableError: it is missing, not a file, or not compressed as its name says.
        BrokenError, OSError: on the way, it inflates beyond `limits`, or is damaged or truncated.
    """
    size = size_of(path)
    if size is None:
        raise UnreadableError(f"{path} is not there.")
    with path.open("rb") as raw:
        begins = raw.read(4)
        raw.seek(0)
        kind = next((kind for magic, kind in MAGIC.items() if begins.startswith(magic)), None)
        if kind is None:
            if path.suffix.lower() in PACKED:
                raise UnreadableError(f"{path} is not compressed as its name says, or truncated.")
            yield raw
            return
        import pyarrow as pa

        most = max(limits.INFLATED_BYTES, limits.INFLATED_RATIO * size)
        with BufferedReader(_Counted(pa.CompressedInputStream(pa.PythonFile(raw), kind), most), 1 << 16) as stream:
            yield stream


def lines(path: Path) -> Iterator[str]:
    """The lines of a file in UTF-8 with their ends, LF, CR LF or CR; bytes that are not UTF-8 become surrogates.

    Raises:
        UnreadableError: it is UTF-16; and as `opened`.
        BrokenError: on the way, a line has more than `limits.RECORD_CHARACTERS`; and as `opened`.
    """
    most = limits.RECORD_CHARACTERS
    with (
        opened(path) as stream,
        TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text,
    ):
        number = 0
        while line := text.readline(most + 1):
            number += 1
            if len(line) > most:
                raise BrokenError(f"line {number} has more than {most:,} characters")
            if number == 1 and line.startswith(("\udcff\udcfe", "\udcfe\udcff")):
                raise UnreadableError(f"{path} is UTF-16: save it as UTF-8 text.")
            yield line


@final
class _Counted(RawIOBase):
    """A stream that ends with an error behind so many bytes."""

    def __init__(self, inside: Any, most: int) -> None:
        self._inside, self._most, self._left = inside, most, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed wants any buffer
        count: int = self._inside.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise BrokenError(f"it inflates to more than {self._most:,} bytes, as no real file does")
        return count


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
            yield Defect(row, broken_json(error))
            continue
        names = names or columns.find(list(value), path)
        yield in_table(row, columns, path, names, Cells(*(None if name is None else value.get(name) for name in names)))


def csv_records(path: Path, delimiter: str = ",") -> Iterator[list[str]]:
    """The records of a CSV file; blank lines are left out. Raises BrokenError on the way, and as `lines`.

    Where the first line has no comma, cells end at its tabs, as in tables of open_clip, or else its semicolons, as
    spreadsheets write them where commas are in numbers.
    """
    content = lines(path)
    first = next(content, "")
    if delimiter == "," and "," not in first:
        delimiter = next((other for other in "\t;" if other in first), delimiter)
    records = csv.reader(chain([first] if first else [], content), strict=True, delimiter=delimiter)
    try:
        yield from filter(None, records)
    except csv.Error as error:
        raise BrokenError(f"line {records.line_num} is not CSV: {reason(error)}; is a quote missing?") from error


def read_csv(path: Path, columns: Columns, delimiter: str = ",") -> Iterator[Read]:
    """A table with a header; cells may hold line ends. Rows are counted without the header and blank lines."""
    records = csv_records(path, delimiter)
    header = next(records, None)
    if header is None:
        return
    names = columns.find(header, path)
    indices = [None if name is None else header.index(name) for name in names]
    for row, record in enumerate(records):
        if len(record) == len(header):
            cells = Cells(*(None if index is None else record[index] for index in indices))
            yield in_table(row, columns, path, names, cells)
        else:
            yield Defect(row, f"{len(record)} cells for {len(header)} columns")
