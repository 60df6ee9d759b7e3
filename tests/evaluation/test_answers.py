"""Answers at the borders of their rules, and headlines over all words."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hiergeo.evaluation.answers import (
    Answer,
    Conclusion,
    beside_twins,
    conclude,
    cones_answer,
    curvature_answer,
    headline,
    inapplicable,
    length_answer,
    order_answer,
    radii_answer,
    setting_of,
)
from hiergeo.evaluation.metrics import Interval, sharing
from hiergeo.evaluation.metrics.order import EqualLength

WORDS = {
    "learned": ("yes", "no", "unclear", "inapplicable"),
    "order": ("forward", "reversed", "none", "unclear"),
    "beyond_length": ("yes", "no", "unclear", "inapplicable"),
    "radii": ("helps", "harms", "none", "unclear"),
    "curvature": ("helps", "harms", "none", "unclear", "inapplicable"),
    "cones": ("decide", "narrow", "wide", "misplaced", "unclear", "inapplicable"),
}
SETTINGS = [("tiny", "scenes"), ("clip", "scenes"), ("clip", "hierarcaps")]


def made(interval, narrow=None, p=0.5, value=None) -> sharing.Tested:
    """A test of 60 items worth 40; its value is the middle of the interval."""
    value = sum(interval) / 2 if value is None else value
    return sharing.Tested(value, Interval(*interval), Interval(*(narrow or interval)), p, 60, 40.0)


@pytest.mark.parametrize(
    ("narrow", "value", "p", "word"),
    [
        ((-0.0999, 0.0999), 0.0, 0.9, "none"),
        ((0.01, 0.0999), 0.05, 0.001, "none"),
        ((-0.1, 0.05), -0.02, 0.9, "unclear"),
        ((-0.05, 0.1), 0.02, 0.9, "unclear"),
        ((0.02, 0.2), 0.1, 0.05, "forward"),
        ((-0.2, -0.02), -0.1, 0.05, "reversed"),
        ((0.02, 0.2), 0.1, 0.0501, "unclear"),
        ((-0.2, -0.02), -0.1, 0.0501, "unclear"),
        ((1.0, 1.0), 1.0, 0.001, "forward"),
        ((-1.0, -1.0), -1.0, 0.001, "reversed"),
    ],
)
def test_the_order_of_tiers(narrow, value, p, word):
    answer = order_answer(made((value - 0.3, value + 0.2), narrow, p, value))
    assert answer.word == word
    assert (answer.value, answer.low, answer.high) == (value, value - 0.3, value + 0.2)
    assert (answer.n, answer.effective) == (60, 40)
    assert f"{value:.3f}".replace("-", "−") in answer.sentence


SURE, HARDLY, EVEN = made((0.1, 0.5), p=0.05), made((0.1, 0.5), p=0.051), made((-0.3, 0.3), (-0.2, 0.0999))
OPEN, BELOW = made((-0.3, 0.3), (-0.2, 0.1001)), made((-0.5, -0.1), p=0.01)


@pytest.mark.parametrize(
    ("words", "balanced", "word", "strict"),
    [
        (SURE, SURE, "yes", SURE),
        (SURE, HARDLY, "unclear", SURE),
        (HARDLY, SURE, "unclear", HARDLY),
        (SURE, EVEN, "no", EVEN),
        (EVEN, SURE, "no", EVEN),
        (SURE, OPEN, "unclear", OPEN),
        (OPEN, OPEN, "unclear", OPEN),
        (BELOW, SURE, "no", BELOW),
        (EVEN, BELOW, "no", BELOW),
        (SURE, None, "unclear", SURE),
        (BELOW, None, "unclear", BELOW),
    ],
)
def test_the_order_beyond_length(words, balanced, word, strict):
    answer = length_answer(EqualLength(words, balanced, 0.6, 0.3), answer_in("forward", 0.5))
    assert answer.word == word
    assert answer.value == pytest.approx((1 + strict.value) / 2)
    assert (answer.low, answer.high) == pytest.approx([(1 + end) / 2 for end in strict.interval])
    assert answer.n == 60


@pytest.mark.parametrize(
    ("order", "word"), [("forward", "yes"), ("unclear", "yes"), ("none", "unclear"), ("reversed", "unclear")]
)
def test_without_an_order_none_goes_beyond_length(order, word):
    measured = EqualLength(SURE, SURE, 0.6, 0.3)
    assert length_answer(measured, answer_in(order, 0.0)).word == word


def test_where_no_tiers_have_equal_lengths_the_question_does_not_arise():
    answer = length_answer(None, answer_in("forward", 0.5))
    assert (answer.word, answer.n) == ("inapplicable", 0)
    assert np.isnan([answer.value, answer.low, answer.high]).all()


@pytest.mark.parametrize("answer_of", [radii_answer, curvature_answer])
@pytest.mark.parametrize(
    ("interval", "narrow", "word"),
    [
        ((-0.03, 0.03), (-0.0199, 0.0199), "none"),
        ((0.001, 0.021), (0.002, 0.0199), "none"),
        ((-0.03, 0.03), (-0.02, 0.01), "unclear"),
        ((-0.03, 0.03), (-0.01, 0.02), "unclear"),
        ((0.0, 0.2), (0.01, 0.19), "unclear"),
        ((1e-9, 0.2), (0.01, 0.19), "helps"),
        ((-0.2, 0.0), (-0.19, -0.01), "unclear"),
        ((-0.2, -1e-9), (-0.19, -0.01), "harms"),
    ],
)
def test_gains(answer_of, interval, narrow, word):
    answer = answer_of(made(interval, narrow))
    assert answer.word == word
    assert (answer.low, answer.high) == interval
    assert f"{answer.value:+.3f}".replace("-", "−") in answer.sentence


def test_flat_spaces_have_no_answer_about_curvature():
    assert curvature_answer(None).word == "inapplicable"


@pytest.mark.parametrize(
    ("held", "matched", "gain", "saturated", "word"),
    [
        ((0.9, 1.0), (0.5, 0.6), (0.1, 0.3), 0.0, "wide"),
        ((0.9, 1.0), (0.4999, 0.6), (0.1, 0.3), 0.0, "decide"),
        ((0.9, 1.0), (0.3, 0.6), (0.05, 0.3), 0.51, "wide"),
        ((0.9, 1.0), (0.3, 0.6), (0.0501, 0.3), 0.51, "decide"),
        ((0.9, 1.0), (0.3, 0.6), (0.05, 0.3), 0.5, "unclear"),
        ((0.0, 0.4999), (0.0, 0.0999), (0.3, 0.4), 0.0, "narrow"),
        ((0.0, 0.5), (0.0, 0.0999), (0.3, 0.4), 0.0, "unclear"),
        ((0.0, 0.4999), (0.0, 0.1), (0.3, 0.4), 0.0, "unclear"),
        ((0.0, 0.4999), (0.1, 0.3), (-0.1, 0.0499), 0.0, "misplaced"),
        ((0.0, 0.4999), (0.1, 0.3), (-0.1, 0.05), 0.0, "unclear"),
        ((0.0, 0.5), (0.1, 0.3), (-0.1, 0.0499), 0.0, "unclear"),
        ((0.0, 0.4999), (0.0, 0.3), (-0.1, 0.0499), 0.0, "unclear"),
        ((0.5, 0.7), (0.0, 0.2), (0.0501, 0.5), 0.0, "decide"),
        ((0.4999, 0.7), (0.0, 0.2), (0.0501, 0.5), 0.0, "unclear"),
        ((0.5, 0.7), (0.0, 0.2), (0.05, 0.5), 0.0, "unclear"),
    ],
)
def test_cones(held, matched, gain, saturated, word):
    answer = cones_answer(made(held), made(matched), made(gain), saturated)
    assert answer.word == word
    assert (answer.value, answer.low, answer.high) == (sum(gain) / 2, *gain)
    assert all(f"{50 * sum(share):.0f} %" in answer.sentence for share in (held, matched))


def answer_in(word: str, value: float) -> Answer:
    return inapplicable("") if word == "inapplicable" else Answer(word, value, value, value, 9, "")


@pytest.mark.parametrize("model_and_data", SETTINGS)
def test_headlines_have_at_most_25_words_and_contradict_no_answer(model_and_data):
    setting, said = setting_of(*model_and_data), {}
    for words in product(*(WORDS[question] for question in ("order", "beyond_length", "learned"))):
        answers = {
            question: answer_in(word, value)
            for question, word, value in zip(("order", "beyond_length", "learned"), words, (-1, 1, 0.5), strict=True)
        } | {"curvature": answer_in("helps", 0.1)}
        said[words] = headline(answers, setting)
        assert len(said[words].split()) <= 25, said[words]
        assert said[words].startswith(setting)
        assert ("length" in said[words]) == (words[0] == "forward" and words[1] != "inapplicable")
        assert ("untrained" in said[words]) == (words[0] == "forward" and words[2] != "inapplicable")
        assert "curvature" not in said[words]
    assert len(set(said.values())) == 4 * 4 + 3


def test_a_headline_gives_the_numbers_of_order_and_length():
    answers = {"order": answer_in("forward", 0.876), "beyond_length": answer_in("yes", 0.912)}
    assert all(number in headline(answers) for number in ("0.88", "91 %"))
    assert "−0.88" in headline({"order": answer_in("reversed", -0.876)})


def compared(*curvatures: str, worse: tuple[str, ...] = ()) -> Conclusion:
    """The conclusion on a flat space and on curved ones called A, B and so on."""
    return conclude(
        {
            spec: {"order": stated("forward"), "curvature": stated(word)}
            for spec, word in zip(("flat", "A", "B", "C"), ("inapplicable", *curvatures), strict=False)
        },
        "model",
        "data",
        worse,
    )


def stated(word: str) -> Answer:
    return replace(answer_in(word, 0.5), n=900, sentence=f"It is {word}: so.")


def test_a_comparison_states_every_answer_once():
    assert compared("harms", "none").remarks == (
        "It is forward: so.",
        "In A, it is harms: so.",
        "In B, it is none: so.",
    )


def test_where_ladders_get_worse_curvature_does_not_only_help():
    first, a, b = compared("helps", "helps", worse=("B",)).remarks
    assert "ladders" not in first + a
    assert "helps and makes ladders worse: " in b


def test_few_chains_decide_nothing_and_the_conclusion_says_so_first():
    few = conclude({"flat": {"order": replace(stated("forward"), n=50)}}, "model", "data")
    assert few.remarks[0].startswith("50 chains decide nothing")
    assert len(conclude({"flat": {"order": replace(stated("forward"), n=100)}}, "model", "data").remarks) == 1


def test_few_general_captions_are_the_reason_that_is_said_once():
    answer = order_answer(replace_items(made((-0.42, 1.0), p=0.3, value=1.0), 300), 3)
    assert answer.word == "unclear"
    assert answer.reason == "3 general captions stand behind 300 chains"
    assert headline({"order": answer}) == f"Cannot tell: {answer.reason} (tau_d 1.00)."
    assert order_answer(replace_items(made((-0.42, 1.0), p=0.3, value=1.0), 300), 31).reason == ""
    assert order_answer(replace_items(made((0.42, 1.0), p=0.01, value=1.0), 300), 3).reason == ""


def replace_items(tested: sharing.Tested, items: int) -> sharing.Tested:
    return tested._replace(items=items)


def test_words_are_the_reason_where_random_ones_reach_as_much():
    limited = SURE.against(np.array([0.7, -0.7] * 500))
    answer = length_answer(EqualLength(limited, limited, 0.6, 0.3), answer_in("forward", 0.5), 58)
    assert answer.word == "unclear"
    assert "58 words" in answer.reason
    assert answer.random_words == pytest.approx(0.85)
    assert answer.effective == pytest.approx(1 / 0.49)
    assert "2 independent words" in answer.sentence
    free = length_answer(EqualLength(SURE, SURE, 0.6, 0.3), answer_in("forward", 0.5), 58)
    assert (free.word, free.reason) == ("yes", "")
    assert "independent ones" in free.sentence


@pytest.mark.parametrize(("low", "word"), [(0.01, "yes"), (0.0, "unclear"), (-0.2, "unclear"), (np.nan, "yes")])
def test_nothing_goes_beyond_length_that_an_untrained_copy_reaches(low, word):
    beyond = replace(answer_in("yes", 0.8), sentence="Radii follow the tiers at equal length too: 80 % of pairs.")
    answer = beside_twins(beyond, replace(answer_in("no", 0.1), low=low))
    assert answer.word == word
    assert "80 % of pairs" in answer.sentence
    assert ("untrained" in answer.sentence) == (word == "unclear")
    assert beside_twins(answer_in("no", 0.4), replace(answer_in("no", 0.1), low=low)).word == "no"
