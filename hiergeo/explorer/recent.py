"""Bytes that were asked for recently, within a number of them: thumbnails and answers."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import final


@final
class Recent:
    """What was asked for least recently goes first. Several threads may use it.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._held: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> bytes | None:
        """What is kept under a key; None if nothing is."""
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                self._held.move_to_end(key)
            return held

    def put(self, key: Hashable, content: bytes) -> None:
        """Keep something under a key."""
        with self._lock:
            self._bytes += len(content) - len(self._held.pop(key, b""))
            self._held[key] = content
            while self._bytes > self._most:
                self._bytes -= len(self._held.popitem(last=False)[1])
