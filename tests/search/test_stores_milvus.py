"""Milvus as a store, over a double of its client and server; `tests/services` has Milvus itself."""

import sys
import types
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hiergeo import search
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.search import Frame, Store
from hiergeo.search.store import open_store
from hiergeo.search.stores import milvus_client
from tests.search import milvus_double as double
from tests.search.stores_common import EDGES, FRAME, OpenedBySpec, rows

HERE = "http://double:19530"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> double.Server:
    """The double in place of pymilvus, with one empty server."""
    module = types.ModuleType("pymilvus")
    module.MilvusClient, module.DataType = double.MilvusClient, double.DataType  # type: ignore[attr-defined]  # a double
    monkeypatch.setitem(sys.modules, "pymilvus", module)
    monkeypatch.setattr(double, "SERVERS", {HERE: double.Server()})
    return double.SERVERS[HERE]


@pytest.fixture
def store(server: double.Server) -> Store:
    found = open_store(f"milvus:{HERE}", FRAME, EDGES)
    found.add(rows(60))
    return found


class TestMilvusDouble(OpenedBySpec):
    @pytest.fixture(autouse=True)
    def _server(self, server: double.Server) -> None:
        self.opened = {}

    def place(self) -> str:
        return f"milvus:{HERE}?collection=c{uuid.uuid4().hex}"


class TestMilvusLiteDouble(OpenedBySpec):
    """Lite gives any rows of a limited query, so that its store walks over ids."""

    @pytest.fixture(autouse=True)
    def _folder(self, server: double.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.folder, self.opened = tmp_path, {}
        monkeypatch.setattr(milvus_client, "find_spec", lambda name: name)

    def place(self) -> str:
        return f"milvus:{self.folder / uuid.uuid4().hex}.db"


def test_rows_that_were_just_written_are_seen_only_by_strong_reads(server: double.Server, store: Store) -> None:
    loose = open_store(f"milvus:{HERE}?consistency=Eventually", FRAME, EDGES)
    server.collections["hiergeo"].unseen.append(
        ("shell_0", [{"id": 900, "shell": 0, "radius": 0.1, "direction": [1, 0, 0, 0]}])
    )
    query = torch.tensor([[1.0, 0, 0, 0]])
    assert 900 not in loose.candidates(query, 0, 10)
    assert 900 in store.candidates(query, 0, 10)


def test_queries_and_candidates_beyond_a_message_are_asked_in_parts(server: double.Server, store: Store) -> None:
    queries = torch.nn.functional.normalize(torch.randn(9_000, 4, generator=torch.Generator().manual_seed(1)), dim=1)
    server.calls.clear()
    whole = store.candidates(queries, 1, 3)
    assert server.calls.count("search") == 3
    assert torch.equal(whole[4_090:4_100], store.candidates(queries[4_090:4_100], 1, 3))


def test_a_collection_of_another_index_is_refused(server: double.Server, store: Store) -> None:
    for frame, edges in (
        (Frame((4,), "l2", "0" * 64), EDGES),
        (Frame((5,), "l2", None), EDGES),
        (FRAME, (0.5, 1.1)),
        (FRAME, (0.5,)),
    ):
        with pytest.raises(InputError, match="another collection"):
            open_store(f"milvus:{HERE}", frame, edges)
    with pytest.raises(InputError, match="HNSW"):
        open_store(f"milvus:{HERE}?index=HNSW", FRAME, EDGES)
    server.collections["hiergeo"].properties["hiergeo.card"] = "{"
    with pytest.raises(InputError, match="another collection"):
        open_store(f"milvus:{HERE}", FRAME, EDGES)
    server.collections["hiergeo"].properties = {}
    with pytest.raises(InputError, match="not made by hiergeo"):
        open_store(f"milvus:{HERE}", FRAME, EDGES)


def test_a_collection_whose_maker_was_killed_is_made_again(server: double.Server, store: Store) -> None:
    del server.collections["hiergeo"].properties["hiergeo.card"]
    again = open_store(f"milvus:{HERE}", FRAME, EDGES)
    assert not any(again.describe().counts)
    again.add(rows(10))
    assert sum(again.describe().counts) == 10


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("milvus:", "milvus:http://"),
        ("milvus:http://nobody:19530", "nobody"),
        (f"milvus:{HERE}?colection=x", "collection"),
        (f"milvus:{HERE}?collection=a b", "collection"),
        (f"milvus:{HERE}?index=IVF_FLAT", "HNSW"),
        (f"milvus:{HERE}?index=HNSW&ef=0", "ef"),
        (f"milvus:{HERE}?consistency=strong", "Strong"),
        (f"milvus:{HERE}?timeout=soon", "timeout"),
    ],
)
def test_specs_that_cannot_be_opened_name_what_is_wrong(server: double.Server, spec: str, word: str) -> None:
    with pytest.raises(HiergeoError, match=word):
        open_store(spec, FRAME, EDGES).add(rows(3))


def test_a_missing_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    for spec in (f"milvus:{HERE}", "milvus:./x.db"):
        with pytest.raises(UnavailableError, match=r"hiergeo\[milvus\]"):
            open_store(spec, FRAME, EDGES)


def test_passwords_in_addresses_stay_out_of_messages(server: double.Server) -> None:
    with pytest.raises(UnavailableError) as caught:
        open_store("milvus:http://me:secret@nobody:19530", FRAME, EDGES)
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_an_index_is_pushed_from_the_command_line_and_searched_through_the_server(
    server: double.Server, run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    embeddings = torch.randn(300, 8, generator=torch.Generator().manual_seed(1))
    index = search.build(tmp_path / "i", None, embeddings=embeddings, space="lorentz:-1")
    assert run("index", "push", tmp_path / "i", "--store", f"milvus:{HERE}")[0] == 0
    assert "flush" in server.calls, "segments that are not sealed have no index"
    answer, exact = (index.parents(embeddings[7], k=5, store=store) for store in (f"milvus:{HERE}", None))
    assert answer.guarantee == "approximate"
    assert [hit.id for hit in answer.hits] == [hit.id for hit in exact.hits]
    for spec, word in (("milvus:http://nobody:19530", "nobody"), (f"milvus:{HERE}?indx=FLAT", "index")):
        code, _, said = run("index", "push", tmp_path / "i", "--store", spec)
        assert (code, word in said, said.strip().count("\n") < 4) == (2, True, True), said
