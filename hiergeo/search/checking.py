"""Checking an index: every byte of its shards against their hashes in the manifest, which has one itself; the root."""

from dataclasses import dataclass
from pathlib import Path

from hiergeo._core.errors import HiergeoError
from hiergeo.search.layout import SHARDS, read_root
from hiergeo.search.shards import RECORD, DamagedError, check_bytes, read_record
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
    """As `Index.check`, while others may read and write the index."""
    snapshot = Snapshot(folder)
    manifest = snapshot.manifest
    defects: list[tuple[str, str]] = []
    try:
        read_root(folder, manifest.frame)
    except HiergeoError as error:
        defects.append(("", str(error)))
    for shard in manifest.shards:
        if not _has_sound_record(folder / SHARDS / shard.name):
            what = f"{SHARDS}/{shard.name}/{RECORD} is not what was written: nothing needs it any more, remove it"
            defects.append(("", what))
        try:
            check_bytes(folder / SHARDS, shard)
        except DamagedError as error:
            defects.append((shard.name, error.what))
    size = sum(sum(shard.bytes.values()) for shard in manifest.shards)
    return Checked(len(manifest.shards), manifest.rows, size, tuple(defects))


def _has_sound_record(folder: Path) -> bool:
    """Whether the record in the folder of a shard, if there is one, is as it was written."""
    try:
        return not (folder / RECORD).exists() or bool(read_record(folder))
    except HiergeoError:
        return False
