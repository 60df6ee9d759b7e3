"""Ranking quality of scores: AUROC, average precision, ROC curves and ties, and graph reconstruction from distances."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics._checks import checked


class Roc(NamedTuple):
    """A receiver operating characteristic, one point for each distinct score, after the origin.

    Attributes:
        false_positive_rate: (k + 1,) ascending from 0 to 1.
        true_positive_rate: (k + 1,) ascending from 0 to 1.
    """

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray


class Ranking:
    """Scores of positives and negatives, sorted once and evaluated under many different weights of their rows.

    Args:
        positive: scores of true pairs, larger is more confident; the first axis indexes rows.
        negative: scores of false pairs; the same number of rows where weights are used.

    Raises:
        InputError: either is empty or holds NaN.
    """

    def __init__(self, positive: ArrayLike, negative: ArrayLike) -> None:
        self._positive = checked("positive scores", np.atleast_1d(positive))
        self._negative = checked("negative scores", np.atleast_1d(negative))
        pooled = np.concatenate([self._positive.ravel(), self._negative.ravel()])
        distinct, level = np.unique(-pooled, return_inverse=True)
        self._levels = len(distinct)
        self._positive_level, self._negative_level = np.split(level, [self._positive.size])

    def auroc(self, weights: np.ndarray | None = None, negative: np.ndarray | None = None) -> float:
        """Probability that a positive scores higher than a negative, ties counting one half; in [0, 1].

        It is 1/2 where nothing is left of either.

        Args:
            weights: shape (rows,), multiplicity of each row, for its positives and negatives; None is 1.
            negative: shape (negatives,), multiplicity of each negative, where those have rows of their own.
        """
        true, false = self._mass(weights, negative)
        if not true.any() or not false.any():
            return 0.5
        below = false.sum() - np.cumsum(false) + false / 2
        return float(true @ below / (true.sum() * false.sum()))

    def average_precision(self, weights: np.ndarray | None = None) -> float:
        """The mean, over positives, of the precision at their score (equal scores enter together); in (0, 1]."""
        true, false = self._mass(weights)
        true_above = np.cumsum(true)
        retrieved = true_above + np.cumsum(false)
        precision = np.divide(true_above, retrieved, out=np.zeros_like(retrieved), where=retrieved > 0)
        return float(true @ precision / true.sum())

    def tie_share(self) -> float:
        """The share of positive-negative pairs whose scores are exactly equal, in [0, 1]."""
        true, false = self._mass(None)
        return float(true @ false / (true.sum() * false.sum()))

    def roc(self) -> Roc:
        """Rates of accepted pairs as the threshold decreases; equal scores are accepted together."""
        return Roc(*(np.append(0, np.cumsum(mass)) / mass.sum() for mass in reversed(self._mass(None))))

    def _mass(self, weights: np.ndarray | None, negative: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the positives and of the negatives at each distinct score, largest score first."""
        of_negatives = weights if negative is None else negative
        true = np.bincount(self._positive_level, self._spread(weights, self._positive), self._levels)
        false = np.bincount(self._negative_level, self._spread(of_negatives, self._negative), self._levels)
        return true.astype(np.float64), false.astype(np.float64)

    @staticmethod
    def _spread(weights: np.ndarray | None, scores: np.ndarray) -> np.ndarray | None:
        if weights is None:
            return None
        if len(weights) != len(scores):
            raise InputError(f"{len(weights)} weights for {len(scores)} rows of scores: there must be one each.")
        return np.repeat(weights, scores.size // len(scores))


def auroc(positive: ArrayLike, negative: ArrayLike) -> float:
    """The area under the ROC curve, in [0, 1], ties counting one half; O(n log n). See `Ranking`."""
    return Ranking(positive, negative).auroc()


def average_precision(positive: ArrayLike, negative: ArrayLike) -> float:
    """The average precision, in (0, 1], equal scores entering together; O(n log n). See `Ranking`."""
    return Ranking(positive, negative).average_precision()


def roc_curve(positive: ArrayLike, negative: ArrayLike) -> Roc:
    """The ROC curve; straight lines between its points enclose the area `auroc`; O(n log n). See `Ranking`."""
    return Ranking(positive, negative).roc()


def mean_roc(curves: Sequence[Roc]) -> Roc:
    """Vertical average of ROC curves; its area is the mean of their areas.

    Curves are piecewise linear and may have vertical segments, whose lower and upper ends are averaged separately.

    Raises:
        InputError: no curves.
    """
    if not curves:
        raise InputError("a mean ROC curve needs at least one curve.")
    places = np.unique(np.concatenate([curve.false_positive_rate for curve in curves]))
    below = np.mean([_from_left(curve, places) for curve in curves], axis=0)
    above = np.mean([_from_right(curve, places) for curve in curves], axis=0)
    return Roc(np.repeat(places, 2), np.stack([below, above], axis=1).ravel())


def _from_left(curve: Roc, places: np.ndarray) -> np.ndarray:
    """True positive rates at false positive rates approached from below."""
    rates, first = np.unique(curve.false_positive_rate, return_index=True)
    last = np.append(first[1:], len(curve.false_positive_rate)) - 1
    left, right = curve.true_positive_rate[first], curve.true_positive_rate[last]
    at = np.clip(np.searchsorted(rates, places), 1, max(len(rates) - 1, 1))
    if len(rates) == 1:
        return np.full(len(places), left[0])
    share = (places - rates[at - 1]) / (rates[at] - rates[at - 1])
    return np.where(places == rates[0], left[0], right[at - 1] + share * (left[at] - right[at - 1]))


def _from_right(curve: Roc, places: np.ndarray) -> np.ndarray:
    """True positive rates at false positive rates approached from above."""
    mirrored = Roc(1 - curve.false_positive_rate[::-1], 1 - curve.true_positive_rate[::-1])
    return 1 - _from_left(mirrored, 1 - places)


def tie_share(positive: ArrayLike, negative: ArrayLike) -> float:
    """The share of positive-negative pairs with exactly equal scores, in [0, 1]. See `Ranking`."""
    return Ranking(positive, negative).tie_share()


class Reconstruction(NamedTuple):
    """Reconstruction of a graph from distances.

    Attributes:
        mean_average_precision: over nodes with neighbours, when other nodes are ranked by distance; in (0, 1].
        mean_rank: over edges (u, v), rank of v among the nodes that are not neighbours of u; 1 is perfect.
    """

    mean_average_precision: float
    mean_rank: float


def reconstruction(distance: ArrayLike, edges: ArrayLike) -> Reconstruction:
    """MAP and mean rank of the edges of a graph among all pairs of its nodes.

    Every node u with edges (u, v) ranks all other nodes by their distance to it. Ties count one half in the rank, and
    enter the precision together.

    Args:
        distance: (n, n), row u that from node u; the diagonal is ignored.
        edges: (E, 2) integers (u, v), u != v, without repeats; for a closure from descendant to ancestor.

    Raises:
        InputError: shapes that do not fit, NaN, no edges, an edge beyond the nodes or from a node to itself.

    Source: Nickel and Kiela, Poincare Embeddings (NeurIPS 2017), as their evaluation code computes it.
    """
    length, pairs = checked("distance", distance, ndim=2), np.asarray(edges)
    nodes = len(length)
    if length.shape != (nodes, nodes) or pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise InputError(f"distance must be (n, n) and edges (E, 2), not {length.shape} and {pairs.shape}.")
    if pairs.min() < 0 or pairs.max() >= nodes or (pairs[:, 0] == pairs[:, 1]).any():
        raise InputError(f"edges must join two different nodes of the {nodes} there are.")
    linked = np.zeros((nodes, nodes), dtype=bool)
    linked[pairs[:, 0], pairs[:, 1]] = True
    sources = np.flatnonzero(linked.any(axis=1)).tolist()
    precisions, ranks = zip(*(_of_node(u, length[u], linked[u]) for u in sources), strict=True)
    return Reconstruction(float(np.mean(precisions)), float(np.concatenate(ranks).mean()))


def _of_node(node: int, length: np.ndarray, linked: np.ndarray) -> tuple[float, np.ndarray]:
    """The average precision of one node, and the rank of each of its neighbours."""
    other = ~linked
    other[node] = False
    near, far = length[linked], np.sort(length[other])
    if not len(far):
        return 1.0, np.ones(len(near))
    nearer = (np.searchsorted(far, near, side="left") + np.searchsorted(far, near, side="right")) / 2
    return average_precision(-near, -far), 1 + nearer
