"""One writer at a time: locks on what is being written, which the system releases when a process dies.

The lock of ``NAME`` is the file ``.NAME.lock`` beside it. What counts is the system's lock on that file, not the file:
a process that was killed leaves the file behind, which does not block the next one.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage.files import HOST, hidden, is_running, make_folder, writing
from hiergeo._core.storage.secrets import without_secrets

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, two writers are the user's to avoid
    fcntl = None  # type: ignore[assignment]

CLEARING = 0.5
"""Seconds to wait for a lock whose holder is dead: another process may be removing its file."""

COMMAND = 100
"""Most characters of the command that a lock file records, without secrets."""


class HeldError(UnavailableError):
    """Error raised for a lock that another process or thread holds."""


@contextmanager
def locked(path: Path | str) -> Iterator[None]:
    """Hold the lock of `path`, a file or a folder that may not be there yet, against processes and threads alike.

    Lock files that dead processes of this machine left beside it are removed.

    Raises:
        InputError: the path is the root of a file system.
        HeldError: somebody else holds it, who is named with host, process, command and age of the lock.
        UnavailableError: the folder that it would be in cannot be written.
    """
    with writing(path):
        place = Path(path).resolve()
        if not place.name:
            raise InputError(f"{path} is the root of a file system: name a file or folder in it.")
        place = place.with_name(f"{hidden(place)}.lock")
        make_folder(place.parent)
        descriptor = _acquire(place, path)
        clear(place.parent)
    try:
        yield
    finally:
        with suppress(OSError):
            place.unlink()
        os.close(descriptor)


def _acquire(place: Path, path: Path | str) -> int:
    """The descriptor that holds the lock; a file that its last holder removed meanwhile does not count."""
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if _is_free(descriptor, CLEARING if _is_of_the_dead(descriptor) else 0) and _is_at(descriptor, place):
                _sign(descriptor)
                return descriptor
        except BlockingIOError:
            owner = _read(descriptor)
            os.close(descriptor)
            raise HeldError(f"{path} is being written by {_described(owner)}: wait for it, or end it.") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_free(descriptor: int, patience: float) -> bool:
    """Take the system's lock, trying for some seconds; raises BlockingIOError where somebody holds it."""
    deadline = time.monotonic() + patience
    while fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            break
    return True


def clear(folder: Path) -> None:
    """Remove the lock files of dead processes from a folder, unless another process opens them meanwhile."""
    for place in folder.glob(".*.lock") if fcntl is not None else ():
        with suppress(OSError):
            descriptor = os.open(place, os.O_RDWR)
            try:
                if _is_of_the_dead(descriptor) and _is_free(descriptor, 0) and _is_at(descriptor, place):
                    place.unlink()
            finally:
                os.close(descriptor)


def _is_at(descriptor: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    command = " ".join([Path(sys.argv[0]).name, *without_secrets(sys.argv[1:])])[:COMMAND]
    told = {"host": HOST, "pid": os.getpid(), "command": command, "since": time.time()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(told).encode(), 0)


def _described(owner: bytes) -> str:
    """Description of the holder of a lock; the lock file may be incomplete or still empty."""
    told = _told(owner)
    if told is None:
        return "another process"
    pid, host, command, since = told
    return f"process {pid} on {host} ({command}), for {_elapsed(time.time() - since)}"


def _told(owner: bytes) -> tuple[int, str, str, float] | None:
    try:
        told = json.loads(owner)
        return int(told["pid"]), str(told["host"]), str(told["command"]), float(told["since"])
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        return None


def _is_of_the_dead(descriptor: int) -> bool:
    """Whether a lock file names a dead process of this machine as its holder."""
    told = _told(_read(descriptor))
    return told is not None and told[1] == HOST and not is_running(told[0])


def _read(descriptor: int) -> bytes:
    return os.pread(descriptor, 1 << 12, 0)


def _elapsed(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} seconds"
