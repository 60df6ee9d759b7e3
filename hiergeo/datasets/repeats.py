"""Rows that repeat an earlier one, found among any number of them."""

from array import array
from hashlib import blake2b
from typing import final

import numpy as np


@final
class Repeats:
    """Compares rows by a hash of their texts, of which 24 bytes a row are held."""

    def __init__(self) -> None:
        self._digests, self._rows = bytearray(), array("q")

    def add(self, row: int, *texts: str) -> None:
        """Take a row into account."""
        self._digests += blake2b("\0".join(texts).encode(), digest_size=16).digest()
        self._rows.append(row)

    def found(self) -> dict[int, int]:
        """Row -> the first row of the same texts, for those that are not the first, in the order of `add`."""
        if not self._rows:
            return {}
        keys, rows = np.frombuffer(self._digests, np.uint64).reshape(-1, 2), np.frombuffer(self._rows, np.int64)
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        same = np.r_[False, (keys[order[1:]] == keys[order[:-1]]).all(axis=1)]
        first = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
        later, earlier = order[same], order[first[same]]
        by_row = later.argsort()
        return dict(zip(rows[later[by_row]].tolist(), rows[earlier[by_row]].tolist(), strict=True))
