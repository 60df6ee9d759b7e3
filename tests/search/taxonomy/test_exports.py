"""Exports come back as they were: GraphML through networkx, Newick through a reader of its grammar, JSON."""

import json

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.search.taxonomy import export
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


def read_newick(text: str) -> list[tuple[str, list, float]]:
    """The children of the unnamed root: (name, children, length), by the grammar of Newick with quoted labels."""
    at = 0

    def label() -> str:
        nonlocal at
        if text[at] != "'":
            return ""
        at += 1
        found = ""
        while True:
            end = text.index("'", at)
            found += text[at:end]
            at = end + 1
            if text[at] != "'":
                return found
            found += "'"
            at += 1

    def length() -> float:
        nonlocal at
        if text[at] != ":":
            return 0.0
        start = at = at + 1
        while text[at] not in ",();":
            at += 1
        return float(text[start:at])

    stack: list[list] = [[]]
    while True:
        if text[at] == "(":
            stack.append([])
            at += 1
            continue
        children: list = []
        if text[at] == ")":
            children = stack.pop()
            at += 1
        if text[at] == ";":
            assert text[at:] == ";\n"
            assert len(stack) == 1
            return children
        stack[-1].append((label(), children, length()))
        at += text[at] == ","


def written(taxonomy, tmp_path, form: str) -> str:
    path = tmp_path / f"out.{form}"
    export(taxonomy, path, form)
    return path.read_text(encoding="utf-8")


def shape(nodes: list) -> list:
    return sorted((name, shape(children)) for name, children, _ in nodes)


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

    assert read_newick(written(taxonomy, tmp_path, "newick")) is not None


@settings(max_examples=15)
@given(tables)
def test_newick_is_the_tree_of_best_parents_with_radii_as_lengths(tmp_path_factory, parent):
    tmp_path = tmp_path_factory.mktemp("newick")
    names = [f"n{i} 'x'" for i in range(len(parent))]
    taxonomy = taxonomy_of([[p for p in row if p >= 0] for row in parent.tolist()], names)
    found, todo = {}, [(-1, 0.0, read_newick(written(taxonomy, tmp_path, "newick")))]
    while todo:
        above, start, children = todo.pop()
        for name, below, length in children:
            place = names.index(name)
            found[place] = above
            assert start + length == pytest.approx(place)
            todo.append((place, start + length, below))
    assert [found[i] for i in range(len(parent))] == taxonomy.best.tolist()


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
    tree = read_newick(written(taxonomy, tmp_path, "newick"))
    names = [name for name, *_ in tree] + [name for name, *_ in tree[0][1]]
    assert names[0] == HOSTILE[0]
    assert "item 17" in names
    assert not any(c in name for name in names for c in "\n\r\t\x00\x1b")


def test_a_long_chain_needs_no_recursion(tmp_path):
    taxonomy = taxonomy_of([[], *([i] for i in range(5000))])
    assert written(taxonomy, tmp_path, "newick").count("(") == 5001


def test_unknown_formats_and_unwritable_files_are_refused(tmp_path):
    taxonomy = taxonomy_of([[]])
    with pytest.raises(InputError, match="newick"):
        export(taxonomy, tmp_path / "a", "newik")
    with pytest.raises(UnavailableError, match="folder"):
        export(taxonomy, tmp_path, "json")
    assert list(tmp_path.iterdir()) == []
