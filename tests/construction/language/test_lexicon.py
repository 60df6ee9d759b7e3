"""The bundled lexicon against WordNet's own files, an independent table, and cases worked by hand."""

import lzma
import re
from pathlib import Path

import pytest

from hiergeo._core.errors import UnavailableError
from hiergeo.construction.language import lexicon
from hiergeo.construction.language.lexicon import ALSO, CONCRETE, EXCEPT, USUAL
from hiergeo.datasets import lexicon as resource
from hiergeo.datasets.wordnet import load_wordnet

DICT = Path("/usr/share/wordnet")


@pytest.fixture(scope="module")
def wordnet_files() -> Path:
    if not (DICT / "data.noun").is_file():
        pytest.skip(f"needs WordNet's files in {DICT}: apt-get install wordnet-base")
    return DICT


def test_counts_are_those_of_the_files(wordnet_files):
    """Read another way: by patterns in the lines, and totals of the counts instead of words one by one."""
    text = re.sub(r" \| .*", "", (wordnet_files / "data.noun").read_text())
    lines = re.findall(r"^(\d{8}) (.*)$", text, re.MULTILINE)
    instances = {offset for offset, line in lines if " @i " in line}
    above = {offset: set(re.findall(r" @ (\d{8})", line)) for offset, line in lines if offset not in instances}
    kept = {offset: parents - instances for offset, parents in above.items() if not parents or parents - instances}
    known = lexicon()
    assert len(known._nouns.parents) == len(kept)
    assert sum(map(len, known._nouns.parents.values())) == sum(map(len, kept.values()))
    tagged = (wordnet_files / "cntlist.rev").read_text()
    for kind, name in (("2", "verb"), ("4", "adverb"), ("[35]", "adjective")):
        table = known.frequencies[name]
        single = re.findall(rf"^([^_%]+)%{kind}:\S+ \d+ (\d+)$", tagged, re.MULTILINE)
        assert sum(table.values()) == sum(int(count) for word, count in single if word in table)


def test_ancestors_are_those_of_an_independent_table(data_home, tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    table = load_wordnet(data_home / "wordnet")
    known = lexicon()
    assert known._nouns.parents.keys() <= table.parents.keys()
    for synset in list(known._nouns.parents)[::10]:
        assert set(known.ancestors(synset)) == table.ancestors(synset), synset
    assert len(table.parents) - len(known._nouns.parents) == 7730 + 14
    bundled = load_wordnet()
    assert bundled.parents.items() <= table.parents.items()
    assert bundled.names.items() <= table.names.items()
    assert (bundled.described, table.described) == ("bundled, 75,831 edges", "tables, 84,427 edges")


@pytest.mark.parametrize(
    ("word", "sense"),
    [
        ("table", "table.n.02"),
        ("dog", "dog.n.01"),
        ("Dog", "dog.n.01"),
        ("man", "man.n.01"),
        ("bus", "bus.n.01"),
        ("teddy bear", "teddy.n.01"),
        ("kite", "kite.n.03"),
        ("tennis", "tennis.n.01"),
        ("plate", "plate.n.04"),
        ("hot dog", "hotdog.n.02"),
    ],
)
def test_senses_of_captions(word, sense):
    assert lexicon().sense(word) == sense


@pytest.mark.parametrize("word", ["", "qwxz", "the", "☃", "london"])
def test_what_is_no_noun_has_no_sense(word):
    known = lexicon()
    assert known.sense(word) is None
    assert known.kinds(word) == ()
    assert not known.is_a(word, "animal")


KINDS = {
    "dog": "animal",
    "kitten": "cat",
    "giraffe": "mammal",
    "bird": "animal",
    "bee": "insect",
    "cow": "animal",
    "man": "person",
    "girl": "child",
    "surfer": "athlete",
    "chef": "person",
    "crowd": "people",
    "friend": "person",
    "pizza": "food",
    "cake": "dessert",
    "banana": "fruit",
    "broccoli": "vegetable",
    "coffee": "drink",
    "bus": "vehicle",
    "train": "vehicle",
    "airplane": "aircraft",
    "bicycle": "vehicle",
    "boat": "vehicle",
    "bench": "furniture",
    "chair": "seat",
    "desk": "table",
    "shirt": "clothing",
    "hammer": "tool",
    "kite": "toy",
    "kitchen": "room",
    "house": "building",
    "street": "road",
    "beach": "place",
    "laptop": "computer",
    "tennis": "sport",
    "surfing": "sport",
    "tennis racket": "racket",
    "clock tower": "tower",
    "phone": "device",
}


@pytest.mark.parametrize("word", KINDS)
def test_kinds_are_everyday_words(word):
    known = lexicon()
    found = known.kinds(word)
    assert KINDS[word] in found
    assert not {"entity", "object", "whole", "artifact", "container"} & set(found)
    assert all(known.is_a(word, kind) for kind in found)
    assert not any(known.is_a(kind, word) for kind in found)


def test_tables_of_senses_name_senses_of_their_words():
    known = lexicon()
    assert all(sense in known.nouns(word) for word, sense in USUAL.items())
    for table in (ALSO, EXCEPT):
        assert all(known.words(each) for synset, others in table.items() for each in (synset, *others))
    assert all(parents <= set(known.parents(synset)) for synset, parents in EXCEPT.items())
    assert all(known.words(synset) for synset in CONCRETE)


def test_relations_of_a_synset():
    known = lexicon()
    assert known.parents("dog.n.01") == ("canine.n.02", "domestic_animal.n.01")
    assert "puppy.n.01" in known.children("dog.n.01")
    assert known.words("dog.n.01") == ("dog", "domestic dog", "canis familiaris")
    assert known.count("dog.n.01") == 42
    assert known.ancestors("entity.n.01") == ()
    assert "lion" in known.siblings("tiger.n.02")


def test_classes_of_words():
    known = lexicon()
    assert known.is_noun("Teddy  bear")
    assert "ride" in known.frequencies["verb"]
    assert "red" in known.frequencies["adjective"]
    assert "giraffe" not in known.frequencies["verb"]


@pytest.mark.parametrize("harm", ["missing", "cut", "other"])
def test_a_damaged_lexicon_says_so(tmp_path, harm):
    path = tmp_path / "words.xz"
    if harm == "cut":
        path.write_bytes(resource.RESOURCE.read_bytes()[:1000])
    if harm == "other":
        path.write_bytes(lzma.compress(b"words"))
    with pytest.raises(UnavailableError, match=r"words\.xz"):
        resource.read(path)
