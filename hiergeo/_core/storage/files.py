"""Files: paths as people write them, and files and folders written at once and durably."""

import csv
import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias

from hiergeo._core.errors import InputError, UnavailableError, reason


def path_of(name: str | os.PathLike[str]) -> Path:
    """The path that a user named, with the home folder in place of ``~``; InputError for one that cannot be."""
    text = os.fspath(name)
    if not text:
        raise InputError("a path is empty: name a file or folder.")
    try:
        path = Path(text).expanduser()
        path.resolve()
        with suppress(PermissionError):
            path.exists()
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"the path '{text}' cannot be used: {reason(error)}.") from error
    return path


def size_of(path: Path | str) -> int | None:
    """The size of a file in bytes, None if it does not exist; InputError for what is no file or cannot be looked at."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}.") from error
    if stat.S_ISREG(status.st_mode):
        return status.st_size
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
    raise InputError(f"{path} is {kind}: name a file.")


STEM = 80  # longest name that temporary files repeat in full; longer ones are replaced by a hash


def _host() -> str:
    """The name of the machine and, on Linux, the namespace of processes, which containers have to themselves."""
    name = socket.gethostname()[:24]
    with suppress(OSError):
        name += f"-{os.readlink('/proc/self/ns/pid')}"
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "host"


HOST = _host()  # where the numbers of this process's neighbours count, in characters that any file system accepts
LEFTOVER = re.compile(rf"\..+\.{re.escape(HOST)}-(\d{{1,9}})-[0-9a-f]{{8}}\.part")  # the names that `temporary` gives

_tidied: set[Path] = set()


@contextmanager
def atomic_write(path: Path | str) -> Iterator[IO[bytes]]:
    """A binary file handle whose content appears at `path` only when the block ends without an error, and durably.

    UnavailableError where the folder cannot be written or the disk is full; `path` is left as it was.
    """
    with writing(path):
        path = Path(path).resolve()
        refuse_special(path)
        make_folder(path.parent)
        _tidy(path.parent)
        scratch = temporary(path)
        try:
            with scratch.open("xb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            scratch.replace(path)
        finally:
            with suppress(OSError):
                scratch.unlink()
        sync_folder(path.parent)


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turn errors of the system while writing `path` into an UnavailableError of one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or f"{error} (is the disk full?)"
        raise UnavailableError(f"cannot write {path}: {reason}.") from error


def atomic_write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with atomic_write(path) as handle:
        handle.write(text.encode("utf-8"))


@contextmanager
def together(folder: Path, *names: str) -> Iterator[Path]:
    """A scratch folder whose files of these names, in their order, replace those of `folder` when the block ends."""
    with writing(folder):
        folder = folder.resolve()
        _tidy(folder)
        scratch = temporary(folder / names[-1])
        scratch.mkdir()
        try:
            yield scratch
            for name in names:
                if (scratch / name).exists():
                    (scratch / name).replace(folder / name)
                    sync_folder(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


WriteRow: TypeAlias = Callable[[Sequence[object]], object]  # writes a row of a table


@contextmanager
def csv_rows(path: Path | str, header: Sequence[str]) -> Iterator[WriteRow]:
    """What writes rows below the header of a CSV file, which is there whole or not at all."""
    with atomic_write(path) as handle:
        text = io.TextIOWrapper(handle, "utf-8", errors="backslashreplace", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        try:
            yield writer.writerow
        finally:
            text.detach()


def check_folder(folder: Path, what: str) -> None:
    """Refuse a folder for `what` that cannot be written or made, before the work whose results go there."""
    nearest = next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file: name a folder for {what}.")
    if not os.access(nearest, os.W_OK):
        raise UnavailableError(f"cannot write {folder}: {nearest} is not a folder you can write to.")


UNSYNCED = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)
"""Errors of folders that cannot be synchronised: one that may be written but not read, file systems that never do."""


def make_folder(path: Path) -> None:
    """Make a folder that may be there already, and those that it is in, durably."""
    missing = [new for new in (path, *path.parents) if not new.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for new in reversed(missing):
        sync_folder(new.parent)


def sync_folder(path: Path | str) -> None:
    """Make the names in a folder durable: what was made or removed in it outlives a power cut."""
    if os.name != "posix":
        return
    with writing(path):
        try:
            _sync(path)
        except OSError as error:
            if error.errno not in UNSYNCED:
                raise


def sync_files(folder: Path) -> None:
    """Make durable what is in a folder, whoever wrote it, with all folders in it."""
    if os.name != "posix":
        return
    with writing(folder):
        for parent, _, names in os.walk(folder):
            for name in names:
                _sync(Path(parent, name))
            sync_folder(parent)


def _sync(path: Path | str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder that takes the place of `path` when the block ends without an error, whole and durably."""
    with writing(path):
        make_folder(path.parent)
        remove_leftovers(path.parent)
        scratch = temporary(path)
        scratch.mkdir()
        try:
            yield scratch
            sync_files(scratch)
            if path.exists():
                retire(path)
            scratch.rename(path)
            sync_folder(path.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def retire(path: Path | str) -> None:
    """Delete a file or a folder that may be absent; a folder is first renamed, so that it is whole or not there."""
    with writing(path):
        path = Path(path).absolute()
        if path.is_dir() and not path.is_symlink():
            aside = path.rename(temporary(path))
            sync_folder(aside.parent)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_leftovers(folder: Path | str) -> None:
    """Delete temporary files and folders that dead processes of this machine left in a folder."""
    with suppress(OSError):
        for path in Path(folder).iterdir():
            match = LEFTOVER.fullmatch(path.name)
            if match and not _is_running(int(match[1])):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def temporary(path: Path) -> Path:
    """An unused name beside `path`, made of the host, the process and a number."""
    return path.with_name(f"{hidden(path)}.{HOST}-{os.getpid()}-{secrets.token_hex(4)}.part")


def _is_running(pid: int) -> bool:
    """Whether a process of this machine exists; True if the system does not tell."""
    try:
        if os.name == "posix":
            os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def refuse_special(path: Path) -> None:
    """Raise UnavailableError for a path that cannot be replaced by a file: a folder, a device, a pipe."""
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or pipe"
        raise UnavailableError(f"cannot write {path}: it is {kind}, name a file.")


def user_cache(name: str) -> Path:
    """The folder ``HIERGEO_CACHE_HOME``, or ``hiergeo/NAME`` in the user's cache, which is made for its user alone.

    Raises UnavailableError where it cannot be.
    """
    users = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "hiergeo" / name
    folder = path_of(os.environ.get("HIERGEO_CACHE_HOME") or users).absolute()
    with writing(folder):
        folder.mkdir(0o700, parents=True, exist_ok=True)
    return folder


def refuse_existing(path: Path | str, overwrite: bool) -> None:
    """Raise InputError if the result of long work exists already and must not be replaced."""
    with writing(path):
        if not overwrite and Path(path).exists():
            raise InputError(f"{path} is there already: replace it (--overwrite), or choose another name.")


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _tidy(folder: Path) -> None:
    """Remove leftovers from a folder, once in each process."""
    if folder not in _tidied:
        _tidied.add(folder)
        remove_leftovers(folder)


def hidden(path: Path) -> str:
    """Prefix of the names of helper files of `path`: a dot and its name, or a hash of a long name."""
    name = path.name
    short = name if len(os.fsencode(name)) <= STEM else f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    return f".{short}"
