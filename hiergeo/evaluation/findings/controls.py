"""Controls: what is reached where the model plays no part, beside what its spaces reach."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, final

from hiergeo.evaluation.findings.exports import number
from hiergeo.evaluation.metrics import Interval, find_metric

NOUNS = {
    "length": "counting words",
    "characters": "counting characters",
    "permuted": "a random permutation",
    "majority": "the most frequent class",
    "shuffled": "shuffled predictions",
}
"""Controls by name and what a sentence calls them; others are called by their names."""

CHANCE = "chance"
"""The control of knowing nothing, which the others have to beat."""

Standing = Literal["better", "level", "worse"]


@final
@dataclass(frozen=True)
class Reached:
    """What a space reaches in a metric: its name, the value, its 95 % interval, and the controls by name."""

    space: str
    value: float
    interval: Interval
    controls: Mapping[str, float]


@final
@dataclass(frozen=True)
class Control:
    """The strongest control of a metric, beside the space that does best against it.

    Attributes:
        metric: its name.
        name: of the control, such as ``length``.
        value: of the control, on the same items.
        space: that does best against it.
        score: of that space.
        unbeaten: whether it is chance and there are other controls, none of which beats it.
        standing: ``better`` where the control lies beyond the 95 % interval of every space, ``worse`` where that of
            some space lies beyond the control, ``level`` otherwise. The value of the control counts as known.
    """

    metric: str
    name: str
    value: float
    space: str
    score: float
    standing: Standing
    unbeaten: bool = False

    @property
    def noun(self) -> str:
        """What a sentence calls the control."""
        return NOUNS.get(self.name, self.name.replace("_", " "))

    @property
    def lead(self) -> float:
        """How far the control is ahead of the space, positive where it does better."""
        return _sign(self.metric) * (self.value - self.score)

    @property
    def figures(self) -> str:
        """Both values, the winner's first, and whether chance is as good as any control."""
        ordered = (self.value, self.score) if self.standing == "better" else (self.score, self.value)
        said = f"{number(ordered[0])} vs {number(ordered[1])}"
        return f"{said}, no control beats chance" if self.unbeaten else said


def strongest_control(metric: str, spaces: Iterable[Reached]) -> Control | None:
    """The strongest control of a metric against several spaces; None without one, or where no value is better.

    It is chance where chance is known and no control is ahead of it by more than half the interval of the space.
    """
    if find_metric(metric).higher_is_better is None:
        return None
    found = [control for each in spaces if (control := _against(metric, each)) is not None]
    return min(found, key=lambda each: (STANDINGS.index(each.standing), each.lead), default=None)


STANDINGS: tuple[Standing, ...] = ("worse", "level", "better")
"""From the worst standing of a control to the best."""


def _against(metric: str, reached: Reached) -> Control | None:
    sign = _sign(metric)
    known = {name: value for name, value in reached.controls.items() if math.isfinite(value)}
    if not known:
        return None
    low, high = sorted(sign * end for end in reached.interval)
    least = sign * known.get(CHANCE, -sign * math.inf) + (high - low) / 2
    name = max(known, key=lambda each: (sign * known[each] > least, each == CHANCE, sign * known[each]))
    value = sign * known[name]
    standing: Standing = "better" if value > high else "worse" if value < low else "level"
    unbeaten = name == CHANCE and len(known) > 1
    return Control(metric, name, known[name], reached.space, reached.value, standing, unbeaten)


def _sign(metric: str) -> int:
    return -1 if find_metric(metric).higher_is_better is False else 1
