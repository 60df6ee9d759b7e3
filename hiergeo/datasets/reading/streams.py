"""Files as streams of bytes or lines: compressed ones are inflated under a cap, endless lines are refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, final

from hiergeo._core import limits
from hiergeo._core.storage.files import size_of
from hiergeo.datasets.reading.samples import BrokenError, UnreadableError

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


def lines(path: Path, least: int | None = None, ratio: int | None = None) -> Iterator[str]:
    """The lines of a file in UTF-8 with their ends, LF, CR LF or CR; bytes that are not UTF-8 become surrogates.

    Raises:
        UnreadableError: it is UTF-16; and as `opened`.
        BrokenError: on the way, a line has more than `limits.RECORD_CHARACTERS`; and as `opened`.
    """
    most = limits.RECORD_CHARACTERS
    with (
        opened(path, least, ratio) as stream,
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
