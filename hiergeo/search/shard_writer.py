"""Writing shards: whole, durable and at once, by one process or by many."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import atomic_folder, atomic_write, sha256
from hiergeo.geometry import Geometry
from hiergeo.search.ids import Id
from hiergeo.search.layout import SHARD_CHARACTERS, Shard
from hiergeo.search.rows import Rows
from hiergeo.search.shards import (
    CAPTIONS,
    DIRECTIONS,
    IDS,
    LABELS,
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

Labelled: TypeAlias = tuple[Rows, Labels]
"""Items: their rows and what they are called."""


def groups(items: Iterable[Labelled], rows: int) -> Iterator[Labelled]:
    """Items in groups that become shards: of at least `rows` rows, or fewer where their captions are very long.

    A group is given as soon as it is full, before more items are asked for; the last one may be smaller.
    """
    parts: list[Labelled] = []
    count = characters = 0
    for part in items:
        parts.append(part)
        count += len(part[0])
        characters += sum(map(len, filter(None, part[1].captions)))
        if count >= rows or characters >= SHARD_CHARACTERS:
            yield joined(parts)
            count = characters = 0
    if count:
        yield joined(parts)


def joined(parts: list[Labelled]) -> Labelled:
    """Several sets of items as one; the list is empty then, so that their memory is free."""
    rows = Rows.cat([part for part, _ in parts])
    captions = [caption for _, labels in parts for caption in labels.captions]
    images = [image for _, labels in parts for image in labels.images]
    own = [text for _, labels in parts for text in labels.own_ids or [None] * len(labels.captions)]
    parts.clear()
    return rows, Labels(captions, images, own if any(own) else None)


def write_shard(folder: Path, rows: Rows, labels: Labels, geometry: Geometry) -> Shard:
    """Write rows (n >= 1, any order, distinct ids) as a shard: durably and at once, to a new folder that has its name.

    `layout.commit` makes it part of an index; independent processes may write shards of different names to one. Raises
    InputError for a caption that is not valid Unicode or an id that is negative or twice, UnavailableError if it cannot
    be written; nothing is left.
    """
    check_ids(rows.ids.sort().values.numpy(), lambda number: _called(rows, labels, number))
    radius = geometry.combine(list(rows.radii.unbind(1)))
    order = lexicographic(radius.double(), rows.ids)
    by_id = rows.ids[order].argsort()
    values = {DIRECTIONS: rows.direction, RADII: rows.radii, IDS: rows.ids}
    if rows.radii.shape[1] > 1:
        values[RADIUS] = radius
    with atomic_folder(folder) as scratch:
        _write_captions(scratch / CAPTIONS, labels, order.tolist())
        for name, unsorted in values.items():
            _write(scratch / name, (unsorted[piece] for piece in order.split(PIECE)))
        _write(scratch / SORTED, [rows.ids[order][by_id]])
        _write(scratch / PLACES, [by_id.int()])
        hashes = {path.name: sha256(path) for path in sorted(scratch.iterdir())}
        sizes = {name: (scratch / name).stat().st_size for name in hashes}
        ends = float(radius[order[0]]), float(radius[order[-1]]), int(rows.ids.min()), int(rows.ids.max())
        shard = Shard(folder.name, len(rows), *ends, hashes, sizes)
        (scratch / RECORD).write_text(documents.signed(asdict(shard)))
    return shard


def check_ids(ids: NDArray[np.int64], called: Callable[[int], Id]) -> None:
    """Raise InputError for an id that is negative or twice, by ascending numbers (n,); `called` gives their ids."""
    if len(ids) and ids[0] < 0:
        raise InputError(f"the id {ids[0]} is negative: ids must be whole numbers >= 0.")
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if len(twice):
        raise InputError(f"the id {called(int(ids[twice[0]]))} is there twice: ids must be distinct.")


def _called(rows: Rows, labels: Labels, number: int) -> Id:
    return labels.ids(rows.ids.tolist())[rows.ids.tolist().index(number)]


def bury(folder: Path, shard: Shard, dead: NDArray[np.int32], generation: int) -> Shard:
    """Write the list of all deleted rows (m,) of a shard; returns its record from that generation on."""
    name = f"tombstones-{generation:08d}.i32"
    content = dead.tobytes()
    with atomic_write(folder / shard.name / name) as handle:
        handle.write(content)
    hashes, sizes = {**shard.sha256, name: hashlib.sha256(content).hexdigest()}, {**shard.bytes, name: len(content)}
    if shard.tombstones not in (None, name):
        del hashes[shard.tombstones], sizes[shard.tombstones]
    return replace(shard, sha256=hashes, bytes=sizes, deleted=len(dead), tombstones=name)


def _write(path: Path, parts: Iterable[Tensor]) -> None:
    with path.open("wb") as handle:
        for part in parts:
            handle.write(part.contiguous().numpy().tobytes())


def _write_captions(path: Path, labels: Labels, order: Sequence[int]) -> None:
    """Write captions, images and ids in the order of the rows."""
    pa = arrow()
    kept = {
        name: column
        for name, column in zip(LABELS, (labels.captions, labels.images, labels.own_ids), strict=True)
        if column is not None
    }
    schema = pa.schema([(name, pa.string()) for name in kept])
    with pa.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, len(order), PIECE):
            rows = order[start : start + PIECE]
            columns = [[column[row] for row in rows] for column in kept.values()]
            try:
                table = pa.table([pa.array(column, pa.string()) for column in columns], schema=schema)
            except UnicodeEncodeError as error:
                raise InputError(f"the caption {error.object!r} is not valid Unicode: it holds a surrogate.") from error
            writer.write_table(table, row_group_size=ROW_GROUP)
