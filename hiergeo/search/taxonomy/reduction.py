"""Ways up among parents, and transitive reduction: an edge goes where another parent leads to the same ancestor.

Graphs are tables of parents (n, k): row i holds the places of the parents of item i, all smaller than i, so that there
is no cycle; -1 stands for none. Ancestors are sets of bits, for a block of possible ancestors at a time: time grows
with n^2 k / `BITS`, memory is that of a block.
"""

from collections.abc import Iterator

import numpy as np

BITS = 1 << 12
"""Possible ancestors of a block."""


def depths(best: np.ndarray) -> np.ndarray:
    """Edges up to a root in a forest, (n,) int64; `best` (n,) is the parent of each item, -1 for roots."""
    edges, above = (best >= 0).astype(np.int64), best
    while (above >= 0).any():  # by jumps of powers of two
        edges = edges + np.where(above >= 0, edges[above], 0)
        above = np.where(above >= 0, above[above], -1)
    return edges


def essential(parent: np.ndarray) -> np.ndarray:
    """Which parents the transitive reduction keeps, (n, k) bool: those without another way up from the item.

    The reduction of a graph without cycles is unique: the same ancestors with the fewest edges.
    """
    edges = parent >= 0
    rows, slots = np.nonzero(edges & (edges.sum(axis=1) > 1)[:, None])
    above = parent[rows, slots]
    for first, bits in _ancestors(parent) if len(rows) else ():
        inside = (above >= first) & (above < first + BITS)
        for item, slot, ancestor in zip(rows[inside], slots[inside], above[inside].tolist(), strict=True):
            others = parent[item][edges[item]].tolist()
            edges[item, slot] = not any(bits[other] >> (ancestor - first) & 1 for other in others)
    return edges


def pairs_among(parent: np.ndarray, items: np.ndarray) -> np.ndarray:
    """All pairs (item, ancestor) of places with both among `items` (q,), which ascend: (m, 2) int64, sorted."""
    pairs = []
    for first, bits in _ancestors(parent):
        judged = [(1 << (item - first), item) for item in items.tolist() if first <= item < first + BITS]
        mask = sum(bit for bit, _ in judged)
        for item in items.tolist():
            if reached := bits[item] & mask:
                pairs += [(item, ancestor) for bit, ancestor in judged if reached & bit]
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _ancestors(parent: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """For each block its first place and the bits of every item: bit b is set where the place `first` + b is above."""
    table = [[above for above in row if above >= 0] for row in parent.tolist()]
    for first in range(0, len(table), BITS):
        bits = [0] * len(table)
        for item in range(first + 1, len(table)):
            for above in table[item]:
                bits[item] |= bits[above]
                if 0 <= above - first < BITS:
                    bits[item] |= 1 << (above - first)
        yield first, bits
