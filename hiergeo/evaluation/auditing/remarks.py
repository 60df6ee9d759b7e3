"""What the numbers of a survey amount to: a fixed word for each of them, with a severity."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, final

from hiergeo._core.records import number
from hiergeo.evaluation.auditing.record import Audit
from hiergeo.evaluation.experiment import FLAT_BEND
from hiergeo.evaluation.metrics import SMALL_SAMPLE, Interval

Severity = Literal["fine", "note", "warning"]

CROWDED, SUNK, EMPTY = 0.9, 0.5, 0.9
"""Shares above which cones say little: of other items that a cone holds, of half-spaces, of cones without any item."""

FLAT_SPREAD = 1.1
"""Ratio of the largest to the smallest mean radius of a tier below which radii hardly distinguish tiers."""

NARROW = 0.9
"""Length of the mean direction from which on directions are narrow."""

FOLLOWS = 0.25
"""Share of the variance of the ranks of radii that the number of words explains, from which on there is a warning."""

CHANCE = f"numbers of fewer than {SMALL_SAMPLE} items can be chance"
"""Why little is said of tiny collections."""

FACTS = {
    "items": {"items": "items"},
    "curvature": {
        "u_median": "median u = sqrt(|K|) r",
        "u_share_above_1": "share above 1",
        "bend_high": "excess of circles over flat ones at the 95 % quantile",
    },
    "radii": {"radius_spread": "largest over smallest mean of a tier, or 95 % over 5 % quantile"},
    "cones": {
        "cone_random": "share of the others in a cone",
        "cone_empty": "share without any",
        "cone_saturated": "share that are half-spaces",
    },
    "directions": {"mean_direction": "length of the mean"},
    "length": {"length_spearman": "rank correlation of radii and numbers of words"},
    "copies": {"copies": "items that lie where another one does"},
}
"""What a remark is about -> numbers and what they are."""


@final
@dataclass(frozen=True)
class Remark:
    """One finding: its kind, ``fine``, ``note`` or ``warning`` (a claim of hierarchy fails on it), and a sentence."""

    kind: str
    severity: Severity
    sentence: str


def remarks(
    numbers: Mapping[str, float], intervals: Mapping[str, Interval], audit: Audit | None = None
) -> Iterator[Remark]:
    """What the numbers of a survey, and the audit if there is one, amount to.

    See `hiergeo.evaluation.auditing.survey.Survey` for their names.
    """
    if audit is not None:
        order, beyond = audit.answers["order"].word, audit.answers["beyond_length"].word
        fine = order == "forward" and beyond in ("yes", "inapplicable")
        yield Remark("hierarchy", "fine" if fine else "note" if order == "forward" else "warning", audit.headline)
    for kind, names in FACTS.items():
        verdict = _verdict(kind, numbers, intervals) if next(iter(names)) in numbers else None
        if verdict is not None:
            severity, word = verdict
            facts = (f"{label} {_stated(name, numbers, intervals)}" for name, label in names.items() if name in numbers)
            yield Remark(kind, severity, f"{kind.capitalize()}: {word}; {', '.join(facts)}.")


def _verdict(kind: str, numbers: Mapping[str, float], intervals: Mapping[str, Interval]) -> tuple[Severity, str] | None:
    """The severity and the word of a kind of remark; None where there is nothing to remark."""
    match kind:
        case "items":
            return ("note", f"too few, {CHANCE}") if numbers["items"] < SMALL_SAMPLE else None
        case "curvature":
            if not any(value for name, value in numbers.items() if name.startswith("curvature")):
                return "note", "none, K = 0"
            return ("warning", "effectively flat") if abs(numbers["bend_high"]) < FLAT_BEND else ("fine", "measurable")
        case "radii":
            return ("warning", "hardly differ") if numbers["radius_spread"] < FLAT_SPREAD else ("fine", "differ")
        case "cones":
            limits = {"half-spaces": ("cone_saturated", SUNK), "hold nearly everything": ("cone_random", CROWDED)}
            limits["nearly empty, order items by margin or angle"] = "cone_empty", EMPTY
            word = next((word for word, (name, most) in limits.items() if numbers.get(name, 0.0) > most), None)
            return ("fine", "hold some") if word is None else ("warning", word)
        case "directions":
            return ("warning", "narrow") if numbers["mean_direction"] >= NARROW else ("fine", "wide")
        case "length":
            low, high = intervals["length_spearman"]
            if low <= 0 <= high:
                return "fine", "radii do not measurably follow it"
            return "warning" if numbers["length_spearman"] ** 2 >= FOLLOWS else "note", "radii follow it"
    return ("note", "some") if numbers["copies"] else None


def _stated(name: str, numbers: Mapping[str, float], intervals: Mapping[str, Interval]) -> str:
    """A number with its interval where it has one; counts are whole."""
    value = numbers[name]
    if name in ("items", "copies"):
        return f"{value:,.0f}"
    if not abs(value) < 1e3:
        return "over a thousand"
    ends = f" ({' to '.join(map(number, intervals[name]))})" if name in intervals else ""
    return f"{number(value)}{ends}"
