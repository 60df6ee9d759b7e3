"""Kinds of things, and things that exclude each other, against cases worked by hand."""

import pytest

from hiergeo.construction.language.kinds import UNRELATED, alternatives, is_kind, kinds, unrelated

KINDS = {
    "dog": "animal",
    "kitten": "cat",
    "bee": "insect",
    "girl": "child",
    "surfer": "athlete",
    "chef": "person",
    "crowd": "people",
    "banana": "fruit",
    "broccoli": "vegetable",
    "airplane": "aircraft",
    "bicycle": "vehicle",
    "bench": "furniture",
    "chair": "seat",
    "kite": "toy",
    "kitchen": "room",
    "beach": "place",
    "laptop": "computer",
    "tennis racket": "racket",
    "clock tower": "tower",
    "phone": "device",
    "square": "shape",
    "town square": "place",
}


@pytest.mark.parametrize("word", KINDS)
def test_kinds_are_everyday_words(word: str) -> None:
    above = kinds(word)
    assert KINDS[word] in above
    assert not {"entity", "object", "whole", "artifact"} & set(above)
    assert all(is_kind(word, kind) for kind in above)
    assert not any(is_kind(kind, word) for kind in above)


@pytest.mark.parametrize("noun", ["dog", "kitchen", "pizza", "man", "bus", "chair", "donkey", "poodle", "dill", "lamp"])
def test_what_can_stand_for_a_noun_is_none_of_its_kinds(noun: str) -> None:
    others = alternatives(noun)
    assert others
    assert not any(is_kind(noun, other) or is_kind(other, noun) for other in others)


def test_nouns_that_overlap_do_not_stand_for_each_other() -> None:
    pairs = [
        ("girl", "woman"),
        ("boy", "man"),
        ("pet", "dog"),
        ("surfer", "woman"),
        ("cow", "calf"),
        ("bag", "suitcase"),
    ]
    assert [pair for pair in pairs if pair[1] in alternatives(pair[0]) or pair[0] in alternatives(pair[1])] == []


@pytest.mark.parametrize(
    ("noun", "never"), [("dog", "animal"), ("surfer", "animal"), ("bus", "vehicle"), ("pie", "dessert")]
)
def test_unrelated_words_share_no_kind_with_a_noun(noun: str, never: str) -> None:
    words = unrelated(noun)
    assert never not in words
    assert len(words) > len(UNRELATED) / 3
    assert not any(is_kind(noun, word) for word in words)
