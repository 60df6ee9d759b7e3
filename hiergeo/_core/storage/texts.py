"""Text files of others, gzipped or not, read under caps."""

import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage.files import size_of

GZIP = b"\x1f\x8b"  # first bytes of a gzip file


def read_text(path: Path | str, hint: str) -> str:
    """The text of a UTF-8 file, without its byte order mark; one that is compressed with gzip is inflated.

    UnavailableError, with the hint what to do, where there is no such file or it cannot be read; InputError for what is
    no such text, or larger than `hiergeo._core.limits` allows.
    """
    size = size_of(path)
    if size is None:
        raise UnavailableError(f"{path} is not there: {hint}.")
    if size > limits.TEXT_BYTES:
        raise InputError(f"{path} has {size:,} bytes: a text may have {limits.TEXT_BYTES:,}.")
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {reason(error)}.") from error
    raw = _inflated(path, raw) if raw.startswith(GZIP) else raw
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        encoding = " but UTF-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else ""
        line = raw.count(10, 0, error.start) + 1
        raise InputError(f"{path}, line {line}: the bytes are not UTF-8{encoding}; save the file as UTF-8.") from error
    if "\0" in text:
        raise InputError(f"{path} holds null characters: save it as UTF-8 text.")
    return text


def read_lines(path: Path | str, hint: str) -> list[str]:
    """The lines of a text, without their ends: a line feed, a carriage return, or both, and no other character."""
    lines = io.StringIO(read_text(path, hint), newline=None).read().split("\n")
    return lines if lines[-1] else lines[:-1]


def read_columns(
    path: Path | str, hint: str, expected: str, *, separator: str | None = "\t", least: int = 2, most: int = 2
) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line of a table that is not blank, without blanks around them, with its number from 1.

    InputError, naming the line and what is `expected`, for fewer or more cells than allowed and for empty ones. A
    `separator` of None is any run of blanks.
    """
    for number, line in enumerate(read_lines(path, hint), 1):
        cells = [cell.strip() for cell in line.split(separator)]
        if not line.strip():
            continue
        if not (least <= len(cells) <= most and all(cells)):
            raise InputError(f"{path}, line {number}: expected {expected}.")
        yield number, cells


def _inflated(path: Path | str, packed: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        raw = inflater.decompress(packed, limits.TEXT_BYTES + 1)
    except zlib.error as error:
        raise InputError(f"{path} is damaged ({error}): replace it by an intact copy.") from error
    if len(raw) > limits.TEXT_BYTES:
        raise InputError(f"{path} inflates to more than {limits.TEXT_BYTES:,} bytes, which no text may have.")
    if not inflater.eof or inflater.unused_data:
        raise InputError(f"{path} is truncated or holds more than one gzip member: replace it by an intact copy.")
    return raw
