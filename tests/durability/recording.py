"""What happens to a folder while a program writes to it, told by comparing the folder before and after every call.

Whoever writes, in Python or in native code, is seen by what it leaves in the folder. Calls are intercepted only to
look often enough, and for `os.fsync`, which leaves nothing to be seen: a synchronisation that is missed can only make
the recording less durable than the program was, never more.
"""

import linecache
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias, final

import pytest

import hiergeo

CALLS = (
    *("mkdir", "rmdir", "rename", "replace", "link", "symlink", "unlink", "remove"),
    *("truncate", "ftruncate", "write", "pwrite"),
)
"""Functions of `os` before and after which the folder is looked at."""

RACY = 50_000_000
"""Nanoseconds in which a file may change twice and keep its time of change."""

HELPERS = ("_sync", "sync_folder", "sync_files", "make_folder", "sync", "close")
"""Functions of hiergeo that synchronise what their callers name: those count as the place of the call."""

HIERGEO = Path(hiergeo.__file__).parent


@final
@dataclass(frozen=True)
class Names:
    """Names in one folder that changed together.

    Attributes:
        folder: its node.
        changed: name -> the node it stands for from now on, None where it is gone.
    """

    folder: int
    changed: tuple[tuple[str, int | None], ...]


@final
@dataclass(frozen=True)
class Content:
    """What a file holds from now on."""

    file: int
    content: bytes


@final
@dataclass(frozen=True)
class Sync:
    """A file or a folder that was synchronised, and where in hiergeo."""

    node: int
    site: str


@final
@dataclass(frozen=True)
class Mark:
    """A step that begins, or that was acknowledged."""

    acknowledged: bool


Operation: TypeAlias = Names | Content | Sync | Mark


@final
@dataclass
class Recording:
    """A folder, and what happened to it.

    Attributes:
        folders: node -> name -> node, at the beginning; the folder itself is node 0.
        files: node -> content, at the beginning.
        operations: in their order.
        kinds: the nodes that are folders, at any time.
    """

    folders: dict[int, dict[str, int]] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    kinds: set[int] = field(default_factory=set)

    @property
    def sites(self) -> list[str]:
        """Where hiergeo synchronised something."""
        return sorted({each.site for each in self.operations if isinstance(each, Sync)})


@final
class Recorder:
    """Keeps account of a folder.

    Args:
        folder: what is in it already is taken for durable.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.recording = Recording()
        self._nodes: dict[tuple[int, int], int] = {}
        self._seen: dict[int, tuple[int, int, int]] = {}
        self._folders: dict[int, dict[str, int]] = {}
        self._files: dict[int, bytes] = {}
        self._count = 0
        self._lock = threading.RLock()
        self.look()
        self.recording.folders = {node: dict(names) for node, names in self._folders.items()}
        self.recording.files = dict(self._files)
        self.recording.operations.clear()

    @contextmanager
    def recording_calls(self) -> Iterator[None]:
        """Look at the folder around every call that may change it, and note what is synchronised."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._watched(getattr(os, name)))
            for name in ("fsync", "fdatasync"):
                if hasattr(os, name):
                    patch.setattr(os, name, self._synchronised)
            yield
        self.look()

    def begin(self) -> None:
        """Note that a step begins."""
        self.look()
        self.recording.operations.append(Mark(False))

    def acknowledge(self) -> None:
        """Note that the step is told to be done."""
        self.look()
        self.recording.operations.append(Mark(True))

    def look(self) -> None:
        """Note what differs from the last time."""
        with self._lock:
            found: dict[tuple[int, int], int] = {}
            folders, files = dict[int, dict[str, int]](), dict[int, bytes]()
            self._walk(self.folder, found, folders, files)
            self._tell(folders, files)
            self._nodes, self._folders, self._files = found, folders, files

    def _walk(
        self,
        place: Path,
        found: dict[tuple[int, int], int],
        folders: dict[int, dict[str, int]],
        files: dict[int, bytes],
    ) -> int:
        facts = os.lstat(place)
        key = (facts.st_dev, facts.st_ino)
        node = self._nodes.get(key)
        known = node is not None and (node in self._folders) == stat.S_ISDIR(facts.st_mode)
        if node is None or not known:
            node, self._count = self._count, self._count + 1
        found[key] = node
        if stat.S_ISDIR(facts.st_mode):
            folders[node] = {}
            self.recording.kinds.add(node)
            for entry in sorted(os.scandir(place), key=lambda each: each.name):
                folders[node][entry.name] = self._walk(place / entry.name, found, folders, files)
            return node
        signature = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        fresh = time.time_ns() - facts.st_mtime_ns < RACY
        if fresh or node not in self._files or self._seen.get(node) != signature:
            files[node], self._seen[node] = place.read_bytes(), signature
        else:
            files[node] = self._files[node]
        return node

    def _tell(self, folders: dict[int, dict[str, int]], files: dict[int, bytes]) -> None:
        told = self.recording.operations
        for node, names in folders.items():
            before = self._folders.get(node, {})
            changed = {name: names.get(name) for name in {**before, **names} if names.get(name) != before.get(name)}
            told += (Names(node, group) for group in _together(changed, before))
        told += (Content(node, held) for node, held in files.items() if held != self._files.get(node, b""))

    def _watched(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                self.look()
                try:
                    return true(*arguments, **options)
                finally:
                    self.look()

        return call

    def _synchronised(self, descriptor: int) -> None:
        with self._lock:
            self.look()
            facts = os.fstat(descriptor)
            node = self._nodes.get((facts.st_dev, facts.st_ino))
            if node is not None:
                self.recording.operations.append(Sync(node, _site()))


def _together(changed: dict[str, int | None], before: dict[str, int]) -> Iterator[tuple[tuple[str, int | None], ...]]:
    """Changes of names, those of one renaming together."""
    gone = {before[name]: name for name, node in changed.items() if node is None}
    from_ = {name: gone[node] for name, node in changed.items() if node is not None and node in gone}
    for name, node in changed.items():
        if name in from_:
            yield ((from_[name], None), (name, node))
        elif name not in from_.values():
            yield ((name, node),)


def _site() -> str:
    """The line of hiergeo that asked for a synchronisation."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(f"{HIERGEO}{os.sep}") and code.co_name not in HELPERS:
            line = linecache.getline(code.co_filename, frame.f_lineno).strip()
            return f"{Path(code.co_filename).relative_to(HIERGEO).as_posix()} {code.co_name}: {line}"
        frame = frame.f_back
    return "outside hiergeo"
