"""``hiergeo index push``, ``hiergeo index audit`` and ``hiergeo search --store`` on an index of the tiny model."""

import json
import warnings

import pytest

from hiergeo import search
from tests.search.stores_common import register

PLACES = ("park", "rain", "hall", "garden")
COLOURS, THINGS = ("red", "old"), ("dog", "cup")
CAPTIONS = [f"a {colour} {thing} in the {place}" for colour in COLOURS for thing in THINGS for place in PLACES]


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    place = tmp_path_factory.mktemp("stores") / "items"
    search.build(place, "tiny", CAPTIONS)
    return place


@pytest.fixture
def pushed(run, items, monkeypatch):
    register(monkeypatch)
    for spec in ("listed:", "lossy:"):
        code, said, _ = run("index", "push", items, "--store", spec)
        assert (code, "sent: 16" in said) == (0, True)
    return items


def test_an_index_is_searched_through_a_store(run, pushed, tmp_path):
    answers = []
    for extra in ([], ["--store", "listed:"]):
        out = tmp_path / "out.json"
        code, printed, _ = run("search", pushed, "a red dog", "--find", "parents", "-k", 3, "--json", out, *extra)
        assert code == 0
        answers += json.loads(out.read_text())["answers"]
    assert answers[0]["hits"] == answers[1]["hits"]
    assert answers[1]["guarantee"] == "approximate"
    assert "approximate" in printed


def test_a_search_through_faiss_scans_with_a_notice(run, items):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, printed, said = run("search", items, "a red dog", "a cup", "--store", "faiss:flat")
    assert (code, "exact" in printed, said.count("faiss ended")) == (0, True, 1)


def test_an_audit_is_written_printed_and_carried(run, pushed, tmp_path):
    asked, out = tmp_path / "queries.txt", tmp_path / "out.json"
    asked.write_text("a dog\n\na cup in the rain\n")
    code, _, _ = run("index", "audit", pushed, "--store", "lossy:", "--queries", asked, "-k", 4, "--json", out)
    assert code == 0
    audits, settings = json.loads(out.read_text())["audit"], json.loads(out.read_text())["settings"]
    assert (settings["store"], settings["queries"], settings["k"]) == ("lossy:", str(asked), 4)
    assert settings["space"] == search.open(pushed).space.geometry.spec
    assert [each["kind"] for each in audits] == ["children", "parents", "neighbours", "ladder"]
    assert audits[0]["recall"]["queries"] == 2
    code, printed, _ = run("index", "audit", pushed, "--store", "listed:", "--sample", 5, "-g", "lorentz:-1")
    assert code == 0
    assert [line.split()[:2] for line in printed.splitlines() if "ladder" in line] == [["ladder", "1.000"]]
    code, printed, _ = run("search", pushed, "a red dog", "-k", 4, "--store", "lossy:")
    assert "recall" in printed


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["index", "push", "ITEMS", "--store", "milvu:x.db"], "milvus"),
        (["index", "push", "ITEMS", "--store", "faiss:flat"], "unknown store"),
        (["index", "push", "NOWHERE", "--store", "listed:"], "NOWHERE"),
        (["index", "audit", "ITEMS", "--store", "listed:", "--by", "margins"], "margin"),
        (["index", "audit", "ITEMS", "--store", "listed:", "--queries", "NOWHERE"], "NOWHERE"),
        (["search", "ITEMS", "a dog", "--store", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_used_is_named(run, pushed, words, named):
    code, _, told = run(*(pushed if word == "ITEMS" else word for word in words))
    assert code == 2
    assert named in told
