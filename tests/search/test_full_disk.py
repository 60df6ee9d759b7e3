"""Full disks: one sentence, nothing left behind, nothing lost, and room is made by deleting and compacting."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import urllib3

from hiergeo import search
from hiergeo._core.errors import UnavailableError
from hiergeo.geometry import Space
from hiergeo.search import layout, serving
from tests.durability.processes import disk, files_of_at_most, may_mount
from tests.search.search_common import DIM, embeddings, shrink_shards
from tests.search.serving.serving_common import served

ROWS, PAGE = 300, 4096

CHANGES: dict[str, Callable[[Path], object]] = {
    "build": lambda folder: built(folder.with_name("new")),
    "add": lambda folder: search.open(folder).add(embeddings=embeddings(200, seed=2)),
    "delete": lambda folder: search.open(folder).delete(range(1, ROWS, 2)),
    "compact": lambda folder: search.open(folder).compact(),
}
NEEDED = {"build": 45, "add": 35, "delete": 15, "compact": 20}
"""Pages that a change takes, and some more."""

mounts = pytest.mark.skipif(not may_mount(), reason="full disks are mounted")


def built(folder: Path) -> search.Index:
    names = [f"caption {i}" for i in range(ROWS)]
    return search.build(folder, None, names, space=Space("euclidean", False), embeddings=embeddings(ROWS))


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of several shards, with deleted rows and small shards."""
    shrink_shards(monkeypatch)
    index = built(tmp_path / "base")
    index.delete(range(0, 100, 3))
    index.add(embeddings=embeddings(60, seed=1))
    index.close()
    return tmp_path / "base"


@contextmanager
def nearly_full(place: Path, base: Path, pages: int) -> Iterator[Path]:
    """An index on a disk with so many pages left; a copy has room set aside from its first change on."""
    with disk(place, 16 << 10):
        shutil.copytree(base, place / "ix")
        layout.keep_reserve(place / "ix")
        fill(place, pages)
        yield place / "ix"


def fill(place: Path, pages: int = 0) -> None:
    """Leave so many pages of a disk."""
    with (place / f"fill-{pages}").open("wb") as handle:
        handle.write(bytes(PAGE * max(0, os.statvfs(place).f_bavail - pages)))


def kept(folder: Path) -> list[int]:
    index = search.open(folder)
    assert not index.check().defects
    return sorted(i for rows in index.store.scan() for i in rows.ids.tolist())


def leftovers(folder: Path) -> list[str]:
    known = {shard.name for shard in search.open(folder).manifest.shards}
    strange = [path.name for path in (folder / "shards").iterdir() if path.name not in known]
    return [*strange, *(path.name for path in folder.parent.rglob("*") if path.suffix in (".part", ".lock"))]


def sizes(quick: int) -> list:
    """Sizes of files up to the largest that is written; the quick tests take few."""
    return [pytest.param(size, marks=() if size % quick == 0 else pytest.mark.slow) for size in range(0, 6600, 97)]


@pytest.mark.parametrize("size", sizes(quick=1300))
def test_whatever_byte_is_the_last_that_fits(base, size) -> None:
    for change in CHANGES.values():
        folder = base.with_name("ix")
        shutil.copytree(base, folder)
        before = kept(folder)
        try:
            with files_of_at_most(size):
                change(folder)
        except UnavailableError:
            assert kept(folder) == before
        assert leftovers(folder) == []
        assert search.open(folder).delete([7]) in (0, 1)
        for path in base.parent.iterdir():
            if path != base:
                shutil.rmtree(path)


@mounts
@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_whatever_page_is_the_last_that_fits(base, tmp_path, name) -> None:
    ends = set[str]()
    for pages in range(NEEDED[name]):
        with nearly_full(tmp_path / "disk", base, pages) as folder:
            before = kept(folder)
            try:
                CHANGES[name](folder)
                ends.add("done")
            except UnavailableError:
                assert kept(folder) == before
                ends.add("refused")
            assert leftovers(folder) == []
            fill(folder.parent)
            left = kept(folder)
            assert search.open(folder).delete(left[:5]) == 5
            fill(folder.parent)
            search.open(folder).compact()
            assert kept(folder) == left[5:]
    assert ends == ({"done", "refused"} if name in ("build", "add") else {"done"})


@mounts
def test_a_full_disk_keeps_no_one_from_deleting_and_compacting(base, tmp_path) -> None:
    with nearly_full(tmp_path / "disk", base, 0) as folder:
        index, before = search.open(folder), kept(folder)
        with pytest.raises(UnavailableError):
            index.add(embeddings=embeddings(2000, seed=3))
        assert index.delete(before[:200]) == 200
        assert index.compact().rows == len(before) - 200
        assert kept(folder) == before[200:]
        assert leftovers(folder) == []


@mounts
@pytest.mark.parametrize("pages", [0, 1, 3, 10])
def test_a_server_whose_disk_is_full_says_so_and_goes_on(base, tmp_path, pages) -> None:
    with (
        nearly_full(tmp_path / "disk", base, pages) as folder,
        served(search.open(folder), serving.Settings(writable=True)) as running,
        serving.Client(running.url) as client,
    ):
        before = client.health()["rows"]
        body = {"embeddings": embeddings(500, seed=4).tolist()}
        refused = urllib3.request("POST", f"{running.url}/api/add", json=body)
        assert (refused.status, set(refused.json())) == (507, {"error", "field"})
        assert client.health()["rows"] == before
        assert len(client.neighbours(torch.ones(DIM), 3).hits) == 3
        for path in folder.parent.glob("fill-*"):
            path.unlink()
        assert client.add(embeddings=embeddings(500, seed=4)) == before + 500
        assert leftovers(folder) == []
