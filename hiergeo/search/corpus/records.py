"""Which inputs are embedded: the record of each, its shards on the disk, and what of them is a part of the index."""

import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, final

from pydantic import ConfigDict, Field

from hiergeo._core.errors import HiergeoError
from hiergeo._core.jobs import Jobs, patiently
from hiergeo._core.storage.documents import Count, Sha256
from hiergeo._core.storage.locks import HeldError
from hiergeo.datasets.reading import Defect
from hiergeo.search.appending import adopt
from hiergeo.search.layout import MANIFEST, SHARDS, Manifest
from hiergeo.search.quantiles import balanced
from hiergeo.search.shards import SORTED, OpenShard, check_sizes, read_record
from hiergeo.search.snapshots import Snapshot, publish, writer

INPUTS = "inputs"
"""The folder of records in that of the index."""

INPUT_BITS: Final = 32
"""Bits of an id below the number of its input."""

EVERY = 10.0
"""Seconds between two adoptions of one worker, since each writes the whole manifest."""


@dataclass(frozen=True)
class Done:
    """The record of an input: how far it is embedded.

    It has items in its shards, and read rows, those set aside included, of which `defects` are the first. `complete` is
    False where the file broke off, and an unknown number of rows with it; `adopted` says whether its shards are a part
    of the index, `digest` what the rows up to there were, for inputs that are no files.
    """

    __pydantic_config__ = ConfigDict(extra="ignore")

    number: Count
    items: Count = 0
    rows: Count = 0
    poisoned: Count = 0
    complete: bool = True
    shards: tuple[Annotated[str, Field(pattern=r"^[0-9]+-[0-9]+$")], ...] = ()
    adopted: bool = False
    finished: bool = True
    digest: Sha256 | None = None
    defects: tuple[Defect, ...] = ()


def jobs_of(out: Path) -> Jobs[Done]:
    """The inputs of an index as jobs."""
    return Jobs(out / INPUTS, Done)


def survey(out: Path) -> dict[int, Done]:
    """The records of embedded inputs by number; one whose shards are lost is removed, so that it is embedded again."""
    jobs = jobs_of(out)
    records = jobs.finished()
    for number, done in list(records.items()):
        if not (done.adopted or are_whole(out, done.shards) or holds(out, number)):
            jobs.remove(number)
            del records[number]
    return records


def are_whole(out: Path, names: Iterable[str]) -> bool:
    """Whether shards that are not adopted yet are on disk in full."""
    try:
        for name in names:
            check_sizes(out / SHARDS, read_record(out / SHARDS / name))
    except HiergeoError:
        return False
    return True


def holds(out: Path, number: int) -> bool:
    """Whether the index holds an item of an input, or a deleted one that is on the disk yet."""
    if not (out / MANIFEST).exists():
        return False
    with closing(Snapshot(out)) as snapshot:  # what its manifest names stays as long as it is held
        return _held(out, snapshot.manifest, number)


def _held(out: Path, manifest: Manifest, number: int) -> bool:
    """As `holds`. Nothing but an input has its ids where the manifest keeps them from other items."""
    ends = number << INPUT_BITS, (number + 1) << INPUT_BITS
    for shard in manifest.shards if manifest.reserved else ():
        if shard.first < ends[1] and shard.last >= ends[0]:
            start, stop = OpenShard(out / SHARDS, manifest, shard).array(SORTED).searchsorted(ends)
            if start < stop:
                return True
    return False


@final
class Adopter:
    """Makes shards of finished inputs a part of the index, a few inputs at a time; the first time of `empty`."""

    def __init__(self, out: Path, empty: Manifest) -> None:
        self.out, self.empty = out, empty
        self._waiting: list[Done] = []
        self._next = 0.0

    def offer(self, done: Done) -> None:
        """Take a finished input; it is adopted now or later, now only if nobody else writes to the index."""
        if not done.adopted:
            self._waiting.append(done)
        if time.monotonic() >= self._next:
            with suppress(HeldError):
                self._adopt()

    def finish(self, inputs: Iterable[int]) -> bool:
        """Adopt all that were offered; once all inputs are a part of the index, give its shells equal mass.

        Waits for others who write to the index; returns whether all inputs are a part of it.
        """
        patiently(self._adopt)
        finished = jobs_of(self.out).finished()
        if not all(number in finished and finished[number].adopted for number in inputs):
            return False
        patiently(self._balance)
        return True

    def _adopt(self) -> None:
        if any(done.shards for done in self._waiting) or not (self.out / MANIFEST).exists():
            adopt(self.out, self._fresh, self.empty)
        for done in self._waiting:
            jobs_of(self.out).write(replace(done, adopted=True))
        self._waiting.clear()
        self._next = time.monotonic() + EVERY

    def _fresh(self, manifest: Manifest) -> Sequence[str]:
        """The shards of those inputs that are not part of the index yet, not even under other names."""
        waiting = (done for done in self._waiting if not _held(self.out, manifest, done.number))
        return [name for done in waiting for name in done.shards]

    def _balance(self) -> None:
        with writer(self.out) as manifest:
            rebalanced = balanced(self.out, manifest, manifest.shards)
            if rebalanced.edges != manifest.edges:
                publish(self.out, rebalanced)
