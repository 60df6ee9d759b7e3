"""Damage of any byte of any file of an index is told by its check, or is harmless; files cut short kill no reader."""

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo import search
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.geometry import Space
from hiergeo.search import Request
from hiergeo.search.compaction import compact
from hiergeo.search.stores.exact import ExactStore
from tests.durability.processes import forked
from tests.search.search_common import DIM, embeddings


@pytest.fixture(scope="module", params=["euclidean", "product:lorentz:-1x4,sphere:0.1x4"])
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """An index of two shards with a root, in both of which items are deleted."""
    folder = tmp_path_factory.mktemp("damage") / "index"
    root = torch.full((DIM,), 0.1)
    names = [f"caption {i}" for i in range(40)]
    index = search.build(folder, None, names, embeddings=embeddings(40), space=Space(request.param, root))
    index.add(captions=["more"] * 6, embeddings=embeddings(6, seed=1))
    index.delete([3, 41])
    index.close()
    return folder


def files(folder: Path) -> list[str]:
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in found if (folder / name).stat().st_size]


def is_told(folder: Path) -> bool:
    """Whether the check of an index finds a defect."""
    try:
        return bool(search.open(folder).check().defects)
    except HiergeoError:
        return True


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_byte_that_differs_is_told(folder, data) -> None:
    name = data.draw(st.sampled_from(files(folder)))
    path, sound = folder / name, (folder / name).read_bytes()
    place = data.draw(st.integers(0, len(sound) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "more", "gone"]))
    damaged = {
        "flip": sound[:place] + bytes([sound[place] ^ data.draw(st.integers(1, 255))]) + sound[place + 1 :],
        "cut": sound[:place],
        "more": sound + b"\0",
        "gone": b"",
    }[kind]
    try:
        path.unlink() if kind == "gone" else path.write_bytes(damaged)
        assert is_told(folder) or (kind == "gone" and path.name == "shard.json")
    finally:
        path.write_bytes(sound)


def test_a_damaged_record_costs_no_items(folder, tmp_path) -> None:
    copy = tmp_path / "index"
    shutil.copytree(folder, copy)
    record = next(copy.rglob("shard.json"))
    record.write_bytes(record.read_bytes()[:-5])
    index = search.open(copy)
    assert index.check().damaged == ()
    assert compact(copy, skip_damaged=True).lost == 0
    assert len(search.open(copy)) == 44
    assert not is_told(copy)


READS = {
    "directions": lambda index: index.search([Request("neighbours", embeddings(1)[0])]),
    "radii.f32": lambda index: [ids.tolist() for ids, _ in index.store.radii()],
    "ids.i64": lambda index: [rows.ids.tolist() for rows in index.store.scan()],
    "sorted.i64": lambda index: index.store.holds(torch.arange(50)).tolist(),
    "places.i32": lambda index: index.store.fetch(torch.tensor([0, 1])).ids.tolist(),
    "captions.parquet": lambda index: index.store.labels(torch.tensor([0, 1])).captions,
}
"""Readings that need one file of a shard."""


def read_cut(folder: Path, name: str) -> int:
    """Read an index that is open, once whole and once with a file that was cut short; 0 where that is told."""
    index = search.open(folder)
    READS[name](index)
    for shard in index.manifest.shards:
        os.truncate(folder / "shards" / shard.name / name, 5)
    try:
        READS[name](index)
    except UnavailableError as error:
        return 0 if f"{name} was cut short" in str(error) else 1
    return 2


@pytest.mark.parametrize("name", READS)
def test_a_file_that_is_cut_short_under_an_open_index_is_told_and_kills_no_reader(folder, tmp_path, name) -> None:
    shutil.copytree(folder, tmp_path / "index")
    end = forked(partial(read_cut, tmp_path / "index", name))
    assert end.code == 0, end.said


DENSE = torch.randn(5, DIM, generator=torch.Generator().manual_seed(0))
ODD: dict[str, Any] = {
    "no numbers": torch.zeros(5, 0),
    "sparse": DENSE.to_sparse(),
    "without values": DENSE.to("meta"),
    "strings": torch.zeros(5, DIM).numpy().astype(str),
    "a number": 5,
}


@pytest.mark.parametrize("kind", ODD)
def test_embeddings_that_are_none_are_refused(folder, tmp_path, kind) -> None:
    for give in (partial(search.build, tmp_path / "new", None), search.open(folder).add):
        with pytest.raises(InputError, match="embeddings"):
            give(embeddings=ODD[kind])
    assert not (tmp_path / "new").exists()


def test_embeddings_that_run_backwards_are_taken(tmp_path) -> None:
    rows = embeddings(6).numpy()
    index = search.build(tmp_path / "i", None, embeddings=rows[::-1])
    assert isinstance(index.store, ExactStore)
    assert index.neighbours(torch.from_numpy(rows[5].copy()), 1).hits[0].id == 0
