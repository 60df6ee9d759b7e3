"""Readers beside a writer, damage that is found and named, writers that die or find the disk full."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch

from hiergeo import search
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo._core.storage.locks import HeldError, locked
from hiergeo.geometry import Space
from hiergeo.search import appending, layout, shard_writer, snapshots
from hiergeo.search.compaction import compact
from tests.search.search_common import embeddings, shrink_shards


def built(folder, n: int = 300) -> search.Index:
    captions = [f"caption {i}" for i in range(n)]
    return search.build(folder, None, captions, space=Space("euclidean", False), embeddings=embeddings(n))


def held(index: search.Index) -> list[int]:
    return sorted(i for rows in index.store.scan() for i in rows.ids.tolist())


def shards(folder) -> set[str]:
    return {path.name for path in (folder / "shards").iterdir()}


def test_a_reader_keeps_its_generation_while_a_writer_goes_on(tmp_path, monkeypatch) -> None:
    shrink_shards(monkeypatch)
    folder = tmp_path / "i"
    writer, before = built(folder), shards(folder)
    reader = search.open(folder)
    scan = reader.store.scan()
    first = next(scan).ids.tolist()
    writer.delete(range(100))
    writer.add(embeddings=embeddings(50, seed=1))
    writer.compact()
    assert before < shards(folder)
    assert sorted([*first, *(i for rows in scan for i in rows.ids.tolist())]) == list(range(300))
    assert reader.store.labels(torch.tensor([5])).captions == ["caption 5"]
    writer.add(embeddings=embeddings(1, seed=2))
    assert before < shards(folder)
    reader.refresh()
    assert held(reader) == held(writer) == list(range(100, 351))
    with pytest.raises(InputError, match="no item 5"):
        reader.store.labels(torch.tensor([5]))
    writer.add(embeddings=embeddings(1, seed=3))
    assert shards(folder) == {shard.name for shard in writer.manifest.shards}
    assert not before <= shards(folder)
    assert len(list((folder / "readers").iterdir())) <= 2


def test_what_was_retired_before_the_oldest_reader_is_removed(tmp_path, monkeypatch) -> None:
    shrink_shards(monkeypatch)
    index, first = built(tmp_path / "i", 60), shards(tmp_path / "i")
    oldest = search.open(tmp_path / "i")
    index.delete([0])
    index.compact()
    second = shards(tmp_path / "i") - first
    newer = search.open(tmp_path / "i")
    assert held(oldest) == list(range(60))
    oldest.close()
    index.delete([1])
    index.compact()
    third = {shard.name for shard in index.manifest.shards}
    assert shards(tmp_path / "i") == second | third
    assert held(newer) == list(range(1, 60))


def test_ids_of_a_change_that_fails_are_given_to_the_next(tmp_path, monkeypatch) -> None:
    index = built(tmp_path / "i", 20)
    with monkeypatch.context() as patch:
        patch.setattr(appending, "publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            index.add(embeddings=embeddings(3))
    assert index.add(embeddings=embeddings(1)).first == 20
    assert held(index) == list(range(21))


def test_a_second_writer_is_refused(tmp_path) -> None:
    index = built(tmp_path / "i", 20)
    with locked(tmp_path / "i"):
        for change in (
            lambda: index.add(embeddings=embeddings(2)),
            lambda: index.delete([1]),
            index.compact,
            lambda: appending.adopt(tmp_path / "i", lambda _: [], index.manifest),
        ):
            with pytest.raises(HeldError):
                change()
    with locked(tmp_path / "j"), pytest.raises(HeldError):
        built(tmp_path / "j", 20)
    assert index.delete([1]) == 1


FILES = ["directions", "radii.f32", "ids.i64", "sorted.i64", "places.i32", "captions.parquet", "tombstones"]


@pytest.mark.parametrize("name", FILES)
def test_damage_is_named_by_shard_and_file(tmp_path, monkeypatch, name) -> None:
    shrink_shards(monkeypatch)
    index = built(tmp_path / "i", 150)
    index.delete([0, 1, 2, 70, 71])
    assert index.check().defects == ()
    shard = index.manifest.shards[1]
    path = next((tmp_path / "i/shards" / shard.name).glob(f"{name}*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    found = search.open(tmp_path / "i").check()
    assert found.damaged == (shard.name,)
    assert path.name in found.defects[0][1]
    path.write_bytes(content[:-1])
    with pytest.raises(UnavailableError, match=shard.name):
        search.open(tmp_path / "i")
    path.unlink()
    with pytest.raises(HiergeoError, match=shard.name):
        index.compact()
    assert len(layout.read(tmp_path / "i").shards) == 3
    assert compact(tmp_path / "i", skip_damaged=True).lost == shard.rows - 2
    left = search.open(tmp_path / "i")
    assert len(left) == len(index) - shard.rows + 2
    assert not set(held(left)) & set(range(64, 128))


def test_names_in_a_manifest_lead_nowhere_else(tmp_path) -> None:
    index = built(tmp_path / "i", 20)
    (tmp_path / "precious").write_text("x")
    for retired in ("../../precious", "..", "a/../../../precious", "/etc"):
        layout.commit(tmp_path / "i", index.manifest.next(retired=(layout.Retired(retired, 0),)))
        with pytest.raises(InputError, match="retired"):
            index.add(embeddings=embeddings(1))
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize("change", ["add", "delete", "compact"])
def test_a_change_that_fails_half_way_leaves_the_index_as_it_was(tmp_path, monkeypatch, change) -> None:
    shrink_shards(monkeypatch)
    index = built(tmp_path / "i")
    index.delete([5, 150])
    before, ids = layout.read(tmp_path / "i"), held(index)
    done = {
        "add": lambda: index.add(embeddings=embeddings(200, seed=1)),
        "delete": lambda: index.delete(range(0, 300, 3)),
        "compact": index.compact,
    }[change]

    def full_after(count: int) -> Callable[[int], None]:
        left = iter(range(count))

        def sync(descriptor: int) -> None:
            if next(left, None) is None:
                raise OSError(28, "No space left on device")

        return sync

    for count in range(200):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full_after(count))
            with pytest.raises(UnavailableError, match="No space"):
                done()
        if layout.read(tmp_path / "i") != before:  # all is written, and only the folder could not be synchronised
            break
        assert held(search.open(tmp_path / "i")) == ids
        with snapshots.writer(tmp_path / "i"):
            assert shards(tmp_path / "i") == {shard.name for shard in before.shards}
    assert count > 5
    assert search.open(tmp_path / "i").check().defects == ()
    index.refresh()
    assert (
        held(index)
        == {
            "add": [*ids, *range(300, 500)],
            "delete": [i for i in ids if i % 3],
            "compact": ids,
        }[change]
    )


def test_what_dead_writers_left_is_removed_by_the_next(tmp_path, monkeypatch) -> None:
    shrink_shards(monkeypatch)
    index = built(tmp_path / "i")
    kept = shards(tmp_path / "i")
    orphan = tmp_path / "i/shards" / f"{index.manifest.generation + 1:08d}-00000"
    rows = next(index.store.scan())
    shard_writer.write_shard(orphan, rows, search.shards.Labels.none(len(rows)), index.store.geometry)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    from hiergeo._core.storage.files import HOST

    part = tmp_path / "i/shards" / f".x.{HOST}-{int(dead.stdout)}-01234567.part"
    part.mkdir()
    (tmp_path / "i/shards" / index.manifest.shards[0].name / "tombstones-00000001.i32").write_bytes(b"half")
    index.delete([200])
    assert shards(tmp_path / "i") == kept
    assert not list((tmp_path / "i/shards" / index.manifest.shards[0].name).glob("tombstones-*"))
    assert len(index) == 299
