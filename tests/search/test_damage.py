"""Damage of any byte of any file of an index is told by its check, or is harmless; files cut short kill no reader."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo import search
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.geometry import Space
from hiergeo.search import Request
from hiergeo.search.compaction import compact
from hiergeo.search.requests import Kind
from hiergeo.search.stores.exact import ExactStore
from tests.durability.processes import forked
from tests.search.search_common import DIM, embeddings

QUERY = embeddings(3, seed=9)[2]


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


def test_a_sound_index_is_sound(folder) -> None:
    assert not is_told(folder)
    assert {name.rpartition("/")[2] for name in files(folder)} >= {"shard.json", "index.json", "root.f32"}


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shard.json", "index.json"])
def test_no_byte_of_a_record_is_passed_over(folder, name) -> None:
    path = next(folder.rglob(name))
    sound = path.read_bytes()
    for place in range(len(sound)):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        assert is_told(folder), place
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


def _asked(kind: Kind, index: search.Index) -> object:
    return index.search([Request(kind, QUERY, low=0.5)])


def _scanned(index: search.Index) -> list[int]:
    return [i for rows in index.store.scan() for i in rows.ids.tolist()]


READS: dict[str, Callable[[search.Index], object]] = {
    **{kind: partial(_asked, kind) for kind in get_args(Kind)},
    "scan": _scanned,
    "fetch": lambda index: index.store.fetch(torch.tensor([0, 1])).ids.tolist(),
    "labels": lambda index: index.store.labels(torch.tensor([0, 1])).captions,
    "describe": lambda index: str(index.store.describe()),
    "innermost": lambda index: index.store.innermost(5).tolist(),
    "matching": lambda index: index.store.matching("more", 5).tolist(),
    "radii": lambda index: [ids.tolist() for ids, _ in index.store.radii()],
    "holds": lambda index: index.store.holds(torch.arange(50)).tolist(),
    "check": lambda index: index.check().defects,
}


def _met(copy: Path, name: str, size: int) -> int:
    """Read an index that is open while a file of it is cut short; 0 where every reading ends."""
    index = search.open(copy)
    for read in READS.values():
        read(index)
    index.store.snapshot.open(index.manifest.shards[0])._groups.clear()
    os.truncate(next(copy.rglob(name)), size)
    for read in READS.values():
        try:
            read(index)
        except UnavailableError:
            continue
    return 0


@pytest.mark.parametrize("size", [0, 5])
@pytest.mark.parametrize("name", ["directions", "radii.f32", "ids.i64", "sorted.i64", "places.i32", "captions.parquet"])
def test_a_file_that_is_cut_short_kills_no_reader(folder, tmp_path, name, size) -> None:
    shutil.copytree(folder, tmp_path / "index")
    end = forked(partial(_met, tmp_path / "index", name, size))
    assert end.code == 0, end.said


@pytest.mark.parametrize("read", READS)
def test_readers_of_radii_that_are_cut_short_say_so(folder, tmp_path, read) -> None:
    shutil.copytree(folder, tmp_path / "index")
    index = search.open(tmp_path / "index")
    READS[read](index)
    shard = index.manifest.shards[0].name
    os.truncate(tmp_path / "index" / "shards" / shard / "radii.f32", 4)
    if read == "check":
        assert index.check().damaged == (shard,)
    elif read in ("scan", "radii", "children", "neighbours", "count"):
        with pytest.raises(UnavailableError, match=shard):
            READS[read](index)


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


@pytest.mark.parametrize("kind", ["sparse", "without values"])
def test_queries_and_thresholds_are_dense(folder, kind) -> None:
    index, odd = search.open(folder), ODD[kind]
    with pytest.raises(InputError):
        index.children(odd if kind == "sparse" else odd[0])
    with pytest.raises(InputError, match="thresholds"):
        index.ladder(QUERY, thresholds=torch.ones(3).to_sparse() if kind == "sparse" else torch.ones(3, device="meta"))


@pytest.mark.parametrize("name", ["low", "high", "within"])
def test_ends_of_radii_are_numbers(folder, name) -> None:
    with pytest.raises(InputError):
        search.open(folder).count(QUERY, **cast(Any, {name: float("nan")}))


def test_embeddings_that_run_backwards_are_taken(tmp_path) -> None:
    rows = embeddings(6).numpy()
    index = search.build(tmp_path / "i", None, embeddings=rows[::-1])
    assert isinstance(index.store, ExactStore)
    assert index.neighbours(torch.from_numpy(rows[5].copy()), 1).hits[0].id == 0
