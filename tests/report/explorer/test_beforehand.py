"""Answers that are found beforehand are those of searches, and pictures fit the bytes that they are given."""

import io
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hiergeo import search
from hiergeo.report.explorer import Collection, Lens, Thumbnails, export
from hiergeo.report.explorer.answers import AnswerWriter
from hiergeo.search import Hit, Item

pytestmark = pytest.mark.filterwarnings("ignore:this space has no root")

ROWS = 90
PICTURES = 30


@pytest.mark.parametrize("spec", ["lorentz:-1", "product:lorentz:-1x3,euclidean:x3"])
def test_answers_found_beforehand_are_those_of_searches(tmp_path, monkeypatch, spec) -> None:
    monkeypatch.setattr(export, "CHUNK", 50)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(ROWS, 6, generator=generator) * torch.linspace(0.05, 0.6, ROWS)[:, None]
    ids = torch.randperm(3 * ROWS, generator=generator)[:ROWS].tolist()
    captions = [f"item {row if row % 3 else 0}" for row in range(ROWS)]
    index = search.build(tmp_path / "index", None, captions, embeddings=rows, ids=ids, space=spec)
    lens = Lens("0", "test", "test", index, index.space)
    items = np.sort(ids)
    files = list(export.answers_of(lens, AnswerWriter(Collection("test", (lens,))), items))
    assert [len(file) for file in files] == [50, ROWS - 50]

    def check(stored: list[list[Any]], hits: Sequence[Hit]) -> None:
        assert [items[row] for row, *_ in stored] == [hit.id for hit in hits]
        for (_, distance, margin, angle, itself, entails, rank), hit in zip(stored, hits, strict=True):
            numbers = [hit.distance, hit.margin, hit.angle]
            assert itself == (hit.distance < 1e-5)
            assert (entails, rank) == (hit.entails, hit.quantile)
            if itself:
                assert (margin, angle) == (None, None)
            else:
                assert [distance, margin, angle] == pytest.approx(numbers, rel=5e-5, abs=2e-6)

    for row in (0, 1, 49, 50, ROWS - 1):
        item, about = Item(int(items[row])), files[row // 50][row % 50]
        assert about["count"]["count"] == index.count(item)
        check(about["children"]["hits"], index.children(item, strict=True).hits)
        check(about["parents"]["hits"], index.parents(item, strict=True).hits)
        check(about["neighbours"]["hits"], index.neighbours(item).hits)
        climb = index.ladder(item, export.STEPS)
        held = [(rung.hit, rung.threshold) for rung in climb.rungs if rung.hit is not None]
        groups = [list(group) for _, group in groupby(held, lambda each: each[0].caption)]
        hits, ends = [group[0][0] for group in groups], [(group[0][1], group[-1][1]) for group in groups]
        assert climb.stays == [(*end, hit) for end, hit in zip(ends, hits, strict=True)]
        rungs = about["ladder"]["rungs"]
        check([rung["hit"] for rung in rungs], hits)
        np.testing.assert_allclose([(rung["from"], rung["to"]) for rung in rungs], ends, rtol=5e-5)


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
    monkeypatch.setattr(export, "SIZES", ((few, 192, 80), (PICTURES, 32, 20)))
    numbers, pictures = export.album_of(pictured, range(PICTURES))
    others = (i for i in range(PICTURES) if i != 3)
    assert numbers == {item: number for number, item in enumerate(others)}
    assert len(pictures) == PICTURES - 1
    side = 32 if few < PICTURES else 192
    with Image.open(io.BytesIO(pictures[0])) as picture:
        assert (picture.format, picture.size) == ("WEBP", (side, side * 3 // 4))


def test_items_of_one_file_share_a_picture(tmp_path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    Image.new("RGB", (40, 30), "blue").save(tmp_path / "b.png")
    images = [tmp_path / f"{name}.png" for name in "abaa"]
    index = search.build(tmp_path / "index", None, list("pqrs"), images, embeddings=torch.eye(4))
    numbers, pictures = export.album_of(Thumbnails([index], tmp_path), range(4))
    assert (numbers, len(pictures)) == ({0: 0, 2: 0, 3: 0, 1: 1}, 2)
