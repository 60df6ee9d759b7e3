"""Files that are either whole or absent: written beside their destination, then moved into place."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hiergeo.errors import UnavailableError


def _default_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


MODE = _default_mode()
"""The mode of a new file, read once: asking for the umask sets it for a moment."""


@contextmanager
def atomic_write(path: Path | str) -> Iterator[IO[bytes]]:
    """A binary file handle whose content appears at `path` only when the block ends without an error.

    Raises:
        UnavailableError: the folder cannot be written or the disk is full; `path` is left as it was.
    """
    path = Path(path).resolve()
    refuse_special(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror or error}.") from error
    scratch = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        scratch.chmod(MODE)
        scratch.replace(path)
    except OSError as error:
        reason = error.strerror or f"{error} (is the disk full?)"
        raise UnavailableError(f"cannot write {path}: {reason}.") from error
    finally:
        scratch.unlink(missing_ok=True)


def refuse_special(path: Path) -> None:
    """Raise UnavailableError for a path that cannot be replaced by a file: a folder, a device, a pipe."""
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or pipe"
        raise UnavailableError(f"cannot write {path}: it is {kind}, name a file.")


def atomic_write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with atomic_write(path) as handle:
        handle.write(text.encode("utf-8"))


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
