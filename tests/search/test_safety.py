"""What keeps an index whole: lost records and files, damage, other users, sizes, and who changes what meanwhile."""

import errno
import gzip
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hiergeo import search
from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets import reading
from hiergeo.datasets.reading import Columns
from hiergeo.search import appending, layout, pushing, shard_writer
from hiergeo.search import index as index_module
from hiergeo.search.corpus import records, running, work
from hiergeo.search.snapshots import Snapshot
from hiergeo.search.stores.exact import ExactStore
from tests.search.corpus.corpus_common import Quick, captions, embed, picture, tar, texts, vector


def test_compaction_refuses_a_shard_with_a_flipped_bit(tmp_path):
    index = search.build(tmp_path / "ix", Quick(), captions(200))
    index.add(captions(100, 1))
    place = tmp_path / "ix" / "shards" / index.manifest.shards[0].name / "directions"
    raw = bytearray(place.read_bytes())
    raw[100] ^= 0x40
    place.write_bytes(raw)
    with pytest.raises(UnavailableError, match=index.manifest.shards[0].name):
        index.compact()
    assert search.open(tmp_path / "ix", model=Quick()).check().damaged == (index.manifest.shards[0].name,)


def test_an_input_that_breaks_off_behind_many_defects_is_incomplete(tmp_path, monkeypatch):
    raw = b'{"caption":"one"}\n' + b"{bad\n" * 10_050 + b"".join(b'{"caption":"c %d"}\n' % i for i in range(9000))
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(raw)[:-3000])
    monkeypatch.setattr(running, "SHARE", 1.0)
    summary = embed(tmp_path / "x.jsonl.gz", tmp_path / "ix", Quick())
    assert summary.incomplete == ["x.jsonl.gz"]


def test_the_reader_file_of_another_user_stops_no_writer(tmp_path, monkeypatch):
    index = search.build(tmp_path / "ix", Quick(), captions(3))
    opened = os.open

    def foreign(path, flags, *rest, **more):
        if "readers" in str(path) and flags & os.O_RDWR and os.path.exists(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", foreign)
    for _ in range(2):
        assert index.add(["more"]).rows == 1
    assert len(search.open(tmp_path / "ix", model=Quick())) == 5


def test_a_manifest_that_could_not_be_read_is_not_committed(tmp_path, monkeypatch):
    index = search.build(tmp_path / "ix", Quick(), captions(3))
    monkeypatch.setattr(limits, "JSON_BYTES", (tmp_path / "ix" / "index.json").stat().st_size + 100)
    with pytest.raises(UnavailableError, match="2 shards"):
        index.add(["more"])
    assert len(search.open(tmp_path / "ix", model=Quick())) == 3


def test_an_append_opens_no_shard_of_other_ids(tmp_path, monkeypatch):
    index = search.build(tmp_path / "ix", Quick(), captions(3))
    index.add(["more"])
    opened = []
    real = appending.OpenShard

    def noted(folder, manifest, shard):
        opened.append(shard.name)
        return real(folder, manifest, shard)

    monkeypatch.setattr(appending, "OpenShard", noted)
    before = {shard.name for shard in index.manifest.shards}
    index.add(["and more"])
    assert before.isdisjoint(opened)
    with pytest.raises(InputError, match="1"):
        index.add(["again"], ids=[1])


def test_an_index_copied_without_empty_folders(tmp_path):
    search.build(tmp_path / "ix", Quick(), [])
    (tmp_path / "ix" / "shards").rmdir()
    assert search.open(tmp_path / "ix", model=Quick()).add(["x"]).rows == 1


def test_long_captions_fill_a_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_writer, "SHARD_CHARACTERS", 1000)
    monkeypatch.setattr(layout, "BATCH", 10)
    index = search.build(tmp_path / "ix", Quick(), ["x" * 99 + str(i) for i in range(40)])
    assert len(index.manifest.shards) == 4
    texts(tmp_path / "in", x=["x" * 99 + str(i) for i in range(40)])
    monkeypatch.setattr(work, "WINDOW", 16)
    embed(tmp_path / "in", tmp_path / "other", Quick())
    assert len(search.open(tmp_path / "other").manifest.shards) == 3


@pytest.mark.parametrize("order", [("jpg", "json", "txt"), ("jpg", "txt", "json"), ("txt", "jpg", "json")])
@pytest.mark.parametrize(
    ("column", "held", "caption"),
    [
        (None, b'{"caption":"short","long":"long"}', "from txt"),
        ("long", b'{"caption":"short","long":"long"}', "long"),
        (None, b"[1]", "from txt"),
        (None, b"{broken", "from txt"),
    ],
)
def test_captions_of_a_webdataset_whatever_the_order(tmp_path, order, column, held, caption):
    data = {"jpg": picture(1), "json": held, "txt": b"from txt"}
    members = [(f"./._001.{order[0]}", b"xx"), *((f"./001.{kind}", data[kind]) for kind in order), ("README", b"x")]
    (found,) = reading.read(tar(tmp_path / "f.tar", members), Columns("pairs", column))
    assert found.caption == caption
    assert found.image == data["jpg"]


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_missing_image_in_a_table_is_missing_in_its_row_alone(tmp_path, missing, kind, beside):
    (tmp_path / "h.png").write_bytes(picture(3))
    images = ["h.png", "h.png", "h.png"]
    images[missing] = None
    table = tmp_path / f"t.{kind}"
    if kind == "csv":
        table.write_text("caption,image\n" + "".join(f"c{i},{name or ''}\n" for i, name in enumerate(images)))
    else:
        pq.write_table(pa.table({"caption": ["c0", "c1", "c2"], "image": images}), table)
    index = search.build(tmp_path / "ix", Quick(), table, tmp_path if beside else None)
    labels = index.store.labels(torch.arange(3))
    assert labels.captions == ["c0", "c1", "c2"]
    assert [image is None for image in labels.images] == [name is None for name in images]


def test_a_search_during_which_another_thread_deletes(tmp_path, monkeypatch):
    index = search.build(tmp_path / "ix", Quick(), captions(50))
    query = Quick().encode_text(["red"])[0]
    before = index.neighbours(query, 10)
    run = index_module.run

    def interrupted(*arguments):
        counts = run(*arguments)
        index.delete([hit.id for hit in before.hits])
        return counts

    monkeypatch.setattr(index_module, "run", interrupted)
    assert index.neighbours(query, 10).hits == before.hits
    assert len(index) == 40


def test_a_build_that_goes_on_with_replaced_pictures_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "BATCH", 2)
    monkeypatch.setattr(layout, "SHARD_BYTES", 1)

    class Paths(Quick):
        def image_rows(self, images):
            return torch.stack([vector(path.read_bytes().hex()) for path in images])

    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(6):
        (folder / f"{i}.png").write_bytes(picture(i))
    with monkeypatch.context() as patch:
        patch.setattr(records, "adopt", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search.build(tmp_path / "ix", Paths(), None, folder)
    (folder / "3.png").write_bytes(picture(99, (8, 8)))
    with pytest.raises(InputError, match="unfinished build"):
        search.build(tmp_path / "ix", Paths(), None, folder)


def test_a_store_is_closed_before_it_is_opened_with_the_shells_of_a_compaction(tmp_path, monkeypatch):
    index = search.build(tmp_path / "ix", Quick(), captions(300))
    open_now = []

    class Store:
        def __init__(self, spec, _frame, edges):
            assert spec not in open_now  # as engines that lock their folder
            open_now.append(spec)
            self.spec, self.edges = spec, edges

        def close(self):
            open_now.remove(self.spec)

    monkeypatch.setattr(pushing, "open_store", Store)
    first = index.engines.opened("engine:place")
    index.add(captions(200, 1))
    assert index.engines.opened("engine:place") is first
    index.compact()
    assert index.engines.opened("engine:place").edges == index.manifest.edges != first.edges


@pytest.mark.parametrize("read", [ExactStore.describe, lambda store: store.innermost(5)], ids=["describe", "innermost"])
def test_a_refresh_while_another_thread_describes_leaves_deleted_items_out(tmp_path, monkeypatch, read):
    monkeypatch.setattr(layout, "BATCH", 20)
    monkeypatch.setattr(layout, "SHARD_BYTES", 1)
    index = search.build(tmp_path / "ix", Quick(), captions(60))
    store, opened = index.store, Snapshot.open
    gone = store.innermost(60)

    def interrupted(self, shard):
        monkeypatch.setattr(Snapshot, "open", opened)
        store.delete(gone[:59])
        return self.open(shard)

    monkeypatch.setattr(Snapshot, "open", interrupted)
    read(store)
    assert store.innermost(60).tolist() == gone[59:].tolist()
    assert store.describe().rows == sum(shell.count for shell in store.describe().shells) == 1


def test_a_store_that_is_neither_a_store_nor_a_spec_is_refused(tmp_path):
    index = search.build(tmp_path / "ix", Quick(), captions(5))
    with pytest.raises(InputError, match="Path"):
        index.push(tmp_path / "milvus:x")
