"""Qdrant as a store: Edge in a folder, and the client of a server over a double of its HTTP and over its local mode."""

import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
import qdrant_double as double
import torch
from stores_common import EDGES, FRAME, OpenedBySpec, rows

from hiergeo.errors import InputError, UnavailableError
from hiergeo.search import Frame, Rows, Store
from hiergeo.search.store import open_store
from hiergeo.search.stores.engine import EngineStore
from hiergeo.search.stores.places import Place
from hiergeo.testing import StoreConformance


@pytest.fixture
def qdrant() -> double.Qdrant:
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    return double.Qdrant()


@pytest.fixture
def address(qdrant: double.Qdrant) -> Iterator[str]:
    with double.serving(qdrant) as found:
        yield found


class TestQdrantEdge(OpenedBySpec):
    options: ClassVar[str] = ""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        pytest.importorskip("qdrant_edge", reason="qdrant-edge-py is not installed")
        self.folder, self.opened = tmp_path, {}

    def place(self) -> str:
        return f"qdrant:{self.folder / uuid.uuid4().hex}{self.options}"


class TestQdrantEdgeHnsw(TestQdrantEdge):
    options = "?index=HNSW"


class TestQdrantServer(OpenedBySpec):
    @pytest.fixture(autouse=True)
    def _address(self, address: str) -> None:
        self.address, self.opened = address, {}

    def place(self) -> str:
        return f"qdrant:{self.address}?collection={uuid.uuid4().hex}"


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
class TestQdrantLocal(StoreConformance):
    @pytest.fixture(autouse=True)
    def _client(self) -> None:
        self.clients = pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")

    def make(self, frame: Frame, edges: Sequence[float]) -> Store:
        from hiergeo.search.stores.qdrant import QdrantEngine, ServerPoints

        place = Place("http://localhost", {})
        points = ServerPoints(place, self.clients.QdrantClient(":memory:"))
        return EngineStore(QdrantEngine(points, place), frame, edges)

    def reopen(self, store: Store) -> Store:
        return store


def test_a_graph_is_searched_with_its_breadth_and_called_approximate(address: str) -> None:
    store = open_store(f"qdrant:{address}?index=HNSW&ef=64", FRAME, EDGES)
    store.add(rows(30))
    assert not store.describe().exhaustive
    assert (store.candidates(torch.eye(4)[:2], 1, 3).ids >= 0).all()


def test_large_batches_are_sent_in_parts_that_the_server_takes(qdrant: double.Qdrant, address: str) -> None:
    frame = Frame((512,), "l2", None)
    store = open_store(f"qdrant:{address}", frame, ())
    generator = torch.Generator().manual_seed(1)
    direction = torch.nn.functional.normalize(torch.randn(2_500, 512, generator=generator), dim=1)
    store.add(Rows(torch.arange(2_500), direction, torch.ones(2_500, 1)))
    assert qdrant.calls.count("PUT /points") == 3
    assert store.count() == 2_500


def test_collections_of_others_and_of_other_indices_are_refused(qdrant: double.Qdrant, address: str) -> None:
    qdrant.collections["theirs"] = double.Collection(4)
    with pytest.raises(InputError, match="hiergeo did not make"):
        open_store(f"qdrant:{address}?collection=theirs", FRAME, EDGES)
    open_store(f"qdrant:{address}", FRAME, EDGES).add(rows(3))
    for frame, edges in ((Frame((4,), "l2", "0" * 64), EDGES), (FRAME, (0.5,))):
        with pytest.raises(InputError, match="another collection"):
            open_store(f"qdrant:{address}", frame, edges)


def test_servers_that_are_absent_or_too_old_or_something_else_are_named(qdrant: double.Qdrant, address: str) -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        open_store("qdrant:http://127.0.0.1:1", FRAME, EDGES)
    qdrant.version = "1.7.4"
    with pytest.raises(UnavailableError, match=r"1\.7\.4.*1\.12"):
        open_store(f"qdrant:{address}", FRAME, EDGES)
    with pytest.raises(UnavailableError, match="no Qdrant server"):
        open_store(f"qdrant:{address}/elsewhere", FRAME, EDGES)


def test_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("qdrant_edge", reason="qdrant-edge-py is not installed")
    (tmp_path / "notes.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match=str(place)):
            open_store(f"qdrant:{place}", FRAME, EDGES)


def test_a_folder_is_made_by_the_first_rows_only(tmp_path: Path) -> None:
    pytest.importorskip("qdrant_edge", reason="qdrant-edge-py is not installed")
    store = open_store(f"qdrant:{tmp_path / 'new'}", FRAME, EDGES)
    assert store.count() == store.describe().rows == 0
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_open_elsewhere_is_named(tmp_path: Path) -> None:
    pytest.importorskip("qdrant_edge", reason="qdrant-edge-py is not installed")
    store = open_store(f"qdrant:{tmp_path / 'new'}", FRAME, EDGES)
    store.add(rows(3))
    with pytest.raises(UnavailableError, match="one process"):
        open_store(f"qdrant:{tmp_path / 'new'}", FRAME, EDGES)
    store.close()


@pytest.mark.parametrize(("place", "word"), [("./x", "qdrant-edge-py"), ("http://x:6333", r"hiergeo\[qdrant\]")])
def test_missing_packages_say_what_to_install(place: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("qdrant_edge", "qdrant_client"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UnavailableError, match=word):
        open_store(f"qdrant:{place}", FRAME, EDGES)


@pytest.mark.parametrize(
    "spec", ["qdrant:", "qdrant:./x?indx=HNSW", "qdrant:./x?index=IVF", "qdrant:./x?index=HNSW&ef=0"]
)
def test_specs_that_cannot_be_opened_are_input_errors(spec: str) -> None:
    pytest.importorskip("qdrant_edge", reason="qdrant-edge-py is not installed")
    with pytest.raises(InputError):
        open_store(spec, FRAME, EDGES)
