"""Inputs that are read line by line: plain text, JSON Lines and CSV, each in bounded memory."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, final

from hiergeo._core import limits
from hiergeo._core.errors import reason
from hiergeo._core.storage.documents import parse_json
from hiergeo._core.storage.texts import not_utf8
from hiergeo.search.corpus.samples import Columns, Defect, Read, Sample, UnreadableError, image_file, opened

MARK = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8."""


class LongLineError(Exception):
    """Error raised for a line that is longer than `hiergeo._core.limits` allows; the next one can be read."""


@final
class Lines:
    """The lines of a stream as bytes, each with its end. It can go on after an error.

    Args:
        stream: the file.
        path: its name.

    Attributes:
        number: of the line that was read last, from 0.
    """

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self.number = -1

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> bytes:
        line = self._stream.readline(limits.RECORD_CHARACTERS + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > limits.RECORD_CHARACTERS:
            while line and not line.endswith(b"\n"):
                line = self._stream.readline(limits.RECORD_CHARACTERS)
            raise LongLineError(f"the line is longer than {limits.RECORD_CHARACTERS:,} bytes")
        if self.number == 0:
            line = line.removeprefix(MARK)
            if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise UnreadableError(f"{self._path} cannot be read: {not_utf8(line)}.")
        return line


def read_text(path: Path, columns: Columns) -> Iterator[Read]:
    """One caption a line; blank lines count as rows and give nothing."""
    if columns.pictures:
        raise UnreadableError(f"{path} holds no images: a text has captions only.")
    with opened(path) as stream:
        lines = Lines(stream, path)
        while True:
            try:
                line = next(lines)
            except StopIteration:
                return
            except LongLineError as error:
                yield Defect(lines.number, reason(error))
                continue
            if line.strip():
                yield Sample(lines.number, _decoded(line).strip("\r\n"))


def read_json_lines(path: Path, columns: Columns) -> Iterator[Read]:
    """One object a line, its caption and image under the names of their columns; blank lines as in `read_text`."""
    with opened(path) as stream:
        lines = Lines(stream, path)
        names: tuple[str | None, str | None] | None = None
        while True:
            try:
                line = next(lines)
                if not line.strip():
                    continue
                held = parse_json(line)
                if not isinstance(held, dict):
                    raise ValueError("the line is no object of JSON")
            except StopIteration:
                return
            except UnicodeDecodeError:
                yield Defect(lines.number, "the bytes are not UTF-8")
                continue
            except (LongLineError, ValueError) as error:
                yield Defect(lines.number, f"broken JSON ({reason(error)})")
                continue
            if names is None:
                names = columns.found(held, path)
            yield _sample(lines.number, path, columns, *(None if name is None else held.get(name) for name in names))


def read_csv(path: Path, columns: Columns, delimiter: str = ",") -> Iterator[Read]:
    """A table with a header; cells may hold line ends. Rows are counted without the header and blank lines."""
    with opened(path) as stream:
        lines = Lines(stream, path)
        records = csv.reader(map(_decoded, lines), strict=True, delimiter=delimiter)
        try:
            header = next(records, None)
        except (csv.Error, LongLineError) as error:
            raise UnreadableError(f"the header of {path} cannot be read: {reason(error)}.") from error
        if header is None:
            return
        names = columns.found(header, path)
        places = [None if name is None else header.index(name) for name in names]
        row = -1
        while True:
            begins = lines.number + 1
            try:
                record = next(records)
                if not record:
                    continue
                row += 1
                if len(record) != len(header):
                    yield Defect(row, f"{len(record)} cells for {len(header)} columns (line {lines.number + 1})")
                    continue
            except StopIteration:
                return
            except (csv.Error, LongLineError) as error:
                row += 1
                missing = ", is a quote missing?" if lines.number > begins else ""
                yield Defect(row, f"no CSV in lines {begins + 1} to {lines.number + 1} ({reason(error)}{missing})")
                continue
            yield _sample(row, path, columns, *(None if place is None else record[place] for place in places))


def read_tsv(path: Path, columns: Columns) -> Iterator[Read]:
    """As `read_csv`, its cells between tabulators."""
    return read_csv(path, columns, "\t")


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _sample(row: int, path: Path, columns: Columns, caption: object, image: object) -> Read:
    """The sample of a row whose image is a file name, relative to the folder of its table, or an address."""
    if not isinstance(caption, str | None):
        return Defect(row, f"the caption is a {type(caption).__name__}, not a string")
    if not isinstance(image, str | None):
        return Defect(row, f"the image is a {type(image).__name__}, not the name of a file")
    return image_file(row, caption, path.parent, image or "", columns.pictures)
