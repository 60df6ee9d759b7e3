"""Exports come back as they were: GraphML through networkx, JSON."""

import json

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.search.taxonomy import FORMATS, export
from tests.search.taxonomy.taxonomy_common import edges, taxonomy_of
from tests.search.taxonomy.test_taxonomy import tables

HOSTILE = [
    "a 'quoted' (name), with: everything; [in] it",
    "</data><node id='x'/>&amp; <!-- ",
    "line one\r\nline two\ttab",
    "\x00\x01\x1b[31mred\x7f\x85",
    "\ud800 lone, \ufffe\uffff none",
    "\u202eright to left\u2066",
    "狗 🐶 собака كلب",
    "",
    "''",
    "]]>",
]


def written(taxonomy, tmp_path, form: str) -> str:
    path = tmp_path / f"out.{form}"
    export(taxonomy, path, form)
    return path.read_text(encoding="utf-8")


@settings(max_examples=15)
@given(tables, st.data())
def test_all_formats_hold_the_same_graph(tmp_path_factory, parent, data):
    tmp_path = tmp_path_factory.mktemp("exports")
    words = data.draw(st.lists(st.text(max_size=8), min_size=len(parent), max_size=len(parent)))
    taxonomy = taxonomy_of([[p for p in row if p >= 0] for row in parent.tolist()], words)
    graph = nx.parse_graphml(written(taxonomy, tmp_path, "graphml"), node_type=int)
    assert set(graph.edges) == edges(taxonomy)
    assert sorted(graph) == taxonomy.ids.tolist()

    held = json.loads(written(taxonomy, tmp_path, "json"))
    assert {(node["id"], above["id"]) for node in held["nodes"] for above in node["parents"]} == edges(taxonomy)
    assert [node["caption"] for node in held["nodes"]] == words
    assert held["roots"] == taxonomy.ids[taxonomy.roots].tolist()


def test_hostile_captions_survive_or_are_replaced(tmp_path):
    taxonomy = taxonomy_of([[], *([[0]] * (len(HOSTILE) - 1))], HOSTILE)
    graph = nx.parse_graphml(written(taxonomy, tmp_path, "graphml"), node_type=int)
    for place, text in enumerate(HOSTILE):
        read = graph.nodes[10 + place].get("caption") or ""
        kept = all(c in "\t\n\r" or " " <= c < "\ud800" or "\ue000" <= c < "\ufffe" or c > "\uffff" for c in text)
        assert len(read) == len(text)
        assert read == text if kept else "\ufffd" in read
    held = json.loads(written(taxonomy, tmp_path, "json"))
    assert [node["caption"] for node in held["nodes"]] == [t.replace("\ud800", "\ufffd") for t in HOSTILE]


@pytest.mark.parametrize("form", FORMATS)
def test_a_taxonomy_of_unconnected_items_is_written(tmp_path, form):
    assert written(taxonomy_of([[], [], []]), tmp_path, form)


def test_unknown_formats_and_unwritable_files_are_refused(tmp_path):
    taxonomy = taxonomy_of([[]])
    with pytest.raises(InputError, match="graphml"):
        export(taxonomy, tmp_path / "a", "graphm")
    with pytest.raises(UnavailableError, match="folder"):
        export(taxonomy, tmp_path, "json")
    assert list(tmp_path.iterdir()) == []
