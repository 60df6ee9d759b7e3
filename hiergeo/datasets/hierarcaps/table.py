"""Reading a CSV file, compressed or not, record by record: nothing but the record at hand is held in memory."""

import csv
import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TextIO

from hiergeo import _limits
from hiergeo.errors import InputError, UnavailableError, reason
from hiergeo.storage.texts import not_utf8, size_of

GZIP = b"\x1f\x8b"
"""What gzip files begin with."""

LENGTH = struct.Struct("<I")
"""What gzip files end with: how many bytes they inflate to, modulo 2^32."""

INTACT, UTF8 = "replace it by an intact copy", "save it as UTF-8 text"
"""What to do about a file."""


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
    return Table(path.name, header, chain([first], records))


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
        stream: BinaryIO = io.BufferedReader(_Inflated(path, handle, size))
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
        """The record at hand, in words."""
        return f"data row {self.records - 1} (the first is 0)" if self.records else "header"

    def _check_encoding(self, line: str) -> None:
        try:
            line.encode()
        except UnicodeEncodeError as error:
            raise self._refusal(not_utf8(self._begins), UTF8) from error

    def _refusal(self, problem: str, cure: str = INTACT) -> InputError:
        return InputError(f"{self._path}, {self.place}: {problem}; {cure}.")


class _Inflated(io.RawIOBase):
    """The content of a gzip file, refused where it is as much as that of no real table.

    How much it is stands at the end of the file, where it can be wrong; so it is counted besides.
    """

    def __init__(self, path: Path, packed: BinaryIO, size: int) -> None:
        self._path, self._inside = path, gzip.GzipFile(fileobj=packed)
        self._left = max(_limits.TABLE_BYTES, _limits.TABLE_RATIO * size)
        packed.seek(-min(size, LENGTH.size), io.SEEK_END)
        tail = packed.read(LENGTH.size)
        packed.seek(0)
        if len(tail) == LENGTH.size and LENGTH.unpack(tail)[0] > self._left:
            raise self._refusal("is truncated, or inflates as no real table does")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self._inside.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise self._refusal("inflates as no real table does")
        return count

    def _refusal(self, problem: str) -> InputError:
        return InputError(f"{self._path} {problem}: {INTACT}, or save it without compression if it is right.")
