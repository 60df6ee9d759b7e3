"""``hiergeo explore`` as a user meets it: what it refuses, what it prints, and a server that starts and stops."""

import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from hiergeo.cli.explore import note_exported
from hiergeo.report import explorer
from hiergeo.search import serving
from tests.report.explorer.explorer_served import build_items
from tests.search.serving.serving_common import TOKEN, WAYS_TO_SERVE, process, visited

pytest.importorskip("uvicorn")


@pytest.fixture
def folder(tmp_path) -> Path:
    build_items(tmp_path / "index")
    return tmp_path / "index"


def fetched(url: str, token: str | None = None) -> bytes:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as response:
        return response.read()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "--demo"),
        (("--demo", "index"), "--demo"),
        (("nowhere",), "nowhere"),
        (("nowhere.npz",), "nowhere.npz"),
        (("index", "-g", "lorenz:-1"), "lorentz"),
        (("index", *["-g", "euclidean"] * 9), "9"),
        (("index", "--data", "scene"), "scenes"),
        (("index", "--images", "nowhere"), "nowhere"),
        (("index", "--token", "short"), "token"),
        (("index", "--host", "0.0.0.0"), "--insecure"),
    ],
)
def test_what_cannot_be_explored_is_refused_in_a_sentence(run, folder, monkeypatch, arguments, named) -> None:
    monkeypatch.chdir(folder.parent)
    code, printed, told = run("explore", "--port", 0, *arguments)
    assert code != 0
    assert printed == ""
    assert named in told
    assert "Traceback" not in told


@pytest.mark.parametrize(("words", "opens", "token"), WAYS_TO_SERVE)
def test_the_verb_serves_a_collection_at_the_address_it_prints(run, folder, monkeypatch, words, opens, token) -> None:
    visit = visited(monkeypatch, "/api/collection")
    code, out, err = run("explore", folder, "-g", "euclidean", "-g", "lorentz:-1", "--port", 0, *words)
    assert code == 0
    assert out.startswith("Exploring 80 items (")
    assert "lorentz:-1" in out
    visit.check(out, opens, token)
    assert all(line.startswith("Note: ") for line in err.splitlines())


def test_the_demonstration_is_what_demo_opens(run, folder, monkeypatch) -> None:
    asked = []

    def opened(device: str) -> explorer.Collection:
        asked.append(device)
        return explorer.open_collection([folder])

    monkeypatch.setattr(explorer, "open_demo", opened)
    monkeypatch.setattr(serving, "serve", lambda app, bound, limits: None)
    code, out, _ = run("explore", "--demo", "--no-open", "--port", 0, "--device", "cpu")
    assert (code, asked) == (0, ["cpu"])
    assert out.startswith("Exploring 80 items (")


@pytest.mark.parametrize("pictures", [0, 7])
def test_an_export_is_told_with_its_pictures(capsys, tmp_path, pictures) -> None:
    note_exported(explorer.Exported(tmp_path, 1200, 9, 2_340_000, pictures))
    out, err = capsys.readouterr()
    assert out.startswith("Exported 1,200 items")
    assert "2.3 MB in 9 files" in out
    assert ("7 pictures" in out) == (pictures > 0)
    assert str(tmp_path) in err


@pytest.mark.slow
def test_a_server_shows_its_page_keeps_its_token_and_stops(folder, tmp_path) -> None:
    with process("explore", folder, "--no-open", "--token", TOKEN, HIERGEO_CACHE_HOME=str(tmp_path / "cache")) as (
        child,
        printed,
    ):
        url, _, token = printed.partition("/#token=")
        assert token == TOKEN
        assert b"<html" in fetched(f"{url}/")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            fetched(f"{url}/api/ladder?item=1")
        assert b'"rungs"' in fetched(f"{url}/api/ladder?item=1", TOKEN)
        child.send_signal(signal.SIGTERM)
        assert child.wait(15) == 0
        told = child.stderr.read().splitlines()
        assert all(line.startswith("Note: ") for line in told)
        assert folder.name in told[0]


def stored(path: Path, rows: int = 40) -> Path:
    """A file of embeddings, with a caption twice and two images."""
    generator = np.random.default_rng(1)
    captions = np.array([f"caption {place % (rows - 1)}" for place in range(rows)])
    np.savez(
        path,
        text=generator.normal(size=(rows, 5)).astype("f4"),
        caption=captions,
        root=np.zeros(5, "f4"),
        image=generator.normal(size=(2, 5)).astype("f4"),
        image_id=np.array([139, 285]),
    )
    return path


def test_a_file_of_embeddings_is_an_index_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HIERGEO_CACHE_HOME", str(tmp_path / "cache"))
    file = stored(tmp_path / "stored.npz")
    first = explorer.open_collection([file]).first
    held = np.load(file)
    assert len(first) == 39 + 2
    labels = first.store.labels(torch.arange(41))
    assert list(labels.captions) == [f"caption {place}" for place in range(39)] + [None, None]
    assert list(labels.images) == [None] * 39 + ["image-id:139", "image-id:285"]
    wanted = np.linalg.norm(np.concatenate([held["text"][:39], held["image"]]), axis=1)
    np.testing.assert_allclose(first.store.fetch(torch.arange(41)).radii[:, 0], wanted, rtol=1e-6)
    again = explorer.open_collection([file.rename(tmp_path / "renamed.npz")]).first
    assert again.store.folder == first.store.folder
    assert len(list((tmp_path / "cache").glob("npz-*"))) == 1


@pytest.mark.slow
def test_the_demonstration_needs_no_data_and_shows_what_training_changes(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HIERGEO_CACHE_HOME", str(tmp_path))
    from tests.report.explorer.explorer_served import browser

    collection = explorer.open_demo(device="cpu")
    assert [lens.space.geometry.spec for lens in collection.lenses] == ["euclidean", "lorentz:-1", "lorentz:-1"]
    assert len(collection.indexes) == 2
    with browser(collection) as http:
        told = http.get("/api/collection").json()
        assert told["captions"] + told["images"] == told["items"]
        for lens in told["lenses"]:
            assert lens["embeds"] == {"text": True, "image": True}
            asked = [{"lens": lens["key"], "item": each["item"]} for each in told["examples"]]
            assert all(len(http.get("/api/ladder", params=each).json()["rungs"]) > 1 for each in asked)
        shown = http.get(f"/api/thumbnail/{int(told['items']) - 1}?side=192")
        assert shown.headers["content-type"] == "image/jpeg"
    start = time.process_time()
    assert len(explorer.open_demo(device="cpu").first) == told["items"]
    assert time.process_time() - start < 5, "the indexes are built anew"
    assert len(list(tmp_path.glob("demo-*"))) == 1
