"""Checking an index: every byte against its hash, order, ids, lists of deleted rows, captions, the root."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiergeo._core.errors import HiergeoError, reason
from hiergeo.search.appending import merged
from hiergeo.search.layout import SHARDS, Shard, read_root
from hiergeo.search.quantiles import with_bounds
from hiergeo.search.shards import (
    CAPTIONS,
    IDS,
    PLACES,
    RADII,
    RECORD,
    SORTED,
    DamagedError,
    OpenShard,
    arrow,
    check_bytes,
    read_record,
)
from hiergeo.search.snapshots import Snapshot


@dataclass(frozen=True)
class Checked:
    """What a check of an index found.

    Attributes:
        shards: how many it has.
        rows: how many items.
        bytes: that were read.
        defects: what is wrong: (shard, what); of the index as a whole the shard is "".
    """

    shards: int
    rows: int
    bytes: int
    defects: tuple[tuple[str, str], ...]

    @property
    def damaged(self) -> tuple[str, ...]:
        """Names of the shards that are damaged."""
        return tuple(sorted({name for name, _ in self.defects if name}))


def check(folder: Path) -> Checked:
    """Verify the generation of an index that is current, while others may read and write it.

    Raises:
        UnavailableError: there is no index.
        InputError: the manifest is damaged.
    """
    snapshot = Snapshot(folder)
    manifest = snapshot.manifest
    defects: list[tuple[str, str]] = []
    try:
        read_root(folder, manifest.frame)
    except HiergeoError as error:
        defects.append(("", str(error)))
    sound = []
    for shard in manifest.shards:
        if not _has_sound_record(folder / SHARDS / shard.name):
            what = f"{SHARDS}/{shard.name}/{RECORD} is not what was written: nothing needs it any more, remove it"
            defects.append(("", what))
        found = list(_defects(snapshot, shard))
        defects += [(shard.name, what) for what in found]
        if not found:
            sound.append(shard)
    folder = snapshot.folder / SHARDS
    for ids in merged([_live_ids(OpenShard(folder, manifest, shard)) for shard in sound]):  # one map a shard
        twice = np.flatnonzero(ids[1:] == ids[:-1])
        defects += [("", f"the id {int(ids[at])} is in two shards") for at in twice[:1]]
    size = sum(sum(shard.bytes.values()) for shard in manifest.shards)
    return Checked(len(manifest.shards), manifest.rows, size, tuple(defects))


def _has_sound_record(folder: Path) -> bool:
    """Whether the record in the folder of a shard, if there is one, is as it was written."""
    try:
        return not (folder / RECORD).exists() or bool(read_record(folder))
    except HiergeoError:
        return False


def _defects(snapshot: Snapshot, shard: Shard) -> Iterator[str]:
    """What is wrong with one shard."""
    folder = snapshot.folder / SHARDS
    try:
        check_bytes(folder, shard)
        opened = snapshot.open(shard)
        rows = arrow().parquet.ParquetFile(folder / shard.name / CAPTIONS).metadata.num_rows
    except DamagedError as error:
        yield error.what
        return
    except (HiergeoError, OSError, ValueError) as error:
        yield reason(error)
        return
    if rows != shard.rows:
        yield f"{CAPTIONS} has {rows} rows instead of {shard.rows}"
    radius, ids, ordered, dead = opened.radius, opened.array(IDS), opened.array(SORTED), opened.dead
    if not np.isfinite(opened.array(RADII)).all() or (radius[1:] < radius[:-1]).any() or radius[0] < 0:
        yield "radii are not in order"
    if (radius[0], radius[-1]) != (np.float32(shard.low), np.float32(shard.high)):
        yield "the range of radii is not that of the manifest"
    tied = radius[1:] == radius[:-1]
    if (ids[1:][tied] < ids[:-1][tied]).any():
        yield "rows of one radius are not in order of their ids"
    if (ordered[1:] <= ordered[:-1]).any() or (ids[opened.array(PLACES)] != ordered).any():
        yield "the list of ids is not in order, or not that of the rows"
    if (ordered[0], ordered[-1]) != (shard.first, shard.last):
        yield "the range of ids is not that of the manifest"
    inside = not len(dead) or 0 <= dead[0] <= dead[-1] < shard.rows
    if len(dead) != shard.deleted or (dead[1:] <= dead[:-1]).any() or not inside:
        yield "the list of deleted rows does not fit"
    if with_bounds(opened, snapshot.manifest.edges).bounds != shard.bounds:
        yield "the bounds of shells are not those of the radii"


def _live_ids(opened: OpenShard) -> NDArray[np.int64]:
    """The ids of a shard that are not deleted, ascending."""
    ids = opened.array(SORTED)
    return ids[~np.isin(opened.array(PLACES), opened.dead)] if len(opened.dead) else ids
