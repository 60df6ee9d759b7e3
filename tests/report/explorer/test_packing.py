"""Packed answers are those of searches, and pictures fit the bytes that they are given."""

import io
from itertools import groupby, pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from hiergeo import search
from hiergeo.report.explorer import Lens, Thumbnails, export, packing
from hiergeo.search import Item

pytestmark = pytest.mark.filterwarnings("ignore:this space has no root")

ROWS = 90
PICTURES = 30


def unpacked(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file of answers, by the table in `hiergeo.report.explorer.packing`."""
    n, k, rungs = np.frombuffer(content, "<u4", 3).tolist()
    shapes: list[tuple[str, str, tuple[int, ...]]] = [("counts", "<u4", (n,)), ("lists", "<f4", (3, 3, n, k))]
    shapes += [("ladders", "<f4", (5, rungs)), ("first", "<u4", (n + 1,)), ("hits", "<u2", (3, n, k))]
    arrays, at = {}, 12
    for name, kind, shape in [*shapes, ("rungs", "<u2", (rungs,))]:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        arrays[name] = np.frombuffer(content[at : at + size], kind).reshape(shape)
        at += size
    assert at == len(content)
    return arrays


@pytest.mark.parametrize("spec", ["lorentz:-1", "product:lorentz:-1x3,euclidean:x3"])
def test_packed_answers_are_those_of_searches(tmp_path, monkeypatch, spec) -> None:
    monkeypatch.setattr(packing, "CHUNK", 50)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(ROWS, 6, generator=generator) * torch.linspace(0.05, 0.6, ROWS)[:, None]
    ids = torch.randperm(3 * ROWS, generator=generator)[:ROWS].tolist()
    captions = [f"item {row if row % 3 else 0}" for row in range(ROWS)]
    index = search.build(tmp_path / "index", None, captions, embeddings=rows, ids=ids, space=spec)
    lens = Lens("0", "test", "test", index, index.space)
    items = np.sort(ids)
    files = [unpacked(content) for content in packing.packed_answers(lens, items)]
    assert [len(file["counts"]) for file in files] == [50, ROWS - 50]
    for row in (0, 1, 49, 50, ROWS - 1):
        item, file, at = Item(int(items[row])), files[row // 50], row % 50
        assert file["counts"][at] == index.count(item)
        searches = index.children(item, strict=True), index.parents(item, strict=True), index.neighbours(item)
        for side, answer in enumerate(searches):
            missing = packing.K - len(answer.hits)
            wanted = [items.tolist().index(hit.id) for hit in answer.hits]
            assert file["hits"][side, at].tolist() == wanted + [packing.NOBODY] * missing
            for name, numbers in zip(("angle", "distance", "margin"), file["lists"][side, :, at], strict=True):
                wanted = [getattr(hit, name) for hit in answer.hits] + [np.nan] * missing
                np.testing.assert_allclose(numbers, wanted, rtol=1e-6, atol=2e-6)
        climb = index.ladder(item, packing.STEPS)
        held = [rung for rung in climb.rungs if rung.hit is not None]
        groups = [list(group) for _, group in groupby(held, lambda rung: rung.hit.caption)]
        rungs = [(group[0].threshold, group[-1].threshold, group[0].hit) for group in groups]
        assert climb.stays == rungs
        part = slice(*file["first"][at : at + 2])
        assert items[file["rungs"][part]].tolist() == [hit.id for *_, hit in rungs]
        wanted = [(hit.angle, hit.distance, hit.margin, low, high) for low, high, hit in rungs]
        np.testing.assert_allclose(file["ladders"][:, part].T, wanted, rtol=1e-6, atol=2e-6)


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
    found = export.album_of(pictured, range(PICTURES))
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
    found = export.album_of(Thumbnails([index], tmp_path), range(4))
    assert (found.numbers, len(found.pictures)) == ({0: 0, 2: 0, 3: 0, 1: 1}, 2)
