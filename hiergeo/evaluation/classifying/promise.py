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
from dataclasses import dataclass
from typing import final

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.datasets.labels.label_tree import LabelTree

LARGE = 6.9
"""Log-odds above which a confidence is written as what it lacks to 1."""

BRANCH = 5
"""Times as many labels as a promise takes at least from which a branch has a floor of its own."""


def check_alpha(alpha: float) -> None:
    """Raise InputError unless an error rate is between 0 and 1."""
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise InputError(f"alpha must be a number between 0 and 1, such as 0.1 for one error in ten, not {alpha!r}.")


def needed(alpha: float) -> int:
    """The least number of labelled items with which an error of alpha can be promised."""
    return math.ceil(round(1 / alpha - 1, 9))


def error_floors(tree: LabelTree, paths: np.ndarray, odds: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The floor from which on an item is no error, (n,): the log-odds of the first wrong label of its path, or -inf.

    Args:
        tree: of the labels.
        paths: labels from the top down, (n, levels), -1 behind the last one.
        odds: (n, levels), which never rise.
        truth: the true label of each item, (n,); it may be an inner one.
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
    """The smallest floor that promises an error of at most alpha; inf (stop at the root) where labels are too few.

    Args:
        errors: what `error_floors` gives of n labelled items.
        alpha: the error rate.
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
    """

    floor: float
    branches: dict[int, float]
    alpha: float | None = None
    labels: int = 0
    tuning: int = 0
    depth: float = math.nan
    error: float = math.nan

    def levels(self, paths: np.ndarray, odds: np.ndarray) -> np.ndarray:
        """The level at which each item stops, (n,) int64; 0 is the root."""
        return stops(odds, self.floors(paths))

    def floors(self, paths: np.ndarray) -> np.ndarray:
        """The floor of each item, (n,): that of the top label of its path."""
        return np.array([self.branches.get(top, self.floor) for top in paths[:, 0].tolist()], dtype=np.float64)

    def __str__(self) -> str:
        if self.alpha is None:
            return f"The floor of {written(self.floor)} is a number without a promise: no labels stand behind it."
        own = f"; {len(self.branches)} branches have floors of their own" if self.branches else ""
        return (
            f"At most {100 * self.alpha:g} % of items get a wrong label, on average over exchangeable items: "
            f"floor {written(self.floor)}, from {self.labels:,} labelled items{own}. "
            f"They stop at level {self.depth:.2f} (mean)."
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
    """The promise of an error of at most alpha that labelled items let us make.

    Args:
        tree: of the labels.
        paths: of the labelled items, (n, levels), -1 behind the last label.
        odds: (n, levels).
        truth: (n,).
        alpha: the error rate.
        branches: top labels with floors of their own, chosen without these items; all others share one.
        tuning: how many items chose them, and the method.

    Raises:
        InputError: too few labels for alpha; says how many it takes.
    """
    if len(truth) < needed(alpha):
        raise InputError(
            f"an error of at most {100 * alpha:g} % takes at least {needed(alpha)} labelled items for the promise "
            f"alone, and there are {len(truth)}: label more, or allow a larger alpha."
        )
    errors = error_floors(tree, paths, odds, truth)
    top = paths[:, 0]
    own = {branch: floor_of(errors[top == branch], alpha) for branch in branches}
    rest = errors[~np.isin(top, list(own))]
    made = Promise(floor_of(rest, alpha), own, alpha, len(truth), tuning)
    floors = made.floors(paths)
    levels = stops(odds, floors)
    return Promise(made.floor, own, alpha, len(truth), tuning, float(levels.mean()), float((errors > floors).mean()))


def large_branches(tops: np.ndarray, alpha: float, ratio: float) -> tuple[int, ...]:
    """The predicted top labels (n,) with enough labels for floors of their own.

    Args:
        tops: of items that are not those of the promise.
        alpha: the error rate.
        ratio: how many items of the promise there are for each of them.
    """
    labels, counts = np.unique(tops, return_counts=True)
    enough = BRANCH * needed(alpha)
    many = counts * ratio >= enough
    rest = counts[~many].sum() * ratio
    return tuple(labels[many].tolist()) if many.any() and (rest == 0 or rest >= enough) else ()
