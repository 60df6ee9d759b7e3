"""The exact store: the protocol of stores, several shards, shells, ids, tombstones, against plain numpy."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hiergeo.search import Frame, layout
from hiergeo.search.layout import Manifest
from hiergeo.search.stores.exact import ExactStore
from hiergeo.testing import StoreConformance


def empty(folder: Path, frame: Frame, edges: Sequence[float] = (), dtype: str = "float32") -> ExactStore:
    layout.create(folder, Manifest(frame, dtype, "euclidean", 0.1, None, tuple(edges)), None)
    return ExactStore(folder)


class TestExactStore(StoreConformance):
    def make(self, frame, edges):
        return empty(Path(tempfile.mkdtemp()) / "index", frame, edges)

    def reopen(self, store):
        store.close()
        return ExactStore(store.folder)
