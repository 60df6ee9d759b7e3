"""Forms of words against cases worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo.construction.language import lexicon
from hiergeo.construction.language.lexicon import WordClass, plural

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
def test_plurals_and_singulars(one: str) -> None:
    assert plural(one) == PLURALS[one]
    assert lexicon().lemma(one, "noun") == lexicon().lemma(PLURALS[one], "noun") == one


def test_plurals_of_several_words() -> None:
    assert plural("fire hydrant") == "fire hydrants"
    assert plural("person") == "people"
    assert plural("glass") == "glasses"
    assert plural("scissors") == "scissors"


@pytest.mark.parametrize(
    ("form", "word_class", "lemma"),
    [
        ("riding", "verb", "ride"),
        ("sat", "verb", "sit"),
        ("hopping", "verb", "hop"),
        ("hoping", "verb", "hope"),
        ("flies", "verb", "fly"),
        ("tied", "verb", "tie"),
        ("is", "verb", "be"),
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
def test_lemmas(form: str, word_class: WordClass, lemma: str) -> None:
    assert lexicon().lemma(form, word_class) == lemma


@given(st.text(max_size=20))
def test_any_word_has_forms(word: str) -> None:
    assert all(isinstance(lexicon().lemma(word, name), str) for name in ("noun", "verb", "adjective"))
    assert isinstance(plural(word), str)


def test_plurals_of_frequent_nouns_lead_back() -> None:
    """Nouns that were tagged most; left out are those whose plural is a noun of its own, such as glasses."""
    counts = lexicon().frequencies["noun"]
    nouns = [word for word in sorted(counts, key=lambda word: (-counts[word], word)) if word.isalpha()][:1500]
    lost = [word for word in nouns if lexicon().lemma(plural(word), "noun") != word]
    assert len(lost) < 0.05 * len(nouns), lost
