"""LanceDB as a store, where it is installed."""

import sys
import uuid
from pathlib import Path

import pytest
import torch
from stores_common import EDGES, FRAME, OpenedBySpec

from hiergeo.errors import InputError, UnavailableError
from hiergeo.search import Rows
from hiergeo.search.store import open_store


class TestLance(OpenedBySpec):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        pytest.importorskip("lancedb", reason="lancedb is not installed")
        self.folder, self.opened = tmp_path, {}

    def place(self) -> str:
        return f"lancedb:{self.folder / uuid.uuid4().hex}"


def test_two_stores_on_one_table_see_what_the_other_writes(tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    first = open_store(f"lancedb:{tmp_path / 'a'}", FRAME, EDGES)
    first.add(Rows(torch.arange(3), torch.eye(4)[:3], torch.ones(3, 1)))
    second = open_store(f"lancedb:{tmp_path / 'a'}", FRAME, EDGES)
    second.add(Rows(torch.arange(3, 4), torch.eye(4)[3:], torch.ones(1, 1)))
    assert first.count() == 4
    assert first.candidates(torch.eye(4)[3:], 1, 1).ids.tolist() == [[3]]


def test_tables_and_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed")
    lancedb.connect(str(tmp_path / "a")).create_table("theirs", [{"x": 1}])
    with pytest.raises(InputError, match="theirs"):
        open_store(f"lancedb:{tmp_path / 'a'}?table=theirs", FRAME, EDGES)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="something else"):
        open_store(f"lancedb:{tmp_path / 'b'}", FRAME, EDGES)
    with pytest.raises(InputError, match="file"):
        open_store(f"lancedb:{tmp_path / 'b' / 'notes.txt'}", FRAME, EDGES)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(UnavailableError, match=r"hiergeo\[lancedb\]"):
        open_store("lancedb:./x", FRAME, EDGES)
