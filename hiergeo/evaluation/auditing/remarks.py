"""What a survey of a space found, as sentences with their severity."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, final

from hiergeo._core.records import number, percent
from hiergeo.evaluation.auditing.population import Measured
from hiergeo.evaluation.auditing.record import Audit
from hiergeo.evaluation.experiment.contrasts import FLAT_BEND
from hiergeo.evaluation.findings.verdicts import CROWDED, FLAT_SPREAD, HUGE, SUNK, size_of
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

CHANCE = f"numbers of fewer than {SMALL_SAMPLE} items can be chance"
"""Why little is said of tiny collections."""


@final
@dataclass(frozen=True)
class Evidence:
    """Numbers by name, and the 95 % intervals of those that have one."""

    numbers: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)

    def add(self, name: str, measured: Measured) -> None:
        """Add a number with its interval."""
        self.numbers[name], self.intervals[name] = measured.value, measured.interval

    @property
    def flat(self) -> bool:
        """Whether the space, or every factor of it, has K = 0."""
        curvatures = [value for name, value in self.numbers.items() if name.startswith("curvature")]
        return bool(curvatures) and not any(curvatures)

    def stated(self, name: str) -> str:
        """A number with its interval where it has one."""
        value = number(self.numbers[name])
        if name not in self.intervals:
            return value
        low, high = (number(bound) for bound in self.intervals[name])
        return f"{value} [{low}, {high}]"

    def percent(self, name: str) -> str:
        """A share in per cent."""
        return percent(self.numbers[name])

    def share(self, name: str) -> str:
        """A share in per cent, with its interval."""
        low, high = (number(100 * bound, 1) for bound in self.intervals[name])
        return f"{self.percent(name)} [{low}, {high}]"

    def above(self, name: str) -> bool:
        """Whether the interval of a number lies above 0."""
        return self.intervals[name].low > 0


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
        yield _hierarchy(audit)
    yield _operating_point(seen)
    yield _spread(seen)
    if "cone_random" in numbers:
        yield _cones(seen)
    yield _directions(seen)
    if "length_spearman" in numbers:
        yield _length(seen)
    elif numbers.get("word_counts") == 1:
        yield Remark("length", "note", "Caption length: all captions have equally many words: nothing to control.")
    if "tier_order" in numbers:
        yield from _tiers(seen)
    if numbers["copies"]:
        share = numbers["copies"] / numbers["items"]
        yield Remark(
            "copies",
            "note",
            f"{numbers['copies']:,.0f} items ({percent(share)}) are copies: another one lies exactly there.",
        )


def _hierarchy(audit: Audit) -> Remark:
    order, beyond = audit.answers["order"].word, audit.answers["beyond_length"].word
    fine = order == "forward" and beyond in ("yes", "inapplicable")
    return Remark("hierarchy", "fine" if fine else "note" if order == "forward" else "warning", audit.headline)


def _operating_point(seen: Evidence) -> Remark:
    if seen.flat:
        return Remark("curvature", "note", "The space has no curvature (K = 0).")
    bend = seen.numbers["bend_high"]
    flat = abs(bend) < FLAT_BEND
    sentence = (
        f"Median u = sqrt(|K|) r is {seen.stated('u_median')}, and {seen.percent('u_share_above_1')} of items lie "
        f"above 1. At the 95 % quantile, u = {number(seen.numbers['u_high'])}, a circle and a flat one differ by "
        f"{size_of(bend)}{': the space is effectively flat' if flat else ''}."
    )
    return Remark("curvature", "warning" if flat else "fine", sentence)


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


def _tiers(seen: Evidence) -> Iterator[Remark]:
    words = number(seen.numbers["tier_order_words"])
    sentence = (
        f"Over all pairs of items of different tiers, of one chain or not, radii order the tiers with "
        f"{seen.stated('tier_order')} (1 is right, 0 chance), and numbers of words with {words}."
    )
    yield Remark("tiers", "fine" if seen.above("tier_order") else "warning", sentence)
    if "tier_order_equal_length" in seen.numbers:
        equal = f"{seen.stated('tier_order_equal_length')}, over {seen.numbers['tier_pairs_equal_length']:,.0f} pairs"
        fine = seen.above("tier_order_equal_length")
        sentence = f"Among captions of equally many words the order is {equal}."
        yield Remark("tiers at equal length", "fine" if fine else "warning", sentence)
