"""A part of a collection as a collection of its own, which answers questions among the items that it keeps."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hiergeo.report.explorer.background import radii
from hiergeo.report.explorer.collection import Collection
from hiergeo.search import Index, layout
from hiergeo.search.stores.exact import ExactStore


@contextmanager
def thinned(collection: Collection, limit: int) -> Iterator[Collection]:
    """The collection itself, or indexes of `limit` of its items, which are removed after the block.

    The items that are kept are spread evenly over all in the order of their radius in the first lens: the most general
    and the most specific one are among them, and levels keep their shares. The same collection gives the same items.
    """
    if len(collection.first) <= limit:
        yield collection
        return
    kept = torch.from_numpy(np.sort(by_radius(collection)[evenly(len(collection.first), limit)]))
    with tempfile.TemporaryDirectory(prefix="hiergeo-export-") as folder:
        made = {id(index): _part(index, kept, Path(folder) / str(at)) for at, index in enumerate(collection.indexes)}
        lenses = tuple(replace(lens, index=made[id(lens.index)]) for lens in collection.lenses)
        yield replace(collection, lenses=lenses)


def by_radius(collection: Collection) -> np.ndarray:
    """Ids (n,) of all items by ascending radius in the first lens, then by id."""
    ids, radius = radii(collection.lenses[0])
    return np.asarray(ids[radius.argsort(kind="stable")])


def evenly(count: int, kept: int) -> list[int]:
    """Places of `kept` of `count` items, 1 <= kept <= count: ascending, evenly spread, from the first to the last."""
    return [at * (count - 1) // max(kept - 1, 1) for at in range(kept)]


def _part(index: Index, ids: Tensor, folder: Path) -> Index:
    """An index of some items of another, in a new folder."""
    store = index.store
    manifest = replace(store.manifest, edges=(), shards=(), generation=0, retired=(), reserved=0)
    layout.create(folder, manifest, index.space.root)
    part = ExactStore(folder)
    part.add(store.fetch(ids), store.labels(ids))
    return Index(part)
