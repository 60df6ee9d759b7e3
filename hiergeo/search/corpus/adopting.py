"""From finished inputs to the index: their shards become a part of it, and what an earlier run left is found again."""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage.locks import HeldError
from hiergeo.search.appending import adopt
from hiergeo.search.corpus.embedding import INPUT_BITS
from hiergeo.search.corpus.records import Done, all_done, place_of, write_done
from hiergeo.search.corpus.sources import CorpusPlan
from hiergeo.search.layout import SHARDS, Manifest
from hiergeo.search.quantiles import balanced
from hiergeo.search.shards import RECORD, SORTED, DamagedError, OpenShard, check_sizes, read_record
from hiergeo.search.snapshots import Snapshot, publish, writer

EVERY = 10.0
"""Seconds between two adoptions of one worker, since each writes the whole manifest."""

Result = TypeVar("Result")


def patiently(what: Callable[[], Result]) -> Result:
    """Do something that needs a lock, waiting while another process holds it."""
    while True:
        try:
            return what()
        except HeldError:
            time.sleep(0.05 + 0.2 * random.random())


@final
class Adopter:
    """Adopts the shards of finished inputs, a few inputs at a time."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._waiting: dict[int, Done] = {}
        self._last = 0.0

    def offer(self, done: Done) -> None:
        """Take a finished input; it is adopted now or later, now only if nobody else writes to the index."""
        if not done.adopted:
            self._waiting[done.number] = done
        if time.monotonic() - self._last >= EVERY or not self._last:
            try:
                self._adopt()
            except HeldError:
                return

    def finish(self) -> None:
        """Adopt all that were offered, waiting for others who write to the index."""
        patiently(self._adopt)

    def _adopt(self) -> None:
        waiting = [done for done in self._waiting.values() if done.shards]
        if waiting:
            adopt(self.out, lambda manifest: _fresh(self.out, manifest, waiting))
        for done in self._waiting.values():
            write_done(self.out, replace(done, adopted=True))
        self._waiting.clear()
        self._last = time.monotonic()


def _fresh(out: Path, manifest: Manifest, waiting: Iterable[Done]) -> list[str]:
    """The shards of those inputs that are not part of the index yet, not even under other names since a compaction."""
    return [name for done in waiting if not holds(out, manifest, done.number, done.shards) for name in done.shards]


def survey(out: Path) -> dict[int, Done]:
    """The inputs that are embedded, by number: adopted ones, and ones whose shards are all on disk.

    The record of any other is removed, so that it is embedded again. Raises UnavailableError for a shard that is gone.
    """
    found = all_done(out)
    snapshot = Snapshot(out)  # what its manifest names stays as long as it is held
    manifest = snapshot.manifest
    for shard in manifest.shards:
        if not (out / SHARDS / shard.name / RECORD).is_file():
            raise DamagedError(shard.name, "its files are gone")
    for number, done in list(found.items()):
        if done.adopted:
            continue
        if not done.shards or holds(out, manifest, number, done.shards):
            found[number] = replace(done, adopted=True)
            write_done(out, found[number])
        elif not all(_is_whole(out / SHARDS, name) for name in done.shards):
            place_of(out, number).unlink(missing_ok=True)
            del found[number]
    snapshot.close()
    return found


def holds(out: Path, manifest: Manifest, number: int, names: Iterable[str]) -> bool:
    """Whether the index holds an input: shards of its names, now or before a compaction, or an item of it.

    Nothing but the input has such ids: the index keeps them from items that are added (`Manifest.reserved`).
    """
    return not _named(manifest).isdisjoint(names) or len(_ids(out, manifest, number)) > 0


def lost_record(out: Path, plan: CorpusPlan, number: int) -> InputError:
    """What is said of an input that the index holds and whose record is gone."""
    return InputError(
        f"the index holds the input {plan.inputs[number].name} and its record {place_of(out, number)} is gone: restore "
        f"it, or build the index in another folder."
    )


def _named(manifest: Manifest) -> set[str]:
    """Names of shards of the index, and of those that were."""
    return {shard.name for shard in manifest.shards} | {gone.path for gone in manifest.retired}


def _is_whole(folder: Path, name: str) -> bool:
    """Whether a shard that is not adopted yet is on disk in full."""
    try:
        check_sizes(folder, read_record(folder / name))
    except HiergeoError:
        return False
    return True


def _ids(out: Path, manifest: Manifest, number: int) -> NDArray[np.int64]:
    """The ids (n,) of the items of an input that the index holds, deleted ones that are on disk included."""
    first, last = number << INPUT_BITS, (number + 1) << INPUT_BITS
    found = [np.empty(0, np.int64)]
    for shard in manifest.shards:
        if shard.first < last and shard.last >= first:
            ids = OpenShard(out / SHARDS, manifest, shard).array(SORTED)
            found.append(ids[slice(*ids.searchsorted([first, last]))])
    return np.concatenate(found)


def settle(out: Path, inputs: Iterable[int]) -> bool:
    """Give the shells of an index equal mass, once all inputs are a part of it; returns whether they are."""
    found = all_done(out)
    if not all(number in found and found[number].adopted for number in inputs):
        return False
    patiently(lambda: _balance(out))
    return True


def _balance(out: Path) -> None:
    with writer(out) as manifest:
        joined = balanced(out, manifest, manifest.shards)
        if joined.edges != manifest.edges:
            publish(out, joined)
