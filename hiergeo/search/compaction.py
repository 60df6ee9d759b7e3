"""Compaction: small shards and those with deleted rows are written again as full ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiergeo.search.appending import write_shards
from hiergeo.search.checking import check
from hiergeo.search.layout import SHARDS, Manifest, Shard
from hiergeo.search.quantiles import balanced
from hiergeo.search.shard_writer import PIECE, Labelled
from hiergeo.search.shards import OpenShard, check_bytes
from hiergeo.search.snapshots import publish, writer

SMALL = 0.5
"""Share of a full shard below which a shard is written again."""


@dataclass(frozen=True)
class Compacted:
    """What a compaction did: items in the index, deleted rows that were dropped, shards before and after.

    `written` rows were written again; `lost` items were in damaged shards that were left out.
    """

    rows: int
    dropped: int
    before: int
    after: int
    written: int
    lost: int = 0


def compact(folder: Path, skip_damaged: bool = False) -> Compacted:
    """As `Index.compact`: small shards and those with deleted rows are written again, and shells get new edges.

    Readers of older generations keep what they read: the old shards are removed when none of them lives. With
    `skip_damaged` every byte is verified first, and shards that are damaged are dropped with all their items.
    """
    with writer(folder, spends=True) as manifest:
        least = SMALL * manifest.full
        damaged = set(check(folder).damaged) if skip_damaged else set()
        lost = [shard for shard in manifest.shards if shard.name in damaged]
        sound = [shard for shard in manifest.shards if shard.name not in damaged]
        chosen = [shard for shard in sound if shard.deleted or shard.rows < least]
        if len(chosen) < 2 and not any(shard.deleted for shard in chosen):
            chosen = []
        made = list(write_shards(folder, manifest, _items(folder, manifest, chosen)))
        gone = {shard.name for shard in (*chosen, *lost)}
        untouched = [shard for shard in manifest.shards if shard.name not in gone]
        joined = balanced(folder, manifest, [*untouched, *made])
        if joined.shards != manifest.shards or joined.edges != manifest.edges:
            publish(folder, joined, tuple(sorted(gone)))
    return Compacted(
        joined.rows,
        sum(shard.deleted for shard in chosen),
        len(manifest.shards),
        len(joined.shards),
        sum(shard.rows for shard in made),
        sum(shard.rows - shard.deleted for shard in lost),
    )


def _items(folder: Path, manifest: Manifest, shards: Sequence[Shard]) -> Iterator[Labelled]:
    """The items of shards that are not deleted, after every byte of their shard was verified."""
    for shard in shards:
        check_bytes(folder / SHARDS, shard)
        opened = OpenShard(folder / SHARDS, manifest, shard)
        for places in opened.pieces(0, shard.rows, PIECE):
            yield opened.rows(places), opened.labels(places)
