"""From finished inputs to the index: their shards become a part of it, and what an earlier run left is found again."""

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from hiergeo._core.errors import HiergeoError
from hiergeo._core.jobs import patiently
from hiergeo._core.storage.locks import HeldError
from hiergeo.search.appending import adopt
from hiergeo.search.corpus.embedding import INPUT_BITS
from hiergeo.search.corpus.records import Done, jobs_of
from hiergeo.search.layout import MANIFEST, SHARDS, Manifest
from hiergeo.search.quantiles import balanced
from hiergeo.search.shards import RECORD, SORTED, DamagedError, OpenShard, check_sizes, read_record
from hiergeo.search.snapshots import Snapshot, publish, writer

EVERY = 10.0
"""Seconds between two adoptions of one worker, since each writes the whole manifest."""


@final
class Adopter:
    """Adopts the shards of finished inputs, a few inputs at a time; the first adoption makes the index.

    Args:
        out: its folder.
        empty: its manifest before.
        at_once: whether shards are adopted while other inputs are embedded, and not all of them at the end.
    """

    def __init__(self, out: Path, empty: Manifest, at_once: bool = True) -> None:
        self.out, self.empty, self.at_once = out, empty, at_once
        self._waiting: dict[int, Done] = {}
        self._last = 0.0

    def offer(self, done: Done) -> None:
        """Take a finished input; it is adopted now or later, now only if nobody else writes to the index."""
        if not done.adopted:
            self._waiting[done.number] = done
        if self.at_once and (time.monotonic() - self._last >= EVERY or not self._last):
            try:
                self._adopt()
            except HeldError:
                return

    def finish(self) -> None:
        """Adopt all that were offered, waiting for others who write to the index."""
        patiently(self._adopt)

    def _adopt(self) -> None:
        waiting = [done for done in self._waiting.values() if done.shards]
        if waiting or not (self.out / MANIFEST).exists():
            adopt(self.out, lambda manifest: _fresh(self.out, manifest, waiting), self.empty)
        for done in self._waiting.values():
            jobs_of(self.out).write(replace(done, adopted=True))
        self._waiting.clear()
        self._last = time.monotonic()


def _fresh(out: Path, manifest: Manifest, waiting: Iterable[Done]) -> list[str]:
    """The shards of those inputs that are not part of the index yet, not even under other names since a compaction."""
    return [name for done in waiting if not _held(out, manifest, done.number, done.shards) for name in done.shards]


def survey(out: Path) -> dict[int, Done]:
    """The inputs that are embedded, by number: adopted ones, and ones whose shards are all on disk.

    The record of any other is removed, so that it is embedded again. Raises UnavailableError for a shard that is gone.
    """
    jobs = jobs_of(out)
    finished = jobs.finished()
    if not (out / MANIFEST).exists():
        return _survey(out, None, finished)
    with closing(Snapshot(out)) as snapshot:  # what its manifest names stays as long as it is held
        return _survey(out, snapshot.manifest, finished)


def _survey(out: Path, manifest: Manifest | None, finished: dict[int, Done]) -> dict[int, Done]:
    jobs, found = jobs_of(out), dict(finished)
    for shard in () if manifest is None else manifest.shards:
        if not (out / SHARDS / shard.name / RECORD).is_file():
            raise DamagedError(shard.name, "its files are gone")
    for number, done in finished.items():
        if done.adopted:
            continue
        if manifest is not None and (not done.shards or _held(out, manifest, number, done.shards)):
            found[number] = replace(done, adopted=True)
            jobs.write(found[number])
        elif not are_whole(out, done.shards):
            jobs.remove(number)
            del found[number]
    return found


def holds(out: Path, number: int, names: Iterable[str]) -> bool:
    """Whether the index holds an input: shards of its names, now or before a compaction, or an item of it."""
    if not (out / MANIFEST).exists():
        return False
    with closing(Snapshot(out)) as snapshot:
        return _held(out, snapshot.manifest, number, names)


def _held(out: Path, manifest: Manifest, number: int, names: Iterable[str]) -> bool:
    """As `holds`. Nothing but an input has its ids where the manifest keeps them from other items."""
    named = {shard.name for shard in manifest.shards} | {gone.path for gone in manifest.retired}
    return not named.isdisjoint(names) or (manifest.reserved > 0 and len(_ids(out, manifest, number)) > 0)


def are_whole(out: Path, names: Iterable[str]) -> bool:
    """Whether shards that are not adopted yet are on disk in full."""
    try:
        for name in names:
            check_sizes(out / SHARDS, read_record(out / SHARDS / name))
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
    finished = jobs_of(out).finished()
    if not all(number in finished and finished[number].adopted for number in inputs):
        return False
    patiently(lambda: _balance(out))
    return True


def _balance(out: Path) -> None:
    with writer(out) as manifest:
        rebalanced = balanced(out, manifest, manifest.shards)
        if rebalanced.edges != manifest.edges:
            publish(out, rebalanced)
