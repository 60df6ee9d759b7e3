"""Files that others made, met before they are read: is it a file at all, how large, is it text."""

import os
import stat
from pathlib import Path

from hiergeo import _limits
from hiergeo.errors import InputError, UnavailableError, reason


def size_of(path: Path | str) -> int | None:
    """The bytes of a file, None where there is nothing.

    Raises:
        InputError: it is a folder, a device or a pipe, or the system does not let it be looked at.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}.") from error
    except ValueError as error:
        raise InputError(f"cannot read {path}: this is no path of a file.") from error
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a device or pipe"
    raise InputError(f"{path} is {kind}: name a file.")


def read_text(path: Path | str, cure: str) -> str:
    """The text of a UTF-8 file, without its byte order mark.

    Args:
        path: the file.
        cure: what to do where there is none, such as "write one caption a line".

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        InputError: it is a folder, a device or a pipe, larger than `hiergeo._limits` allows, or no UTF-8 text.
    """
    size = size_of(path)
    if size is None:
        raise UnavailableError(f"{path} is not there: {cure}.")
    if size > _limits.TEXT_BYTES:
        raise InputError(f"{path} has {size:,} bytes: a text may have {_limits.TEXT_BYTES:,}.")
    try:
        with open(path, "rb") as handle:
            raw = handle.read(_limits.TEXT_BYTES)
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {reason(error)}.") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {raw.count(10, 0, error.start) + 1}: {not_utf8(raw)}; save the file as UTF-8."
        ) from error
    if "\0" in text:
        raise InputError(f"{path} holds null characters: save it as UTF-8 text.")
    return text


def not_utf8(raw: bytes) -> str:
    """What is said of bytes that are not UTF-8, given those that a file begins with."""
    utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    return f"the bytes are not UTF-8{' but UTF-16' if utf16 else ''}"
