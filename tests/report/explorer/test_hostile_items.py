"""Collections from anybody: references of images that lead elsewhere, and names and captions that disturb."""

import io
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("starlette")

from PIL import Image

from hiergeo import search
from hiergeo.report.explorer import open_collection
from hiergeo.search.rows import Rows
from hiergeo.search.shards import Labels
from tests.report.explorer.explorer_served import browser

CAPTIONS = (
    "<script>alert(1)</script>",
    "</bdi><img src=x onerror=alert(1)>",
    "\u202e\u2066 turned around",
    "a" * 10_000,
    "nul \0 inside",
    "line\r\nbreak\u2028separator",
    "\U0001f9a9 \ufffe \ufeff",
    "",
)


def labelled(folder: Path, captions: list, images: list):
    """An index that says of its items what it likes, as one from elsewhere can."""
    index = search.build(folder, None, ["first"], embeddings=torch.ones(1, 3))
    ids = torch.arange(1, len(captions) + 1)
    rows = Rows.of(ids, torch.randn(len(ids), 3, generator=torch.Generator().manual_seed(0)), index.space)
    index.store.add(rows, Labels(captions, images))
    return index


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> dict[str, str]:
    """References by what is wrong with them; "good" is shown."""
    top = tmp_path_factory.mktemp("pictures")
    photos, secret = top / "photos", top / "secret"
    photos.mkdir(), secret.mkdir()
    held = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(held, "PNG")
    for path in (photos / "good.png", secret / "secret.png"):
        path.write_bytes(held.getvalue())
    (photos / "link.png").symlink_to(secret / "secret.png")
    (photos / "folder.png").symlink_to(secret)
    (photos / "zero.png").symlink_to("/dev/zero")
    (photos / "loop.png").symlink_to(photos / "loop.png")
    os.mkfifo(photos / "pipe.png")
    (photos / "directory.png").mkdir()
    (photos / "damaged.png").write_bytes(held.getvalue()[:50])
    (photos / "text.png").write_text("root:x:0:0")
    (photos / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    Image.new("1", (60_000, 6_100)).save(photos / "huge.png")
    Image.new("1", (60_000, 2)).save(photos / "thin.png")
    (secret / "secret.txt").write_text("secret")
    names = ("link", "folder", "zero", "loop", "pipe", "directory", "damaged", "text", "huge", "thin", "missing")
    return {
        "top": str(top),
        "good": str(photos / "good.png"),
        **{name: str(photos / f"{name}.png") for name in names},
        "drawing": str(photos / "drawing.svg"),
        "outside": str(secret / "secret.png"),
        "climbing": "../secret/secret.png",
        "climbing from the folder": f"{photos}/../secret/secret.png",
        "a text file": str(secret / "secret.txt"),
        "the system's": "/etc/passwd",
        "a device": "/dev/stdin",
        "a process": "/proc/self/environ",
        "an address": "http://127.0.0.1:1/x.png",
        "null": "good.png\0.png",
        "endless": "a/" * 5000 + "x.png",
        "long": "x" * 300 + ".png",
        "empty": "",
        "number": "image-id:" + "9" * 30,
        "home": "~/x.png",
    }


@pytest.fixture(scope="module")
def http(pictures):
    top = Path(pictures["top"])
    references = [held for name, held in pictures.items() if name != "top"]
    labelled(top / "index", [f"item {i}" for i in range(len(references))], references)
    with browser(open_collection([top / "index"], images=top / "photos")) as client:
        yield client


def test_only_pictures_below_the_named_folder_are_shown(http, pictures) -> None:
    for place, name in enumerate(name for name in pictures if name != "top"):
        for side in (64, 192):
            start = time.process_time()
            answer = http.get(f"/api/thumbnail/{place + 1}?side={side}")
            assert time.process_time() - start < 5, name
            if name == "good":
                assert answer.status_code == 200
                with Image.open(io.BytesIO(answer.content)) as picture:
                    assert picture.format == "JPEG"
                    assert np.asarray(picture.convert("RGB"))[5, 5].tolist() == pytest.approx([254, 0, 0], abs=3)
            else:
                assert answer.status_code == 404, name
                assert answer.json()["field"] == "item"
                assert not [part for part in ("/", "secret", ".png", "root:") if part in answer.json()["error"]], name


def test_references_are_told_nowhere(http, pictures) -> None:
    for path in ("collection", "items?ids=1,2,3", "find?k=30", "find?text=item&k=30", "children?item=1&k=30", "map"):
        told = http.get(f"/api/{path}")
        assert told.status_code == 200
        assert pictures["top"] not in told.text
        assert "secret" not in told.text


def test_captions_and_names_arrive_as_they_are(tmp_path) -> None:
    folder = tmp_path / "<b>\u202e'name'"
    labelled(folder, list(CAPTIONS), [None] * len(CAPTIONS))
    collection = open_collection([folder], ["euclidean", "lorentz:-1"])
    title = "<script>\u202e" + "t" * 10_000
    collection = replace(collection, lenses=(collection.lenses[0], replace(collection.lenses[1], title=title)))
    with browser(collection) as client:
        ids = ",".join(str(place + 1) for place in range(len(CAPTIONS)))
        told = client.get(f"/api/items?ids={ids}")
        assert told.headers["content-type"] == "application/json"
        assert [each["caption"] for each in told.json()["items"]] == list(CAPTIONS)
        hits = client.get("/api/neighbours?item=0&k=20").json()["hits"]
        assert {each["caption"] for each in hits} == {"first", *CAPTIONS}
        found = client.get("/api/collection").json()
        assert found["title"] == folder.name
        assert found["lenses"][1]["title"] == title
        for text in ("<script>", "\0", "AAAA", "\u2028"):
            assert client.get("/api/find", params={"text": text, "k": 5}).json()["items"]
        assert client.get("/api/find", params={"text": "'; DROP TABLE", "k": 5}).json()["items"] == []


def test_names_that_are_no_text_are_told_all_the_same(tmp_path) -> None:
    labelled(tmp_path / "index", ["a", "b"], [None, None])
    collection = open_collection([tmp_path / "index"])
    odd = replace(collection.lenses[0], title="model \ud800", source="\udcff\udcfe")
    with browser(replace(collection, title="\udcff", lenses=(odd,))) as client:
        for path in ("/api/collection", "/api/openapi.json", "/api/map", "/api/audit", "/metrics", "/api/health"):
            answer = client.get(path)
            assert answer.status_code == 200, path
            answer.content.decode()
