"""Bytes that were asked for recently, within a number of them: thumbnails and answers."""

from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b
from threading import Lock
from typing import final

ENTRY = 512
"""Bytes that an entry takes beside its content."""


@final
class Recent:
    """What was asked for least recently goes first. Several threads may use it.

    Keys may be long and come from anybody: their digests are kept, and every entry counts as `ENTRY` bytes and its
    content.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._held: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> bytes | None:
        """What is kept under a key; None if nothing is."""
        short = _digest(key)
        with self._lock:
            held = self._held.get(short)
            if held is not None:
                self._held.move_to_end(short)
            return held

    def put(self, key: Hashable, content: bytes) -> None:
        """Keep something under a key."""
        short = _digest(key)
        with self._lock:
            before = self._held.pop(short, None)
            self._bytes += len(content) - len(before) if before is not None else ENTRY + len(content)
            self._held[short] = content
            while self._bytes > self._most:
                self._bytes -= ENTRY + len(self._held.popitem(last=False)[1])


def _digest(key: Hashable) -> bytes:
    return blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()
