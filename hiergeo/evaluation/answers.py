"""Five questions about a hierarchy, each answered in one of a few fixed words, with its number, interval and n.

A word is said only where worlds of a planted truth prove the rule behind it (`hiergeo.testing.planted`); where an
interval crosses the line the answer is ``unclear``, and ``none`` is said only inside an equivalence bound and of at
least `SMALL_SAMPLE` items, since few may agree by chance. Questions that do not arise are ``inapplicable``. The words
and rules: docs/verdicts.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

from hiergeo.evaluation.metrics.order import EqualLength
from hiergeo.evaluation.metrics.resampling import SMALL_SAMPLE
from hiergeo.evaluation.metrics.sharing import Tested

Question = Literal["order", "beyond_length", "radii", "curvature", "cones"]

QUESTIONS: tuple[Question, ...] = ("order", "beyond_length", "radii", "curvature", "cones")
HEADLINE: tuple[Question, ...] = ("order", "beyond_length", "curvature")
"""All questions, and those that a headline answers."""

ALPHA = 0.05
"""Level of tests."""

SAME_ORDER, SAME_RANK = 0.1, 0.02
"""Equivalence bounds of tau_d and of mean reciprocal ranks: the 90 % interval lies within them."""

SAME_SHARE = 0.55
"""The order is not one beyond length where the upper end of the 90 % interval of the share lies below this."""

HALF, FEW = 0.5, 0.1
"""Share of half-spaces from which on cones are wide, and of children below which they are narrow; share that is few."""

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
        effective: how many independent items would be as precise.
    """

    word: str
    value: float
    low: float
    high: float
    n: int
    sentence: str
    effective: float = 0.0

    @classmethod
    def of(cls, word: str, tested: Tested, sentence: str) -> "Answer":
        """The answer that a test gives."""
        return cls(word, tested.value, *tested.interval, tested.items, sentence, tested.effective)


def inapplicable(why: str) -> Answer:
    """The answer to a question that does not arise."""
    nan = float("nan")
    return Answer("inapplicable", nan, nan, nan, 0, why)


def order_answer(tested: Tested | None) -> Answer:
    """Whether radii follow the tiers; None where all radii are equal."""
    if tested is None:
        return inapplicable("All radii are equal, so they cannot follow the tiers.")
    word = "unclear"
    if _within(tested, SAME_ORDER):
        word = "none"
    elif tested.p_value <= ALPHA:
        word = "forward" if tested.value > 0 else "reversed"
    return Answer.of(word, tested, f"{ORDER[word]}: tau_d {_stated(tested)}, {_counted(tested, 'chain')}.")


def length_answer(measured: EqualLength | None, order: Answer) -> Answer:
    """Whether the order goes beyond the length of captions, in words and in characters.

    `measured` is None where no tiers have equal length; nothing goes beyond length where the order of all tiers is
    `none` or `reversed`.
    """
    if order.word == "inapplicable":
        return order
    if measured is None:
        return inapplicable("No chain has two tiers of equally many words, so length cannot be held fixed.")
    words = measured.words.as_share
    if measured.balanced is None:
        says = "Length cannot be held fixed: where words are equally many, differences in characters do not balance"
        return Answer.of("unclear", words, f"{says}.")
    both = words, balanced = words, measured.balanced.as_share
    strict = min(both, key=lambda share: share.interval.low)
    if order.word not in ("none", "reversed") and all(share.p_value <= ALPHA and share.value > HALF for share in both):
        word, says = "yes", "Radii follow the tiers at equal length too"
    elif any(share.narrow.high < SAME_SHARE for share in both):
        word, says = "no", "Radii do not follow the tiers at equal length"
        strict = min(both, key=lambda share: share.narrow.high)
    else:
        word, says = "unclear", "Radii do not measurably follow the tiers at equal length"
    low, high = map(_percent, strict.interval)
    of = "characters balanced" if strict is balanced else "equally many words"
    share = f"{_percent(strict.value)} % of pairs in the right order ({low} to {high} %, {of})"
    return Answer.of(word, strict, f"{says}: {share}, {_counted(strict, 'pair')}.")


def radii_answer(tested: Tested | None) -> Answer:
    """Whether radii help to find parents where angles are known; None where they cannot be held fixed."""
    if tested is None:
        return inapplicable("Radii are no lengths of embeddings here, so they cannot be held fixed.")
    return _gain(tested, "Radii", True, "angles alone")


def curvature_answer(tested: Tested | None) -> Answer:
    """Whether curvature helps to find parents; a statement on this reading of the embeddings, not on their origin."""
    if tested is None:
        return inapplicable("The space has no curvature.")
    return _gain(tested, "Curvature", False, "flat space with its best radii")


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
    """Order, length and curvature in one sentence of at most 25 words, behind `setting`; absent answers are skipped."""
    order = answers["order"]
    said = [ORDER[order.word]]
    if order.word != "inapplicable":
        said[0] += f" (tau_d {order.value:.2f})".replace("-", "−")
    if order.word == "forward" and "beyond_length" in answers:
        beyond = answers["beyond_length"]
        said.append(_BEYOND[beyond.word].format(_percent(beyond.value) if beyond.n else ""))
    if "curvature" in answers:
        said.append(_CURVATURE[answers["curvature"].word])
    sentence = "; ".join(filter(None, said))
    return f"{setting}: {sentence[0].lower()}{sentence[1:]}." if setting else f"{sentence}."


@dataclass(frozen=True)
class Conclusion:
    """What an experiment amounts to: one sentence of at most 25 words, and further ones."""

    headline: str
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.headline, *self.remarks))


def conclude(answers: Mapping[str, Mapping[str, Answer]], model: str, dataset: str) -> Conclusion:
    """The conclusion on frozen embeddings from space -> question -> answer: order, length and curvature."""
    distinct = dict.fromkeys(
        answer.sentence
        if len(answers) == 1 or question != "curvature"
        else f"In {space}, {answer.sentence[0].lower()}{answer.sentence[1:]}"
        for question in ("order", "beyond_length", "curvature")
        for space, of_space in answers.items()
        if (answer := of_space.get(question)) is not None and answer.word != "inapplicable"
    )
    return Conclusion(_over_spaces(answers, setting_of(model, dataset)), tuple(distinct))


def _over_spaces(answers: Mapping[str, Mapping[str, Answer]], setting: str) -> str:
    """The headline of the first space; curvature speaks for all curved ones, where they agree."""
    first = dict(next(iter(answers.values())))
    first.pop("curvature", None)
    of_spaces = ((space, of_space["curvature"]) for space, of_space in answers.items() if "curvature" in of_space)
    curved = {space: answer for space, answer in of_spaces if answer.word != "inapplicable"}
    words = {answer.word for answer in curved.values()}
    if len(words) == 1:
        first["curvature"] = next(iter(curved.values()))
    sentence = headline(first, setting)
    if len(words) < 2:
        return sentence
    helping = [space for space, answer in curved.items() if answer.word == "helps"]
    nowhere = "nowhere measurably" if "unclear" in words else "nowhere"
    where = f"in {helping[0]} alone" if len(helping) == 1 else f"{len(helping)} of {len(curved)} spaces"
    return f"{sentence[:-1]}; curvature helps {where if helping else nowhere}."


def setting_of(model: str, dataset: str) -> str:
    """What a headline says first where the data are a toy; empty for other data."""
    if dataset != "scenes":
        return ""
    return "A toy model on generated scenes" if model == "tiny" else "On generated scenes"


ORDER = {
    "forward": "Radii follow the tiers",
    "reversed": "Radii follow the tiers backwards",
    "none": "Radii do not follow the tiers",
    "unclear": "Radii do not measurably follow the tiers",
    "inapplicable": "All radii are equal",
}
_BEYOND = {
    "yes": "at equal length too ({} % right)",
    "no": "not at equal length ({} % right)",
    "unclear": "unclear at equal length ({} % right)",
    "inapplicable": "",
}
_CURVATURE = {
    "helps": "curvature helps to find parents",
    "harms": "curvature harms finding parents",
    "none": f"curvature makes no difference beyond {SAME_RANK}",
    "unclear": "curvature makes no measurable difference",
    "inapplicable": "",
}


def _gain(tested: Tested, what: str, plural: bool, control: str) -> Answer:
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
    return Answer.of(word, tested, f"{says}: {beside}, {_counted(tested, 'pair')}.")


def _within(tested: Tested, bound: float) -> bool:
    low, high = tested.narrow
    return tested.items >= SMALL_SAMPLE and -bound < low and high < bound


def _stated(tested: Tested, *, signed: bool = False) -> str:
    numbers = (f"{number:{'+' if signed else ''}.3f}" for number in (tested.value, *tested.interval))
    value, low, high = (number.replace("-", "−") for number in numbers)
    return f"{value} ({low} to {high})"


def _counted(tested: Tested, thing: str) -> str:
    """The number of items, and how many independent ones they are worth."""
    return f"n = {tested.items:,} {thing}s, as precise as {tested.effective:,.0f} independent ones"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
