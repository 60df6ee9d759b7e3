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
    corrected = set(ALSO) | set(EXCEPT)
    for synset in list(known._nouns.parents)[::10]:
        lineage = {synset, *known.ancestors(synset)}
        assert not lineage.isdisjoint(corrected) or lineage - {synset} == table.ancestors(synset), synset
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


def test_tables_of_senses_name_senses_of_their_words() -> None:
    words = lexicon()
    assert all(sense in words.senses(word) for word, sense in USUAL.items())
    for table in (ALSO, EXCEPT):
        assert all(words.words(name) for synset, others in table.items() for name in (synset, *others))
    assert all(words.words(synset) for synset in CONCRETE)


@pytest.mark.parametrize("harm", ["missing", "cut", "other"])
def test_a_damaged_lexicon_says_so(tmp_path, harm):
    path = tmp_path / "words.xz"
    if harm == "cut":
        path.write_bytes(resource.RESOURCE.read_bytes()[:1000])
    if harm == "other":
        path.write_bytes(lzma.compress(b"words"))
    with pytest.raises(UnavailableError, match=r"words\.xz"):
        resource.read(path)
