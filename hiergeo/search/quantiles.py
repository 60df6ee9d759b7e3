"""Edges between shells: exact quantiles of radii over any number of sorted shards, in bounded memory."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiergeo.search.layout import SHARDS, Manifest, Shard
from hiergeo.search.shards import OpenShard, inside

CORE = 0.01
"""Share of the items in the innermost shell."""

SHELLS = 64
"""Shells of equal mass beyond it."""


def shell_edges(shards: Sequence[OpenShard]) -> tuple[float, ...]:
    """The ascending radii that end all shells but the last, each the radius of an item.

    The innermost shell holds `CORE` of the items, `SHELLS` more hold equal shares of the rest; shells that would be
    empty, among few items or equal radii, are left out.
    """
    total = sum(shard.shard.rows for shard in shards)
    if not total:
        return ()
    shares = CORE + (1 - CORE) * np.arange(SHELLS) / SHELLS
    ranks = np.clip(np.ceil(shares * total).astype(np.int64), 1, total)
    edges = np.unique(_order_statistics(shards, ranks))
    return tuple(float(edge) for edge in edges if edge < max(shard.shard.high for shard in shards))


def balanced(folder: Path, manifest: Manifest, shards: Sequence[Shard]) -> Manifest:
    """The next manifest of an index: it has these shards, in shells of equal mass."""
    opened = [OpenShard(folder / SHARDS, manifest, shard) for shard in shards]
    edges = shell_edges(opened)
    return manifest.next(shards=tuple(with_bounds(shard, edges) for shard in opened), edges=edges)


def with_bounds(opened: OpenShard, edges: Sequence[float]) -> Shard:
    """The record of a shard with the rows up to each edge."""
    ends = np.array([inside(edge, up=False) for edge in edges], np.float32)
    bounds = opened.radius.searchsorted(ends, "right")
    return replace(opened.shard, bounds=tuple(bounds.tolist()))


def _order_statistics(shards: Sequence[OpenShard], ranks: NDArray[np.int64]) -> NDArray[np.float32]:
    """The radii of the given ranks (from 1) among all rows: bisection over the bits of float32, whose order is theirs.

    Radii are >= 0, so that they sort as the integers of the same bits do.
    """
    low, high = np.zeros(len(ranks), np.int64), np.full(len(ranks), np.float32(np.inf).view(np.int32), np.int64)
    while bool((low < high).any()):
        middle = (low + high) // 2
        radii = middle.astype(np.int32).view(np.float32)
        counts = sum(shard.radius.searchsorted(radii, "right").astype(np.int64) for shard in shards)
        enough = counts >= ranks
        high, low = np.where(enough, middle, high), np.where(enough, low, middle + 1)
    return low.astype(np.int32).view(np.float32)
