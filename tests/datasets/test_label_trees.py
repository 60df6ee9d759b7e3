"""Trees of labels: one tree from every format, and what is wrong with a file said by its line."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets.labels import Entry, LabelTree, load_tree

PATHS = ["animal > dog > pug", "animal > dog > collie", "animal > cat", "plant > rose"]
CSV = "level 1,level 2,level 3\nanimal,dog,pug\nanimal,dog,collie\nanimal,cat,\nplant,rose,\n"
EDGES = "child,parent\nanimal,\nplant,\ndog,animal\ncat,animal\npug,dog\ncollie,dog\nrose,plant\n"
NAMED = "id,parent,name,synonyms\n1,,animal,\n2,,plant,\n3,1,dog,hound|doggy\n4,1,cat,\n5,3,pug,\n6,3,collie,\n"
NAMED += "7,2,rose,\n"
INDENTED = "animal\n  dog\n    pug\n    collie\n  # a comment\n  cat\n\nplant\n\trose\n"
NESTED = {"animal": {"dog": ["pug", "collie"], "cat": None}, "plant": ["rose"]}
NODES = {
    "about": {},
    "roots": [0, 4],
    "nodes": [
        {"id": 0, "caption": "animal", "parents": []},
        {"id": 4, "caption": "plant", "parents": []},
        {"id": 1, "caption": "dog", "parents": [{"id": 0, "confidence": 1.0}]},
        *({"id": at, "caption": name, "parents": [{"id": 1}]} for at, name in ((2, "pug"), (3, "collie"))),
        {"id": 5, "caption": "cat", "parents": [{"id": 0}]},
        {"id": 6, "caption": "rose", "parents": [{"id": 4}]},
    ],
}
TREE = [{"name": "animal", "children": [{"name": "dog", "children": ["pug", "collie"]}, "cat"]}, {"plant": ["rose"]}]


def paths(tree: LabelTree) -> set[str]:
    return {tree.written(tree.path(int(leaf))) for leaf in tree.leaves}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.tsv", CSV.replace(",", "\t")),
        ("s.csv", CSV.replace(",", ";")),
        ("g.csv", NAMED.replace(",", ";")),
        ("b.csv", EDGES),
        ("c.csv", NAMED),
        ("e.csv", NAMED.replace("id,parent,name", "category_id,parent_category_id,category_name")),
        ("f.csv", NAMED.replace(",1,", ",1.0,").replace(",3,", ",3.0,").replace(",2,", ",2.0,")),
        ("d.csv", "path\n" + "\n".join(PATHS)),
        ("a.txt", INDENTED),
        ("b.txt", "\n".join(f"gid://x/{at} : {path}" for at, path in enumerate(PATHS))),
        ("a.json", json.dumps(NESTED)),
        ("b.json", json.dumps(NODES)),
        ("c.json", json.dumps(TREE)),
        ("d.json", json.dumps([line.split(",") for line in EDGES.splitlines()[3:]])),
    ],
)
def test_every_format_gives_the_same_tree(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    tree = load_tree(tmp_path / name)
    assert paths(tree) == set(PATHS)
    assert (tree.depth, tree.start, len(tree)) == (3, 7, 7)
    assert all(p < at for at, parents in enumerate(tree.parents) for p in parents)


def test_parquet_objects_and_pairs_give_the_same_tree(tmp_path: Path) -> None:
    columns = {f"level_{at}": [[*path.split(" > "), None][at] for path in PATHS] for at in range(3)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    pairs = [tuple(line.split(",")) for line in EDGES.splitlines()[3:]]
    for source in (tmp_path / "a.parquet", NESTED, PATHS, [path.split(" > ") for path in PATHS], pairs):
        assert paths(load_tree(source)) == set(PATHS)


def test_a_root_that_is_a_label_is_on_no_path() -> None:
    tree = load_tree(["thing > a > b", "thing > c"])
    assert paths(tree) == {"a > b", "c"}
    assert tree.levels.tolist() == [{"thing": 0, "a": 1, "c": 1, "b": 2}[name] for name in tree.names]
    assert tree.numbers(["thing > a", "b"]).tolist() == tree.numbers(["a", ["thing", "a", "b"]]).tolist()


def test_wordnet_has_several_parents() -> None:
    tree = load_tree("wordnet:canine.n.02")
    dog = tree.numbers(["dog.n.01"])[0]
    assert max(map(len, load_tree("wordnet:mammal.n.01").parents)) > 1
    assert tree.written(tree.path(dog)) == "dog"
    assert tree.texts(["a {path}."])[tree.numbers(["puppy.n.01"])[0]] == ["a puppy, a kind of dog."]


def test_texts_have_names_synonyms_and_templates(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(NAMED)
    tree = load_tree(tmp_path / "a.csv")
    dog = tree.numbers(["hound"])[0]
    assert tree.texts(["a {}", "the {path}"])[dog] == [
        text for name in ("dog", "hound", "doggy") for text in (f"a {name}", f"the {name}, a kind of animal")
    ]
    for wrong in ([], ["a thing"], ["{} {path}"]):
        with pytest.raises(InputError, match="template"):
            tree.texts(wrong)


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("cycle.csv", "child,parent\na,b\nb,c\nc,a\n", r"cycle.*line 2.*'a' \(line 2\)|cycle"),
        ("orphan.csv", "child,parent\na,\nb,a\nc,zebra\n", "line 4: 'zebra'"),
        ("gap.csv", "x,y,z\na,,c\n", "line 2"),
        ("empty.csv", "child,parent\na,b\n,b\n", "line 3"),
        ("indent.txt", "a\n    b\n  c\n", "line 3"),
        ("first.txt", "  a\nb\n", "line 1"),
        ("one.csv", "a\nb\n", "at least two"),
        ("bytes.csv", b"a,b\n\xff\xfe,c\n", "data row 0"),
        ("bad.json", "{", "JSON"),
        ("node.json", '{"nodes": [{"name": "a"}]}', "without an id"),
        ("parents.json", '{"nodes": [{"id": 1, "parents": [{"x": 2}]}]}', "without an id"),
        ("number.json", '{"a": 3}', "below a"),
        ("what.yaml", "a: b", "format"),
        ("children.csv", "parent,other\na,b\n", "child"),
    ],
)
def test_what_is_wrong_is_said_by_line(tmp_path: Path, name: str, content: str | bytes, named: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=named):
        load_tree(tmp_path / name)


def test_equal_names_and_pairs_the_wrong_way_round_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\nfruit,other\nmeat,other\n")
    tree = load_tree(tmp_path / "a.csv")
    assert tree.namesakes == "'other' (lines 2, 3)"
    with pytest.raises(InputError, match="'fruit > other', 'meat > other'"):
        tree.numbers(["other"])
    assert tree.names[tree.numbers(["Meat >other"])[0]] == "other"
    entries = [Entry("1", (), "a"), Entry("2", ("1",), "b"), Entry("3", (), "c"), Entry("4", ("3",), "a")]
    of_keys = LabelTree(entries)
    assert [of_keys.keys[at] for at in of_keys.numbers(["a", "4", "c > a", "B"])] == ["1", "4", "4", "2"]
    with pytest.raises(InputError, match="did you mean 'fruit'"):
        tree.numbers(["meat", "frut"])
    with pytest.raises(InputError, match="child, parent"):
        load_tree([("animal", "dog"), ("animal", "cat")])
    with pytest.raises(UnavailableError, match="not there"):
        load_tree(tmp_path / "b.csv")


@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True), min_size=2, max_size=12))
def test_paths_come_back(listed: list[list[str]]) -> None:
    written = {" > ".join(path[:depth]) for path in listed for depth in range(1, len(path) + 1)}
    if len({path[0] for path in listed}) < 2:
        return
    tree = load_tree([" > ".join(path) for path in listed])
    assert {tree.written(tree.path(at)) for at in range(len(tree))} == written
    assert tree.numbers(tree.keys).tolist() == list(range(len(tree)))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=25))
def test_graphs_are_ordered_and_closed(pairs: list[tuple[int, int]]) -> None:
    edges = [(f"n{max(pair)}", f"n{min(pair)}") for pair in pairs if pair[0] != pair[1]]
    try:
        tree = LabelTree([Entry(child, (parent,)) for child, parent in edges])
    except InputError:
        return
    above: dict[str, set[str]] = {}
    for _ in range(10):
        for child, parent in edges:
            above.setdefault(child, set()).update({parent, *above.get(parent, ())})
    top = {tree.keys[tree.start]} if tree.start < len(tree) else set()
    for at, key in enumerate(tree.keys):
        wanted = {key, *above.get(key, ())} - top
        assert {tree.keys[label] for label in tree.above[at]} == wanted
    for at, parents in enumerate(tree.parents):
        ways = [tree.levels[parent] + 1 for parent in parents] or [int(at != tree.start)]
        assert tree.levels[at] == min(ways)
        assert tree.longest[at] == (max(tree.longest[parent] + 1 for parent in parents) if parents else ways[0])
    assert set(tree.leaves.tolist()) == {at for at, key in enumerate(tree.keys) if key not in {p for _, p in edges}}
    assert np.array_equal(np.sort(np.unique(tree.edges[1])), np.setdiff1d(np.arange(len(tree)), [tree.start]))
