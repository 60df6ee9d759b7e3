"""What follows from what: a table worked out by hand, and laws that hold for any captions."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo.construction.language import attributes, things
from hiergeo.construction.language.claims import read
from hiergeo.construction.language.entailment import relation
from hiergeo.construction.language.kinds import is_kind, kinds
from tests.construction.language.entailment_table import TABLE

SUBJECTS = ("a dog", "two cats", "a brown dog", "an old man", "a toy car", "no horse", "a woman", "people", "a red bus")
TAILS = ("", "sitting on a couch", "on a table", "riding a horse", "without a hat", "with a red hat", "in a kitchen")
TEXTS = st.builds(
    lambda *parts: " ".join(part for part in parts if part), *map(st.sampled_from, (SUBJECTS, TAILS, TAILS))
)


@pytest.mark.parametrize(("premise", "hypothesis", "answer"), TABLE)
def test_the_table(premise: str, hypothesis: str, answer: str) -> None:
    assert relation(premise, hypothesis) == answer, (read(premise), read(hypothesis))


def test_the_table_is_long_enough_and_even() -> None:
    answers = [answer for _, _, answer in TABLE]
    assert len({pair[:2] for pair in TABLE}) == len(TABLE) >= 80
    assert all(answers.count(answer) >= 20 for answer in ("entailment", "neutral", "contradiction"))


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_a_caption_entails_itself(text: str) -> None:
    assert relation(text, text) == "entailment"
    assert relation(text, text.upper() + ".") == "entailment"


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_contradiction_is_symmetric_and_excludes_entailment(one: str, other: str) -> None:
    there, back = relation(one, other), relation(other, one)
    assert (there == "contradiction") == (back == "contradiction")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), TEXTS)
def test_any_text_has_an_answer(odd: str, text: str) -> None:
    assert relation(odd, text) in {"entailment", "neutral", "contradiction"}
    assert relation(text, odd) in {"entailment", "neutral", "contradiction"}


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_entailment_is_transitive(first: str, second: str, third: str) -> None:
    if relation(first, second) == relation(second, third) == "entailment":
        assert relation(first, third) == "entailment"


LOOPS = (
    *(
        "sitting on a bench ",
        "in a park ",
        "holding a hat ",
        "sitting ",
        "lying sitting ",
        "next to a man ",
        "and ",
        "of ",
    ),
    *("and a dog ", "of a dog ", "a toy of a dog ", "a dog, ", "big red ", "dog-", "without a dog ", "in front of "),
)


@pytest.mark.parametrize("words", LOOPS)
def test_captions_that_repeat_words_take_no_more_than_the_square_of_their_length(words: str) -> None:
    """Four times the length may take 16 times the processor time; the bound is twice that (the cube takes 64)."""

    def seconds(length: int) -> float:
        text = ("a man " + words * length)[:length]
        begin = time.process_time()
        relation(f"{text} in a park", f"{text} in a field")
        relation(f"{text} in a park", f"a {words * (length // len(words))}")
        return time.process_time() - begin

    seconds(100)
    assert min(seconds(1000) for _ in range(2)) < 0.05 + 32 * min(seconds(250) for _ in range(3))


@pytest.mark.parametrize("axes", [attributes.ADJECTIVES, attributes.VERBS, attributes.PLACES])
def test_attributes_exclude_each_other_both_ways(axes: attributes.Axes) -> None:
    words = sorted({word for groups in axes.groups.values() for group in groups for word in group})
    for one in words:
        assert not axes.excludes(one, one)
        for other in words:
            assert axes.excludes(one, other) == axes.excludes(other, one)
        assert all(axes.excludes(one, other) for other in axes.alternatives(one))


@pytest.mark.parametrize("noun", ["dog", "kitchen", "pizza", "man", "water", "bus", "chair", "donkey", "tennis"])
def test_what_can_stand_for_a_noun_excludes_it_and_is_none_of_its_kinds(noun: str) -> None:
    others = things.replacements(noun) or things.replacements(noun, counted=False) or things.listed(kinds(noun)[0])
    found = [other for other in others if things.excludes(noun, other)]
    assert found
    for other in found:
        assert things.excludes(other, noun)
        assert not is_kind(noun, other)
        assert not is_kind(other, noun)


def test_nouns_that_overlap_do_not_exclude_each_other() -> None:
    pairs = [
        ("girl", "woman"),
        ("boy", "man"),
        ("pet", "dog"),
        ("surfer", "woman"),
        ("cow", "calf"),
        ("bag", "suitcase"),
    ]
    assert [pair for pair in pairs if things.excludes(*pair) or things.excludes(*reversed(pair))] == []


def test_kinds_are_ever_more_general() -> None:
    for noun in ("poodle", "school bus", "fire truck", "batter", "cupcake", "hot dog", "nightstand"):
        above = kinds(noun)
        assert above
        assert all(is_kind(noun, kind) for kind in above)
    assert "person" not in kinds("hot dog")
