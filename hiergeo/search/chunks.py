"""Stored rows as a stream of chunks: mapped into memory, and brought there by a thread some chunks ahead.

A chunk of an index that is in the page cache is compared where it lies, without a copy; one that is on disk is read
while the chunks before it are compared. Nothing is held beyond the page cache, which the system reclaims when it needs
the memory.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from hiergeo._core.ahead import ahead
from hiergeo._core.errors import UnavailableError
from hiergeo.search.rows import Rows
from hiergeo.search.screen import Codes

CHUNK_BYTES = 96 << 20
"""Bytes of directions that are compared at a time: 131,072 rows of 384 float16 numbers."""

LOOKED_AT = 1 << 20
"""Bytes of a shard by which it is judged whether it is in the page cache."""

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
        codes: the rows in 8 bits; None where they are not stored.
    """

    name: str
    rows: Rows
    dead: Tensor
    codes: Codes | None = None

    def pieces(self, size: int) -> Iterator["Stretch"]:
        """The stretch in pieces of at most `size` rows."""
        for start in range(0, len(self.rows), size):
            stop = min(start + size, len(self.rows))
            first, last = torch.searchsorted(self.dead, torch.tensor([start, stop])).tolist()
            part = slice(start, stop)
            codes = None if self.codes is None else self.codes.take(part)
            yield Stretch(self.name, self.rows.take(part), self.dead[first:last] - start, codes)

    def live(self) -> Rows:
        """The rows; deleted ones have the radius NaN, which no search counts or finds."""
        if not len(self.dead):
            return self.rows
        radii = self.rows.radii.clone()
        radii[self.dead] = torch.nan
        return Rows(self.rows.ids, self.rows.direction, radii)


def stream(stretches: Iterable[Stretch], coded: bool = False, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Stretch]:
    """The rows of all stretches, a chunk at a time.

    Args:
        stretches: in any order.
        coded: read the codes ahead, not the directions.
        chunk_bytes: of what is read, in one chunk.

    Raises:
        UnavailableError: the disk cannot be read; it names the shard.
    """

    def bulk(stretch: Stretch) -> Tensor:
        return stretch.codes.codes if coded and stretch.codes is not None else stretch.rows.direction

    def bring(piece: Stretch) -> Stretch:
        for held in (piece.rows.radii, bulk(piece)):
            _bring(piece.name, held)
        return piece

    pieces = (piece for stretch in stretches for piece in stretch.pieces(_rows_of(bulk(stretch), chunk_bytes)))
    yield from ahead(bring, pieces, AHEAD + 1)


def _rows_of(bulk: Tensor, chunk_bytes: int) -> int:
    return max(1, chunk_bytes // (bulk.shape[1] * bulk.element_size()))


def _bring(name: str, held: Tensor) -> None:
    """Read a mapped tensor of a shard into the page cache, and map its pages, unless its beginning is there already."""
    if resident(held) == 1:
        return
    for advice in (WILL_NEED, POPULATE_READ):
        failed = _advise(held, advice)
        if failed in UNSUPPORTED:
            return
        if failed:
            raise UnavailableError(f"shard {name} cannot be read ({os.strerror(failed)}): restore it.")


def _advise(held: Tensor, advice: int) -> int:
    """Give advice about the pages of a contiguous tensor; returns the number of an error, 0 where there is none."""
    if not sys.platform.startswith("linux") or not held.numel():
        return 0
    start = held.data_ptr()
    first = start - start % os.sysconf("SC_PAGESIZE")
    length = start + held.numel() * held.element_size() - first
    failed: int = _system().madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), ctypes.c_int(advice))
    return ctypes.get_errno() if failed else 0


def resident(held: Tensor) -> float:
    """The share of the first `LOOKED_AT` bytes of a mapped tensor that is in the page cache; 1 where it is unknown."""
    size = min(held.numel() * held.element_size(), LOOKED_AT)
    page = os.sysconf("SC_PAGESIZE") if sys.platform.startswith("linux") else 1
    first = held.data_ptr() - held.data_ptr() % page
    pages = (held.data_ptr() + size - first + page - 1) // page
    if not sys.platform.startswith("linux") or not size:
        return 1.0
    found = (ctypes.c_ubyte * pages)()
    failed: int = _system().mincore(ctypes.c_void_p(first), ctypes.c_size_t(pages * page), found)
    return 1.0 if failed else sum(value & 1 for value in found) / pages


@lru_cache
def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
