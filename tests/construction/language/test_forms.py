"""Forms of words against cases worked by hand."""

import pytest

from hiergeo.construction.language import lexicon
from hiergeo.construction.language.lexicon import WordClass, plural

PLURALS = {
    "dog": "dogs",
    "bus": "buses",
    "box": "boxes",
    "baby": "babies",
    "man": "men",
    "foot": "feet",
    "human": "humans",
    "knife": "knives",
    "child": "children",
    "sheep": "sheep",
    "potato": "potatoes",
    "mouse": "mice",
    "leaf": "leaves",
    "goose": "geese",
    "movie": "movies",
}


@pytest.mark.parametrize("one", PLURALS)
def test_plurals_and_singulars(one: str) -> None:
    assert plural(one) == PLURALS[one]
    assert lexicon().lemma(one, "noun") == lexicon().lemma(PLURALS[one], "noun") == one


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


def test_plurals_of_frequent_nouns_lead_back() -> None:
    """Nouns that were tagged most; left out are those whose plural is a noun of its own, such as glasses."""
    counts = lexicon().frequencies["noun"]
    nouns = [word for word in sorted(counts, key=lambda word: (-counts[word], word)) if word.isalpha()][:1500]
    lost = [word for word in nouns if lexicon().lemma(plural(word), "noun") != word]
    assert len(lost) < 0.05 * len(nouns), lost
