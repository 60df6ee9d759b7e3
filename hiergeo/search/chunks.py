"""Stored rows as a stream of chunks: mapped into memory, and brought there by a thread some chunks ahead.

A chunk of an index that is in the page cache is compared where it lies, without a copy; one that is on disk is read
while the chunks before it are compared. Nothing is held beyond the page cache, which the system reclaims when it needs
the memory.
"""

import ctypes
import errno
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from hiergeo.errors import UnavailableError
from hiergeo.search.rows import Rows

CHUNK_BYTES = 96 << 20
"""Bytes of directions that are compared at a time: 131,072 rows of 384 float16 numbers."""

AHEAD = 2
"""Chunks that are read ahead."""

WILL_NEED, POPULATE_READ = 3, 22
"""Advice of madvise on Linux: start reading; read and map, or say that it is impossible."""

UNSUPPORTED = {errno.EINVAL, errno.ENOSYS}
"""Errors of a system that does not know the advice: pages are read when they are first used."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive rows of one shard.

    Attributes:
        name: of the shard.
        rows: mapped into memory, sorted by radius and id.
        dead: places (m,) int64 of deleted rows among them.
    """

    name: str
    rows: Rows
    dead: Tensor

    def pieces(self, size: int) -> Iterator["Stretch"]:
        """The stretch in pieces of at most `size` rows."""
        for start in range(0, len(self.rows), size):
            stop = min(start + size, len(self.rows))
            first, last = torch.searchsorted(self.dead, torch.tensor([start, stop])).tolist()
            yield Stretch(self.name, self.rows.take(slice(start, stop)), self.dead[first:last] - start)

    def live(self) -> Rows:
        """The rows; deleted ones have the radius NaN, which no search counts or finds."""
        if not len(self.dead):
            return self.rows
        radii = self.rows.radii.clone()
        radii[self.dead] = torch.nan
        return Rows(self.rows.ids, self.rows.direction, radii)


def stream(stretches: Iterable[Stretch], chunk_bytes: int = CHUNK_BYTES) -> Iterator[Rows]:
    """The rows of all stretches, a chunk at a time; deleted ones have the radius NaN.

    Args:
        stretches: in any order.
        chunk_bytes: of directions, in one chunk.

    Raises:
        UnavailableError: the disk cannot be read; it names the shard.
    """
    pieces = (piece for stretch in stretches for piece in stretch.pieces(_rows_of(stretch.rows, chunk_bytes)))
    reader = ThreadPoolExecutor(1, "hiergeo-reader")
    coming: deque[tuple[Stretch, Future[None]]] = deque()
    try:
        for piece in pieces:
            coming.append((piece, reader.submit(_bring, piece)))
            if len(coming) > AHEAD:
                yield _arrived(*coming.popleft())
        while coming:
            yield _arrived(*coming.popleft())
    finally:
        reader.shutdown(wait=True, cancel_futures=True)


def _rows_of(rows: Rows, chunk_bytes: int) -> int:
    return max(1, chunk_bytes // (rows.direction.shape[1] * rows.direction.element_size()))


def _arrived(piece: Stretch, brought: Future[None]) -> Rows:
    brought.result()
    return piece.live()


def _bring(piece: Stretch) -> None:
    """Read the directions and radii of a piece into the page cache, and map them."""
    for held in (piece.rows.radii, piece.rows.direction):
        for advice in (WILL_NEED, POPULATE_READ):
            failed = _advise(held, advice)
            if failed in UNSUPPORTED:
                return
            if failed:
                raise UnavailableError(f"shard {piece.name} cannot be read ({os.strerror(failed)}): restore it.")


def _advise(held: Tensor, advice: int) -> int:
    """Give advice about the pages of a contiguous tensor; returns the number of an error, 0 where there is none."""
    if not sys.platform.startswith("linux") or not held.numel():
        return 0
    start = held.data_ptr()
    first = start - start % os.sysconf("SC_PAGESIZE")
    length = start + held.numel() * held.element_size() - first
    failed: int = _system().madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), ctypes.c_int(advice))
    return ctypes.get_errno() if failed else 0


@lru_cache
def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
