"""What a survey of a space found, as sentences with their severity."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, final

from hiergeo.evaluation.auditing.judgement import AuditVerdict, Evidence, operating_finding
from hiergeo.evaluation.auditing.record import Audit
from hiergeo.evaluation.findings.exports import number, percent
from hiergeo.evaluation.findings.verdicts import CROWDED, FLAT_SPREAD, HUGE, SUNK
from hiergeo.evaluation.metrics import SMALL_SAMPLE, Interval

Severity = Literal["fine", "note", "warning"]

NARROW = 0.9
"""Length of the mean direction from which on directions are called narrow: cosines are 0.81 on average."""

EMPTY = 0.9
"""Share of cones without another item from which on cones are called empty."""

FOLLOWS = 0.25
"""Share of the variance of the ranks of radii that the number of words explains, from which on there is a warning."""

SHALLOW = 0.5
"""Share of the variance of directions in the plane below which the map shows less than half of it."""

ACROSS = "over all pairs of items of different tiers, of one chain or not,"
"""What the order of tiers in a survey is over."""

CHANCE = f"numbers of fewer than {SMALL_SAMPLE} items can be chance"
"""Why little is said of tiny collections."""


@final
@dataclass(frozen=True)
class Remark:
    """One finding.

    Attributes:
        kind: what it is about.
        severity: ``fine``; ``note``: something to know; ``warning``: something that a claim of hierarchy fails on.
        sentence: in words, with numbers.
    """

    kind: str
    severity: Severity
    sentence: str


def remarks(numbers: dict[str, float], intervals: dict[str, Interval], audit: Audit | None = None) -> Iterator[Remark]:
    """What the numbers of a survey, and the audit if there is one, amount to.

    See `hiergeo.evaluation.auditing.survey.Survey` for their names.
    """
    seen = Evidence(numbers, intervals)
    if numbers["items"] < SMALL_SAMPLE:
        few = f"Too few items ({numbers['items']:,.0f}) to tell what a space is like: {CHANCE}."
        yield Remark("items", "note", few)
    if audit is not None:
        yield _hierarchy(audit.findings, seen)
    point = operating_finding(seen, "items")
    yield Remark("curvature", "note" if seen.flat else "fine" if point.works else "warning", point.sentence)
    yield _spread(seen)
    if "cone_random" in numbers:
        yield _cones(seen)
    yield _directions(seen)
    if "length_spearman" in numbers:
        yield _length(seen)
    elif numbers.get("word_counts") == 1:
        yield Remark("length", "note", "Caption length: all captions have equally many words: nothing to control.")
    if "tier_order" in numbers:
        yield from _tiers(seen, audit)
    if numbers["copies"]:
        share = numbers["copies"] / numbers["items"]
        yield Remark(
            "copies",
            "note",
            f"{numbers['copies']:,.0f} items ({percent(share)}) are copies: another one lies exactly there.",
        )


def _hierarchy(judged: AuditVerdict, seen: Evidence) -> Remark:
    sentence, behind = judged.headline, "tier_order" in seen.numbers and _behind_words(seen)
    if behind:
        order, words = (number(seen.numbers[name]) for name in ("tier_order", "tier_order_words"))
        sentence = (
            f"{sentence} This is within chains; {ACROSS} radii order them {behind} words alone ({order} vs {words})."
        )
    if judged.case in ("shuffled", "angular", "saturated"):
        return Remark("hierarchy", "warning", sentence)
    controlled = all(each.works is not False for each in judged.findings if each.kind == "length")
    return Remark("hierarchy", "fine" if controlled and not behind else "note", sentence)


def _behind_words(seen: Evidence) -> str | None:
    """How radii order the tiers beside the number of words, in words; None where they do it better."""
    order, words = seen.numbers["tier_order"], seen.numbers["tier_order_words"]
    return "less well than" if order < words else "as well as" if order == words else None


def _spread(seen: Evidence) -> Remark:
    spread, by_tier = seen.numbers["radius_spread"], "tier_order" in seen.numbers
    between = "tiers (largest over smallest mean" if by_tier else "items (95 % over 5 % quantile"
    detail = f"{spread:.2f}" if spread < HUGE else "over a thousand"
    if spread < FLAT_SPREAD:
        hardly = f"Radii hardly differ between {between} {detail}): there is little radial hierarchy to see."
        return Remark("radii", "warning", hardly)
    return Remark("radii", "fine", f"Radii differ between {between} {detail}).")


def _cones(seen: Evidence) -> Remark:
    inside, empty = seen.numbers["cone_random"], seen.numbers["cone_empty"]
    content = f"the cone of an item holds {seen.share('cone_random')} of the others on average"
    if seen.numbers["cone_saturated"] > SUNK:
        share = f"{seen.percent('cone_saturated')} of the cones are half-spaces"
        return Remark("cones", "warning", f"Cones are saturated: {share}, and {content}.")
    if inside > CROWDED:
        return Remark("cones", "warning", f"Cones hold nearly everything: {content}, so that membership says nothing.")
    if empty > EMPTY:
        without = f"{seen.share('cone_empty')} of them hold no other item"
        return Remark("cones", "warning", f"Cones are nearly empty: {without}; order items by margin or angle.")
    return Remark("cones", "fine", f"Cones: {content}, and {seen.share('cone_empty')} of them hold no other item.")


def _directions(seen: Evidence) -> Remark:
    mean, share = seen.numbers["mean_direction"], seen.numbers["plane_share"]
    shown = f"the plane of the map shows {seen.percent('plane_share')} of their variance around it"
    detail = f"the mean direction has length {number(mean)}, and {shown}"
    if mean >= NARROW:
        return Remark("directions", "warning", f"Directions are narrow: {detail}.")
    if share < SHALLOW:
        return Remark("directions", "note", f"Directions: {detail}; neighbours on the map need not be neighbours.")
    return Remark("directions", "fine", f"Directions: {detail}.")


def _length(seen: Evidence) -> Remark:
    (low, high), explained = seen.intervals["length_spearman"], seen.numbers["length_spearman"] ** 2
    sentence = (
        f"Caption length: radii and numbers of words have a rank correlation of {seen.stated('length_spearman')}; "
        f"length alone explains {percent(explained, 0)} of the variance of the ranks of radii."
    )
    if low <= 0 <= high:
        return Remark("length", "fine", sentence)
    survives = "tier_order_equal_length" in seen.numbers and seen.above("tier_order_equal_length")
    return Remark("length", "warning" if explained >= FOLLOWS and not survives else "note", sentence)


def _tiers(seen: Evidence, audit: Audit | None) -> Iterator[Remark]:
    words, behind = number(seen.numbers["tier_order_words"]), _behind_words(seen)
    detail = f"{ACROSS} radii order them with {seen.stated('tier_order')} (1 is right, 0 chance)"
    severity: Severity = "warning" if not seen.above("tier_order") else "note" if behind else "fine"
    beside = f", {behind} the number of words alone ({words})" if behind else f"; counting words does with {words}"
    within = ""
    if audit is not None:
        tau, alone = (number(audit.numbers[name]) for name in ("tau_d", "length_tau_d"))
        within = f". Within the {audit.settings['rows']} audited chains it is {tau}, of words alone {alone}"
    yield Remark("tiers", severity, f"Tiers: {detail}{beside}{within}.")
    if "tier_order_equal_length" not in seen.numbers:
        return
    equal = f"{seen.stated('tier_order_equal_length')}, over {seen.numbers['tier_pairs_equal_length']:,.0f} pairs"
    if seen.above("tier_order_equal_length"):
        yield Remark("tiers at equal length", "fine", f"Among captions of equally many words the order is {equal}.")
        return
    wrong = seen.below("tier_order_equal_length")
    sentence = (
        "radii order the tiers the wrong way round" if wrong else "their order is not distinguishable from chance"
    )
    yield Remark("tiers at equal length", "warning", f"Among captions of equally many words {sentence} ({equal}).")
