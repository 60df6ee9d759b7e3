"""Reading ahead of the embedding, and writing behind it: each in a thread, with room for a few items in between."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import repeat, takewhile
from pathlib import Path
from typing import final

from hiergeo._core.ahead import ahead
from hiergeo.datasets.reading import Read, Sample
from hiergeo.geometry import Geometry
from hiergeo.search.corpus.embedding import ItemRows
from hiergeo.search.layout import SHARD_CHARACTERS, Shard
from hiergeo.search.rows import Rows
from hiergeo.search.shard_writer import write_shard
from hiergeo.search.shards import Labels

WINDOW, WINDOW_BYTES = 4096, 1 << 26
"""Samples, and bytes of them, that are embedded together, in batches of like length."""

AHEAD = 2
"""Windows that are read before they are needed."""


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


def read_ahead(found: Iterator[Read]) -> Iterator[list[Read]]:
    """The `windows` of rows, read in a thread."""
    made = windows(found)
    yield from takewhile(bool, ahead(lambda _: next(made, []), repeat(None), AHEAD))


@final
class Parts:
    """Collects the items of one input and writes shards of at least `size` rows, each while the next is embedded.

    Very long captions fill a shard earlier.

    Args:
        folder: of shards.
        number: of the input, the first part of the names of its shards.
        size: rows after which a shard is written.
        geometry: of the index.

    Attributes:
        items: that were added.
    """

    def __init__(self, folder: Path, number: int, size: int, geometry: Geometry) -> None:
        self.folder, self.number, self.size, self.geometry = folder, number, size, geometry
        self.items = 0
        self._held: list[ItemRows] = []
        self._count = self._characters = 0
        self._shards: list[Shard] = []
        self._writer = ThreadPoolExecutor(1, "writer")
        self._pending: Future[Shard] | None = None

    def add(self, items: Sequence[ItemRows]) -> None:
        """Take items; a shard is written where they fill one."""
        self._held += items
        count = sum(len(each.rows) for each in items)
        self.items += count
        self._count += count
        self._characters += sum(len(caption) for each in items for caption in each.captions if caption is not None)
        if self._count >= self.size or self._characters >= SHARD_CHARACTERS:
            self._flush()

    def finish(self) -> list[Shard]:
        """Write what is left; returns all shards, which are on disk."""
        if self._count:
            self._flush()
        self._await()
        return self._shards

    def close(self) -> None:
        """End the thread that writes."""
        self._writer.shutdown(wait=True)

    def _flush(self) -> None:
        self._await()
        held, self._held, self._count, self._characters = self._held, [], 0, 0
        place = self.folder / f"{self.number:06d}-{len(self._shards):04d}"
        self._pending = self._writer.submit(self._write, place, held)

    def _write(self, place: Path, held: list[ItemRows]) -> Shard:
        rows = Rows.cat([each.rows for each in held])
        captions = [caption for each in held for caption in each.captions]
        images = [image for each in held for image in each.images]
        held.clear()  # the caller's argument lives as long as this call
        return write_shard(place, rows, Labels(captions, images), self.geometry)

    def _await(self) -> None:
        if self._pending is not None:
            self._shards.append(self._pending.result())
            self._pending = None
