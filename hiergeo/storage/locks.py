"""One writer at a time: locks on what is being written, which the system takes back from a process that dies.

The lock of ``NAME`` is the file ``.NAME.lock`` beside it. What counts is the system's lock on that file, not the file:
a process that was killed leaves the file behind, and it is no obstacle to the next one.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hiergeo.errors import InputError, UnavailableError
from hiergeo.storage.files import HOST, hidden, writing

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, two writers are the user's to avoid
    fcntl = None  # type: ignore[assignment]

COMMAND = 100
"""Letters of a command that the lock tells."""


@contextmanager
def locked(path: Path | str) -> Iterator[None]:
    """Hold the lock of `path`, a file or a folder that may not be there yet, against processes and threads alike.

    Raises:
        InputError: the path is the root of a file system.
        UnavailableError: somebody else holds it, who is named with host, process, command and age of the lock; or the
            folder that it would be in cannot be written.
    """
    with writing(path):
        place = Path(path).resolve()
        if not place.name:
            raise InputError(f"{path} is the root of a file system: name a file or folder in it.")
        place = place.with_name(f"{hidden(place)}.lock")
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(place, path)
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
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, place):
                _sign(descriptor)
                return descriptor
        except BlockingIOError:
            owner = os.read(descriptor, 1 << 12)
            os.close(descriptor)
            raise UnavailableError(f"{path} is being written by {_described(owner)}: wait for it, or end it.") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:COMMAND]
    told = {"host": HOST, "pid": os.getpid(), "command": command, "since": time.time()}
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps(told).encode())


def _described(owner: bytes) -> str:
    """The holder of a lock in words; what a lock tells may be cut short or nothing yet."""
    try:
        told = json.loads(owner)
        pid, host, command, age = int(told["pid"]), str(told["host"]), str(told["command"]), float(told["since"])
    except (ValueError, KeyError, TypeError):
        return "another process"
    return f"process {pid} on {host} ({command}), for {_elapsed(time.time() - age)}"


def _elapsed(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} seconds"
