"""Readers and one writer at once: readers hold a generation of the index, and what it names stays until they let go.

A reader of generation G holds a shared lock on the file ``readers/G``. A writer changes nothing that a manifest names:
it adds files, makes the next manifest current, and removes what a manifest has retired once no reader of a generation
lives that names it; otherwise the next writer does. The locks are the system's: a reader that is killed holds none.
"""

import fcntl
import os
import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import final

from hiergeo._core.errors import HiergeoError
from hiergeo._core.storage.files import remove_leftovers
from hiergeo._core.storage.locks import HeldError, locked
from hiergeo.search import layout
from hiergeo.search.layout import MANIFEST, RESERVE, SHARDS, Manifest, Retired, Shard
from hiergeo.search.shards import DamagedError, OpenShard, check_sizes, has_form

READERS = "readers"

OURS = re.compile(r"\d{8}-\d{5}")
"""Names of the shards that writers of an index make; those of other processes wait to be adopted."""

OPEN = 64
"""Shards whose files a snapshot keeps open."""

TRIES = 1000
"""How often a reader looks again where the manifest changes under it."""


@final
class Snapshot:
    """One generation of an index, held until nobody refers to it; several threads may read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor: int | None = None
        self._opened: OrderedDict[tuple[str, str | None], OpenShard] = OrderedDict()
        self._lock = threading.Lock()
        for _ in range(TRIES):
            stamp = stamp_of(folder)
            self.manifest = layout.read(folder)
            self._descriptor = _hold(folder / READERS / str(self.manifest.generation))
            if stamp_of(folder) == stamp:
                break
            self.close()

    def check(self) -> "Snapshot":
        """The snapshot itself; raises UnavailableError for a shard whose files are not of their sizes."""
        for shard in self.manifest.shards:
            check_sizes(self.folder / SHARDS, shard)
            if not has_form(shard, self.manifest):
                raise DamagedError(shard.name, "its files are not of the size of its rows")
        return self

    def open(self, shard: Shard) -> OpenShard:
        """A shard that is open for reading; the `OPEN` last ones stay so."""
        key = shard.name, shard.tombstones
        with self._lock:
            opened = self._opened.pop(key, None) or OpenShard(self.folder / SHARDS, self.manifest, shard)
            self._opened[key] = opened
            while len(self._opened) > OPEN:
                self._opened.popitem(last=False)
        return opened

    def close(self) -> None:
        """Let go of the generation."""
        self._opened.clear()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            self.close()


@contextmanager
def writer(folder: Path, *, spends: bool = False, empty: Manifest | None = None) -> Iterator[Manifest]:
    """Hold the lock of an index; gives its manifest, after what dead writers left behind has been removed.

    What the block has written is removed where it ends by an error, unless it was published. With `spends` the room
    that the index has set aside may be used. `empty` is the manifest where there is none yet.
    """
    with locked(folder):
        manifest = empty if empty is not None and not (folder / MANIFEST).exists() else layout.read(folder)
        remove_orphans(folder, manifest)
        _remove_retired(folder, manifest)
        if spends:
            (folder / RESERVE).unlink(missing_ok=True)
        try:
            yield manifest
        except BaseException:
            with suppress(HiergeoError, OSError):
                remove_orphans(folder, layout.read(folder))
            raise
        finally:
            layout.keep_reserve(folder)


def tidy(folder: Path) -> None:
    """Remove what is retired and no longer read, unless another process writes to the index and so does it."""
    with suppress(HeldError), writer(folder):
        pass


def publish(folder: Path, manifest: Manifest, retired: tuple[str, ...] = ()) -> None:
    """Commit the next manifest of an index whose lock is held, and remove what is retired and used by no reader.

    `retired` are paths below ``shards`` that it does not name any more.
    """
    waiting = (gone for gone in manifest.retired if (folder / SHARDS / gone.path).exists())
    committed = replace(manifest, retired=(*waiting, *(Retired(path, manifest.generation) for path in retired)))
    layout.commit(folder, committed)
    with suppress(OSError):  # the change is made: what stays behind is removed by the next writer
        _remove_retired(folder, committed)


def remove_orphans(folder: Path, manifest: Manifest) -> None:
    """Remove shards and tombstones that writers left behind which died before their manifest was current."""
    shards = folder / SHARDS
    remove_leftovers(folder)
    remove_leftovers(shards)
    named = {shard.name for shard in manifest.shards} | {gone.path for gone in manifest.retired}
    shards.mkdir(exist_ok=True)  # a copy of an empty index may lack it
    for path in shards.iterdir():
        if OURS.fullmatch(path.name) and path.name not in named:
            shutil.rmtree(path, ignore_errors=True)
    for shard in manifest.shards:
        for path in (shards / shard.name).glob("tombstones-*"):
            if path.name != shard.tombstones and f"{shard.name}/{path.name}" not in named:
                path.unlink(missing_ok=True)


def _hold(file: Path) -> int | None:
    """A descriptor that holds the shared lock of a reader; None on a disk that nobody can write."""
    try:
        file.parent.mkdir(exist_ok=True)
        descriptor = _opened(file, os.O_CREAT)
    except OSError:
        return None
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _opened(file: Path, flags: int = 0) -> int:
    """A descriptor for locks; the file of another user is opened for reading alone."""
    try:
        return os.open(file, os.O_RDWR | flags, 0o644)
    except PermissionError:
        return os.open(file, os.O_RDONLY)


def stamp_of(folder: Path) -> tuple[int, int] | None:
    """What tells one manifest from the next, which a rename puts in its place."""
    try:
        facts = (folder / MANIFEST).stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def _remove_retired(folder: Path, manifest: Manifest) -> None:
    """Remove what is retired, except what the oldest reader uses."""
    oldest = _oldest_read(folder / READERS, manifest.generation)
    for gone in manifest.retired:
        path = folder / SHARDS / gone.path
        if gone.since <= oldest:
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _oldest_read(readers: Path, generation: int) -> int:
    """The oldest generation that has a reader, `generation` if no older one; files of those without are removed."""
    oldest = generation
    for file in readers.glob("*"):
        if not file.name.isdecimal() or int(file.name) >= generation:
            continue
        try:
            descriptor = _opened(file)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            continue
        except OSError:  # it is held, or cannot be told
            oldest = min(oldest, int(file.name))
    return oldest
