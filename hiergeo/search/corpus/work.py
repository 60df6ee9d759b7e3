"""One input becomes shards: a window of rows at a time, going on behind the shards that it has already."""

import hashlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat, takewhile
from pathlib import Path
from typing import NamedTuple, TypeAlias

from hiergeo._core.errors import InputError
from hiergeo._core.jobs import ahead
from hiergeo._core.storage.files import retire
from hiergeo.datasets import reading
from hiergeo.datasets.reading import Defect, Read, Sample
from hiergeo.datasets.reading.samples import spelled
from hiergeo.geometry import Geometry
from hiergeo.search.corpus.embedding import IMAGE_BIT, ItemEmbedder
from hiergeo.search.corpus.plan import CorpusPlan
from hiergeo.search.corpus.records import Done, are_whole, holds, jobs_of
from hiergeo.search.embedding import Embedder
from hiergeo.search.layout import SHARDS
from hiergeo.search.shard_writer import Labelled, groups, joined, write_shard
from hiergeo.search.sources import ItemBatch

WINDOW, WINDOW_BYTES = 4096, 1 << 26
"""Samples, and bytes of them, that are embedded together, in batches of like length."""

AHEAD = 2
"""Windows that are read before they are needed."""

LISTED = 10_000
"""Rows set aside that the record of an input lists."""


@dataclass(frozen=True)
class Corpus:
    """Where everything is, and what is made of it."""

    out: Path
    base: Path
    plan: CorpusPlan


Embedded: TypeAlias = tuple[Sequence[Labelled], Sequence[Defect]]
"""Items, and the rows that are set aside."""


class Window(NamedTuple):
    """Rows of an input that follow each other: how many, what embeds them, and what adds their content to a hash.

    The windows of an input are the same whenever it is read. A file needs no hash, since the plan has its size and
    time.
    """

    rows: int
    embed: Callable[[], Embedded]
    hash_into: Callable[["hashlib._Hash"], None] = lambda _: None


def windows_of_file(corpus: Corpus, number: int, embedder: ItemEmbedder) -> Generator[Window, None, None]:
    """The windows of a file or a folder of images, read in a thread; rows that cannot be used are set aside."""
    base, name = corpus.base.resolve(), corpus.plan.inputs[number].name

    def embed(rows: list[Read]) -> Embedded:
        samples = [_beside(row, base, corpus.out) for row in rows if isinstance(row, Sample)]
        items, unfit = embedder.embed(number, samples)
        defects = [*(row for row in rows if isinstance(row, Defect)), *unfit]
        return items, sorted(defects, key=lambda defect: defect.row)

    made = windows(reading.read(base / name, corpus.plan.columns))
    for rows in takewhile(bool, ahead(lambda _: next(made, []), repeat(None), AHEAD)):
        if rows[-1].row >= IMAGE_BIT:
            raise InputError(f"{name} has more than {IMAGE_BIT:,} rows: split it.")
        yield Window(sum(row.rows if isinstance(row, Defect) else 1 for row in rows), partial(embed, rows))


def windows_of_stream(batches: Iterator[ItemBatch], embedder: Embedder) -> Generator[Window, None, None]:
    """The windows of captions, images or embeddings from anywhere, every item of which must be sound."""

    def embed(batch: ItemBatch) -> Embedded:
        return [embedder.rows(batch)], ()

    for batch in batches:
        yield Window(batch.size, partial(embed, batch), batch.hash_into)


Count: TypeAlias = Callable[[str, int, Sequence[Defect]], None]
"""Called behind each window with the name of the input, its rows and those of them that are set aside."""


def embed_input(
    corpus: Corpus,
    number: int,
    windows: Generator[Window, None, None],
    geometry: Geometry,
    count: Count = lambda *_: None,
) -> Done:
    """Embed one input, whose lock is held, into shards of its own that are not a part of the index yet.

    After every shard its record is stored, so that an input that was interrupted is read again up to there, and not
    embedded again.

    Raises:
        InputError: rows that differ from those of the shards; the index holds the input and its record is gone.
        UnreadableError: no row of it can be read.
        UnavailableError: something cannot be written.
    """
    out, done = corpus.out, _begun(corpus, number)
    before, digest, rows = done, hashlib.sha256(), 0

    def embedded() -> Iterator[Labelled]:
        nonlocal done, rows
        for window in windows:
            stored = rows < before.rows
            rows += window.rows
            window.hash_into(digest)
            if not stored:
                items, defects = window.embed()
                done = replace(
                    done,
                    rows=rows,
                    poisoned=done.poisoned + sum(defect.rows for defect in defects),
                    defects=(*done.defects, *defects)[:LISTED],
                    complete=done.complete and not any(defect.ends for defect in defects),
                    digest=digest.hexdigest(),
                )
                count(corpus.plan.names[number], window.rows, defects)
                if items:
                    yield joined(list(items))
            elif rows >= before.rows:
                _check_same(out, before, rows, digest)
        if rows < before.rows:
            _check_same(out, before, rows, digest)

    with closing(windows):
        for part, group in enumerate(groups(embedded(), corpus.plan.shard_rows), len(before.shards)):
            name = f"{number:06d}-{part:04d}"
            write_shard(out / SHARDS / name, *group, geometry)
            done = replace(done, items=done.items + len(group[0]), shards=(*done.shards, name))
            jobs_of(out).write(done)
    done = replace(done, finished=True)
    jobs_of(out).write(done)
    return done


def _begun(corpus: Corpus, number: int) -> Done:
    """How far an input is; what is left of shards that it does not name is removed."""
    out, name = corpus.out, corpus.plan.inputs[number].name
    done = jobs_of(out).read(number)
    if done is None or not are_whole(out, done.shards):
        done = Done(number, finished=False)
    left = [shard for shard in (out / SHARDS).glob(f"{number:06d}-*") if shard.name not in done.shards]
    if left and holds(out, number):
        raise InputError(
            f"the index holds the input {name} and its record {jobs_of(out).path(number)} is gone: restore it, or "
            f"build the index in another folder."
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
    for row in rows:
        window.append(row)
        size += row.size if isinstance(row, Sample) else 0
        if len(window) == WINDOW or size >= WINDOW_BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window
