"""The exact store: a folder of immutable shards that are streamed through the engine.

Rows come in chunks that are mapped into memory and read by a thread some chunks ahead, without a copy: nothing is held
beyond the page cache, which the system reclaims when it needs the memory.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.jobs import ahead
from hiergeo.search import appending
from hiergeo.search.layout import DTYPES, Manifest
from hiergeo.search.rows import Rows
from hiergeo.search.shards import DIRECTIONS, IDS, RADII, Labels, OpenShard
from hiergeo.search.snapshots import Snapshot

CHUNK = 1 << 15
"""Rows that are read at a time."""

CHUNK_BYTES = 96 << 20
"""Bytes of directions that are compared at a time: 131,072 rows of 384 float16 numbers."""

AHEAD = 2
"""Chunks that are read ahead."""

WILL_NEED, POPULATE_READ = 3, 22
"""Advice of madvise on Linux: start reading; read and map, or say that it is impossible."""

UNSUPPORTED = (errno.EINVAL, errno.ENOSYS)
"""Errors of a system that does not know the advice: pages are read when they are first used."""


@dataclass(frozen=True)
class Shell:
    """How many items have a radius in one interval, and the smallest and the largest of these, geodesic units."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class IndexFacts:
    """How many items an index holds, and its shells from the innermost to the outermost; empty ones have count 0."""

    rows: int
    shells: tuple[Shell, ...]


@final
class ExactStore:
    """The rows and labels of an index folder (see `hiergeo.search.layout`); several threads may use it.

    It reads the generation that was current when it was opened, whatever writers do meanwhile; `refresh` goes on to the
    current one. Raises UnavailableError for no index or a damaged shard, InputError for a damaged manifest.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.snapshot = Snapshot(folder).check()
        self.geometry = self.manifest.space
        self._facts: tuple[Manifest, IndexFacts] | None = None

    @property
    def manifest(self) -> Manifest:
        """The manifest of the generation that is read."""
        return self.snapshot.manifest

    def refresh(self) -> None:
        """As `Index.refresh`; raises InputError for another index, UnavailableError for none, and stays then."""
        current, own = Snapshot(self.folder).check(), _identity(self.manifest)
        if changed := [name for name, value in _identity(current.manifest).items() if value != own[name]]:
            current.close()
            raise InputError(f"{self.folder} holds another index now, of another {changed[0]}: open it anew.")
        self.snapshot = current

    def pinned(self) -> "ExactStore":
        """The store as it is now: a later `refresh`, also by another thread, does not change what it reads."""
        return copy(self)

    def describe(self) -> IndexFacts:
        """What the index holds, shell by shell."""
        snapshot, cached = self.snapshot, self._facts
        manifest = snapshot.manifest
        if cached is None or cached[0] is not manifest:
            count = len(manifest.edges) + 1
            low, high, rows = np.full(count, np.inf), np.zeros(count), np.zeros(count, np.int64)
            for shard in manifest.shards:
                opened = snapshot.open(shard)
                for shell, (start, stop) in enumerate(pairwise([0, *shard.bounds, shard.rows])):
                    radius, live = opened.radius[start:stop], opened.live(start, stop)
                    radius = radius if live is None else radius[live]
                    if len(radius):
                        low[shell], high[shell] = min(low[shell], radius[0]), max(high[shell], radius[-1])
                        rows[shell] += len(radius)
            ends = zip(np.where(rows > 0, low, 0.0).tolist(), high.tolist(), rows.tolist(), strict=True)
            facts = IndexFacts(manifest.rows, tuple(Shell(*shell) for shell in ends))
            cached = self._facts = manifest, facts
        return cached[1]

    def add(self, rows: Rows, labels: Labels | None = None) -> None:
        """Append rows, with what they are called; all of them or none."""
        appending.append(self.folder, lambda _: [(rows, labels or Labels.none(len(rows)))])
        self.refresh()

    def delete(self, ids: Tensor) -> int:
        """Delete items by their ids (n,) int64; returns how many of them there were."""
        count = appending.delete(self.folder, ids)
        self.refresh()
        return count

    def scan(self, low: float = 0.0, high: float = float("inf")) -> Iterator[Rows]:
        """All items with low <= radius <= high, in any order, a bounded number at a time; raises UnavailableError."""
        for opened, places in self._places(low, high):
            bring(opened.shard.name, torch.from_numpy(opened.array(DIRECTIONS)[places[0] : places[-1] + 1]))
            yield opened.rows(places)

    def stream(self, low: float = 0.0, high: float = float("inf")) -> Iterator[Rows]:
        """All items with low <= radius <= high for a sweep, as `OpenShard.mapped`."""
        return stream(self._ranges(low, high))

    def _ranges(self, low: float = 0.0, high: float = float("inf")) -> Iterator[tuple[OpenShard, int, int]]:
        """The rows [start, stop) with low <= radius <= high of every shard that has some."""
        snapshot = self.snapshot
        for shard in snapshot.manifest.shards:
            if shard.low <= high and shard.high >= low:
                opened = snapshot.open(shard)
                yield opened, *opened.range(low, high)

    def _places(self, low: float = 0.0, high: float = float("inf")) -> Iterator[tuple[OpenShard, NDArray[np.int64]]]:
        """The rows with low <= radius <= high that are not deleted, a bounded number at a time."""
        for opened, start, stop in self._ranges(low, high):
            for places in opened.pieces(start, stop, CHUNK):
                yield opened, places

    def fetch(self, ids: Tensor) -> Rows:
        """The items of the ids (n,) int64, in their order; raises InputError for one that is not there."""
        snapshot = self.snapshot
        parts, order = [Rows.none(snapshot.manifest.frame, DTYPES[snapshot.manifest.dtype])], [torch.arange(0)]
        for opened, places, at in _located(snapshot, ids):
            parts.append(opened.rows(places))
            order.append(torch.from_numpy(at))
        return Rows.cat(parts).take(torch.cat(order).argsort())

    def labels(self, ids: Tensor) -> Labels:
        """Captions and images of the items of the ids (n,), in their order; raises InputError for an unknown one."""
        captions: list[str | None] = [None] * len(ids)
        images: list[str | None] = [None] * len(ids)
        own_ids: list[str | None] = [None] * len(ids)
        for opened, places, order in _located(self.snapshot, ids):
            named = opened.labels(places)
            for at, caption, image in zip(order.tolist(), named.captions, named.images, strict=True):
                captions[at], images[at] = caption, image
            for at, own in zip(order.tolist(), named.own_ids or (), strict=False):
                own_ids[at] = own
        return Labels(captions, images, own_ids if any(own_ids) else None)

    def named(self) -> Iterator[tuple[NDArray[np.int64], Labels]]:
        """Ids and labels of all items in the order in which they are stored, a bounded number at a time."""
        for opened, places in self._places():
            yield opened.array(IDS)[places], opened.labels(places)

    def radii(self) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Ids (n,) and radii (n, F) of all items in the order in which they are stored, a bounded number at a time."""
        for opened, places in self._places():
            yield opened.array(IDS)[places], torch.from_numpy(opened.array(RADII)[places])

    def innermost(self, k: int) -> Tensor:
        """Ids (at most k,) of the items of smallest radius, ascending; ties by lower id."""
        return self._innermost(k, lambda opened: opened.first(k))

    def matching(self, text: str, k: int) -> Tensor:
        """Ids (at most k,) of the items whose caption contains a text, in any case; smallest radius first."""
        return self._innermost(k, lambda opened: opened.matching(text, k))

    def captioned(self, captions: Iterable[str]) -> Tensor:
        """Ids (n,) of the items that have one of these captions."""
        wanted, snapshot = list(captions), self.snapshot
        opened = map(snapshot.open, snapshot.manifest.shards if wanted else ())
        matches = [shard.array(IDS)[shard.captioned(wanted)] for shard in opened]
        return torch.from_numpy(np.concatenate([np.empty(0, np.int64), *matches]))

    def _innermost(self, k: int, places: Callable[[OpenShard], NDArray[np.int64]]) -> Tensor:
        """Ids of the k items of smallest radius among some rows of every shard."""
        snapshot = self.snapshot
        chosen = [(opened, places(opened)) for opened in map(snapshot.open, snapshot.manifest.shards)]
        ids = np.concatenate([np.empty(0, np.int64), *(opened.array(IDS)[at] for opened, at in chosen)])
        radius = np.concatenate([np.empty(0, np.float32), *(opened.radius[at] for opened, at in chosen)])
        return torch.from_numpy(ids[np.lexsort((ids, radius))[:k]])

    def holds(self, ids: Tensor) -> Tensor:
        """Whether each of the ids (n,) is that of an item, (n,) bool."""
        return torch.from_numpy(~_looked_up(self.snapshot, ids)[1])

    def close(self) -> None:
        """Let go of the files."""
        self.snapshot.close()


def _identity(manifest: Manifest) -> dict[str, object]:
    """What readers of an index rely on, whatever is added to it."""
    space = {"geometry": manifest.geometry, "min_radius": manifest.min_radius}
    return {"root or dimension": manifest.frame, **space, "model": manifest.model and manifest.model.fingerprint}


Located = Sequence[tuple[OpenShard, NDArray[np.int64], NDArray[np.int64]]]
"""The shards that hold some ids (n,), with the rows there and their places among the ids."""


def _located(snapshot: Snapshot, ids: Tensor) -> Located:
    """Where the ids (n,) are; raises InputError for one that is not there."""
    located, missing = _looked_up(snapshot, ids)
    if missing.any():
        raise InputError(f"the index holds no item {int(ids[torch.from_numpy(missing)][0])}.")
    return located


def _looked_up(snapshot: Snapshot, ids: Tensor) -> tuple[Located, NDArray[np.bool_]]:
    """Where the ids (n,) are, and which of them are not there."""
    wanted = np.ascontiguousarray(ids.detach().cpu().numpy().astype(np.int64, copy=False))
    located, missing = [], np.ones(len(wanted), bool)
    for shard in snapshot.manifest.shards:
        near = np.flatnonzero(missing & (wanted >= shard.first) & (wanted <= shard.last))
        if len(near):
            opened = snapshot.open(shard)
            rows = opened.places(wanted[near])
            present = rows >= 0
            located.append((opened, rows[present], near[present]))
            missing[near[present]] = False
    return located, missing


def stream(parts: Iterable[tuple[OpenShard, int, int]], chunk_bytes: int = CHUNK_BYTES) -> Iterator[Rows]:
    """The rows [start, stop) of shards, a chunk at a time, as `OpenShard.mapped`; raises UnavailableError."""

    def brought(piece: tuple[OpenShard, int, int]) -> Rows:
        opened, start, stop = piece
        rows = opened.mapped(start, stop)
        bring(opened.shard.name, rows.direction)
        return rows

    def pieces() -> Iterator[tuple[OpenShard, int, int]]:
        for opened, start, stop in parts:
            size = max(1, chunk_bytes // opened.array(DIRECTIONS)[:1].nbytes)
            yield from ((opened, at, min(at + size, stop)) for at in range(start, stop, size))

    yield from ahead(brought, pieces(), AHEAD + 1)


def bring(name: str, direction: Tensor) -> None:
    """Read mapped directions of a shard into the page cache, and map their pages; raises UnavailableError."""
    for advice in (WILL_NEED, POPULATE_READ):
        failed = _advise(direction, advice)
        if failed in UNSUPPORTED:
            return
        if failed:
            raise UnavailableError(f"shard {name} cannot be read ({os.strerror(failed)}): restore it.")


def _advise(tensor: Tensor, advice: int) -> int:
    """Give advice about the pages of a contiguous tensor; returns the number of an error, 0 where there is none."""
    if not sys.platform.startswith("linux") or not tensor.numel():
        return 0
    start = tensor.data_ptr()
    first = start - start % os.sysconf("SC_PAGESIZE")
    length = start + tensor.numel() * tensor.element_size() - first
    failed: int = _system().madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), ctypes.c_int(advice))
    return ctypes.get_errno() if failed else 0


@lru_cache
def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
