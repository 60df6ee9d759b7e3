"""What stands before and behind the embedding: windows of rows that are read ahead, and groups of items as shards."""

from collections.abc import Generator, Iterable, Iterator
from itertools import repeat, takewhile
from pathlib import Path

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


def read_ahead(found: Iterator[Read]) -> Generator[list[Read], None, None]:
    """The `windows` of rows, read in a thread."""
    made = windows(found)
    yield from takewhile(bool, ahead(lambda _: next(made, []), repeat(None), AHEAD))


def parts(items: Iterable[list[ItemRows]], size: int) -> Iterator[list[ItemRows]]:
    """Items in groups that become shards: of at least `size` rows, or fewer where their captions are very long."""
    part: list[ItemRows] = []
    rows = characters = 0
    for found in items:
        part += found
        rows += sum(len(each.rows) for each in found)
        characters += sum(len(caption) for each in found for caption in each.captions if caption is not None)
        if rows >= size or characters >= SHARD_CHARACTERS:
            yield part
            part, rows, characters = [], 0, 0
    if rows:
        yield part


def write_part(place: Path, part: list[ItemRows], geometry: Geometry) -> Shard:
    """Write a group of items as a shard; the group is empty then, so that its memory is free while it is written."""
    rows = Rows.cat([each.rows for each in part])
    labels = Labels([text for each in part for text in each.captions], [name for each in part for name in each.images])
    part.clear()
    return write_shard(place, rows, labels, geometry)
