"""The share of one worker: each input is embedded under its own lock, recorded, and adopted into the index."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat, takewhile
from pathlib import Path

from hiergeo._core.ahead import ahead
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import retire
from hiergeo._core.storage.locks import HeldError, locked
from hiergeo.datasets import reading
from hiergeo.datasets.reading import Defect, Read, Sample, UnreadableError
from hiergeo.datasets.reading.samples import spelled
from hiergeo.search.corpus.adopting import holds, lost_record
from hiergeo.search.corpus.embedding import IMAGE_BIT, ItemEmbedder
from hiergeo.search.corpus.records import POISONED, Allowance, Done, Poison, place_of, read_done, write_done
from hiergeo.search.corpus.sources import CorpusPlan
from hiergeo.search.layout import SHARDS, Shard
from hiergeo.search.shard_writer import Labelled, groups, write_shard
from hiergeo.search.snapshots import Snapshot

WAIT = 1.0
"""Seconds between looks at inputs that other processes are embedding."""

WINDOW, WINDOW_BYTES = 4096, 1 << 26
"""Samples, and bytes of them, that are embedded together, in batches of like length."""

AHEAD = 2
"""Windows that are read before they are needed."""

Progress = Callable[[int], None]
"""Called with the number of rows after each window."""


@dataclass(frozen=True)
class Outcome:
    """What became of an input: its record, or why it has none; `earlier` if another process embedded it."""

    number: int
    done: Done | None = None
    earlier: bool = False
    failure: str = ""


@dataclass(frozen=True)
class Corpus:
    """Where everything is, and what is made of it."""

    out: Path
    base: Path
    plan: CorpusPlan


def work(
    corpus: Corpus, numbers: Iterable[int], embedder: ItemEmbedder, allowance: Allowance, progress: Progress
) -> Iterator[Outcome]:
    """Embed inputs one after the other; gives what became of each.

    One that another process embeds is looked at again later. Raises InputError for too many poisoned rows, which are
    listed, UnavailableError if something cannot be written.
    """
    waiting = list(numbers)
    while waiting:
        busy = []
        for number in waiting:
            place = place_of(corpus.out, number)
            try:
                with locked(place):
                    if place.exists():
                        yield Outcome(number, read_done(place), earlier=True)
                    else:
                        yield Outcome(number, embed_input(corpus, number, embedder, allowance, progress))
            except HeldError:
                busy.append(number)
            except UnreadableError as error:
                yield Outcome(number, failure=str(error))
        waiting = busy
        if waiting:
            time.sleep(WAIT)


def embed_input(corpus: Corpus, number: int, embedder: ItemEmbedder, allowance: Allowance, progress: Progress) -> Done:
    """Embed one input, whose lock is held, into shards of its own that are not a part of the index yet.

    Raises as `work`; UnreadableError if no row can be read, InputError if the index holds it and its record is gone.
    """
    start = time.monotonic()
    out, plan = corpus.out, corpus.plan
    source = plan.inputs[number]
    left = list((out / SHARDS).glob(f"{number:06d}-*"))
    if left:
        with closing(Snapshot(out)) as snapshot:
            if holds(out, snapshot.manifest, number, [shard.name for shard in left]):
                raise lost_record(out, plan, number)
    for shard in left:
        retire(shard)
    poison = Poison(source.name)
    rows, base = 0, corpus.base.resolve()

    def embedded() -> Iterator[Labelled]:
        nonlocal rows
        with closing(read_ahead(reading.read(base / source.name, plan.columns))) as read:
            for window in read:
                samples = [_beside(each, base, out) for each in window if isinstance(each, Sample)]
                broken = [each for each in window if isinstance(each, Defect)]
                if window[-1].row >= IMAGE_BIT:
                    raise InputError(f"{source.name} has more than {IMAGE_BIT:,} rows: split it.")
                items, unfit = embedder.embed(number, samples)
                count = len(samples) + sum(each.rows for each in broken)
                rows += count
                if allowance.count(count, poison.add(sorted([*broken, *unfit], key=lambda each: each.row))):
                    raise _too_many(out, allowance, poison)
                progress(count)
                yield from items

    def write(numbered: tuple[int, Labelled]) -> Shard:
        return write_shard(out / SHARDS / f"{number:06d}-{numbered[0]:04d}", *numbered[1], embedder.space.geometry)

    try:
        shards = list(ahead(write, enumerate(groups(embedded(), plan.shard_rows)), 1))
    finally:
        poison.write(out, number)
    seconds = round(time.monotonic() - start, 3)
    names = tuple(shard.name for shard in shards)
    done = Done(number, sum(shard.rows for shard in shards), rows, poison.rows, poison.complete, seconds, names)
    write_done(out, done)
    return done


def _beside(sample: Sample, base: Path, out: Path) -> Sample:
    """A sample whose reference is relative to the index in `out`, where the inputs in `base` lie beside or below it."""
    folder, inside = out.resolve(), sample.reference or ""
    prefix = spelled(str(base))
    if not (inside.startswith(f"{prefix}/") and base.is_relative_to(folder.parent)):
        return sample
    return sample._replace(reference=spelled(os.path.relpath(base, folder)) + inside.removeprefix(prefix))


def windows(found: Iterator[Read]) -> Iterator[list[Read]]:
    """Rows in windows of at most `WINDOW` rows and about `WINDOW_BYTES` bytes."""
    window: list[Read] = []
    size = 0
    for each in found:
        window.append(each)
        size += each.size if isinstance(each, Sample) else 0
        if len(window) == WINDOW or size >= WINDOW_BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window


def read_ahead(found: Iterator[Read]) -> Generator[list[Read], None, None]:
    """The `windows` of rows, read in a thread."""
    made = windows(found)
    yield from takewhile(bool, ahead(lambda _: next(made, []), repeat(None), AHEAD))


def _too_many(out: Path, allowance: Allowance, poison: Poison) -> InputError:
    last = poison.defects[-1]
    return InputError(
        f"{allowance.poisoned:,} of {allowance.rows:,} rows are poisoned, more than the share of {allowance.share:g} "
        f"that is allowed (--max-poisoned); the last is row {last.row} of {poison.name}: {last.reason}. "
        f"All are listed in {out / POISONED}."
    )
