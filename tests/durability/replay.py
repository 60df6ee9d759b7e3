"""What a crash may leave of a recorded folder: any state that POSIX allows, after any operation.

The content of a file is durable as far as its last synchronisation, names in a folder as far as that of the folder.
Everything since may have reached the disk or not, each for itself: names without content, content without names, a
renamed file before the one that was renamed earlier. A name alone changes in order, and a renaming is all or nothing.
"""

import functools
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

from hiergeo._core.storage.files import HOST
from tests.durability.recording import Content, Mark, Names, Recording, Sync

Tree: TypeAlias = Mapping[str, bytes | None]
"""Path -> content of a file, None for a folder; a folder comes before what is in it."""

ENDED = f"{HOST}-999999999-"
"""Of names that a process gave which is no more."""


@final
@dataclass(frozen=True)
class Crash:
    """A state that a crash may leave.

    Attributes:
        after: number of operations before it.
        acknowledged: steps that were told to be done.
        begun: steps that had begun.
        how: what was lost.
        tree: the state.
    """

    after: int
    acknowledged: int
    begun: int
    how: str
    tree: Tree

    @functools.cached_property
    def digest(self) -> int:
        """Of the tree."""
        return hash(frozenset(self.tree.items()))

    @functools.cached_property
    def key(self) -> tuple[int, int, int]:
        """What the state is but for lock files, and what is promised of it."""
        kept = (each for each in self.tree.items() if not (each[0].endswith(".lock") or "/readers/" in each[0]))
        return hash(frozenset(kept)), self.acknowledged, self.begun


def crashes(
    recording: Recording, without: str | None = None, *, mixtures: int = 0, alone: int = 0, locks: bool = False
) -> Iterator[Crash]:
    """The distinct states that a crash may leave.

    Args:
        recording: of the folder.
        without: a place in hiergeo whose synchronisations are taken not to have happened.
        mixtures: how many states are drawn after each operation, besides those that are always tried.
        alone: pending changes of names up to which each is tried alone, and all but it.
        locks: whether states that differ in lock files alone are distinct.
    """
    disk = _Disk(recording)
    acknowledged = begun = 0
    seen = set[tuple[int, ...]]()
    for after, operation in enumerate([None, *recording.operations]):
        if isinstance(operation, Mark):
            acknowledged += operation.acknowledged
            begun += not operation.acknowledged
        elif operation is not None and not (isinstance(operation, Sync) and operation.site == without):
            disk.apply(operation)
        for how, tree in disk.states(after, mixtures, alone):
            crash = Crash(after, acknowledged, begun, how, tree)
            key = (*crash.key, crash.digest if locks else 0)
            if key not in seen:
                seen.add(key)
                yield crash


def rebuild(tree: Tree, folder: Path) -> Path:
    """Make a state on the disk, as a machine finds it that has been started again; returns the folder."""
    folder.mkdir(parents=True)
    for path, content in tree.items():
        place = folder / path.replace(f"{HOST}-{os.getpid()}-", ENDED)
        if content is None:
            place.mkdir()
        else:
            place.write_bytes(content)
    return folder


@final
class _Disk:
    """What is durable, and what is pending."""

    def __init__(self, recording: Recording) -> None:
        self._durable = {node: dict(names) for node, names in recording.folders.items()}
        self._folders = {node: dict(names) for node, names in recording.folders.items()}
        self._synchronised, self._files = dict(recording.files), dict(recording.files)
        self._pending: list[Names] = []
        self._kinds = recording.kinds

    def apply(self, operation: Names | Content | Sync) -> None:
        if isinstance(operation, Names):
            _rename(self._folders, operation)
            self._pending.append(operation)
        elif isinstance(operation, Content):
            self._files[operation.file] = operation.content
        elif operation.node in self._kinds:
            for each in self._pending:
                if each.folder == operation.node:
                    _rename(self._durable, each)
            self._pending = [each for each in self._pending if each.folder != operation.node]
        else:
            self._synchronised[operation.node] = self._files.get(operation.node, b"")

    def states(self, after: int, mixtures: int, alone: int) -> Iterator[tuple[str, Tree]]:
        none, every = [False] * len(self._pending), [True] * len(self._pending)
        old, new = self._synchronised, self._files
        yield "what was not synchronised is lost", self._tree(none, old)
        if not self._pending and old == new:
            return
        yield "all reached the disk", self._tree(every, new)
        yield "names without content", self._tree(every, old)
        yield "names with zeros as content", self._tree(every, {node: self._zeros(node) for node in new})
        yield "content without names", self._tree(none, new)
        if len(self._pending) <= alone:
            for place in range(len(self._pending)):
                for kept in (True, False):
                    chosen = [kept if each == place else not kept for each in range(len(self._pending))]
                    yield f"names: {'only' if kept else 'all but'} {place}", self._tree(chosen, new)
        for number in range(mixtures):
            draw = random.Random(f"{after}-{number}")
            share = draw.choice((0.2, 0.5, 0.8))
            chosen = [draw.random() < share for _ in self._pending]
            yield f"mixture {number}", self._tree(chosen, {node: self._any(node, draw) for node in new})

    def _tree(self, chosen: list[bool], files: Mapping[int, bytes]) -> Tree:
        """A state; a change of a name is left out where an earlier one of the same name is."""
        folders = {node: dict(names) for node, names in self._durable.items()}
        missed = set[tuple[int, str]]()
        for operation, kept in zip(self._pending, chosen, strict=True):
            names = {(operation.folder, name) for name, _ in operation.changed}
            if kept and missed.isdisjoint(names):
                _rename(folders, operation)
            else:
                missed |= names
        tree: dict[str, bytes | None] = {}
        self._grow(tree, "", 0, folders, files)
        return tree

    def _grow(
        self,
        tree: dict[str, bytes | None],
        prefix: str,
        folder: int,
        folders: Mapping[int, Mapping[str, int]],
        files: Mapping[int, bytes],
    ) -> None:
        for name, node in folders.get(folder, {}).items():
            if node in self._kinds:
                tree[prefix + name] = None
                self._grow(tree, f"{prefix}{name}/", node, folders, files)
            else:
                tree[prefix + name] = files.get(node, b"")

    def _zeros(self, node: int) -> bytes:
        """The content of a file whose size reached the disk before what is in it."""
        old, new = self._synchronised.get(node, b""), self._files[node]
        return new if old == new else old[: len(new)] + bytes(max(0, len(new) - len(old)))

    def _any(self, node: int, draw: random.Random) -> bytes:
        old, new = self._synchronised.get(node, b""), self._files[node]
        if old == new:
            return new
        pairs = enumerate(zip(old, new, strict=False))
        common = next((place for place, (one, other) in pairs if one != other), min(len(old), len(new)))
        torn = draw.randrange(common, len(new) + 1)
        return draw.choice((old, new, new[:torn], self._zeros(node)))


def _rename(folders: dict[int, dict[str, int]], operation: Names) -> None:
    held = folders.setdefault(operation.folder, {})
    for name, node in operation.changed:
        if node is None:
            held.pop(name, None)
        else:
            held[name] = node
