"""Forms of words against cases worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.construction.language import lemma, lexicon, plural, singular

PLURALS = {
    "dog": "dogs",
    "bus": "buses",
    "box": "boxes",
    "baby": "babies",
    "boy": "boys",
    "man": "men",
    "foot": "feet",
    "fireman": "firemen",
    "human": "humans",
    "knife": "knives",
    "child": "children",
    "sheep": "sheep",
    "photo": "photos",
    "potato": "potatoes",
    "church": "churches",
    "dish": "dishes",
    "mouse": "mice",
    "leaf": "leaves",
    "goose": "geese",
    "cherry": "cherries",
    "movie": "movies",
    "horse": "horses",
}


@pytest.mark.parametrize("one", PLURALS)
def test_plurals_and_singulars(one):
    assert plural(one) == PLURALS[one]
    assert singular(one) == singular(PLURALS[one]) == one


def test_plurals_of_several_words():
    assert plural("fire hydrant") == "fire hydrants"
    assert plural("cup of tea") == "cups of tea"
    assert plural("person") == "people"
    assert plural("glass") == "glasses"
    assert plural("scissors") == "scissors"
    assert singular("glasses") == "glasses"


@pytest.mark.parametrize(
    ("form", "kind", "found"),
    [
        ("riding", "verb", "ride"),
        ("sat", "verb", "sit"),
        ("hopping", "verb", "hop"),
        ("hoping", "verb", "hope"),
        ("flies", "verb", "fly"),
        ("tied", "verb", "tie"),
        ("is", "verb", "be"),
        ("Holding", "verb", "hold"),
        ("bigger", "adjective", "big"),
        ("happiest", "adjective", "happy"),
        ("wooden", "adjective", "wooden"),
        ("best", "adjective", "good"),
        ("buses", "noun", "bus"),
        ("bus", "noun", "bus"),
        ("tennis", "noun", "tennis"),
        ("wolves", "noun", "wolf"),
        ("smurfs", "noun", "smurf"),
    ],
)
def test_lemmas(form, kind, found):
    assert lemma(form, kind) == found


def test_an_unknown_kind_is_named():
    with pytest.raises(InputError, match="adverb"):
        lemma("slowly", "adverb")


@given(st.text(max_size=20))
def test_any_word_has_forms(word):
    for kind in ("noun", "verb", "adjective"):
        assert isinstance(lemma(word, kind), str)
    assert isinstance(plural(word), str)


def test_plurals_of_frequent_nouns_lead_back():
    """Nouns that were tagged most; left out are those whose plural is a noun of its own, such as glasses."""
    counts = lexicon().frequencies["noun"]
    nouns = [word for word in sorted(counts, key=lambda word: (-counts[word], word)) if word.isalpha()][:1500]
    lost = [word for word in nouns if singular(plural(word)) != word]
    assert len(lost) < 0.05 * len(nouns), lost
