"""``hiergeo index``: build, add, delete, compact, check and info, from files to JSON and exit codes."""

import json

import numpy as np
import pytest

from hiergeo import search
from hiergeo._core.errors import UnavailableError
from hiergeo._core.storage import archives
from hiergeo._core.storage.locks import locked
from tests.search.search_common import DIM, embeddings


def metrics(path) -> dict:
    held = json.loads(path.read_text())
    assert next(iter(held)) == "metrics"
    return held["metrics"]


@pytest.fixture
def stored(tmp_path):
    """Embeddings of 50 captions in a file."""
    path = tmp_path / "rows.npz"
    captions = np.array([f"caption {i}" for i in range(50)])
    archives.write(path, {"text": embeddings(50).numpy(), "caption": captions, "root": np.zeros(DIM, np.float32)})
    return path


def test_an_index_from_captions_to_its_end(run, tmp_path) -> None:
    out, numbers = tmp_path / "i", tmp_path / "n.json"
    (tmp_path / "c.txt").write_text("a car\nan animal\n")
    code, printed, _ = run("index", "build", out, "-m", "tiny", "--captions", tmp_path / "c.txt", "--json", numbers)
    assert code == 0
    assert "built 2 items" in printed
    assert metrics(numbers).keys() >= {"rows", "bytes", "seconds", "rows_per_second"}
    assert (metrics(numbers)["rows"], metrics(numbers)["items"]) == (2, 2)
    (tmp_path / "d.csv").write_text("caption\na blue fish\n")
    code, *_ = run("index", "add", out, "--captions", tmp_path / "d.csv", "--json", numbers)
    assert (code, metrics(numbers)["rows"]) == (0, 1)
    assert json.loads(numbers.read_text())["settings"]["first"] == 2
    code, printed, said = run("index", "delete", out, "0", "7", "--json", numbers)
    assert (code, metrics(numbers)) == (0, {"deleted": 1, "missing": 1, "rows": 2})
    assert json.loads(numbers.read_text())["missing"] == [7]
    assert "deleted 1 item:" in printed
    assert "the id 7." in said
    code, *_ = run("index", "info", out, "--json", numbers)
    assert (code, metrics(numbers)["deleted"], metrics(numbers)["shards"]) == (0, 1, 2)
    code, *_ = run("index", "compact", out, "--json", numbers)
    assert (code, metrics(numbers)["dropped"], metrics(numbers)["after"]) == (0, 1, 1)
    code, printed, _ = run("index", "check", out)
    assert code == 0
    assert "sound" in printed
    index = search.open(out)
    assert index.manifest.model.name == "tiny"
    assert index.neighbours("an animal", k=1).hits[0].caption == "an animal"


def test_embeddings_without_their_model(run, tmp_path, stored) -> None:
    out, numbers = tmp_path / "i", tmp_path / "n.json"
    code, *_ = run("index", "build", out, "--embeddings", stored, "-g", "lorentz:-1")
    assert code == 0
    code, *_ = run("index", "info", out, "--json", numbers)
    assert (code, metrics(numbers)["rows"], metrics(numbers)["dim"]) == (0, 50, DIM)
    assert json.loads(numbers.read_text())["settings"]["geometry"] == "lorentz:-1"
    code, *_ = run("index", "add", out, "--embeddings", stored)
    assert (code, len(search.open(out))) == (0, 100)


def test_an_index_is_built_in_the_space_that_is_named(run, tmp_path, stored) -> None:
    made = {}
    for name, words in {"own": (), "none": ("--root", "none"), "wide": ("--min-radius", 0.3)}.items():
        assert run("index", "build", tmp_path / name, "--embeddings", stored, *words)[0] == 0
        made[name] = search.open(tmp_path / name).space
    assert [space.root is None for space in made.values()] == [False, True, False]
    assert [space.min_radius for space in made.values()] == [0.1, 0.1, 0.3]


def test_a_damaged_shard_is_named(run, tmp_path, stored) -> None:
    out, numbers = tmp_path / "i", tmp_path / "n.json"
    run("index", "build", out, "--embeddings", stored)
    run("index", "add", out, "--embeddings", stored)
    name = search.open(out).manifest.shards[1].name
    path = out / "shards" / name / "directions"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, printed, _ = run("index", "check", out, "--json", numbers)
    assert (code, metrics(numbers)["defects"]) == (1, 1)
    assert printed.count(name) == 1
    path.write_bytes(b"")
    code, _, said = run("index", "info", out)
    assert code == 2
    assert name in said
    assert "index compact --skip-damaged" in said
    code, printed, _ = run("index", "check", out)
    assert (code, printed.count(name)) == (1, 1)
    assert run("tree", out)[0] == 2


@pytest.mark.parametrize("content", [b"", None])
def test_damaged_shards_are_dropped_by_a_compaction_on_request_alone(run, tmp_path, stored, content) -> None:
    out, numbers = tmp_path / "i", tmp_path / "n.json"
    run("index", "build", out, "--embeddings", stored)
    run("index", "add", out, "--embeddings", stored)
    run("index", "delete", out, "99")
    path = out / "shards" / search.open(out).manifest.shards[1].name / "directions"
    path.write_bytes(path.read_bytes()[:-1] + b"x" if content is None else content)
    if content is not None:
        assert run("index", "compact", out)[0] == 2
    code, printed, _ = run("index", "compact", out, "--skip-damaged", "--json", numbers)
    assert (code, metrics(numbers)["lost"], metrics(numbers)["rows"]) == (0, 49, 50)
    assert "49 items" in printed
    assert run("index", "check", out)[0] == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("build", "OUT"), "--model"),
        (("build", "OUT", "-m", "tiny"), "captions"),
        (("build", "OUT", "-m", "tiny", "--captions", "nowhere.txt"), "nowhere.txt"),
        (("build", "OUT", "--embeddings", "nowhere.npz"), "nowhere.npz"),
        (("build", "OUT", "--embeddings", "STORED", "-g", "flat"), "flat"),
        (("add", "OUT", "--captions", "STORED"), "holds no index"),
        (("info", "OUT"), "holds no index"),
        (("check", "OUT"), "holds no index"),
        (("compact", "OUT"), "holds no index"),
        (("delete", "OUT", "1"), "holds no index"),
        (("delete", "OUT"), "ID"),
    ],
)
def test_what_is_wrong_is_named_in_one_sentence(run, tmp_path, stored, words, named) -> None:
    words = [word.replace("OUT", str(tmp_path / "i")).replace("STORED", str(stored)) for word in words]
    code, _, said = run("index", *words)
    assert code == 2
    assert named in said
    assert not (tmp_path / "i" / "index.json").exists()


def test_an_index_that_is_there_or_being_written_is_kept(run, tmp_path, stored) -> None:
    out = tmp_path / "i"
    with locked(out):
        assert run("index", "build", out, "--embeddings", stored)[0] == 2
    assert run("index", "build", out, "--embeddings", stored)[0] == 0
    code, _, said = run("index", "build", out, "--embeddings", stored)
    assert (code, "already" in said) == (2, True)
    with locked(out):
        assert run("index", "delete", out, "3")[0] == 2
    assert len(search.open(out)) == 50


@pytest.mark.parametrize("shards", [0, 1])
def test_shards_are_said_to_be_left_where_there_are_some(run, tmp_path, stored, monkeypatch, shards):
    def full(*_, **__):
        raise UnavailableError("the disk is full.")

    monkeypatch.setattr("hiergeo.search.corpus.work.write_shard" if not shards else ADOPT, full)
    code, _, said = run("index", "build", tmp_path / "i", "--embeddings", stored)
    assert (code, "shards are kept" in said) == (2, bool(shards))


ADOPT = "hiergeo.search.corpus.records.adopt"


@pytest.mark.parametrize(("text", "said"), [("", "no captions"), ("words\na dog\n", "it has words")])
def test_captions_are_looked_at_before_the_model_is_loaded(run, tmp_path, monkeypatch, text, said):
    loaded = []
    monkeypatch.setattr("hiergeo.adapters.load", lambda *given, **_: loaded.append(given))
    (tmp_path / "in.csv").write_text(text)
    code, _, err = run("index", "build", tmp_path / "index", "-m", "tiny", "--captions", tmp_path / "in.csv")
    assert (code, loaded) == (2, [])
    assert said in err
