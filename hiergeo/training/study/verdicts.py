"""Verdicts on the heads trained in a space, from their diagnostics: typed, with sentences."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hiergeo._core.records import minus, percent
from hiergeo.evaluation.findings.contrasts import FLAT_BEND

HUGE = 1e3
"""Relative excess of sn(r) over r above which its size is not printed."""

FLAT_SPREAD = 1.1
"""Ratio of the largest to the smallest tier mean below which radii hardly distinguish tiers."""

CROWDED = 0.9
"""Share of random captions in each other's cones above which cone membership is uninformative."""

SUNK = 0.5
"""Share of captions whose cone is a half-space, because they are near the root, above which cones are uninformative."""


@dataclass(frozen=True)
class HeadFacts:
    """What a verdict reads of one trained head.

    Attributes:
        seed: seed of the head.
        diagnostics: of the test data behind it.
        curvature: signed K of every factor.
        reach: sqrt(K) r of the caption farthest from the root where there is one factor with K > 0; 0 elsewhere.
        problem: how its training failed, if it did.
        kept_step: step of the state that was kept.
    """

    seed: int
    diagnostics: Mapping[str, float]
    curvature: tuple[float, ...]
    reach: float
    problem: str | None
    kept_step: int


@dataclass(frozen=True)
class HeadsVerdict:
    """Collapse, curvature and training of the heads of one geometry and dimension.

    Attributes:
        geometry: spec.
        dim: dimension.
        heads: one a seed.
        learning_rate: what the tuning chose.
        tried: the learning rates of the tuning; empty where there was none.
    """

    geometry: str
    dim: int
    heads: tuple[HeadFacts, ...]
    learning_rate: float
    tried: tuple[float, ...] = ()

    @property
    def collapse(self) -> dict[str, int]:
        """Sign of collapse -> number of heads that show it, for signs that any head shows."""
        found = [signs_of_collapse(head.diagnostics) for head in self.heads]
        counted = {sign: sum(each[sign] for each in found) for sign in found[0]}
        return {sign: count for sign, count in counted.items() if count}

    @property
    def curved(self) -> bool:
        """Whether some factor has a curvature."""
        return any(curvature != 0 for head in self.heads for curvature in head.curvature)

    @property
    def bend(self) -> float:
        """The bend of largest size over the heads."""
        return max((head.diagnostics["bend"] for head in self.heads), key=abs)

    @property
    def flat(self) -> bool:
        """Whether every head measures like one in flat space although its geometry is curved."""
        return self.curved and abs(self.bend) < FLAT_BEND

    @property
    def sentences(self) -> tuple[str, ...]:
        """Plain sentences: collapse, curvature, tuning, problems."""
        return tuple(self._describe())

    def __str__(self) -> str:
        return " ".join(self.sentences)

    def _describe(self) -> Iterator[str]:
        if not self.collapse:
            yield "No collapse."
        for sign, count in self.collapse.items():
            yield f"Collapse in {count} of {len(self.heads)} heads: {sign}."
        if self.curved:
            factors = zip(*(head.curvature for head in self.heads), strict=True)
            change = percent(abs(self.bend), 2) if abs(self.bend) < HUGE else "over a thousand times"
            yield f"With K = {' and '.join(map(_span, factors))} {circles(f'up to {change}', self.bend)}."
            if any(head.reach > math.pi / 2 for head in self.heads):
                yield "Points lie beyond the equator of the sphere, where cones widen again."
        for end, word in ((min, "smallest"), (max, "largest")):
            if self.tried and self.learning_rate == end(self.tried):
                yield f"Its learning rate, {self.learning_rate:g}, is the {word} of those that were tried."
        for head in self.heads:
            if head.problem:
                yield f"Seed {head.seed}: {head.problem}; it counts with the state of step {head.kept_step}."


def signs_of_collapse(diagnostics: Mapping[str, float]) -> dict[str, bool]:
    """Signs of collapse in one head, each with whether it is present."""
    crowded = f"over {percent(CROWDED, 0)} of random captions lie in each other's cones"
    return {
        crowded: diagnostics["in_cone_random"] > CROWDED,
        f"over {percent(SUNK, 0)} of captions are so near to the root that their cone is a half-space": (
            diagnostics.get("aperture_root", 0.0) > SUNK
        ),
        f"radii hardly differ between tiers (largest over smallest mean below {FLAT_SPREAD:g})": (
            diagnostics["radius_spread"] < FLAT_SPREAD
        ),
    }


def size_of(bend: float) -> str:
    """How much the length of a circle differs from that of a flat one, in words."""
    return f"{100 * abs(bend):.3g} %" if abs(bend) < HUGE else "over a thousand times"


def circles(change: str, bend: float) -> str:
    """The effect of the curvature at the largest radius, which differs from flat space by `change`, in words."""
    longer, more = ("longer", "more") if bend > 0 else ("shorter", "less")
    sentence = f"a circle of the largest radius is {change} {longer} than a flat one"
    if abs(bend) < FLAT_BEND:
        return f"{sentence}: effectively flat, treat it as Euclidean"
    return f"{sentence}: specific captions have that much {more} room to spread"


def _span(values: Sequence[float]) -> str:
    """One number where all agree to three digits, else the two ends."""
    ends = [minus(f"{value:.3g}") for value in (min(values), max(values))]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
