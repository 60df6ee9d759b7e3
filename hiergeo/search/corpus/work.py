"""One input becomes shards: a window of rows at a time, going on behind the shards that it has already."""

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import repeat, takewhile
from pathlib import Path
from typing import Any, NamedTuple, Protocol, final

from hiergeo._core.errors import InputError
from hiergeo._core.jobs import ahead
from hiergeo._core.storage.files import retire
from hiergeo.datasets import reading
from hiergeo.datasets.reading import Defect, Read, Sample
from hiergeo.datasets.reading.samples import spelled
from hiergeo.geometry import Geometry
from hiergeo.search.corpus.adopting import are_whole, holds
from hiergeo.search.corpus.embedding import IMAGE_BIT, ItemEmbedder
from hiergeo.search.corpus.plan import CorpusPlan
from hiergeo.search.corpus.records import Allowance, Done, Poison, jobs_of
from hiergeo.search.embedding import Embedder
from hiergeo.search.layout import SHARDS
from hiergeo.search.shard_writer import Labelled, groups, joined, write_shard
from hiergeo.search.sources import ItemBatch

WINDOW, WINDOW_BYTES = 4096, 1 << 26
"""Samples, and bytes of them, that are embedded together, in batches of like length."""

AHEAD = 2
"""Windows that are read before they are needed."""

Progress = Callable[[int], None]
"""Called with the number of rows after each window."""


@dataclass(frozen=True)
class Corpus:
    """Where everything is, and what is made of it."""

    out: Path
    base: Path
    plan: CorpusPlan


class Input(Protocol):
    """What is read and embedded window by window; its windows are the same whenever it is read."""

    geometry: Geometry

    def windows(self) -> Generator[tuple[int, Any], None, None]:
        """How many rows each window has, and what is read of it."""

    def items(self, window: Any) -> tuple[Sequence[Labelled], Sequence[Defect]]:
        """The items of a window, and the rows of it that are set aside."""

    def hash_into(self, window: Any, digest: "hashlib._Hash") -> None:
        """Add the content of a window to a hash."""


@final
class FileInput:
    """A file, or a folder of images; that it is the same is told by its size and time in the plan."""

    def __init__(self, corpus: Corpus, number: int, embedder: ItemEmbedder) -> None:
        self.corpus, self.number, self.embedder = corpus, number, embedder
        self.base, self.name = corpus.base.resolve(), corpus.plan.inputs[number].name
        self.geometry = embedder.space.geometry

    def windows(self) -> Generator[tuple[int, list[Read]], None, None]:
        with closing(read_ahead(reading.read(self.base / self.name, self.corpus.plan.columns))) as made:
            for window in made:
                if window[-1].row >= IMAGE_BIT:
                    raise InputError(f"{self.name} has more than {IMAGE_BIT:,} rows: split it.")
                yield sum(read.rows if isinstance(read, Defect) else 1 for read in window), window

    def items(self, window: list[Read]) -> tuple[Sequence[Labelled], Sequence[Defect]]:
        out = self.corpus.out
        samples = [_beside(read, self.base, out) for read in window if isinstance(read, Sample)]
        broken = [read for read in window if isinstance(read, Defect)]
        items, unfit = self.embedder.embed(self.number, samples)
        return items, sorted([*broken, *unfit], key=lambda defect: defect.row)

    def hash_into(self, window: Any, digest: "hashlib._Hash") -> None:
        pass


@final
class StreamInput:
    """Captions, images or embeddings from anywhere, every item of which must be sound."""

    def __init__(self, batches: Iterator[ItemBatch], embedder: Embedder) -> None:
        self.batches, self.embedder = batches, embedder
        self.geometry = embedder.space.geometry

    def windows(self) -> Generator[tuple[int, ItemBatch], None, None]:
        yield from ((batch.size, batch) for batch in self.batches)

    def items(self, window: ItemBatch) -> tuple[Sequence[Labelled], Sequence[Defect]]:
        return [self.embedder.rows(window)], ()

    def hash_into(self, window: ItemBatch, digest: "hashlib._Hash") -> None:
        window.hash_into(digest)


class _Task(NamedTuple):
    """Items of the next shard, and the record of the input behind it."""

    name: str
    items: Labelled
    done: Done


def embed_input(
    out: Path, plan: CorpusPlan, number: int, source: Input, allowance: Allowance, progress: Progress
) -> Done:
    """Embed one input, whose lock is held, into shards of its own that are not a part of the index yet.

    After every shard its record is stored, so that an input that was interrupted is read again up to there, and not
    embedded again.

    Raises:
        InputError: too many rows that cannot be used, which are listed; rows that differ from those of the shards; the
            index holds the input and its record is gone.
        UnreadableError: no row of it can be read.
        UnavailableError: something cannot be written.
    """
    start, jobs, name = time.monotonic(), jobs_of(out), plan.inputs[number].name
    before = _begun(out, plan, number)
    poison, digest, rows = Poison(out, name, before), hashlib.sha256(), 0
    stopped: BaseException | None = None
    allowance.count(before.rows, before.poisoned, poison)

    def embedded() -> Iterator[Labelled]:
        nonlocal rows
        with closing(source.windows()) as windows:
            for count, window in windows:
                fresh = rows >= before.rows
                items, defects = source.items(window) if fresh else ((), ())
                source.hash_into(window, digest)
                rows += count
                if not fresh and rows >= before.rows:
                    _check_same(out, before, rows, digest)
                if fresh:
                    allowance.count(count, poison.add(defects), poison)
                    progress(count)
                if items:
                    yield joined(list(items))
        if rows < before.rows:
            _check_same(out, before, rows, digest)

    def tasks() -> Iterator[_Task]:
        nonlocal stopped
        done = before
        try:
            for part, group in enumerate(groups(embedded(), plan.shard_rows), len(before.shards)):
                name = f"{number:06d}-{part:04d}"
                done = replace(
                    done,
                    items=done.items + len(group[0]),
                    rows=rows,
                    poisoned=poison.rows,
                    shards=(*done.shards, name),
                    digest=digest.hexdigest(),
                )
                yield _Task(name, group, done)
        except GeneratorExit:
            raise
        except BaseException as error:  # raised when what is being written is on the disk
            stopped = error

    def write(task: _Task) -> Done:
        write_shard(out / SHARDS / task.name, *task.items, source.geometry)
        poison.write()
        jobs.write(task.done)
        return task.done

    try:
        last = deque(ahead(write, tasks(), 1), maxlen=1)
    finally:
        poison.write()
    if stopped is not None:
        raise stopped
    done = replace(
        last[0] if last else before,
        rows=rows,
        poisoned=poison.rows,
        complete=poison.complete,
        seconds=round(time.monotonic() - start, 3),
        finished=True,
        digest=digest.hexdigest(),
    )
    jobs.write(done)
    return done


def _begun(out: Path, plan: CorpusPlan, number: int) -> Done:
    """How far an input is; what is left of shards that it does not name is removed."""
    done = jobs_of(out).read(number)
    if done is None or not are_whole(out, done.shards):
        done = Done(number, finished=False)
    left = [shard for shard in (out / SHARDS).glob(f"{number:06d}-*") if shard.name not in done.shards]
    if left and holds(out, number, [shard.name for shard in left]):
        raise InputError(
            f"the index holds the input {plan.inputs[number].name} and its record {jobs_of(out).path(number)} is gone: "
            f"restore it, or build the index in another folder."
        )
    for shard in left:
        retire(shard)
    return done


def _check_same(out: Path, before: Done, rows: int, digest: "hashlib._Hash") -> None:
    """Raise InputError unless the rows so far are as many as the shards of an input hold, and the same."""
    if rows != before.rows or digest.hexdigest() != before.digest:
        raise InputError(
            f"the first {before.rows} items are not those of the unfinished build in {out}: give the same inputs and "
            f"settings to go on, or remove it."
        )


def _beside(sample: Sample, base: Path, out: Path) -> Sample:
    """A sample whose reference is relative to the index in `out`, where the inputs in `base` lie beside or below it."""
    folder, inside = out.resolve(), sample.reference or ""
    prefix = spelled(str(base))
    if not (inside.startswith(f"{prefix}/") and base.is_relative_to(folder.parent)):
        return sample
    return sample._replace(reference=spelled(os.path.relpath(base, folder)) + inside.removeprefix(prefix))


def windows(rows: Iterator[Read]) -> Iterator[list[Read]]:
    """Rows in windows of at most `WINDOW` rows and about `WINDOW_BYTES` bytes."""
    window: list[Read] = []
    size = 0
    for read in rows:
        window.append(read)
        size += read.size if isinstance(read, Sample) else 0
        if len(window) == WINDOW or size >= WINDOW_BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window


def read_ahead(rows: Iterator[Read]) -> Generator[list[Read], None, None]:
    """The `windows` of rows, read in a thread."""
    made = windows(rows)
    yield from takewhile(bool, ahead(lambda _: next(made, []), repeat(None), AHEAD))
