"""What an audit amounts to: typed findings, each a sentence with its numbers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, final

from hiergeo.evaluation.auditing.attribution import PRIMARY
from hiergeo.evaluation.auditing.population import Measured
from hiergeo.evaluation.findings import Control, Reached, listing, strongest_control
from hiergeo.evaluation.findings.conclusions import order_beside, sentence
from hiergeo.evaluation.findings.contrasts import ALPHA, FLAT_BEND
from hiergeo.evaluation.findings.exports import number, percent, signed
from hiergeo.evaluation.findings.verdicts import SUNK, TELLING, size_of
from hiergeo.evaluation.metrics import CHANCE, Interval, find_metric

SIGNIFICANT = 0.01
"""Largest p-value of a radial depth that counts as detected."""

TINY = 1e-4
"""p-values below this are not given more exactly."""

WORK = 0.01
"""Smallest difference from a control that counts as work, or as harm."""

DEAD = 1e-3
"""Median radius in a factor of a product, in units of the largest of them, up to which the factor carries nothing."""

ATTRIBUTED: dict[str, tuple[str, ...]] = {
    "flat": (PRIMARY, "auroc", "average_precision", "precision", "recall"),
    "angle_only": (PRIMARY, "auroc", "average_precision", "recall"),
    "radius_only": (PRIMARY, "auroc", "average_precision", "recall"),
}
"""Metrics that an effect rests on, by control.

tau_d is left out because it is of radii alone, precision because a ladder over equal radii is a single caption.
"""

Kind = Literal["operating point", "cones", "depth", "walk", "curvature", "radii", "angles", "length"]
Side = Literal["above", "below", "unclear"]
Effect = Literal["work", "trade", "harm", "nothing"]
Case = Literal["hyperbolic", "radial", "angular", "shuffled", "saturated"]


DESPITE: dict[str, dict[Side, str]] = {
    "right_equal_length": {
        "below": "at equal length they order worse than chance",
        "unclear": "at equal length they order no better than chance",
    },
    "right_shorter": {
        "below": "where the more specific caption is shorter, radii follow the length",
        "unclear": "the pairs whose more specific caption is shorter are too few to say which radii follow",
    },
}
"""Shares of pairs that radii order rightly, and what a headline says where they are not above one half."""

SINGULAR: dict[Effect, str] = {
    "work": "does work",
    "trade": "trades one metric for another",
    "harm": "does harm",
    "nothing": "does no work",
}
PLURAL: dict[Effect, str] = {**SINGULAR, "work": "do work", "trade": "trade one metric for another"}
PLURAL |= {"harm": "do harm", "nothing": "do no work"}
RETRIEVAL: dict[Effect, str] = {**PLURAL, "work": "help retrieval", "harm": "harm retrieval"}

LENGTHS = {"length": "length_tau_d", "characters": "length_tau_d_characters"}
"""Controls by length and the numbers that they are in."""


@dataclass(frozen=True)
class Finding:
    """One thing that an audit found.

    Attributes:
        kind: what it is about.
        works: whether that part of the geometry does what a claim of hierarchy needs; None where it was not measured.
        sentence: in words, with numbers.
        effect: of curvature, radii and angles: ``work`` where some metric gains by them and none loses, ``harm`` where
            some lose and none gains, ``trade`` where both happen; None for the other kinds.
    """

    kind: Kind
    works: bool | None
    sentence: str
    effect: Effect | None = None


@dataclass(frozen=True)
class AuditVerdict:
    """All findings of an audit and what they amount to.

    Attributes:
        headline: what the strongest control does, and what the parts of the geometry do.
        findings: eight.
        saturated: whether over half of the cones are half-spaces.
        control: the strongest control of the order of the tiers.
    """

    headline: str
    findings: tuple[Finding, ...]
    saturated: bool
    control: Control | None = None

    def works(self, kind: Kind) -> bool:
        """Whether the finding of that kind says that the geometry works; False where there is none."""
        return any(bool(each.works) for each in self.findings if each.kind == kind)

    def effect(self, kind: Kind) -> Effect:
        """What the finding of that kind says of curvature, radii or angles."""
        return next((each.effect for each in self.findings if each.kind == kind and each.effect), "nothing")

    @property
    def case(self) -> Case:
        """One word for the whole.

        ``shuffled``: radii do not follow the tiers more than chance; else ``hyperbolic``: curvature and radii do work;
        ``saturated``: most cones are half-spaces; ``radial``: radii do work, or trade one metric for another;
        ``angular``: they do not.
        """
        if not self.works("depth"):
            return "shuffled"
        if self.works("curvature") and self.works("radii"):
            return "hyperbolic"
        if self.saturated:
            return "saturated"
        return "radial" if self.effect("radii") in ("work", "trade") else "angular"

    @property
    def sentences(self) -> tuple[str, ...]:
        """The headline and one sentence a finding."""
        return (self.headline, *(each.sentence for each in self.findings))

    def __str__(self) -> str:
        return "\n".join(self.sentences)


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

    @property
    def dead_factors(self) -> str:
        """What is said of the factors of a product at whose root most points lie; empty where there are none."""
        prefix = "radius_median_factor"
        medians = {name.removeprefix(prefix): value for name, value in self.numbers.items() if name.startswith(prefix)}
        dead = [place for place, radius in medians.items() if radius <= DEAD * max(medians.values())]
        if not dead:
            return ""
        named, verb = ("factors", "carry") if dead[1:] else ("factor", "carries")
        return f"{named} {listing(dead)} of {len(medians)} {verb} nothing"

    def stated(self, name: str, written: Callable[[float], str] = number) -> str:
        """A number with its interval where it has one."""
        value = written(self.numbers[name])
        if name not in self.intervals:
            return value
        low, high = (number(bound) for bound in self.intervals[name])
        return f"{value} [{low}, {high}]"

    def signed(self, name: str) -> str:
        """The same with a plus sign before positive numbers."""
        return self.stated(name, signed)

    def percent(self, name: str) -> str:
        """A share in per cent."""
        return percent(self.numbers[name])

    def share(self, name: str) -> str:
        """A share in per cent, with its interval."""
        low, high = (number(100 * bound, 1) for bound in self.intervals[name])
        return f"{self.percent(name)} [{low}, {high}]"

    def holds(self, name: str) -> bool:
        """Whether a number has no test, or differs from chance by its test, corrected over what is shown with it."""
        return self.numbers.get(f"{name}_p", 0.0) <= ALPHA

    def above(self, name: str, least: float = 0.0) -> bool:
        """Whether a number is at least `least`, its interval lies above 0, and the difference holds."""
        return self.numbers[name] >= least and self.intervals[name].low > 0 and self.holds(name)

    def below(self, name: str, least: float = 0.0) -> bool:
        """Whether a number is at most -`least`, its interval lies below 0, and the difference holds."""
        return self.numbers[name] <= -least and self.intervals[name].high < 0 and self.holds(name)


def verdict(numbers: dict[str, float], intervals: dict[str, Interval]) -> AuditVerdict:
    """The verdict on the numbers of an audit."""
    seen = Evidence(numbers, intervals)
    findings = (operating_finding(seen), _cones(seen), _depth(seen), *_length(seen), *_walk(seen), *_attribution(seen))
    judged = AuditVerdict("", findings, numbers["cone_saturated"] > SUNK, control_of(seen))
    return replace(judged, headline=_headline(judged, seen))


def control_of(seen: Evidence) -> Control | None:
    """The length of captions, in words or characters, beside the radii."""
    lengths = {name: key for name, key in LENGTHS.items() if key in seen.numbers}
    if not lengths or "tau_d" not in seen.intervals:
        return None
    known = {"chance": 0.0} | {name: seen.numbers[key] for name, key in lengths.items()}
    return strongest_control("tau_d", [Reached("", seen.numbers["tau_d"], seen.intervals["tau_d"], known)])


def _headline(judged: AuditVerdict, seen: Evidence) -> str:
    control = "" if judged.control is None else sentence([order_beside(judged.control)])
    return f"{control} {_what_works(judged, seen)}".lstrip()


def _what_works(judged: AuditVerdict, seen: Evidence) -> str:
    if not judged.works("depth"):
        return "The geometry shows no hierarchy here: radii do not follow the tiers more than chance does."
    radii, curvature = judged.effect("radii"), judged.effect("curvature")
    if {radii, curvature} <= {"nothing", "harm"}:
        serve = "better" if radii == "harm" else "as well"
        found = f"The geometry does no work here: radii follow the tiers, but angles alone serve {serve}"
    else:
        flat = "the space has no curvature"
        found = f"Radii {RETRIEVAL[radii]}, and {flat if seen.flat else f'curvature {SINGULAR[curvature]}'}"
    dead = f"; {seen.dead_factors}" if seen.dead_factors else ""
    return f"{found}{dead}{_despite_length(seen)}."


def _despite_length(seen: Evidence) -> str:
    """What the headline adds where it is not shown that radii order tiers where length does not."""
    for name, sides in DESPITE.items():
        side = _side(seen, name) if name in seen.numbers else "above"
        if side != "above":
            return f"; but {sides[side]}{_of_pairs(seen, name)}"
    if not _beats_untrained(seen):
        return "; but at equal length an untrained copy orders the tiers as well"
    return ""


def _side(seen: Evidence, name: str) -> Side:
    """On which side of one half a share of pairs lies; unclear where an exact test cannot tell."""
    if not seen.holds(name):
        return "unclear"
    return "above" if seen.numbers[name] > CHANCE else "below"


def _of_pairs(seen: Evidence, name: str) -> str:
    """The number of pairs that a share is of, in brackets."""
    count = seen.numbers.get(f"{name}_pairs")
    return "" if count is None else f" ({count:.0f} pair{'' if count == 1 else 's'})"


def operating_finding(seen: Evidence, things: str = "captions") -> Finding:
    """Whether curvature is felt where the points lie, from the numbers of `auditing.operating.point_of`."""
    dead = f" In the product {seen.dead_factors}." if seen.dead_factors else ""
    if seen.flat:
        advice = "to learn what curvature does, measure a curved space, such as -g lorentz:-1"
        return Finding(
            "operating point", False, f"Operating point: none, the space has no curvature (K = 0); {advice}.{dead}"
        )
    bend = seen.numbers["bend_high"]
    flat = abs(bend) < FLAT_BEND
    sentence = (
        f"Operating point: median u = sqrt(|K|) r is {seen.stated('u_median')}, {seen.percent('u_share_above_1')} of "
        f"{things} lie above 1; at the 95 % quantile, u = {number(seen.numbers['u_high'])}, circles differ from flat "
        f"ones by {size_of(bend)}{': effectively flat' if flat else ''}.{dead}"
    )
    return Finding("operating point", not flat, sentence)


def _cones(seen: Evidence) -> Finding:
    works = seen.above("cone_gain", TELLING) and seen.numbers["cone_true"] >= 1 - SUNK
    if seen.numbers["cone_saturated"] > SUNK:
        state = "saturated, but discriminate" if works else "saturated"
    elif seen.numbers["cone_true"] < 1 - SUNK:
        state = "misaligned"
    elif not seen.above("cone_gain", TELLING):
        state = "inactive"
    else:
        state = "active"
    sentence = (
        f"Cones are {state}: they hold {seen.percent('cone_true')} of children and "
        f"{seen.percent('cone_random')} of captions matched to them in tier and radius, a gain of "
        f"{seen.stated('cone_gain')}; {seen.percent('cone_saturated')} are half-spaces."
    )
    return Finding("cones", works, sentence)


def _depth(seen: Evidence) -> Finding:
    p = seen.numbers["depth_p"]
    found = p <= SIGNIFICANT
    chance = f"p = {p:.2g}" if p >= TINY else f"p < {TINY:g}"
    sentence = (
        f"Depth: tau_d exceeds its mean over shuffled tiers by {seen.stated('depth')}, {chance}"
        f"{'' if found else ', which is not significant at 1 %'}; the sample detects "
        f"{number(seen.numbers['depth_sensitivity'])} with 80 % power."
    )
    return Finding("depth", found, sentence)


def _length(seen: Evidence) -> Iterator[Finding]:
    parts = [f"counting words gives tau_d {number(seen.numbers['length_tau_d'])}"]
    if "right_equal_length" in seen.numbers:
        share, of = seen.share("right_equal_length"), _of_pairs(seen, "right_equal_length")
        parts.append(f"of equal-length pairs{of}, {share} are in the right order (chance 50 %)")
    if "right_shorter" in seen.numbers:
        share, of = seen.share("right_shorter"), _of_pairs(seen, "right_shorter")
        parts.append(f"where the more specific caption is shorter{of}, {share}")
    if "length_untrained" in seen.numbers:
        parts.append(
            f"captions without content have tau_d {seen.stated('length_content_free')}, with words shuffled "
            f"{seen.stated('length_shuffled')}, the best untrained copy {seen.stated('length_untrained')}"
        )
    if "right_equal_length_untrained" in seen.numbers:
        best = seen.percent("right_equal_length_untrained")
        parts.append(f"at equal length the best untrained copy is right in {best}")
    known = [name for name in ("right_equal_length", "right_shorter") if name in seen.numbers]
    holds = all(_side(seen, name) == "above" for name in known) if known else None
    if "right_equal_length_untrained" in seen.numbers:
        holds = bool(holds) and _beats_untrained(seen)
    yield Finding("length", holds, f"Length: {'; '.join(parts)}.")


def _beats_untrained(seen: Evidence) -> bool:
    """Whether radii order tiers of equally many words better than every untrained copy, or there are no copies."""
    best = seen.numbers.get("right_equal_length_untrained")
    return best is None or seen.intervals["right_equal_length"].low > best


def _walk(seen: Evidence) -> Iterator[Finding]:
    names = [name for name in seen.intervals if name.startswith("walk_recall_minus_")]
    beaten = [name for name in names if seen.above(name)]
    against = "; ".join(
        f"{name.removeprefix('walk_recall_minus_').replace('_', ' ')} {seen.signed(name)}" for name in names
    )
    says = "beats every control" if len(beaten) == len(names) else f"beats {len(beaten)} of {len(names)} controls"
    sentence = f"Walk: the walk to the root recalls {seen.stated('walk_recall')} of the tiers and {says} ({against})."
    yield Finding("walk", len(beaten) == len(names), sentence)


def _attribution(seen: Evidence) -> Iterator[Finding]:
    parts: tuple[tuple[Kind, str, str, dict[Effect, str]], ...] = (
        ("curvature", "flat", "K = 0", SINGULAR),
        ("radii", "angle_only", "angles alone", PLURAL),
        ("angles", "radius_only", "radii alone", PLURAL),
    )
    for kind, control, named, verbs in parts:
        if kind == "curvature" and seen.flat:
            yield Finding(kind, False, "Curvature: not judged, the space has none (K = 0).", "nothing")
            continue
        differences = [f"{name}_minus_{control}" for name in ATTRIBUTED[control]]
        differences = [name for name in differences if name in seen.numbers]
        gains = [name for name in differences if seen.above(name, WORK)]
        losses = [name for name in differences if seen.below(name, WORK)]
        effect: Effect = "trade" if gains and losses else "work" if gains else "harm" if losses else "nothing"
        changes = [
            f"{word} in {listing([_change(seen, name) for name in names])}"
            for word, names in (("gain", gains), ("loss", losses))
            if names
        ] or [f"no difference of {WORK:g} or more holds, {_change(seen, differences[0])}"]
        sentence = f"{kind.capitalize()} {verbs[effect]}; against {named}: {'; '.join(changes)}."
        yield Finding(kind, effect == "work", sentence, effect)


def _change(seen: Evidence, difference: str) -> str:
    """The label of the metric of a difference, and the difference."""
    return f"{find_metric(difference.partition('_minus_')[0]).label} ({seen.signed(difference)})"
