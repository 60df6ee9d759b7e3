"""One writer at a time: locks on what is being written, which the system releases when a process dies.

The lock of ``NAME`` is the file ``.NAME.lock`` beside it. What counts is the system's lock on that file, not the file:
a process that was killed leaves the file behind, which does not block the next one.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hiergeo._core.errors import UnavailableError
from hiergeo._core.storage.files import hidden, make_folder, writing

PATIENCE = 0.1  # seconds to wait for a lock, which `clear` may hold for a moment
FOREVER = -1.0  # a patience that never ends


class HeldError(UnavailableError):
    """Error raised for a lock that another process or thread holds."""


@contextmanager
def locked(path: Path | str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of `path`, a file or a folder that may not be there yet, against processes and threads alike.

    Lock files that killed processes left beside it are removed, and folders that were made for it and stayed empty.
    HeldError where another holds it for longer than `patience`, in seconds, which may be `FOREVER`.
    """
    with writing(path):
        target = Path(path).resolve()
        lock_file = target.with_name(f"{hidden(target)}.lock")
        made = [folder for folder in lock_file.parents if not folder.exists()]
        make_folder(lock_file.parent)
        lock = _acquired(lock_file, path, patience)
        clear(lock_file.parent)
    try:
        yield
    finally:
        with suppress(OSError):  # removed while it is held: whoever opened it before finds that it is gone
            lock_file.unlink()
        lock.release()
        with suppress(OSError):  # folders that were made for nothing are empty
            for folder in made:
                folder.rmdir()


def clear(folder: Path) -> None:
    """Remove the lock files that nobody holds from a folder: those of processes that were killed."""
    for lock_file in folder.glob(".*.lock"):
        with suppress(OSError), FileLock(lock_file, timeout=0):
            lock_file.unlink()


def _acquired(lock_file: Path, path: Path | str, patience: float) -> FileLock:
    lock = FileLock(lock_file, timeout=patience, poll_interval=PATIENCE / 10, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise HeldError(
            f"{path} is being written by another process or thread, which holds {lock_file}: wait for it, or end it."
        ) from None
    return lock
