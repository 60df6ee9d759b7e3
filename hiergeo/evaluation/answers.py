"""Six questions about a hierarchy, each answered in one of a few fixed words, with its number, interval and n.

A word is said only where worlds of a planted truth prove the rule behind it (`hiergeo.testing.planted`); where an
interval crosses the line the answer is ``unclear``, and ``none`` is said only inside an equivalence bound and of at
least `SMALL_SAMPLE` items, since few may agree by chance. Questions that do not arise are ``inapplicable``. The words
and rules: docs/verdicts.md.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from hiergeo.evaluation.metrics.order import EqualLength
from hiergeo.evaluation.metrics.resampling import SMALL_SAMPLE, Interval
from hiergeo.evaluation.metrics.sharing import Tested

Question = Literal["order", "beyond_length", "learned", "radii", "curvature", "cones"]

QUESTIONS: tuple[Question, ...] = ("order", "beyond_length", "learned", "radii", "curvature", "cones")
CONCLUDED: tuple[Question, ...] = ("order", "beyond_length", "learned", "curvature")
"""All questions, and those that a conclusion answers; its headline answers the first three."""

ALPHA = 0.05
"""Level of tests."""

SAME_ORDER, SAME_RANK = 0.1, 0.02
"""Equivalence bounds of tau_d and of mean reciprocal ranks: the 90 % interval lies within them."""

SAME_SHARE = 0.55
"""The order is not one beyond length where the upper end of the 90 % interval of the share lies below this."""

HALF, FEW = 0.5, 0.1
"""Share of half-spaces from which on cones are wide, and of children below which they are narrow; share that is few."""

FEW_CHAINS = 100
"""Chains below which answers change with the rows that were chosen."""

TELLING = 0.05
"""Smallest gain of cones over matched captions that decides anything."""


@final
@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Attributes:
        word: one of the fixed words.
        value: the number behind it; NaN where there is none.
        low: lower end of its 95 % interval.
        high: upper end.
        n: items that it was measured on.
        sentence: the answer as a sentence.
        effective: how many independent items, or words, would be as precise.
        p_value: of the test behind the word, two-sided, of `learned` one-sided; NaN where there is none.
        random_words: what random word weights reach in 95 % of draws, in the units of `value`; NaN where not compared.
        reason: why an answer is unclear, where that is known.
    """

    word: str
    value: float
    low: float
    high: float
    n: int
    sentence: str
    effective: float = 0.0
    p_value: float = math.nan
    random_words: float = math.nan
    reason: str = ""

    @classmethod
    def of(cls, word: str, tested: Tested, sentence: str, reason: str = "") -> "Answer":
        """The answer that a test gives."""
        numbers = tested.value, *tested.interval, tested.items
        return cls(word, *numbers, sentence, tested.effective, tested.p_value, tested.random_words, reason)


def inapplicable(why: str) -> Answer:
    """The answer to a question that does not arise."""
    return Answer("inapplicable", math.nan, math.nan, math.nan, 0, why)


def order_answer(tested: Tested | None, heads: int = 0) -> Answer:
    """Whether radii follow the tiers; `tested` is None where all radii are equal.

    `heads` is the number of distinct captions in the tier that has fewest of them, without a tier that is one caption.
    """
    if tested is None:
        return inapplicable("All radii are equal, so they cannot follow the tiers.")
    word, reason = "unclear", ""
    if _within(tested, SAME_ORDER):
        word = "none"
    elif tested.p_value <= ALPHA:
        word = "forward" if tested.value > 0 else "reversed"
    elif 0 < heads <= tested.items * FEW:
        stand = "stand" if heads > 1 else "stands"
        reason = f"{_plural(heads, 'general caption')} {stand} behind {tested.items:,} chains"
    says = f"Cannot tell: {reason}" if reason else ORDER[word]
    chance = "" if math.isnan(tested.random_words) else f"; random word weights reach {tested.random_words:.2f} in 95 %"
    return Answer.of(word, tested, f"{says}: tau_d {_stated(tested)}{chance}, {_counted(tested, 'chain')}.", reason)


def length_answer(measured: EqualLength | None, order: Answer, vocabulary: int = 0) -> Answer:
    """Whether the order goes beyond the length of captions, in words and in characters.

    `measured` is None where no tiers have equal length; nothing goes beyond length where the order of all tiers is
    `none` or `reversed`. `vocabulary` is the number of different words of the captions.
    """
    if order.word == "inapplicable":
        return order
    if measured is None:
        return inapplicable("No chain has two tiers of equally many words, so length cannot be held fixed.")
    words = measured.words.as_share
    if measured.balanced is None:
        reason = "where words are equally many, differences in characters do not balance"
        return Answer.of("unclear", words, f"Length cannot be held fixed: {reason}.", reason)
    both = words, balanced = words, measured.balanced.as_share
    strict = min(both, key=lambda share: share.interval.low)
    reason = ""
    if order.word not in ("none", "reversed") and all(share.p_value <= ALPHA and share.value > HALF for share in both):
        word, says = "yes", "Radii follow the tiers at equal length too"
    elif any(share.narrow.high < SAME_SHARE for share in both):
        word, says = "no", "Radii do not follow the tiers at equal length"
        strict = min(both, key=lambda share: share.narrow.high)
    else:
        word, says = "unclear", "Radii do not measurably follow the tiers at equal length"
        if strict.by_words and HALF < strict.value <= strict.random_words:
            reason = f"{_plural(vocabulary, 'word')}: random ones reach {_percent(strict.random_words)} %"
    low, high = map(_percent, strict.interval)
    of = "characters balanced" if strict is balanced else "equally many words"
    share = f"{_percent(strict.value)} % of pairs in the right order ({low} to {high} %, {of})"
    said = ", ".join(filter(None, (share, reason, _counted(strict, "pair"))))
    return Answer.of(word, strict, f"{says}: {said}.", reason)


def beside_twins(beyond: Answer, learned: Answer) -> Answer:
    """The answer about length beside untrained copies: an order that the best of them reaches goes beyond nothing.

    Networks read pieces of words, of which specific captions have more, so that their random radii need not be those
    of random words.
    """
    if beyond.word != "yes" or not learned.low <= 0:
        return beyond
    reason = "an untrained copy reaches as much"
    says = f"{ORDER['unclear']} at equal length: {reason}"
    return replace(beyond, word="unclear", sentence=f"{says}; {beyond.sentence.partition(': ')[2]}", reason=reason)


def learned_answer(value: float, twins: Sequence[float], items: int, *, equal: bool) -> Answer:
    """Whether training adds to an order of tiers, by an exact Monte Carlo test against untrained copies.

    `value` and `twins` are shares of pairs at `equal` length in the right order, or else tau_d. The number of the
    answer is the gain over the median copy; its interval runs from that over the best to that over the worst copy, so
    that it lies above 0 where the model is above all copies: by chance in one of 20 cases beside 19 copies.
    """
    median, best, worst = float(np.median(twins)), max(twins), min(twins)
    if value > best and value > (HALF if equal else 0) and len(twins) + 1 >= 1 / ALPHA:
        word, says = "yes", "Training adds to the order of the tiers"
    elif value <= median:
        word, says = "no", "Training adds nothing to the order of the tiers"
    else:
        word, says = "unclear", "Training does not measurably add to the order of the tiers"
    if equal:
        model, low, high = map(_percent, (value, worst, best))
        numbers = f"{model} % of pairs of equally many words in the right order, {low} to {high} %"
    else:
        numbers = f"tau_d {value:.3f}, {worst:.3f} to {best:.3f}".replace("-", "−")
    p_value = (1 + sum(twin >= value for twin in twins)) / (1 + len(twins))
    gain = Tested(value - median, Interval(value - best, value - worst), Interval(0, 0), p_value, items, items)
    sentence = f"{says}: {numbers} in {len(twins)} untrained copies, n = {_plural(items, 'pair')}."
    return Answer.of(word, gain, sentence)


def radii_answer(tested: Tested | None, untrained: float | None = None) -> Answer:
    """Whether radii help to find parents where angles are known; `tested` is None where they cannot be held fixed.

    `untrained` is the gain of an untrained copy, where there is one.
    """
    if tested is None:
        return inapplicable("Radii are no lengths of embeddings here, so they cannot be held fixed.")
    return _gain(tested, "Radii", True, "angles alone", untrained)


def curvature_answer(tested: Tested | None, untrained: float | None = None) -> Answer:
    """Whether curvature helps to find parents; a statement on this reading of the embeddings, not on their origin.

    `untrained` is the gain of an untrained copy, where there is one.
    """
    if tested is None:
        return inapplicable("The space has no curvature.")
    return _gain(tested, "Curvature", False, "flat space with its best radii", untrained)


def cones_answer(held: Tested, matched: Tested, gain: Tested, saturated: float) -> Answer:
    """Whether cones decide anything.

    `held` and `matched` are the shares of children, and of captions matched to them, in the cone of a parent, `gain` is
    their difference, and `saturated` the share of cones that are half-spaces.
    """
    if matched.interval.low >= HALF or (saturated > HALF and gain.interval.low <= TELLING):
        word, says = "wide", "Cones are too wide to decide"
    elif held.interval.high < HALF and matched.interval.high < FEW:
        word, says = "narrow", "Cones are too narrow to hold children"
    elif held.interval.high < HALF and gain.interval.high < TELLING and matched.interval.low > 0:
        word, says = "misplaced", "Cones hold other captions as often as children"
    elif held.interval.low >= HALF and gain.interval.low > TELLING:
        word, says = "decide", "Cones tell children from other captions"
    else:
        word, says = "unclear", "Whether cones decide cannot be told"
    shares = f"{_percent(held.value)} % of children, {_percent(matched.value)} % of matched captions"
    return Answer.of(word, gain, f"{says}: they hold {shares}, {_counted(gain, 'pair')}.")


def headline(answers: Mapping[str, Answer], setting: str = "") -> str:
    """Order, length and training in one sentence of at most 25 words, behind `setting`; absent answers are skipped."""
    order = answers["order"]
    sentence = f"Cannot tell: {order.reason}" if order.reason else ORDER[order.word]
    if order.word != "inapplicable":
        sentence += f" (tau_d {order.value:.2f})".replace("-", "−")
    if order.word == "forward":
        beyond = answers.get("beyond_length")
        if beyond is not None:
            sentence += _BEYOND[beyond.word].format(_percent(beyond.value) if beyond.n else "")
        if learned := answers.get("learned"):
            both = learned.word == "yes" and beyond is not None and beyond.word == "yes"
            sentence += ", and untrained copies do not" if both else _LEARNED[learned.word]
    return f"{setting}: {sentence[0].lower()}{sentence[1:]}." if setting else f"{sentence}."


@dataclass(frozen=True)
class Conclusion:
    """What an experiment amounts to: one sentence of at most 25 words, and further ones."""

    headline: str
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.headline, *self.remarks))


def conclude(
    answers: Mapping[str, Mapping[str, Answer]], model: str, dataset: str, worse: Collection[str] = ()
) -> Conclusion:
    """The conclusion on frozen embeddings from space -> question -> answer; in the spaces `worse` ladders are worse."""
    first = next(iter(answers.values()))
    said = list(
        dict.fromkeys(
            answer.sentence
            for question in CONCLUDED[:3]
            for of_space in answers.values()
            if (answer := of_space.get(question)) and (answer.word != "inapplicable" or question == "learned")
        )
    )
    for space, of_space in answers.items():
        curvature = of_space.get("curvature")
        if curvature is not None and curvature.word != "inapplicable":
            sentence = makes_ladders_worse(curvature.sentence) if space in worse else curvature.sentence
            said.append(sentence if len(answers) == 1 else f"In {space}, {sentence[0].lower()}{sentence[1:]}")
    chains = first["order"].n
    if 0 < chains < FEW_CHAINS:
        said.insert(0, f"{_plural(chains, 'chain')} decide nothing: other rows may give other answers.")
    return Conclusion(headline(first, setting_of(model, dataset)), tuple(said))


def makes_ladders_worse(sentence: str) -> str:
    """A sentence about curvature where ladders are worse than without it."""
    return sentence.replace(":", " and makes ladders worse:", 1)


def setting_of(model: str, dataset: str) -> str:
    """What a headline says first where the data are a toy; empty for other data."""
    if dataset != "scenes":
        return ""
    return "A toy model on scenes" if model == "tiny" else "On generated scenes"


ORDER = {
    "forward": "Radii follow the tiers",
    "reversed": "Radii follow the tiers backwards",
    "none": "Radii do not follow the tiers",
    "unclear": "Radii do not measurably follow the tiers",
    "inapplicable": "All radii are equal",
}
_BEYOND = {
    "yes": ", at equal length too ({} % right)",
    "no": ", but not at equal length ({} % right)",
    "unclear": "; unclear at equal length ({} % right)",
    "inapplicable": "",
}
_LEARNED = {
    "yes": "; more than in untrained copies",
    "no": "; untrained copies do as well",
    "unclear": "; untrained copies may do as well",
    "inapplicable": "",
}


def _gain(tested: Tested, what: str, plural: bool, control: str, untrained: float | None) -> Answer:
    helps, harms, makes = ("help", "harm", "make") if plural else ("helps", "harms", "makes")
    if _within(tested, SAME_RANK):
        word, says = "none", f"{what} {makes} no difference beyond {SAME_RANK} to finding parents"
    elif tested.interval.low > 0:
        word, says = "helps", f"{what} {helps} to find parents"
    elif tested.interval.high < 0:
        word, says = "harms", f"{what} {harms} the search for parents"
    else:
        word, says = "unclear", f"{what} {makes} no measurable difference to finding parents"
    beside = f"parent MRR {_stated(tested, signed=True)} beside {control}"
    if untrained is not None:
        beside += f"; {untrained:+.3f} in an untrained copy".replace("-", "−")
    return Answer.of(word, tested, f"{says}: {beside}, {_counted(tested, 'pair')}.")


def _within(tested: Tested, bound: float) -> bool:
    low, high = tested.narrow
    return tested.items >= SMALL_SAMPLE and -bound < low and high < bound


def _stated(tested: Tested, *, signed: bool = False) -> str:
    numbers = (f"{number:{'+' if signed else ''}.3f}" for number in (tested.value, *tested.interval))
    value, low, high = (number.replace("-", "−") for number in numbers)
    return f"{value} ({low} to {high})"


def _counted(tested: Tested, thing: str) -> str:
    """The number of items, and how many independent ones, or words, they are worth."""
    ones = "words" if tested.by_words else "ones"
    return f"n = {tested.items:,} {thing}s, as precise as {tested.effective:,.0f} independent {ones}"


def _plural(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
