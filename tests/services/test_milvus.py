"""Milvus Lite, and the server that HIERGEO_MILVUS_URI names."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError
from hiergeo.search import Frame, Rows
from hiergeo.search.store import open_store, shell_of
from tests.search.stores_common import EDGES, FRAME, OpenedBySpec

pymilvus = pytest.importorskip("pymilvus", reason="needs pymilvus: run `make test-services`")
pytest.importorskip("milvus_lite", reason="needs Milvus Lite: run `make test-services`")

SERVER = os.environ.get("HIERGEO_MILVUS_URI", "")
needs_server = pytest.mark.skipif(not SERVER, reason="needs a Milvus server: run `make test-services` on Linux")


class TestLite(OpenedBySpec):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder, self.opened = tmp_path, {}

    def place(self) -> str:
        return f"milvus:{self.folder / uuid.uuid4().hex}.db"


@needs_server
class TestServer(OpenedBySpec):
    index: ClassVar[str] = "FLAT"

    @pytest.fixture(autouse=True)
    def _collections(self) -> Iterator[None]:
        self.opened = {}
        self.names: list[str] = []
        yield
        client = pymilvus.MilvusClient(uri=SERVER)
        for name in self.names:
            client.drop_collection(name)

    def place(self) -> str:
        self.names.append(f"hiergeo_test_{uuid.uuid4().hex}")
        return f"milvus:{SERVER}?collection={self.names[-1]}&index={self.index}"


class TestServerHnsw(TestServer):
    index, exhaustive = "HNSW", False


@pytest.mark.parametrize("name", ["lite", "absent/lite.db", "old.db", "theirs.db"])
def test_lite_opens_no_place_of_something_else(name: str, tmp_path: Path) -> None:
    (tmp_path / "old.db").write_bytes(b"SQLite format 3\0")
    (tmp_path / "theirs.db").mkdir()
    (tmp_path / "theirs.db" / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=name):
        open_store(f"milvus:{tmp_path / name}", FRAME, EDGES)
    assert sorted(tmp_path.rglob("*")) == before


PART, PARTS = 400, 60

CHILD = f"""
import sys, torch
from hiergeo.search import Frame, Rows
from hiergeo.search.store import open_store
spec, path = sys.argv[1:]
rows = Rows(*torch.load(path))
store = open_store(spec, Frame((16,), "l2", None), (0.5, 1.0))
for start in range(0, len(rows), {PART}):
    store.add(rows.take(slice(start, start + {PART})))
    print(start + {PART}, flush=True)
    if start == {PART * (PARTS - 3)}:  # there is always something left to add
        sys.stdin.read()
"""


def test_rows_that_lite_acknowledged_survive_a_kill_and_the_rest_can_be_added(tmp_path: Path) -> None:
    frame, generator = Frame((16,), "l2", None), torch.Generator().manual_seed(1)
    n = PART * PARTS
    direction = normalize(torch.randn(n, 16, generator=generator), dim=1)
    rows = Rows(torch.randperm(n, generator=generator), direction, 1.5 * torch.rand(n, 1, generator=generator))
    torch.save(tuple(rows.__dict__.values()), tmp_path / "rows.pt")
    spec = f"milvus:{tmp_path / 'held.db'}"
    words = [sys.executable, "-c", CHILD, spec, str(tmp_path / "rows.pt")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(4)][-1]
        child.kill()
        acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
    store = open_store(spec, frame, EDGES)
    held = torch.cat([part.ids for part in store.scan()])
    assert len(held.unique()) == len(held) < n, "ids are there twice"
    assert bool(torch.isin(rows.ids[:acknowledged], held).all()), "acknowledged rows are lost"
    store.add(rows.take(~torch.isin(rows.ids, held)))
    counts = shell_of(rows.radii[:, 0], EDGES).bincount(minlength=3).tolist()
    assert list(store.describe().counts) == counts
    store.close()
