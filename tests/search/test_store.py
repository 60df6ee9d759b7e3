"""The exact store: several shards, shells, ids and deleted rows, against plain numpy."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo import search
from hiergeo._core.errors import InputError
from hiergeo.geometry import Space
from hiergeo.search import Frame, Index, layout
from hiergeo.search.appending import adopt
from hiergeo.search.layout import SHARDS, Manifest
from hiergeo.search.rows import Rows
from hiergeo.search.shard_writer import write_shard
from hiergeo.search.shards import Labels
from hiergeo.search.stores.exact import ExactStore
from tests.search.search_common import embeddings, shrink_shards


def empty(folder: Path, frame: Frame, edges: Sequence[float] = (), dtype: str = "float32") -> ExactStore:
    layout.create(folder, Manifest(frame, dtype, "euclidean", 0.1, None, tuple(edges)), None)
    return ExactStore(folder)


def built(folder: Path, n: int, space: str = "euclidean", **more) -> tuple[Index, np.ndarray]:
    """An index of n items in several shards, and their radii (n,) by the definition."""
    rows = embeddings(n)
    index = search.build(folder, None, [f"caption {i}" for i in range(n)], space=Space(space, False), embeddings=rows)
    parts = [rows[:, part].double().norm(dim=1) for _, part in Space(space).geometry.parts(rows.shape[1])]
    return index, torch.stack(parts, 1).norm(dim=1).numpy()


def held(index: Index, low: float = 0.0, high: float = float("inf")) -> list[int]:
    return sorted(i for rows in index.store.scan(low, high) for i in rows.ids.tolist())


@pytest.mark.parametrize("space", ["euclidean", "product:euclidean:x3,lorentz:-1x5"])
def test_shards_are_sorted_and_shells_have_equal_mass(tmp_path, monkeypatch, space) -> None:
    shrink_shards(monkeypatch)
    index, radius = built(tmp_path / "i", 500, space)
    manifest = index.manifest
    assert [shard.rows for shard in manifest.shards] == [64] * 7 + [52]
    for rows in index.store.scan():
        found = rows.radius(index.store.geometry).numpy()
        assert (np.diff(found) >= 0).all()
        assert np.allclose(found, radius[rows.ids], rtol=1e-6)
    order = np.sort(radius)
    ranks = [int(np.ceil((0.01 + 0.99 * i / 64) * 500 - 1e-9)) for i in range(64)]
    assert np.allclose(manifest.edges, [order[rank - 1] for rank in ranks], rtol=1e-6)
    shells = index.store.describe().shells
    assert [shell.count for shell in shells] == np.diff([0, *ranks, 500]).tolist()
    for shell, inside in zip(shells, np.split(order, ranks), strict=True):
        assert np.isclose(shell.low, inside[0], rtol=1e-6)
        assert np.isclose(shell.high, inside[-1], rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    gone=st.lists(st.integers(0, 299), max_size=60),
    ends=st.tuples(st.floats(-1, 4), st.floats(-1, 4)),
)
def test_scans_of_any_range_leave_deleted_rows_out(many, gone, ends) -> None:
    folder, radius = many
    index = search.open(folder)
    before = set(held(index))
    assert index.delete(gone) == len(before & set(gone))
    before -= set(gone)
    low, high = ends
    wanted = sorted(i for i in before if low <= np.float32(radius[i]) <= high)
    assert held(index, low, high) == wanted
    shells = index.store.describe().shells
    assert sum(shell.count for shell in shells) == len(index) == len(before)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many") / "i"
    with pytest.MonkeyPatch.context() as patch:
        shrink_shards(patch)
        _, radius = built(folder, 300)
    return folder, radius


def test_rows_and_labels_come_in_the_order_of_their_ids(tmp_path, monkeypatch) -> None:
    shrink_shards(monkeypatch)
    index, radius = built(tmp_path / "i", 300)
    wanted = torch.tensor([299, 3, 64, 3, 0, 128, 127])
    rows, labels = index.store.fetch(wanted), index.store.labels(wanted)
    assert rows.ids.tolist() == wanted.tolist()
    assert np.allclose(rows.radii[:, 0], radius[wanted], rtol=1e-6)
    direction = torch.nn.functional.normalize(embeddings(300)[wanted], dim=1)
    assert torch.allclose(rows.direction.float(), direction, atol=1e-3)
    assert labels.captions == [f"caption {i}" for i in wanted.tolist()]
    for method in (index.store.fetch, index.store.labels):
        with pytest.raises(InputError, match="no item 300"):
            method(torch.tensor([5, 300]))
    assert len(index.store.fetch(torch.empty(0, dtype=torch.int64))) == 0


def test_ids_are_distinct_in_the_whole_index(tmp_path, monkeypatch) -> None:
    shrink_shards(monkeypatch)
    rows, space = embeddings(200), Space("euclidean", False)
    for twice in ([*range(60), 7, *range(100, 239)], [*range(199), 3]):
        with pytest.raises(InputError, match=f"id {twice[60] if twice[60] == 7 else 3} is there twice"):
            search.build(tmp_path / f"{twice[60]}", None, embeddings=rows, ids=twice, space=space)
    ids = torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:200]
    index = search.build(tmp_path / "i", None, embeddings=rows, ids=ids, space=space)
    taken = int(ids[17])
    with pytest.raises(InputError, match=f"an item {taken} already"):
        index.add(embeddings=rows[:2], ids=[5000, taken])
    with pytest.raises(InputError, match=r"row 1 .*-3"):
        index.add(embeddings=rows[:2], ids=[5000, -3])
    assert held(index) == sorted(ids.tolist())
    assert index.delete([taken, 5000]) == 1
    added = index.add(embeddings=rows[:1], ids=[taken])
    assert (added.rows, added.first) == (1, taken)
    assert held(index) == sorted(ids.tolist())
    assert index.add(embeddings=rows[:3]).first == int(ids.max()) + 1


def test_appended_rows_keep_the_edges_until_compaction(tmp_path, monkeypatch) -> None:
    shrink_shards(monkeypatch)
    index, _ = built(tmp_path / "i", 300)
    edges = index.manifest.edges
    for _ in range(3):
        index.add(embeddings=embeddings(20, seed=1) / 1000)
    assert index.manifest.edges == edges
    assert index.store.describe().shells[0].count > 50
    index.delete([*range(0, 300, 7), *range(300, 320)])
    assert not index.check().defects
    ids, done = held(index), index.compact()
    assert done.dropped == 63
    assert held(index) == ids
    assert index.manifest.edges != edges
    assert all(shard.deleted == 0 for shard in index.manifest.shards)
    assert len(index.manifest.shards) <= -(-len(ids) // 64)
    assert max(shard.rows for shard in index.manifest.shards) < 2 * 64
    assert not index.check().defects
    assert index.compact().written == 0


def always(names: list[str]) -> Callable[[Manifest], list[str]]:
    return lambda _: names


def test_shards_of_other_processes_are_adopted_once(tmp_path) -> None:
    folder, space = tmp_path / "i", Space("euclidean", False)
    store = empty(folder, Frame.of(space, 8))

    def write(name: str, dtype: torch.dtype = torch.float32) -> None:
        rows = Rows.of(torch.arange(10) + (int(name[2:]) << 32), embeddings(10), space, dtype)
        write_shard(folder / SHARDS / name, rows, Labels.none(10), space.geometry)

    for name in ("w-0", "w-1", "w-2"):
        write(name)
    store.refresh()
    assert store.describe().rows == 0
    for count, names in ((10, ["w-0"]), (30, ["w-0", "w-1", "w-2"]), (30, ["w-2"])):
        adopt(folder, always(names), store.manifest)
        store.refresh()
        assert store.describe().rows == count
    assert store.fetch(torch.tensor([(2 << 32) + 3])).ids.tolist() == [(2 << 32) + 3]
    write("w-9", torch.float16)
    with pytest.raises(InputError, match="w-9"):
        adopt(folder, always(["w-9"]), store.manifest)
    reader, index = search.open(folder), search.open(folder)
    index.delete([0])
    index.compact()
    assert (folder / SHARDS / "w-0").exists()  # the reader holds it
    index.delete([5])
    adopt(folder, always(["w-0", "w-1"]), index.manifest)
    index.refresh()
    assert (len(reader), len(index)) == (30, 28)


def test_deleted_items_are_neither_innermost_nor_matching(tmp_path, monkeypatch) -> None:
    shrink_shards(monkeypatch)
    index, radius = built(tmp_path / "i", 150)
    gone = [*np.argsort(radius)[:5].tolist(), 17, 71, 117]
    index.delete(gone)
    left = [item for item in np.argsort(radius, kind="stable").tolist() if item not in gone]
    assert index.store.innermost(4).tolist() == left[:4]
    assert index.store.innermost(999).tolist() == left
    named = [item for item in left if "7" in str(item)]
    assert index.store.matching("CAPTION", 999).tolist() == left
    assert index.store.matching("7", 999).tolist() == named
    assert index.store.matching("7", 3).tolist() == named[:3]
