"""Stored rows as a stream of chunks that are mapped into memory and read by a thread some chunks ahead, without a copy.

Nothing is held beyond the page cache, which the system reclaims when it needs the memory.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache

from torch import Tensor

from hiergeo._core.errors import UnavailableError
from hiergeo._core.jobs import ahead
from hiergeo.search.rows import Rows
from hiergeo.search.shards import DIRECTIONS, OpenShard

CHUNK_BYTES = 96 << 20
"""Bytes of directions that are compared at a time: 131,072 rows of 384 float16 numbers."""

AHEAD = 2
"""Chunks that are read ahead."""

WILL_NEED, POPULATE_READ = 3, 22
"""Advice of madvise on Linux: start reading; read and map, or say that it is impossible."""

UNSUPPORTED = (errno.EINVAL, errno.ENOSYS)
"""Errors of a system that does not know the advice: pages are read when they are first used."""


def stream(parts: Iterable[tuple[OpenShard, int, int]], chunk_bytes: int = CHUNK_BYTES) -> Iterator[Rows]:
    """The rows [start, stop) of shards, a chunk at a time, as `OpenShard.mapped`; raises UnavailableError."""

    def brought(piece: tuple[OpenShard, int, int]) -> Rows:
        opened, start, stop = piece
        rows = opened.mapped(start, stop)
        bring(opened.shard.name, rows.direction)
        return rows

    def pieces() -> Iterator[tuple[OpenShard, int, int]]:
        for opened, start, stop in parts:
            size = max(1, chunk_bytes // opened.array(DIRECTIONS)[:1].nbytes)
            yield from ((opened, at, min(at + size, stop)) for at in range(start, stop, size))

    yield from ahead(brought, pieces(), AHEAD + 1)


def bring(name: str, direction: Tensor) -> None:
    """Read mapped directions of a shard into the page cache, and map their pages; raises UnavailableError."""
    for advice in (WILL_NEED, POPULATE_READ):
        failed = _advise(direction, advice)
        if failed in UNSUPPORTED:
            return
        if failed:
            raise UnavailableError(f"shard {name} cannot be read ({os.strerror(failed)}): restore it.")


def _advise(tensor: Tensor, advice: int) -> int:
    """Give advice about the pages of a contiguous tensor; returns the number of an error, 0 where there is none."""
    if not sys.platform.startswith("linux") or not tensor.numel():
        return 0
    start = tensor.data_ptr()
    first = start - start % os.sysconf("SC_PAGESIZE")
    length = start + tensor.numel() * tensor.element_size() - first
    failed: int = _system().madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), ctypes.c_int(advice))
    return ctypes.get_errno() if failed else 0


@lru_cache
def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
