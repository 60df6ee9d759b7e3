"""Conformance of the stores that live in a folder, and of the client of Qdrant in its local mode."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from hiergeo.search import Frame, Store
from hiergeo.search.store import open_store
from hiergeo.search.stores.engine import EngineStore, Place
from hiergeo.testing import StoreConformance


class InAFolder(StoreConformance):
    name: ClassVar[str]
    options: ClassVar[str] = ""
    package: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        pytest.importorskip(self.package, reason=f"{self.package} is not installed")
        self.folder = tmp_path
        self.opened: dict[int, tuple[str, Frame, Sequence[float]]] = {}

    def make(self, frame: Frame, edges: Sequence[float]) -> Store:
        return self._open(f"{self.name}:{self.folder / uuid.uuid4().hex}{self.options}", frame, edges)

    def reopen(self, store: Store) -> Store:
        store.close()
        return self._open(*self.opened[id(store)])

    def _open(self, spec: str, frame: Frame, edges: Sequence[float]) -> Store:
        store = open_store(spec, frame, edges)
        self.opened[id(store)] = (spec, frame, edges)
        return store


class TestQdrantEdge(InAFolder):
    name, package = "qdrant", "qdrant_edge"


class TestQdrantEdgeHnsw(InAFolder):
    name, package, options = "qdrant", "qdrant_edge", "?index=HNSW"


class TestLance(InAFolder):
    name, package = "lancedb", "lancedb"


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
class TestQdrantClient(StoreConformance):
    """The client of a server over its imitation in Python, which the package brings along."""

    @pytest.fixture(autouse=True)
    def _client(self) -> None:
        self.clients = pytest.importorskip("qdrant_client", reason="qdrant_client is not installed")

    def make(self, frame: Frame, edges: Sequence[float]) -> Store:
        from hiergeo.search.stores.qdrant import QdrantEngine, ServerPoints

        place = Place("http://localhost", {})
        points = ServerPoints(place, self.clients.QdrantClient(":memory:"))
        return EngineStore(QdrantEngine(points, place), frame, edges)

    def reopen(self, store: Store) -> Store:
        pytest.skip("it lives in memory")
