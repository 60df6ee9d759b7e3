"""Packed answers are those of searches, and pictures fit the bytes that they are given."""

import io
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from hiergeo import search
from hiergeo.report.explorer import Lens, Thumbnails, export, open_collection, packing
from hiergeo.search import Item
from hiergeo.search.requests import Kind, fitting

pytestmark = pytest.mark.filterwarnings("ignore:this space has no root")

ROWS = 600
PICTURES = 30
SPECS = ("euclidean", "lorentz:-1", "sphere:0.25", "product:lorentz:-1x3,euclidean:x3")


def unpacked(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file of answers, by the table in `hiergeo.report.explorer.packing`."""
    n, k, rungs, stored = np.frombuffer(content, "<u4", 4)
    shapes: list[tuple[str, str, tuple[int, ...]]] = [("counts", "<u4", (n,))]
    shapes += [(kind, "<f4", (2 + stored, n, k)) for kind in ("children", "parents", "neighbours")]
    shapes += [("ladders", "<f4", (2 + stored, rungs)), ("first", "<u4", (n + 1,)), ("hits", "<u2", (3, n, k))]
    shapes += [("rungs", "<u2", (rungs,)), ("steps", "u1", (rungs,))]
    found, at = {}, 16
    for name, kind, shape in shapes:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        found[name] = np.frombuffer(content[at : at + size], kind).reshape(shape)
        at += size
    assert at == len(content)
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packing") / "index"
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(ROWS, 6, generator=generator) * torch.linspace(0.05, 0.6, ROWS)[:, None]
    ids = torch.randperm(3 * ROWS, generator=generator)[:ROWS]
    search.build(folder, None, [f"item {i}" for i in range(ROWS)], embeddings=rows, ids=ids.tolist())
    return folder


def strict_hits(lens: Lens, kind: Kind, item: Item) -> tuple[search.Hit, ...]:
    options = {"k": packing.K, "space": lens.space, "strict": True}
    (answer,) = lens.index.search([search.Request(kind, item, **fitting(kind, options))])
    assert isinstance(answer, search.Answer)
    return answer.hits


@pytest.mark.parametrize("spec", SPECS)
def test_packed_answers_are_those_of_searches(built, tmp_path, spec) -> None:
    if spec.startswith("product"):
        held = search.open(built).store
        ids = torch.cat([rows.ids for rows in held.scan()]).sort().values
        rows = held.fetch(ids)
        embeddings = rows.direction.float() * rows.radii
        built = tmp_path / "product"
        captions = map(str, held.labels(ids).captions)
        search.build(built, None, captions, embeddings=embeddings, ids=ids.tolist(), space=spec)
    lens = open_collection([built], [spec]).lenses[0]
    items = np.sort(np.concatenate([rows.ids.numpy() for rows in lens.index.store.scan()]))
    packer = packing.Packer(lens, items)
    files = [unpacked(content) for content in packer.chunks()]
    assert [len(each["counts"]) for each in files] == [packing.CHUNK, ROWS - packing.CHUNK]
    asked = [0, 1, 77, packing.CHUNK - 1, packing.CHUNK, ROWS - 1]
    for place in asked:
        item, file, row = Item(int(items[place])), files[place // packing.CHUNK], place % packing.CHUNK
        assert file["counts"][row] == lens.index.count(item, space=lens.space)
        for side, verb in enumerate(("children", "parents", "neighbours")):
            hits = strict_hits(lens, cast(Kind, verb), item)
            assert items[file["hits"][side, row]].tolist() == [hit.id for hit in hits]
            names = ("angle", "distance", "margin") if spec.startswith("product") else ("angle", "distance")
            for name, numbers in zip(names, file[verb], strict=True):
                np.testing.assert_allclose(numbers[row], [getattr(hit, name) for hit in hits], rtol=1e-6, atol=2e-6)
        climb = lens.index.ladder(item, packing.STEPS, space=lens.space)
        part = slice(*file["first"][row : row + 2])
        assert items[file["rungs"][part]].tolist() == [hit.id for hit in climb.hits]
        assert [packer.thresholds[step] for step in file["steps"][part]] == [
            rung.threshold
            for before, rung in pairwise([None, *climb.rungs])
            if rung.hit is not None and (before is None or before.hit is None or before.hit.id != rung.hit.id)
        ]
        for name, numbers in zip(names, file["ladders"], strict=True):
            np.testing.assert_allclose(numbers[part], [getattr(hit, name) for hit in climb.hits], rtol=1e-6, atol=2e-6)


def test_packed_answers_of_repeated_captions_are_those_of_searches(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hiergeo.search.distinct.MOST_HITS", 64)
    generator = torch.Generator().manual_seed(5)
    kinds, noise = torch.randn(15, 6, generator=generator), torch.randn(180, 6, generator=generator)
    near = 0.4 * kinds.repeat(12, 1) + 0.01 * noise
    captions = [f"caption {i % 15 if i % 3 else 0}" for i in range(180)]
    search.build(tmp_path / "ix", None, captions, embeddings=near)
    lens = open_collection([tmp_path / "ix"], ["lorentz:-1"]).lenses[0]
    (file,) = map(unpacked, packing.Packer(lens, np.arange(180)).chunks())
    for place in (0, 1, 100):
        for side, verb in enumerate(("children", "parents", "neighbours")):
            hits = strict_hits(lens, cast(Kind, verb), Item(place))
            listed = file["hits"][side, place].tolist()
            assert listed == [hit.id for hit in hits] + [packing.NOBODY] * (packing.K - len(hits))
            if verb == "neighbours":
                assert len({hit.caption for hit in hits}) == packing.K
        part = slice(*file["first"][place : place + 2])
        climb = lens.index.ladder(Item(place), packing.STEPS, space=lens.space)
        assert file["rungs"][part].tolist() == [hit.id for hit in climb.hits]


def test_few_items_leave_places_empty(tmp_path) -> None:
    search.build(tmp_path / "few", None, ["a", "b", "c"], embeddings=torch.eye(3))
    lens = open_collection([tmp_path / "few"], ["euclidean"]).lenses[0]
    (content,) = packing.Packer(lens, np.arange(3)).chunks()
    found = unpacked(content)
    assert (found["hits"][2, :, :3] < 3).all()
    assert (found["hits"][:, :, 3:] == packing.NOBODY).all()
    assert (found["hits"][:2] == packing.NOBODY).all(), "of equal radii none is more general"
    assert np.isnan(found["children"][:, :, 3:]).all()


@pytest.fixture(scope="module")
def pictured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(PICTURES):
        pixels = rng.integers(0, 256, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).resize((200, 150)).save(folder / f"{i:03d}.png")
    (folder / "003.png").write_bytes(b"no picture")
    search.build(
        folder / "index",
        None,
        images=[folder / f"{i:03d}.png" for i in range(PICTURES)],
        embeddings=torch.eye(PICTURES),
    )
    return Thumbnails([search.open(folder / "index")], folder)


@pytest.mark.parametrize("few", [10, 1000])
def test_more_pictures_are_smaller(pictured, few, monkeypatch) -> None:
    monkeypatch.setattr(export, "CHUNK", 12)
    monkeypatch.setattr(export, "SIZES", ((few, 192, 80), (PICTURES, 32, 20)))
    found = export.album(pictured, range(PICTURES))
    others = (i for i in range(PICTURES) if i != 3)
    assert found.numbers == {item: number for number, item in enumerate(others)}
    assert (found.side, found.quality) == ((32, 20) if few < PICTURES else (192, 80))
    pictures = []
    for content in found.files():
        count, *ends = np.frombuffer(content, "<u4", 1 + int(np.frombuffer(content, "<u4", 1)[0])).tolist()
        held = content[4 * (count + 1) :]
        pictures += [held[first:last] for first, last in pairwise([0, *ends])]
    assert pictures == list(found.pictures)
    with Image.open(io.BytesIO(pictures[0])) as picture:
        assert (picture.format, picture.size) == ("WEBP", (found.side, found.side * 3 // 4))


def test_items_of_one_file_share_a_picture(tmp_path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    Image.new("RGB", (40, 30), "blue").save(tmp_path / "b.png")
    images = [tmp_path / f"{name}.png" for name in "abaa"]
    index = search.build(tmp_path / "index", None, list("pqrs"), images, embeddings=torch.eye(4))
    found = export.album(Thumbnails([index], tmp_path), range(4))
    assert (found.numbers, len(found.pictures)) == ({0: 0, 2: 0, 3: 0, 1: 1}, 2)
