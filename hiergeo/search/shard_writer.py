"""Writing shards: whole, durable and at once, by one process or by many."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import sync_folder, temporary, writing
from hiergeo.geometry import Geometry
from hiergeo.search.layout import Shard
from hiergeo.search.rows import Rows
from hiergeo.search.shards import (
    CAPTIONS,
    DIRECTIONS,
    IDS,
    PLACES,
    RADII,
    RADIUS,
    RECORD,
    ROW_GROUP,
    SORTED,
    Labels,
    arrow,
)
from hiergeo.search.sweep import lexicographic

PIECE = 8 * ROW_GROUP
"""Rows that are written at a time."""


def write_shard(folder: Path, rows: Rows, labels: Labels, geometry: Geometry) -> Shard:
    """Write a shard, durably and at once, to a new folder; `layout.commit` makes it part of an index.

    Independent processes may write shards of different names to one index.

    Args:
        folder: its last part is the name of the shard, of lower-case letters, digits and dashes.
        rows: n >= 1, in any order, with distinct ids.
        labels: of the rows.
        geometry: of the index.

    Raises:
        UnavailableError: it cannot be written; nothing is left.
        InputError: a caption that is no Unicode.
    """
    radius = rows.radius(geometry)
    order = lexicographic(radius.double(), rows.ids)
    by_id = rows.ids[order].argsort()
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = temporary(folder)
        scratch.mkdir()
    written = _Written(scratch)
    try:
        with writing(folder):
            written.captions(labels, order.tolist())
            for piece in order.split(PIECE):
                part = rows.take(piece)
                files = {DIRECTIONS: part.direction, RADII: part.radii, IDS: part.ids}
                if rows.radii.shape[1] > 1:
                    files[RADIUS] = radius[piece]
                for name, values in files.items():
                    written.put(name, values)
            written.put(SORTED, rows.ids[order][by_id])
            written.put(PLACES, by_id.int())
            sha256, sizes = written.close()
            ends = float(radius[order[0]]), float(radius[order[-1]]), int(rows.ids.min()), int(rows.ids.max())
            shard = Shard(folder.name, len(rows), *ends, sha256, sizes)
            with (scratch / RECORD).open("xb") as handle:  # makes no folder: one that was removed is an error
                handle.write(documents.signed(asdict(shard)).encode())
                handle.flush()
                os.fsync(handle.fileno())
            sync_folder(scratch)
            scratch.rename(folder)
            sync_folder(folder.parent)
    finally:
        written.release()
        shutil.rmtree(scratch, ignore_errors=True)
    return shard


def bury(folder: Path, shard: Shard, dead: NDArray[np.int32], generation: int) -> Shard:
    """Write the list of all deleted rows of a shard; returns its record from that generation on.

    Args:
        folder: ``shards`` of the index.
        shard: its record so far.
        dead: places (m,) of all its deleted rows, ascending.
        generation: of the manifest that will name the list.

    Raises:
        UnavailableError: it cannot be written.
    """
    name = f"tombstones-{generation:08d}.i32"
    written = _Written(folder / shard.name)
    with writing(folder / shard.name / name):
        (folder / shard.name / name).unlink(missing_ok=True)
        try:
            written.put(name, torch.from_numpy(dead))
            sha256, sizes = written.close()
        finally:
            written.release()
        sync_folder(folder / shard.name)
    hashes = {known: held for known, held in shard.sha256.items() if known != shard.tombstones}
    kept = {known: held for known, held in shard.bytes.items() if known != shard.tombstones}
    return replace(shard, sha256=hashes | sha256, bytes=kept | sizes, deleted=len(dead), tombstones=name)


@final
class _Written:
    """The files of a shard while it is written: hashed as they grow, synchronised when they are closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, _Hashed] = {}

    def put(self, name: str, values: Tensor) -> None:
        """Append values to a file."""
        self._file(name).write(values.contiguous().numpy().tobytes())

    def captions(self, labels: Labels, order: Sequence[int]) -> None:
        """Write captions and images in the order of the rows."""
        pa = arrow()
        schema = pa.schema([("caption", pa.string()), ("image", pa.string())])
        with pa.parquet.ParquetWriter(self._file(CAPTIONS), schema, compression="zstd") as writer:
            for start in range(0, len(order), PIECE):
                places = order[start : start + PIECE]
                columns = [[held[i] for i in places] for held in (labels.captions, labels.images)]
                try:
                    table = pa.table([pa.array(column, pa.string()) for column in columns], schema=schema)
                except UnicodeEncodeError as error:
                    raise InputError(f"the caption {error.object!r} is no Unicode: it holds a surrogate.") from error
                writer.write_table(table, row_group_size=ROW_GROUP)

    def close(self) -> tuple[dict[str, str], dict[str, int]]:
        """Make the files durable; returns the SHA-256 and the size of each."""
        for file in self._open.values():
            file.sync()
        return (
            {name: file.digest.hexdigest() for name, file in self._open.items()},
            {name: file.size for name, file in self._open.items()},
        )

    def release(self) -> None:
        """Close the files."""
        for file in self._open.values():
            file.handle.close()
        self._open.clear()

    def _file(self, name: str) -> "_Hashed":
        if name not in self._open:
            self._open[name] = _Hashed((self.folder / name).open("xb"))
        return self._open[name]


@final
class _Hashed:
    """A file that is only appended to, and the hash of what is in it."""

    closed = False

    def __init__(self, handle: IO[bytes]) -> None:
        self.handle, self.digest, self.size = handle, hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        self.size += len(content)
        return self.handle.write(content)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self.handle.flush()

    def close(self) -> None:
        """Nothing: `sync` and `_Written.release` end the file."""

    def sync(self) -> None:
        self.handle.flush()
        os.fsync(self.handle.fileno())
