"""Changing an index: rows appended as shards, items deleted by lists of rows; all of a change or nothing of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.search import shard_writer
from hiergeo.search.ids import HASHED, Id
from hiergeo.search.layout import DTYPES, SHARDS, Manifest, Shard
from hiergeo.search.quantiles import shell_edges, with_bounds
from hiergeo.search.rows import Rows
from hiergeo.search.shard_writer import Labelled, bury, groups, write_shard
from hiergeo.search.shards import SORTED, OpenShard, check_sizes, has_form, read_record
from hiergeo.search.snapshots import publish, writer


@dataclass(frozen=True)
class Added:
    """What was added to an index.

    Attributes:
        rows: how many items.
        first: the smallest id among them; -1 if there are none.
        last: the largest; without ids of their own, items have those from `first` to `last` in their order.
        bytes: of their shards.
    """

    rows: int
    first: int
    last: int
    bytes: int


def write_shards(folder: Path, manifest: Manifest, items: Iterable[Labelled]) -> Iterator[Shard]:
    """Write items as shards of the next generation, of which one is in memory, its rows twice while they are joined.

    Raises as `write_shard`.
    """
    geometry = manifest.space
    for number, group in enumerate(groups(items, manifest.full)):
        shard = write_shard(folder / SHARDS / f"{manifest.generation + 1:08d}-{number:05d}", *group, geometry)
        del group
        yield shard


def append(folder: Path, items: Callable[[Manifest], Iterable[Labelled]]) -> Added:
    """Append, as `Index.add`, what `items` gives when it is called with the manifest under the lock of the index."""
    with writer(folder) as manifest:
        made = list(write_shards(folder, manifest, _checked(items(manifest), manifest)))
        if made:
            publish(folder, join(folder, manifest, made))
    first, last = min((shard.first for shard in made), default=-1), max((shard.last for shard in made), default=-1)
    return Added(sum(shard.rows for shard in made), first, last, sum(sum(shard.bytes.values()) for shard in made))


def adopt(folder: Path, choose: Callable[[Manifest], Iterable[str]], empty: Manifest) -> None:
    """Make complete shards that other processes wrote below ``shards`` a part of an index, all of them or none.

    Their names are what `choose` gives under the lock of the index. Those that are or were a part of it are passed
    over. Where there is no index yet, it is made of them and of the manifest `empty`. Raises InputError for one that is
    missing or of another form, or an id twice; and HeldError.
    """
    with writer(folder, empty=empty) as manifest:
        present = {shard.name for shard in manifest.shards} | {gone.path for gone in manifest.retired}
        shards = [_adoptable(folder / SHARDS, name, manifest) for name in choose(manifest) if name not in present]
        if shards or manifest is empty:
            publish(folder, join(folder, manifest, shards))


def delete(folder: Path, ids: Tensor) -> int:
    """Delete items by their ids (n,) int64, as `Index.delete`; returns how many of them there were."""
    wanted = np.unique(ids.detach().cpu().numpy().astype(np.int64))
    with writer(folder, spends=True) as manifest:
        shards, retired, count = [], [], 0
        for shard in manifest.shards:
            near = wanted[(wanted >= shard.first) & (wanted <= shard.last)]
            opened = OpenShard(folder / SHARDS, manifest, shard) if len(near) else None
            places = opened.places(near) if opened is not None else np.empty(0, np.int64)
            places = places[places >= 0]
            if opened is not None and len(places):
                dead = np.union1d(opened.dead, places).astype(np.int32)
                if shard.tombstones is not None:
                    retired.append(f"{shard.name}/{shard.tombstones}")
                shard = bury(folder / SHARDS, shard, dead, manifest.generation + 1)
                count += len(places)
            shards.append(shard)
        if count:
            publish(folder, manifest.next(shards=tuple(shards)), tuple(retired))
    return count


def join(folder: Path, manifest: Manifest, shards: Sequence[Shard]) -> Manifest:
    """The next manifest, with more shards; the first ones decide the edges of shells. Raises InputError."""
    new = [OpenShard(folder / SHARDS, manifest, shard) for shard in shards]
    check_ids(new, folder, manifest)
    edges = manifest.edges if manifest.edges or manifest.shards else shell_edges(new)
    bound = tuple(with_bounds(shard, edges) for shard in new)
    next_id = max((_last_number(shard) + 1 for shard in new), default=0)
    return manifest.next(shards=(*manifest.shards, *bound), edges=edges, next_id=max(manifest.next_id, next_id))


def check_ids(new: Sequence[OpenShard], folder: Path, manifest: Manifest) -> None:
    """Raise InputError for an id in two new shards, or in a new one and, not deleted, in one of the index.

    Shards of the index alone are opened whose ids overlap: each takes maps of memory, of which a process has few.
    """
    arrays = [shard.array(SORTED) for shard in new if shard.shard.rows]
    ends = sorted((int(ids[0]), int(ids[-1])) for ids in arrays)
    if any(one[1] >= other[0] for one, other in pairwise(ends)):
        shard_writer.check_ids(np.sort(np.concatenate(arrays)), lambda number: _called(new, number))
    for other in manifest.shards:
        opened = None
        for ids in arrays:
            start, stop = ids.searchsorted(other.first), ids.searchsorted(other.last, "right")
            if start < stop:
                opened = opened or OpenShard(folder / SHARDS, manifest, other)
                there = opened.places(ids[start:stop]) >= 0
                if there.any():
                    called = _called([opened], int(ids[start:stop][there][0]))
                    raise InputError(f"the index holds an item {called} already: delete it first, or give another id.")


def _called(shards: Iterable[OpenShard], number: int) -> Id:
    """The id of the item of a number in one of some shards, as its user knows it."""
    wanted = np.array([number])
    found = ((shard, places) for shard in shards if (places := shard.places(wanted))[0] >= 0)
    for shard, places in found:
        return shard.labels(places).ids([number])[0]
    return number


def _last_number(shard: OpenShard) -> int:
    """The largest id of a shard that is not the hash of a text; -1 for none."""
    ids = shard.array(SORTED)
    end = len(ids) if shard.shard.last >= 2 * HASHED else int(ids.searchsorted(HASHED))
    return int(ids[end - 1]) if end else -1


def _checked(items: Iterable[Labelled], manifest: Manifest) -> Iterator[Labelled]:
    """Items as the index stores them; raises InputError for those that it cannot take."""
    for rows, labels in items:
        if len(rows) and int(rows.ids.min()) < manifest.reserved:
            raise InputError(
                f"the id {int(rows.ids.min())} is kept for the inputs of the corpus: give ids from "
                f"{manifest.reserved} on, or none."
            )
        yield Rows(rows.ids, rows.direction.to(DTYPES[manifest.dtype]), rows.radii.float()), labels


def _adoptable(folder: Path, name: str, manifest: Manifest) -> Shard:
    shard = read_record(folder / name)
    check_sizes(folder, shard)
    if shard.name != name or not has_form(shard, manifest):
        raise InputError(f"shard {name} is not of the form of the index: write it again for this one.")
    return shard
