"""Reachability among parents, and transitive reduction: an edge goes where another parent leads to the same ancestor.

Graphs are tables of parents (n, k): row i holds the places of the parents of item i, all smaller than i, so that there
is no cycle; -1 stands for none. Ancestors are computed for a block of possible ancestors at a time, one bit each, from
the roots downwards, level by level: time grows with n^2 k / 64, memory is that of a block.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

WORD = 64
"""Bits of a word."""

WORDS = 64
"""Most words of a block."""

BLOCK_BYTES = 1 << 26
"""Bytes of a block, where one word an item does not take more."""


class Block(NamedTuple):
    """Which items have which ancestors among consecutive places.

    Attributes:
        first: the first of these places.
        bits: (n + 1, words) uint64; bit b of word w of row i says whether place `first` + 64 w + b is an ancestor of i.
            The last row is empty, that of place -1.
    """

    first: int
    bits: np.ndarray

    def covers(self, places: np.ndarray) -> np.ndarray:
        """Whether places are among those of the block, of any shape."""
        return (places >= self.first) & (places < self.first + WORD * self.bits.shape[1])

    def has(self, items: np.ndarray, ancestors: np.ndarray) -> np.ndarray:
        """Whether each item has the ancestor beside it, which the block covers; both (m,) int64."""
        word, bit = np.divmod(ancestors - self.first, WORD)
        return (self.bits[items, word] >> bit.astype(np.uint64)) & np.uint64(1) != 0


def check_rising(parent: np.ndarray) -> None:
    """Raise ValueError unless every parent has a smaller place than its child."""
    if (parent >= np.arange(len(parent))[:, None]).any() or (parent < -1).any():
        raise ValueError("every parent must have a smaller place than its child")


def levels(parent: np.ndarray) -> np.ndarray:
    """Edges of the longest way up from each item to an item without parents, (n,) int64."""
    check_rising(parent)
    found = np.zeros(len(parent) + 1, dtype=np.int64)
    found[-1] = -1
    while parent.size:
        above = found[parent].max(axis=1) + 1
        if (above == found[:-1]).all():
            break
        found[:-1] = above
    return found[:-1]


def depths(best: np.ndarray) -> np.ndarray:
    """Edges up to a root in a forest, (n,) int64; `best` (n,) is the parent of each item, -1 for roots."""
    found, above = (best >= 0).astype(np.int64), best
    while (above >= 0).any():  # by jumps of powers of two
        found = found + np.where(above >= 0, found[above], 0)
        above = np.where(above >= 0, above[above], -1)
    return found


def ancestors(parent: np.ndarray) -> Iterator[Block]:
    """All ancestors of all items, a block of them at a time; a block is overwritten when the next one is made."""
    n = len(parent)
    level = levels(parent)
    order = np.argsort(level, kind="stable")
    layers = np.split(order, np.flatnonzero(np.diff(level[order])) + 1)[1:]
    words = int(np.clip(BLOCK_BYTES // (8 * (n + 1)), 1, min(WORDS, -(-max(n, 1) // WORD))))
    bits = np.zeros((n + 1, words), dtype=np.uint64)
    for first in range(0, n, WORD * words):
        block = Block(first, bits)
        bits[:] = 0
        for layer in layers:
            _descend(block, layer[np.searchsorted(layer, first, side="right") :], parent)
        yield block


def essential(parent: np.ndarray) -> np.ndarray:
    """Which parents the transitive reduction keeps, (n, k) bool: those without another way up from the item.

    The reduction of a graph without cycles is unique: the same ancestors with the fewest edges.
    """
    check_rising(parent)
    kept = parent >= 0
    slots = range(parent.shape[1])
    branching = np.flatnonzero(kept.sum(axis=1) > 1)
    for block in ancestors(parent) if len(branching) else ():
        for slot in slots:
            items = branching[block.covers(parent[branching, slot])]
            above = parent[items, slot]
            for other in slots:
                if other != slot:
                    kept[items, slot] &= ~block.has(parent[items, other], above)
    return kept


def pairs_among(parent: np.ndarray, items: np.ndarray) -> np.ndarray:
    """All pairs (item, ancestor) of places with both among `items` (q,), which ascend: (m, 2) int64, sorted."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for block in ancestors(parent):
        above = items[block.covers(items)]
        if len(above):
            child, column = np.nonzero(block.has(items[:, None], above))
            found.append(np.stack([items[child], above[column]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _descend(block: Block, items: np.ndarray, parent: np.ndarray) -> None:
    """Fill in the ancestors of items whose parents are known."""
    bits = np.bitwise_or.reduce([block.bits[above] for above in parent[items].T], axis=0)
    for above in parent[items].T:
        inside = np.flatnonzero(block.covers(above))
        word, bit = np.divmod(above[inside] - block.first, WORD)
        bits[inside, word] |= np.uint64(1) << bit.astype(np.uint64)
    block.bits[items] = bits
