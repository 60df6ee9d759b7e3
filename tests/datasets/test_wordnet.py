"""Readers of hierarchies: WordNet, trees of one's own, lists of synsets, ImageNet's names and BREEDS; fuzzed."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo._core.storage.texts import read_lines
from hiergeo.datasets import breeds, imagenet, wordnet
from hiergeo.datasets.wordnet import contracted, load_wordnet, read_synsets, read_tree
from hiergeo.evaluation.metrics import Tree

TABLES = {
    wordnet.EDGES: "dog\tcanine\thyp\ncanine\tcarnivore\thyp\ncat\tcarnivore\thyp\n"
    "cat\tpet\thyp\ncarnivore\tthing\thyp\npet\tthing\thyp\n",
    wordnet.SYNSETS: "n00000001\tdog\t3\nn00000002\tcat\t2\n",
}
HIERARCHY = {
    breeds.EDGES: "n00001740 a\nn00001740 b\na x\na y\nb z\nx n1\nx n2\ny n3\nz n4\nz n5\nlost n9\nb y\n",
    breeds.NAMES: "a\tliving thing\nx\tcats, felines\n",
    breeds.CLASSES: json.dumps([[i, f"n{i}", f"class {i}"] for i in range(1, 7)]),
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_ancestors_pairs_and_trees(tmp_path):
    known = load_wordnet(written(tmp_path, TABLES))
    assert known.ancestors("n00000002") == {"carnivore", "pet", "thing"}
    assert known.is_a(["thing", "n00000001", "pet", "cat"]) == [(1, 0), (2, 0), (3, 2), (3, 0)]
    tree = Tree(known.tree(["dog", "n00000002", "pet"]))
    # the first hypernym alone is followed, and `canine` has a single child
    assert set(tree.nodes) == {"dog", "n00000002", "pet", "carnivore", "thing"}
    assert tree.compare(["dog", "n00000002", "pet"], [tree.root] * 3)["tie"].tolist() == [2, 2, 1]
    with pytest.raises(InputError, match="do"):
        known.tree(["dgo", "cat"])
    with pytest.raises(InputError, match="two classes"):
        known.tree(["dog"])
    with pytest.raises(InputError, match="'dog' and 'n00000001'"):
        known.tree(["dog", "n00000001"])


def test_contraction_keeps_classes_and_branches():
    parent = {"a": "b", "b": "c", "c": "d", "e": "c", "d": "top", "k": "a"}
    assert set(contracted(parent, {"k", "e"})) == {("k", "c"), ("e", "c")}
    assert set(contracted(parent, {"k", "e", "a"})) == {("k", "a"), ("a", "c"), ("e", "c")}


def test_the_tree_of_imagenet_has_as_many_nodes_as_the_one_that_is_used(data_home):
    classes = imagenet.load_classes(data_home / imagenet.FILE)
    tree = Tree(load_wordnet(data_home / wordnet.FOLDER).tree([each.wnid for each in classes]))
    assert len(tree.nodes) == 1372
    assert len({each.name for each in classes}) == 1000
    assert classes[0] == ("n01440764", "tench")


def test_trees_of_ones_own_say_parent_first(tmp_path):
    path = tmp_path / "tree.txt"
    path.write_text("top animal\n\nanimal dog\ntop car\n")
    assert Tree(read_tree(path)).root == "top"
    path.write_text("top animal dog\n")
    with pytest.raises(InputError, match="line 1"):
        read_tree(path)
    with pytest.raises(UnavailableError):
        read_tree(tmp_path / "no.txt")


def test_breeds_draws_what_was_published(data_home):
    hierarchy = breeds.load_breeds(data_home / breeds.FOLDER)
    for name, number in (("entity13", 13), ("entity30", 30), ("living17", 17), ("nonliving26", 26)):
        choice = breeds.SPLITS[name]
        found = hierarchy.superclasses(choice)
        assert len(found) == number
        assert {len(each.subclasses) for each in found} == {choice.subclasses}
        assert len({wnid for each in found for wnid in each.subclasses}) == number * choice.subclasses
    assert sum(wnid in hierarchy.levels for wnid in hierarchy.classes) == 890


def test_levels_of_breeds_are_longest_ways(tmp_path):
    hierarchy = breeds.load_breeds(written(tmp_path, HIERARCHY))
    assert hierarchy.levels["y"] == 2
    assert hierarchy.levels["n3"] == 3
    assert "lost" not in hierarchy.levels
    found = hierarchy.superclasses(breeds.SplitChoice(1, 3))
    assert [(each.node, each.name) for each in found] == [("a", "living thing"), ("b", "b")]
    assert set(found[0].subclasses) == {"n1", "n2", "n3"}
    assert [each.node for each in hierarchy.superclasses(breeds.SplitChoice(2, 1, under="b"))] == ["y", "z"]
    with pytest.raises(InputError, match="level 1"):
        hierarchy.superclasses(breeds.SplitChoice(1, 4))
    (tmp_path / breeds.EDGES).write_text(HIERARCHY[breeds.EDGES] + "n1 a\n")
    with pytest.raises(InputError, match="cycle"):
        breeds.load_breeds(tmp_path).superclasses(breeds.SplitChoice(1, 3))


def test_names_of_classes(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("a\tdog\n\nb\tcat\n")
    assert imagenet.read_names(path) == {"a": "dog", "b": "cat"}
    path.write_text("a\tdog\na\tcat\n")
    with pytest.raises(InputError, match="twice"):
        imagenet.read_names(path)
    assert read_synsets(written(tmp_path, {"s": "traffic_light.n.01\nPug\tpug.n.01\n"}) / "s") == [
        ("traffic light", "traffic_light.n.01"),
        ("Pug", "pug.n.01"),
    ]


READERS = {
    "tree": (read_tree, "tree.txt", {}, "top animal\nanimal dog\n"),
    "synsets": (read_synsets, "list.txt", {}, "dog.n.01\ncat.n.01\n"),
    "names": (imagenet.read_names, "names.tsv", {}, "a\tdog\n"),
    "classes": (
        imagenet.load_classes,
        "classes.json",
        {},
        json.dumps([{"index": 0, "wnid": "n01440764", "wordnet_lemmas": "tench", "torchvision_name": "tench"}]),
    ),
    "hypernyms": (lambda path: load_wordnet(path.parent), wordnet.EDGES, TABLES, TABLES[wordnet.EDGES]),
    "breeds edges": (lambda path: breeds.load_breeds(path.parent), breeds.EDGES, HIERARCHY, HIERARCHY[breeds.EDGES]),
    "breeds classes": (
        lambda path: breeds.load_breeds(path.parent),
        breeds.CLASSES,
        HIERARCHY,
        HIERARCHY[breeds.CLASSES],
    ),
}


@pytest.mark.parametrize("reader", READERS)
@given(data=st.data())
def test_damaged_files_raise_errors_of_hiergeo_alone(reader, data, tmp_path_factory):
    read, name, others, good = READERS[reader]
    folder = written(tmp_path_factory.mktemp("fuzz"), others)
    raw = bytearray(good.encode())
    kind = data.draw(st.sampled_from(["cut", "bytes", "change", "json"]))
    if kind == "cut":
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    elif kind == "bytes":
        raw = bytearray(data.draw(st.binary(max_size=60)))
    elif kind == "change":
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    else:
        values = st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda x: st.lists(x, max_size=3))
        raw = bytearray(json.dumps(data.draw(values)).encode())
    (folder / name).write_bytes(bytes(raw))
    with suppress(HiergeoError):
        read(folder / name)


def test_the_good_files_are_read(tmp_path):
    for read, name, others, good in READERS.values():
        assert read(written(tmp_path, {**others, name: good}) / name)


@pytest.mark.parametrize("mark", "\u2028\u0085\x0b\x0c\x1c")
def test_only_line_feeds_and_carriage_returns_end_a_line(tmp_path, mark):
    path = tmp_path / "list.txt"
    path.write_bytes(f"a{mark}b\tdog\r\ncat\rpet\n".encode())
    assert read_lines(path, "") == [f"a{mark}b\tdog", "cat", "pet"]
    assert read_synsets(path) == [(f"a{mark}b", "dog"), ("cat", "cat"), ("pet", "pet")]
    path.write_bytes(f"dog\ta{mark}b\n".encode())
    assert imagenet.read_names(path) == {"dog": f"a{mark}b"}
    path.write_bytes(b"")
    assert read_lines(path, "") == []
