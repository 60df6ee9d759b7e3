"""The level at which to stop: a floor of confidence, and the error that labelled items let us promise for it.

An item stops at the deepest label of its path whose confidence is above the floor; an error is a label that the true
one is not at or below. As confidences never rise along a path, an item's error can only end as the floor rises, so the
error rate R(floor) of n labelled items never rises either, and the smallest floor with

    n / (n + 1) R(floor) + 1 / (n + 1) <= alpha

has an expected error of at most alpha on a new item that is exchangeable with them: on average over labelled sets and
items, not for every item and not for every kind of item. Branches with enough labels have floors of their own, by the
top label that is predicted, so that it holds in each of them. Floors and confidences are log-odds, log p / (1 - p).

Source: Angelopoulos et al., Conformal risk control (arXiv 2208.02814), theorem 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.datasets.labels.label_tree import LabelTree

LARGE = 6.9
"""Log-odds above which a confidence is written as what it lacks to 1."""

CURVE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Errors whose depth a promise tells, beside its own."""

BRANCH = 5
"""Times as many labels as a promise takes at least from which a branch has a floor of its own."""


def check_alpha(alpha: float) -> None:
    """Raise InputError unless an error rate is between 0 and 1."""
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise InputError(f"alpha must be a number between 0 and 1, such as 0.1 for one error in ten, not {alpha!r}.")


def needed(alpha: float) -> int:
    """The least number of labelled items with which an error of alpha can be promised."""
    return math.ceil(round(1 / alpha - 1, 9))


def check_enough(count: int, alpha: float) -> None:
    """Raise InputError for too few labelled items; says how many it takes."""
    if count < needed(alpha):
        raise InputError(
            f"an error of at most {100 * alpha:g} % takes at least {needed(alpha)} labelled items, and there are "
            f"{count}: label more, or allow a larger alpha."
        )


def error_floors(tree: LabelTree, paths: np.ndarray, odds: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The floor from which on an item is no error, (n,): the log-odds of the first wrong label of its path, or -inf.

    Paths are labels from the top down, (n, levels), -1 behind the last one, with log-odds that never rise; `truth` is
    the true label of each item, (n,), perhaps an inner one.
    """
    right = on_path(tree, paths, truth)
    first = np.argmin(right, axis=1)
    values = np.take_along_axis(odds, first[:, None], 1)[:, 0]
    return np.where(right.all(1), -np.inf, values)


def on_path(tree: LabelTree, paths: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether the true label (n,) is at or below each label of a path, (n, levels) bool; True behind its end."""
    rows = zip(paths.tolist(), truth.tolist(), strict=True)
    return np.array([[label < 0 or label in tree.above[true] for label in path] for path, true in rows])


def floor_of(errors: np.ndarray, alpha: float) -> float:
    """The smallest floor that promises an error of at most alpha, of the `error_floors` of labelled items, (n,).

    It is inf (stop at the root) where these are too few.
    """
    allowed = math.floor(round(alpha * (len(errors) + 1) - 1, 9))
    if allowed < 0:
        return math.inf
    return float(np.sort(errors)[::-1][allowed]) if allowed < len(errors) else -math.inf


def stops(odds: np.ndarray, floor: float | np.ndarray) -> np.ndarray:
    """How many labels of a path (n, levels) are above the floor, a number or (n,); 0 is the root."""
    return (odds > np.reshape(floor, (-1, 1))).sum(1)


def written(odds: float) -> str:
    """Log-odds as a confidence, such as 0.873 or 1 - 2e-09."""
    from scipy.special import expit

    return f"{expit(odds):.3g}" if odds < LARGE or math.isinf(odds) else f"1 - {expit(-odds):.1g}"


def risk_by_depth(errors: np.ndarray, odds: np.ndarray, steps: int = 101) -> tuple[np.ndarray, np.ndarray]:
    """The level where items stop, and whether that is an error, at floors from the root down, (n, steps) each.

    Means over items are the curve of risk against depth; floors are evenly spread over the ranks of all log-odds.
    """
    floors = np.quantile(odds, np.linspace(1, 0, steps), method="nearest")
    floors[-1] = -np.inf
    return (odds[:, :, None] > floors).sum(1), errors[:, None] > floors


@final
@dataclass(frozen=True)
class Promise:
    """Floors, and what they promise.

    Attributes:
        floor: log-odds where no branch has a floor of its own, and for all items without labelled ones.
        branches: top label -> its floor, log-odds.
        alpha: the error that is promised; None for a floor without a promise.
        labels: how many labelled items it rests on.
        tuning: how many others chose method and temperature.
        depth: mean level of the labelled items at their floors; NaN without them.
        error: the share of them that are errors there.
        curve: error that would be promised -> the mean level of the labelled items at its floors.
    """

    floor: float
    branches: dict[int, float]
    alpha: float | None = None
    labels: int = 0
    tuning: int = 0
    depth: float = math.nan
    error: float = math.nan
    curve: dict[float, float] = field(default_factory=dict)

    def floors(self, paths: np.ndarray) -> np.ndarray:
        """The floor of each item, (n,): that of the top label of its path."""
        floors = np.full(len(paths), self.floor)
        for top, floor in self.branches.items():
            floors[paths[:, 0] == top] = floor
        return floors

    def about(self, tree: LabelTree) -> dict[str, Any]:
        """The promise as JSON values."""
        from scipy.special import expit

        branches = {tree.names[top]: float(expit(floor)) for top, floor in self.branches.items()}
        numbers = {"alpha": self.alpha, "labels": self.labels, "tuning": self.tuning}
        return {"sentence": str(self), "floor": float(expit(self.floor)), **numbers, "branches": branches}

    def __str__(self) -> str:
        if self.alpha is None:
            return f"The floor of {written(self.floor)} is a number without a promise: no labels stand behind it."
        others = f" ({self.tuning:,} others chose how)" if self.tuning else ""
        own = f"; branches with a floor of their own: {len(self.branches)}" if self.branches else ""
        floors = [floor for floor in (self.floor, *self.branches.values()) if floor < math.inf] or [math.inf]
        floor = " to ".join(dict.fromkeys(map(written, (min(floors), max(floors)))))
        return (
            f"At most {100 * self.alpha:g} % of items get a wrong label, on average over exchangeable items: floor "
            f"{floor}, from {self.labels:,} labelled items{others}{own}. "
            f"The labelled items stop at level {self.depth:.2f} on average."
        )


def promised(
    tree: LabelTree,
    paths: np.ndarray,
    odds: np.ndarray,
    truth: np.ndarray,
    alpha: float,
    branches: Sequence[int] = (),
    tuning: int = 0,
) -> Promise:
    """The promise of an error of at most alpha that labelled items let us make; arguments as for `error_floors`.

    Branches are top labels with floors of their own, chosen without these items, as was the method, by `tuning` others.

    Raises:
        InputError: too few labels for alpha; says how many it takes.
    """
    check_enough(len(truth), alpha)
    errors, top = error_floors(tree, paths, odds, truth), paths[:, 0]

    def at(error: float) -> Promise:
        own = {branch: floor_of(errors[top == branch], error) for branch in branches}
        rest = floor_of(errors[~np.isin(top, list(own))], error)
        return Promise(rest, own, alpha, len(truth), tuning)

    made = at(alpha)
    curve = {error: float(stops(odds, at(error).floors(paths)).mean()) for error in sorted({*CURVE, alpha})}
    return replace(made, depth=curve[alpha], error=float((errors > made.floors(paths)).mean()), curve=curve)


def large_branches(tops: np.ndarray, alpha: float, ratio: float) -> tuple[int, ...]:
    """The top labels that are predicted (n,) often enough for floors of their own, or none.

    `ratio` is how many items of the promise there are for each of these, which are others.
    """
    labels, counts = np.unique(tops, return_counts=True)
    enough = BRANCH * needed(alpha)
    many = counts * ratio >= enough
    rest = counts[~many].sum() * ratio
    return tuple(labels[many].tolist()) if many.any() and (rest == 0 or rest >= enough) else ()
