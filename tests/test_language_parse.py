"""The structure of captions: cases worked by hand, and what holds of any text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hiergeo.language import TAGS, head_noun, parse

CASES = [
    ("A dog sleeps on a red couch.", "dog", "A dog"),
    ("Two dogs chase a ball", "dog", "Two dogs"),
    ("a group of women walking down a street", "woman", "a group of women"),
    ("A photo of a small cat near a window.", "cat", "A photo of a small cat"),
    ("There is a train at the station", "train", "There is a train"),
    ("close up of a slice of pizza on a plate", "pizza", "close up of a slice of pizza"),
    ("A MAN RIDES A HORSE", "man", "A MAN"),
    ("View from above of a city at night", "city", "View from above of a city"),
    ("a black and white cow in a meadow", "cow", "a black and white cow"),
    ("In the kitchen, a woman is cutting bread", "woman", "In the kitchen, a woman"),
    ("a red fire hydrant beside the road", "fire hydrant", "a red fire hydrant"),
    ("The boy's new bike is parked outside", "bike", "The boy's new bike"),
    ("several parked cars on a snowy street", "car", "several parked cars"),
    ("She is holding an umbrella in the rain", "woman", "She"),
    ("boats", "boat", "boats"),
    ("a hot dog with mustard", "hot dog", "a hot dog"),
    ("a teddy bear sitting on a shelf", "teddy bear", "a teddy bear"),
    ("Stuffed teddy bear on a bed", "teddy bear", "Stuffed teddy bear"),
    ("a ski resort with many visitors", "ski resort", "a ski resort"),
    ("a very tidy room with white walls", "room", "a very tidy room"),
]

WORDS = ["a", "no", "dog", "dogs", "red", "is", "and", "on", ",", ".", "with", "not", "of", "riding", "photo", "'s"]


@pytest.mark.parametrize(("caption", "noun", "shortest"), CASES)
def test_what_a_caption_is_about(caption, noun, shortest):
    found = parse(caption)
    assert head_noun(caption) == noun == found.main.noun
    assert found.cut(len(found.trails)) == shortest


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS)).map(" ".join))
@example("")
@example("\N{GRINNING FACE}\n\u200d")
def test_any_text_has_a_structure(text):
    found = parse(text)
    assert found == parse(text)
    at = 0
    for token in found.tokens:
        assert at <= token.start < token.end <= len(text)
        assert text[token.start : token.end] == token.text
        assert token.tag in TAGS
        at = token.end
    assert not text[at:].strip() or not found.tokens
    for phrase in found.phrases:
        assert phrase.start <= phrase.head < phrase.end <= len(found.tokens)
        assert all(phrase.start <= each < phrase.head for each in phrase.modifiers)
    places = [place for trail in found.trails for place in trail]
    assert places == sorted(places)
    for count in range(len(found.trails) + 1):
        assert text.strip().startswith(found.cut(count).strip())
        if found.main is not None:
            assert found.text(found.main.start, found.main.end) in found.cut(count)
    assert not any(first < start < end for start, _ in found.trails for first, end in found.negated)
