"""The bundled lexicon against WordNet's own files, an independent table, and cases worked by hand."""

import lzma
from pathlib import Path

import pytest

from hiergeo.datasets.wordnet import load_wordnet
from hiergeo.errors import UnavailableError
from hiergeo.language import lexicon, recipe, resource

DICT = Path("/usr/share/wordnet")


@pytest.fixture(scope="module")
def wordnet_files() -> Path:
    if not (DICT / "data.noun").is_file():
        pytest.skip(f"needs WordNet's files in {DICT}: apt-get install wordnet-base")
    return DICT


def test_the_lexicon_is_what_its_recipe_makes(wordnet_files):
    made = lzma.decompress(recipe.make(wordnet_files))
    assert made == lzma.decompress(resource.RESOURCE.read_bytes())
    assert resource.RESOURCE.stat().st_size < 800_000


def test_counts_are_those_of_the_files(wordnet_files):
    """Read another way: by the offsets that the index lists, without the words of the data file."""
    lines = [line for line in (wordnet_files / "data.noun").read_text().splitlines() if line[:2] != "  "]
    instances = {line[:8] for line in lines if " @i " in line.split(" | ")[0]}
    above = {line[:8]: {part[:8] for part in line.split(" | ")[0].split(" @ ")[1:]} for line in lines}
    lost = {offset for offset, parents in above.items() if parents and parents <= instances}
    known = lexicon()
    assert len(known._nouns.parents) == len(lines) - len(instances | lost)
    assert sum(map(len, known._nouns.parents.values())) == sum(
        len(parents - instances) for offset, parents in above.items() if offset not in instances | lost
    )
    tagged = [line.split() for line in (wordnet_files / "cntlist.rev").read_text().splitlines()]
    for kind, table in (("2", known.verbs), ("4", known.adverbs)):
        single = [
            (key, int(n)) for key, _, n in tagged if key.split("%")[1][0] == kind and "_" not in key.split("%")[0]
        ]
        assert sum(table.values()) == sum(count for key, count in single if key.split("%")[0] in table)


def test_ancestors_are_those_of_an_independent_table(data_home):
    table = load_wordnet(data_home / "wordnet")
    known = lexicon()
    assert known._nouns.parents.keys() <= table.parents.keys()
    for synset in list(known._nouns.parents)[::5]:
        assert set(known.ancestors(synset)) == table.ancestors(synset), synset
    assert len(table.parents) - len(known._nouns.parents) == 7730 + 14


@pytest.mark.parametrize(
    ("word", "context", "sense"),
    [
        ("table", (), "table.n.02"),
        ("dog", (), "dog.n.01"),
        ("Dog", (), "dog.n.01"),
        ("man", (), "man.n.01"),
        ("bus", (), "bus.n.01"),
        ("teddy bear", (), "teddy.n.01"),
        ("kite", (), "kite.n.03"),
        ("tennis", (), "tennis.n.01"),
    ],
)
def test_senses_of_captions(word, context, sense):
    assert lexicon().sense(word, context) == sense


@pytest.mark.parametrize("word", ["", "qwxz", "the", "☃", "london"])
def test_what_is_no_noun_has_no_sense(word):
    known = lexicon()
    assert known.sense(word) is None
    assert known.kinds(word) == ()
    assert not known.is_a(word, "animal")


@pytest.mark.parametrize(
    ("word", "kinds"),
    [
        ("dog", {"animal"}),
        ("bench", {"furniture"}),
        ("giraffe", {"animal"}),
        ("pizza", {"food"}),
        ("surfer", {"person"}),
    ],
)
def test_kinds_are_everyday_words(word, kinds):
    found = lexicon().kinds(word)
    assert kinds <= set(found)
    assert not {"entity", "object", "whole", "artifact"} & set(found)
    assert all(lexicon().is_a(word, kind) for kind in found)


def test_relations_of_a_synset():
    known = lexicon()
    assert known.parents("dog.n.01") == ("canine.n.02", "domestic_animal.n.01")
    assert "puppy.n.01" in known.children("dog.n.01")
    assert known.words("dog.n.01") == ("dog", "domestic dog", "canis familiaris")
    assert known.count("dog.n.01") == 42
    assert known.ancestors("entity.n.01") == ()
    assert known.antonyms("large")[0] == "small"
    assert known.antonyms("huge")[0] == "small"
    assert "lion" in known.siblings("tiger.n.02")


def test_classes_of_words():
    known = lexicon()
    assert known.is_noun("Teddy  bear")
    assert known.is_verb("ride")
    assert known.is_adjective("red")
    assert not known.is_verb("giraffe")


@pytest.mark.parametrize("harm", ["missing", "cut", "other"])
def test_a_damaged_lexicon_says_so(tmp_path, harm):
    path = tmp_path / "words.xz"
    if harm == "cut":
        path.write_bytes(resource.RESOURCE.read_bytes()[:1000])
    if harm == "other":
        path.write_bytes(lzma.compress(b"words"))
    with pytest.raises(UnavailableError, match=r"words\.xz"):
        resource.read(path)
