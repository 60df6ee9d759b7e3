"""The files of one shard: sorted rows as raw arrays, captions and images in Parquet.

| file | content, one entry a row |
|---|---|
| ``directions`` | rays, (D,) float16 or float32 |
| ``radii.f32`` | radii, (F,) float32 |
| ``radius.f32`` | of a product, the combined radius, float32 |
| ``ids.i64`` | ids |
| ``sorted.i64``, ``places.i32`` | ids in ascending order, and the row of each |
| ``captions.parquet`` | caption, image and, where an item has an id that is a text, that |
| ``shard.json`` | its record, as the manifest has it |
| ``tombstones-G.i32`` | from generation G on: the rows that are deleted, ascending |

Rows are sorted by radius, then by id, so that an interval of radii is a range of rows.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.errors import UnavailableError, reason
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import sha256
from hiergeo.search.ids import Id
from hiergeo.search.layout import Manifest, Shard
from hiergeo.search.rows import Rows

DIRECTIONS, RADII, RADIUS, IDS = "directions", "radii.f32", "radius.f32", "ids.i64"
SORTED, PLACES, CAPTIONS, RECORD = "sorted.i64", "places.i32", "captions.parquet", "shard.json"

OWN_ID = "own_id"
LABELS = ("caption", "image", OWN_ID)
"""Columns of captions; there is none of ids where all are numbers."""

MATRICES = (DIRECTIONS, RADII)
"""Arrays of several numbers a row."""

ROW_GROUP = 1024
"""Captions that are read at a time."""

GROUPS = 64
"""Groups of captions that a shard keeps in memory: those of 65,536 items."""


class DamagedError(UnavailableError):
    """A shard that cannot be read, or whose files are not those of its record."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(
            f"shard {name} is damaged ({what}): restore its files, or drop it with all its items by 'hiergeo index "
            f"compact --skip-damaged'."
        )
        self.name, self.what = name, what


@contextmanager
def reading(shard: str, name: str) -> Iterator[None]:
    """Report a file of a shard that cannot be read in the block as damage."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError for files that it cannot map
        raise DamagedError(shard, f"{name} cannot be read: {reason(error)}") from error


@dataclass(frozen=True)
class Labels:
    """What items are called: the caption and the reference of the image of each, or None.

    `own_ids` are the ids that are texts, None for items that have numbers; None where all have.
    """

    captions: Sequence[str | None]
    images: Sequence[str | None]
    own_ids: Sequence[str | None] | None = None

    def ids(self, numbers: Sequence[int]) -> list[Id]:
        """The ids of the items, as their users know them, of their numbers."""
        own = self.own_ids or [None] * len(numbers)
        return [number if text is None else text for number, text in zip(numbers, own, strict=True)]

    @classmethod
    def none(cls, count: int) -> "Labels":
        """Those of items without captions and images."""
        return cls([None] * count, [None] * count)


def arrays(manifest: Manifest) -> dict[str, tuple[np.dtype[Any], int]]:
    """The raw arrays of a shard: file name -> type and numbers a row."""
    frame = manifest.frame
    kinds: dict[str, tuple[np.dtype[Any], int]] = {
        DIRECTIONS: (np.dtype(manifest.dtype), frame.dim),
        RADII: (np.dtype("float32"), len(frame.dims)),
        IDS: (np.dtype("int64"), 1),
        SORTED: (np.dtype("int64"), 1),
        PLACES: (np.dtype("int32"), 1),
    }
    return kinds if frame.single else {**kinds, RADIUS: (np.dtype("float32"), 1)}


def arrow() -> Any:
    """The module ``pyarrow`` with ``pyarrow.parquet``, which take a moment to import."""
    import pyarrow
    import pyarrow.parquet

    return pyarrow


def read_record(folder: Path) -> Shard:
    """The record of a complete shard, as `write_shard` returned it; raises InputError."""
    return documents.read(folder / RECORD, Shard, hashed=True)


@final
class OpenShard:
    """A shard that is being read, by several threads; `dead` are its deleted rows (m,), ascending."""

    def __init__(self, folder: Path, manifest: Manifest, shard: Shard) -> None:
        self.folder, self.manifest, self.shard = folder / shard.name, manifest, shard
        self._arrays: dict[str, NDArray[Any]] = {}
        self._inodes: dict[str, int] = {}
        self._captions: Any = None
        self._groups: dict[int, Any] = {}
        self._lock = threading.Lock()
        self.dead: NDArray[np.int64] = np.empty(0, np.int64)
        if shard.tombstones is not None:
            self.dead = self._deleted(shard.tombstones)
        if (self.radius[0], self.radius[-1]) != (np.float32(shard.low), np.float32(shard.high)):
            raise DamagedError(shard.name, "its range of radii is not that of the manifest")

    def _deleted(self, name: str) -> NDArray[np.int64]:
        with reading(self.shard.name, name):
            dead = np.fromfile(self.folder / name, np.int32).astype(np.int64)
        inside = len(dead) == self.shard.deleted and dead[0] >= 0 and dead[-1] < self.shard.rows
        if not inside or (dead[1:] <= dead[:-1]).any():
            raise DamagedError(self.shard.name, f"{name} lists rows that are not there")
        return dead

    def array(self, name: str) -> NDArray[Any]:
        """A raw array of the shard, mapped into memory: (n,) or (n, width)."""
        self._check_size(name)
        if name not in self._arrays:
            kind, width = arrays(self.manifest)[name]
            count, dtype = self.shard.rows * width, getattr(torch, kind.name)
            with reading(self.shard.name, name):
                # maps the file and keeps no descriptor, of which there are too few for thousands of shards
                flat = torch.from_file(str(self.folder / name), shared=False, size=count, dtype=dtype).numpy()
            self._arrays[name] = flat.reshape(-1, width) if name in MATRICES else flat
        return self._arrays[name]

    def _check_size(self, name: str) -> None:
        """Raise DamagedError for a file that was cut short: the system kills who reads what is mapped of it.

        One that is gone, or has another in its place, stays mapped.
        """
        with suppress(FileNotFoundError):
            status = os.stat(f"{self.folder}/{name}")
            mapped = self._inodes.setdefault(name, status.st_ino) == status.st_ino
            if mapped and status.st_size < self.shard.bytes[name]:
                raise DamagedError(self.shard.name, f"{name} was cut short")

    @property
    def radius(self) -> NDArray[np.float32]:
        """Distance from the root, (n,) float32, ascending."""
        return self.array(RADII)[:, 0] if self.manifest.frame.single else self.array(RADIUS)

    def range(self, low: float, high: float) -> tuple[int, int]:
        """The rows [start, stop) with low <= radius <= high."""
        radius = self.radius
        start, stop = radius.searchsorted(inside(low, up=True)), radius.searchsorted(inside(high, up=False), "right")
        return int(start), max(int(start), int(stop))

    def live(self, start: int, stop: int) -> NDArray[np.bool_] | None:
        """Which of the rows [start, stop) are not deleted; None if all."""
        first, last = self.dead.searchsorted([start, stop])
        if first == last:
            return None
        mask = np.ones(stop - start, bool)
        mask[self.dead[first:last] - start] = False
        return mask

    def pieces(self, start: int, stop: int, size: int) -> Iterator[NDArray[np.int64]]:
        """The places of the rows [start, stop) that are not deleted, those of at most `size` rows at a time."""
        for at in range(start, stop, size):
            end = min(at + size, stop)
            live = self.live(at, end)
            places = np.arange(at, end) if live is None else at + np.flatnonzero(live)
            if len(places):
                yield places

    def places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each id; -1 for one that the shard does not hold or that is deleted."""
        ascending = self.array(SORTED)
        at = np.minimum(ascending.searchsorted(ids), self.shard.rows - 1)
        rows = np.where(ascending[at] == ids, self.array(PLACES)[at], -1).astype(np.int64)
        present = rows != -1
        inside = (rows[present] >= 0) & (rows[present] < self.shard.rows)
        if not inside.all() or (self.array(IDS)[rows[present]] != ids[present]).any():
            raise DamagedError(self.shard.name, f"{PLACES} is not that of its ids")
        rows[np.isin(rows, self.dead)] = -1
        return rows

    def mapped(self, start: int, stop: int) -> Rows:
        """The rows [start, stop) where they lie; deleted ones have the radius NaN, which no search counts or finds."""
        rows = Rows(*(torch.from_numpy(self.array(name)[start:stop]) for name in (IDS, DIRECTIONS, RADII)))
        live = self.live(start, stop)
        if live is None:
            return rows
        return Rows(rows.ids, rows.direction, rows.radii.where(torch.from_numpy(live).unsqueeze(1), torch.nan))

    def rows(self, places: NDArray[np.int64]) -> Rows:
        """Rows at some places, in their order."""
        parts = (np.array(self.array(name)[places]) for name in (IDS, DIRECTIONS, RADII))
        return Rows(*map(torch.from_numpy, parts))

    def labels(self, places: NDArray[np.int64]) -> Labels:
        """Captions, images and ids of rows, in the order of their places."""
        groups = places // ROW_GROUP
        columns: dict[str, list[str | None]] = {name: [None] * len(places) for name in LABELS}
        own = False
        for group in np.unique(groups):
            inside = np.flatnonzero(groups == group)
            table = self._group(int(group)).take(places[inside] % ROW_GROUP)
            own |= OWN_ID in table.column_names
            for name in table.column_names:
                for at, value in zip(inside, table.column(name).to_pylist(), strict=True):
                    columns[name][at] = value
        return Labels(columns["caption"], columns["image"], columns[OWN_ID] if own else None)

    def first(self, count: int) -> NDArray[np.int64]:
        """The first rows (at most `count`,) that are not deleted: those of smallest radius."""
        places = np.arange(min(self.shard.rows, count + len(self.dead)))
        return places[~np.isin(places, self.dead)][:count]

    def matching(self, text: str, most: int) -> NDArray[np.int64]:
        """The first rows (at most `most`,) whose caption contains a text, in any case, and that are not deleted."""
        from pyarrow import compute

        parts = [np.empty(0, np.int64)]
        for start in range(0, self.shard.rows, ROW_GROUP):
            captions = self._group(start // ROW_GROUP).column("caption")
            matches = compute.match_substring(captions, text, ignore_case=True).fill_null(False)
            places = start + np.flatnonzero(matches.to_numpy(zero_copy_only=False))
            parts.append(places[~np.isin(places, self.dead)])
            if sum(map(len, parts)) >= most:
                break
        return np.concatenate(parts)[:most]

    def captioned(self, captions: Sequence[str]) -> NDArray[np.int64]:
        """The rows, deleted ones too, that have one of these captions."""
        from pyarrow import array, compute

        wanted, parts = array(captions), [np.empty(0, np.int64)]
        for start in range(0, self.shard.rows, ROW_GROUP):
            matches = compute.is_in(self._group(start // ROW_GROUP).column("caption"), value_set=wanted)
            parts.append(start + np.flatnonzero(matches.to_numpy(zero_copy_only=False)))
        return np.concatenate(parts)

    def _group(self, group: int) -> Any:
        with self._lock:
            self._check_size(CAPTIONS)
            table = self._groups.pop(group, None)
            try:
                if self._captions is None:
                    self._captions = arrow().parquet.ParquetFile(self.folder / CAPTIONS, memory_map=True)
                if table is None:
                    table = self._captions.read_row_group(group, columns=list(LABELS), use_threads=False)
            except (OSError, ValueError) as error:
                raise DamagedError(self.shard.name, f"captions cannot be read: {error}") from error
            self._groups[group] = table
            if len(self._groups) > GROUPS:
                self._groups.pop(next(iter(self._groups)))
            return table


def check_sizes(folder: Path, shard: Shard) -> None:
    """Raise UnavailableError unless every file of a shard is there and of its size."""
    for name, size in shard.bytes.items():
        with reading(shard.name, name):
            present = (folder / shard.name / name).stat().st_size
        if present != size:
            raise DamagedError(shard.name, f"{name} has {present:,} bytes instead of {size:,}")


def check_bytes(folder: Path, shard: Shard) -> None:
    """Raise DamagedError unless every byte of a shard is as it was written."""
    check_sizes(folder, shard)
    for name, digest in shard.sha256.items():
        with reading(shard.name, name):
            present = sha256(folder / shard.name / name)
        if present != digest:
            raise DamagedError(shard.name, f"{name} is not what was written")


def has_form(shard: Shard, manifest: Manifest) -> bool:
    """Whether the sizes of the arrays of a shard are those of its rows in an index of a manifest."""
    sizes = {name: shard.rows * width * kind.itemsize for name, (kind, width) in arrays(manifest).items()}
    return all(shard.bytes.get(name) == size for name, size in sizes.items())


def inside(bound: float, *, up: bool) -> np.float32:
    """The float32 nearest to a bound of radii that is not below it, or with `up` False not above it."""
    with np.errstate(over="ignore"):
        near = np.float32(bound)
    if up and float(near) < bound:
        return np.nextafter(near, np.float32(np.inf))
    return np.nextafter(near, np.float32(-np.inf)) if not up and float(near) > bound else near
