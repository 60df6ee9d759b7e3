"""``hiergeo index push`` and ``hiergeo search --store`` on an index of the tiny model."""

import json

import pytest

from hiergeo import search

PLACES = ("park", "rain", "hall", "garden")
COLOURS, THINGS = ("red", "old"), ("dog", "cup")
CAPTIONS = [f"a {colour} {thing} in the {place}" for colour in COLOURS for thing in THINGS for place in PLACES]


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    place = tmp_path_factory.mktemp("stores") / "items"
    search.build(place, "tiny", CAPTIONS)
    return place


def test_an_index_is_searched_through_a_store_in_memory_that_takes_no_push(run, items, tmp_path):
    code, _, said = run("index", "push", items, "--store", "faiss:flat")
    assert code == 2
    assert "faiss:flat is held in memory" in said
    answers = []
    for extra in ([], ["--store", "faiss:flat"]):
        out = tmp_path / "out.json"
        code, printed, _ = run("search", items, "a red dog", "--parents", "-k", 3, "--json", out, *extra)
        assert code == 0
        answers += json.loads(out.read_text())["answers"]
    assert answers[0]["hits"] == answers[1]["hits"]
    assert answers[1]["guarantee"] == "certified"
    assert "certified" in printed


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["index", "push", "ITEMS", "--store", "fais:flat"], "faiss"),
        (["index", "push", "ITEMS", "--store", "faiss:pq"], "pq"),
        (["index", "push", "NOWHERE", "--store", "faiss:flat"], "NOWHERE"),
        (["search", "ITEMS", "a dog", "--store", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_used_is_named(run, items, words, named):
    code, _, told = run(*(items if word == "ITEMS" else word for word in words))
    assert code == 2
    assert named in told
