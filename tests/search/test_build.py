"""Building an index: streams of any kind, resumption, what is refused by its row, and what is left after a failure."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from hiergeo import search
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage import archives
from hiergeo.geometry import Space
from hiergeo.search.shards import read_record
from hiergeo.search.sources import ItemBatch
from tests.search.search_common import DIM, HashModel, embeddings, shrink_shards

CAPTIONS = [f"caption {i}" for i in range(200)]

STRANGE = [
    "",
    " ",
    "nul\0inside",
    "two\nlines",
    "two\r\nlines",
    "🦊👩‍👩‍👧",
    "שלום عالم",
    "\u202e",
    "e\u0301",
    "x" * 100_000,
    '"',
    "ﷺ",
]


def labels(index: search.Index, n: int) -> list[str | None]:
    return list(index.store.labels(torch.arange(n)).captions)


def contents(index: search.Index) -> list[tuple]:
    """Everything that an index holds, in order of ids."""
    rows = search.Rows.cat(list(index.store.scan()))
    rows = rows.take(rows.ids.argsort())
    named = index.store.labels(rows.ids)
    parts = (rows.ids.tolist(), rows.direction.tolist(), rows.radii.tolist(), named.captions, named.images)
    return list(zip(*parts, strict=True))


def test_captions_of_any_unicode_come_back(tmp_path) -> None:
    index = search.build(tmp_path / "i", HashModel(), STRANGE)
    index.add(STRANGE[::-1])
    assert labels(index, 2 * len(STRANGE)) == STRANGE + STRANGE[::-1]
    assert labels(search.open(tmp_path / "i", model=HashModel()), len(STRANGE)) == STRANGE


def test_every_kind_of_source_gives_the_same_index(tmp_path) -> None:
    listed = ["a dog", 'a "quoted", caption', "naïve 🦊", "犬"]
    (tmp_path / "c.txt").write_text("\r\n".join(listed) + "\r\n", encoding="utf-8-sig", newline="")
    lines = "".join(f'x,"{caption.replace(chr(34), chr(34) * 2)}"\n' for caption in listed)
    (tmp_path / "c.csv").write_text("other,caption\n" + lines, encoding="utf-8")
    pq.write_table(pa.table({"caption": listed, "n": [1, 2, 3, 4]}), tmp_path / "c.parquet")
    sources = {
        "list": listed,
        "generator": (caption for caption in listed),
        "array": np.array(listed),
        **{kind: tmp_path / f"c.{kind}" for kind in ("txt", "csv", "parquet")},
        "string": str(tmp_path / "c.txt"),
    }
    built = {name: contents(search.build(tmp_path / name, HashModel(), given)) for name, given in sources.items()}
    for name, found in built.items():
        assert found == built["list"], name
    assert [row[3] for row in built["list"]] == listed


def test_embeddings_come_as_tensors_blocks_and_files(tmp_path) -> None:
    rows = embeddings(100)
    np.save(tmp_path / "rows.npy", rows.numpy())
    arrays = {
        "text": rows.numpy()[:, None].repeat(4, 1).reshape(100, 4, DIM),
        "caption": np.array([CAPTIONS[:4]] * 100),
    }
    archives.write(tmp_path / "rows.npz", {**arrays, "root": np.zeros(DIM, np.float32)})
    space = Space("euclidean", False)
    whole = contents(search.build(tmp_path / "a", None, embeddings=rows, space=space))
    blocks = (rows[start:stop] for start, stop in ((0, 1), (1, 1), (1, 64), (64, 100)))
    assert contents(search.build(tmp_path / "b", None, embeddings=blocks, space=space)) == whole
    assert contents(search.build(tmp_path / "c", None, embeddings=tmp_path / "rows.npy", space=space)) == whole
    index = search.build(tmp_path / "d", None, embeddings=tmp_path / "rows.npz")
    assert len(index) == 400
    assert index.space.root is not None
    assert labels(index, 4) == CAPTIONS[:4]


def test_images_are_items_or_stand_beside_captions(tmp_path) -> None:
    pictures = tmp_path / "pictures"
    for name, colour in (("b/2.png", "red"), ("a.jpg", "blue"), ("b/1.png", "green"), ("b/.hidden.png", "red")):
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), colour).save(pictures / name)
    (pictures / "notes.txt").write_text("no picture")
    index = search.build(tmp_path / "i", "tiny", images=pictures)
    held = index.store.labels(torch.arange(3))
    assert held.images == ["../pictures/a.jpg", "../pictures/b/1.png", "../pictures/b/2.png"]
    assert held.captions == [None] * 3
    assert (index.store.folder / held.images[1]).resolve() == (pictures / "b/1.png").resolve()
    beside = search.build(tmp_path / "j", HashModel(), ["blue", "green", "red"], pictures)
    assert beside.store.labels(torch.arange(3)).images == held.images
    (tmp_path / "t.csv").write_text("caption,image\nblue,a.jpg\nred,b/2.png\n")
    table = search.build(tmp_path / "k", HashModel(), tmp_path / "t.csv", pictures)
    assert table.store.labels(torch.arange(2)).images == ["../pictures/a.jpg", "../pictures/b/2.png"]
    urls = ["http://x/1.png", "http://x/2.png"]
    assert search.build(tmp_path / "l", HashModel(), ["a", "b"], urls).store.labels(torch.arange(2)).images == urls
    with pytest.raises(InputError, match="2 captions and more images"):
        search.build(tmp_path / "m", HashModel(), ["a", "b"], pictures)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"captions": ["a", 5]}, "row 1"),
        ({"captions": "missing.txt"}, "missing.txt"),
        ({"embeddings": torch.tensor([[1.0, *[0.0] * (DIM - 1)]] * 30 + [[float("nan")] * DIM])}, "row 30"),
        ({"embeddings": torch.zeros(3, 5)}, "dimension 5"),
        ({"embeddings": 2 * torch.eye(DIM)}, "norm 2"),
        ({"embeddings": 1.02 * torch.eye(DIM)}, r"norm 1\.02"),
        ({"embeddings": torch.zeros(3, DIM, dtype=torch.int64)}, "floating"),
        ({"captions": ["a", "b"], "ids": [1]}, "1 ids and more captions"),
        ({"captions": ["a", "b"], "ids": [1, True]}, "row 1"),
        ({"captions": ["a", "b"], "ids": [1, 2**63]}, "row 1"),
        ({"captions": ["a", "b"], "ids": [1, 1]}, "id 1"),
        ({"embeddings": "nowhere.npy"}, "nowhere"),
        ({}, "captions, images or embeddings"),
    ],
)
def test_what_cannot_be_used_is_named_and_changes_nothing(tmp_path, monkeypatch, inputs, named) -> None:
    shrink_shards(monkeypatch)
    with pytest.raises((InputError, UnavailableError), match=named):
        search.build(tmp_path / "new", HashModel(), **inputs)
    index = search.build(tmp_path / "i", HashModel(), ["x", "y"])
    before = sorted(path.name for path in (tmp_path / "i").rglob("*"))
    with pytest.raises((InputError, UnavailableError), match=named):
        index.add(**inputs)
    assert sorted(path.name for path in (tmp_path / "i").rglob("*")) == before
    assert len(search.open(tmp_path / "i", model=HashModel())) == 2


def test_an_interrupted_build_embeds_only_what_is_not_stored(tmp_path, monkeypatch) -> None:
    shrink_shards(monkeypatch)
    whole = search.build(tmp_path / "whole", HashModel(), CAPTIONS)

    def broken():
        yield from CAPTIONS[:150]
        raise RuntimeError("the power fails")

    folder = tmp_path / "i"
    with pytest.raises(RuntimeError, match="power"):
        search.build(folder, HashModel(), broken())
    with pytest.raises(UnavailableError, match="not complete"):
        search.open(folder)
    for other in (["other", *CAPTIONS[1:]], CAPTIONS[:100]):
        with pytest.raises(InputError, match="first 128 items"):
            search.build(folder, HashModel(), other)
    with pytest.raises(InputError, match="other settings"):
        search.build(folder, HashModel(), CAPTIONS, dtype="float32")
    model = HashModel()
    index = search.build(folder, model, iter(CAPTIONS))
    assert model.embedded == len(CAPTIONS) - 128 + 1  # and the root
    assert contents(index) == contents(whole)
    assert index.manifest == whole.manifest
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in (tmp_path / "whole").iterdir()
    )
    with pytest.raises(InputError, match="already"):
        search.build(folder, model, CAPTIONS)


def test_an_empty_index_is_legal(tmp_path) -> None:
    index = search.build(tmp_path / "i", HashModel(), [])
    assert len(index) == len(search.open(tmp_path / "i")) == 0
    assert index.check().defects == ()
    assert index.compact().rows == 0
    with pytest.raises(InputError, match="empty"):
        index.children("a dog")
    index.add(CAPTIONS)
    assert len(index) == 200
    assert len(index.store.describe().shells) == 65
    assert index.delete(range(200)) == 200
    assert index.compact().after == 0
    assert index.add(["new"]).first == 200


def test_files_without_items_are_refused_before_anything_is_written(tmp_path) -> None:
    (tmp_path / "captions.txt").write_text("\n\n")
    (tmp_path / "pictures").mkdir()
    for given in ({"captions": tmp_path / "captions.txt"}, {"images": tmp_path / "pictures"}):
        with pytest.raises(InputError, match="holds no"):
            search.build(tmp_path / "i", HashModel(), **given)
    assert not (tmp_path / "i").exists()


@pytest.mark.skipif(os.name != "posix", reason="names of folders are bytes on POSIX systems alone")
def test_a_folder_whose_name_is_not_utf8_is_refused_before_anything_is_written(tmp_path) -> None:
    named = Path(os.fsdecode(bytes(tmp_path) + b"/\xff"))
    with pytest.raises(InputError, match="not UTF-8"):
        search.build(named, HashModel(), CAPTIONS)
    assert not named.exists()
    search.build(tmp_path / "i", HashModel(), CAPTIONS).close()
    (tmp_path / "i").rename(named)
    with pytest.raises(InputError, match="not UTF-8"):
        search.open(named)


def test_files_of_another_model_or_root_are_refused(tmp_path) -> None:
    index = search.build(tmp_path / "i", HashModel(), CAPTIONS[:3])
    model, root = HashModel(), HashModel().root()
    rows = model.encode_text(["a", "b"]).numpy()
    told = {"model": np.array("hash"), "fingerprint": np.array(model.fingerprint()), "caption": np.array(["a", "b"])}
    good = {"text": rows, "root": root.numpy(), **told}
    archives.write(tmp_path / "good.npz", good)
    archives.write(tmp_path / "other.npz", {**good, "fingerprint": np.array("f" * 16)})
    archives.write(tmp_path / "root.npz", {**good, "root": -root.numpy()})
    assert index.add(embeddings=tmp_path / "good.npz").rows == 2
    assert labels(index, 5)[3:] == ["a", "b"]
    for name, named in (("other", "ffff"), ("root", "another root")):
        with pytest.raises(InputError, match=named):
            index.add(embeddings=tmp_path / f"{name}.npz")
        with pytest.raises(InputError, match=named):
            search.build(tmp_path / name, HashModel(), embeddings=tmp_path / f"{name}.npz")
    alone = search.build(tmp_path / "alone", None, embeddings=tmp_path / "good.npz")
    assert alone.manifest.model == index.manifest.model
    assert alone.manifest.frame == index.manifest.frame


def test_memory_holds_two_shards_whatever_the_number_of_items(tmp_path, monkeypatch) -> None:
    shrink_shards(monkeypatch)
    taken = [0]

    def blocks():
        for start in range(40):
            stored = sum(shard.rows for shard in shards())
            assert taken[0] - stored <= 2 * 64 + 2 * 16 + 25
            taken[0] += 25
            yield embeddings(25, seed=start)

    def shards():
        return [read_record(path) for path in (tmp_path / "i/shards").glob("0*-*")]

    index = search.build(tmp_path / "i", None, embeddings=blocks(), space=Space("euclidean", False))
    assert len(index) == 1000
    assert all(shard.rows <= index.manifest.full == 64 for shard in index.manifest.shards)


def test_every_part_of_a_batch_changes_its_hash():
    """Resumed builds compare it, so that no shard is taken for one of other inputs."""

    def digest(**changes: object) -> str:
        made = hashlib.sha256()
        batch._replace(**changes).hash_into(made)
        return made.hexdigest()

    batch = ItemBatch(0, 2, ["a", "bc"], None, torch.zeros(2, 3), torch.tensor([0, 1]))
    other = [
        digest(captions=["ab", "c"]),
        digest(embeddings=torch.eye(3)[:2]),
        digest(ids=torch.tensor([0, 2])),
        digest(embeddings=None),
        digest(),
    ]
    assert len(set(other)) == len(other)
    assert digest() == digest(start=7)
