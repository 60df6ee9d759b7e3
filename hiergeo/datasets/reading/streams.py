"""Files as streams of bytes or lines: compressed ones are inflated under caps, long lines are passed over."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO, final

from hiergeo._core import limits
from hiergeo._core.storage.files import size_of
from hiergeo.datasets.reading.samples import NOT_UTF8, BrokenError, UnreadableError

PACKED = {".gz": "gzip", ".tgz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
"""Suffix -> compression, as pyarrow calls it."""

MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of a file -> compression."""


@contextmanager
def opened(path: Path, least: int | None = None, ratio: int | None = None) -> Iterator[BinaryIO]:
    """A file as a stream of bytes; one whose content is compressed is inflated while it is read.

    Args:
        path: the file.
        least: bytes that it may inflate to in any case, `limits.INFLATED_BYTES` by default.
        ratio: times its own size that it may inflate to beyond, `limits.INFLATED_RATIO` by default.

    Raises:
        UnreadableError: it is missing, not a file, or not compressed as its name says.
        BrokenError: on the way, it inflates to more.
        OSError: on the way, it is damaged or truncated.
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

        most = max(least or limits.INFLATED_BYTES, (ratio or limits.INFLATED_RATIO) * size)
        with BufferedReader(_Counted(pa.CompressedInputStream(pa.PythonFile(raw), kind), most), 1 << 16) as stream:
            yield stream


@contextmanager
def opened_text(path: Path, least: int | None = None, ratio: int | None = None) -> "Iterator[Lines]":
    """The lines of a file in UTF-8, as `opened` reads it."""
    with (
        opened(path, least, ratio) as stream,
        TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text,
    ):
        yield Lines(text, path)


def check_inflated(path: Path, least: int, ratio: int) -> None:
    """Raise BrokenError if a file inflates to more than `opened` reads: to count is quicker than to parse so much."""
    with opened(path, least, ratio) as stream:
        while isinstance(stream, BufferedReader) and isinstance(stream.raw, _Counted) and stream.read(1 << 20):
            pass


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


class LongLineError(Exception):
    """Error raised for a line or a record that is longer than `limits` allows; the next line can be read."""


@final
class Lines:
    """The lines of a text, each with its end: LF, CR LF or CR. Bytes that are not UTF-8 become surrogates.

    It can go on after an error.

    Args:
        text: the file, its ends of lines untranslated.
        path: its name.

    Attributes:
        number: of the line that was read last, from 0.
    """

    def __init__(self, text: TextIO, path: Path) -> None:
        self._text, self._path = text, path
        self.number = -1
        self.renew()

    def renew(self) -> None:
        """Begin a record, which may have `limits.RECORD_CHARACTERS` in all its lines."""
        self._left = limits.RECORD_CHARACTERS

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._left -= len(line)
        if self._left < 0:
            passed = 0
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(limits.RECORD_CHARACTERS)
                passed += len(line)
                if passed > limits.INFLATED_BYTES:
                    raise UnreadableError(f"{self._path} cannot be read: line {self.number + 1} does not end.")
            raise LongLineError(f"it has more than {limits.RECORD_CHARACTERS:,} characters")
        if self.number == 0 and line.startswith(("\udcff\udcfe", "\udcfe\udcff")):
            raise UnreadableError(f"{self._path} cannot be read: {NOT_UTF8} but UTF-16.")
        return line
