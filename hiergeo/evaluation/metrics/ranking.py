"""Ranking quality of scores, also within strata that hold a confound fixed; graphs from distances; correlations."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from hiergeo._core.errors import InputError, reason
from hiergeo.pairwise.weighing import ranked_items, weighed


class Roc(NamedTuple):
    """A receiver operating characteristic: rates (k + 1,) from 0 to 1, a point for each distinct score after (0, 0)."""

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray


ROUNDING = 1e-6  # radians by which float32 may exceed the ends of a range
CHANCE = 0.5  # AUROC of any score that is constant, and with strata average precision too


class Ranking:
    """Scores of positives and negatives, sorted once and evaluated under many different weights of their rows.

    With strata, scores are compared only where their strata are the same. The stratum of a pair of captions is, for
    example, the number of words of both: then no score that is computed from lengths alone does better or worse than
    `CHANCE`, by construction.

    Larger scores are more confident, and the first axis indexes rows, which are as many on both sides where weights or
    strata are used. Strata have the shape of the scores and one more axis, of the integers that make them out.
    """

    def __init__(
        self, positive: ArrayLike, negative: ArrayLike, strata: tuple[ArrayLike, ArrayLike] | None = None
    ) -> None:
        true = checked("positive scores", np.atleast_1d(positive))
        false = checked("negative scores", np.atleast_1d(negative))
        self._rows = len(true), len(false)
        self._stratified = strata is not None
        is_true = np.arange(true.size + false.size) < true.size
        row = np.concatenate([np.repeat(np.arange(len(side)), side[0].size) for side in (true, false)])
        score = np.concatenate([true.ravel(), false.ravel()])
        stratum = np.zeros(len(score), dtype=np.int64)
        if strata is not None:
            stratum = _strata((true, false), strata)
            common = np.isin(stratum, np.intersect1d(stratum[is_true], stratum[~is_true]))
            is_true, row, score, stratum = is_true[common], row[common], score[common], stratum[common]
        distinct, level = np.unique(-score, return_inverse=True)
        self._level, self._row = ((side[is_true], side[~is_true]) for side in (level, row))
        self._pooled = _Sides.of(level, is_true, row, stratum)
        self._own = self._pooled
        if strata is not None:
            self._own = _Sides.of(stratum * max(len(distinct), 1) + level, is_true, row, stratum)

    @property
    def pairs(self) -> int:
        """How many pairs of a positive and a negative are compared."""
        return int((self._own.stop - self._own.start).sum())

    def auroc(self, weights: np.ndarray | None = None, negative: np.ndarray | None = None) -> Any:
        """Probability that a positive scores higher than a negative of its stratum, ties counting one half; in [0, 1].

        With strata every pair of a positive and a negative in one stratum counts once: the sum over strata of Mann and
        Whitney's U, divided by the number of such pairs. Weights, (rows,) or (samples, rows), are multiplicities of
        rows, of their positives and negatives unless negatives have rows of their own. `CHANCE` where weights leave no
        pair.
        """
        return self._weighed(self._auroc, weights, negative)

    def _auroc(self, own: np.ndarray, other: np.ndarray) -> float:
        sides = self._own
        true, false = own.take(sides.true), _cumulated(other.take(sides.false))
        above = false.take(sides.through)
        if sides.through is not sides.before:
            above = (above + false[sides.before]) / 2
        if not self._stratified:
            mass = true.sum()
            return _ratio(mass * false[-1] - true @ above, mass * false[-1])
        whole = false[sides.stop]
        return _ratio(true @ (whole - above), true @ (whole - false[sides.start]))

    def average_precision(self, weights: np.ndarray | None = None) -> Any:
        """The mean, over positives, of the precision at their score (equal scores enter together); in (0, 1].

        With strata the negatives of each are weighted to be as many as its positives, so that both sides have the same
        distribution over strata, and thresholds are pooled. `CHANCE` where weights leave no stratum with both.
        Weights are as for `auroc`.
        """
        return self._weighed(self._average_precision, weights)

    def _average_precision(self, own: np.ndarray, other: np.ndarray) -> float:
        sides = self._pooled
        true, false = own.take(sides.true), other.take(sides.false)
        if self._stratified:
            true, false = self._balanced(true, false)
        above = _cumulated(true).take(sides.level_ends)
        retrieved = above + _cumulated(false).take(sides.through)
        return _ratio(true @ (above / np.maximum(retrieved, np.finfo(np.float64).tiny)), true.sum())

    def auroc_influence(self) -> np.ndarray:
        """Derivatives (rows,) of `auroc` by the weights of rows, times the number of rows; their mean is 0."""
        sides, value = self._own, self.auroc()
        count = len(sides.false)
        above = (sides.through + sides.before) / 2
        of_true = (sides.stop - above) - value * (sides.stop - sides.start)
        steps = np.zeros(count + 1)
        for at, step in ((sides.before, 0.5), (sides.through, 0.5), (sides.start, -value), (sides.stop, value - 1)):
            steps += step * np.bincount(at, minlength=count + 1)
        return self._by_row(of_true, np.cumsum(steps)[:count], sides) * (self._rows[0] / max(self.pairs, 1))

    def average_precision_influence(self) -> np.ndarray:
        """The same of `average_precision`; with strata, for weights of negatives that do not change with the rows."""
        sides = self._pooled
        true, false = (np.ones(len(side)) for side in (sides.true, sides.false))
        if self._stratified:
            true, false = self._balanced(true, false)
        above = _cumulated(true).take(sides.level_ends)
        retrieved = np.maximum(above + _cumulated(false).take(sides.through), np.finfo(np.float64).tiny)
        precision, mass = above / retrieved, max(true.sum(), np.finfo(np.float64).tiny)
        later = np.cumsum((true * np.stack([(retrieved - above), above]) / retrieved**2)[:, ::-1], axis=1)[:, ::-1]
        later = np.concatenate([later, np.zeros((2, 1))], axis=1)
        level = np.searchsorted(sides.level_ends, sides.level_ends)
        first = np.searchsorted(sides.through, np.arange(len(false)), "right")
        of_true = true * (precision - true @ precision / mass + later[0].take(level))
        return self._by_row(of_true, -false * later[1].take(first), sides) * (self._rows[0] / mass)

    def _by_row(self, of_true: np.ndarray, of_false: np.ndarray, sides: "_Sides") -> np.ndarray:
        """Sums over the positives and the negatives of each row, which share their rows."""
        rows = self._rows[0]
        return np.bincount(sides.true, of_true, rows) + np.bincount(sides.false, of_false, rows)

    def _balanced(self, true: np.ndarray, false: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights of pooled positives and negatives whose sides have the same distribution over strata."""
        own, other = self._pooled.stratum
        count = int(own.max(initial=-1)) + 1
        positives, negatives = np.bincount(own, true, count), np.bincount(other, false, count)
        scale = np.divide(positives, negatives, out=np.zeros(count), where=negatives > 0)
        return true * (negatives > 0)[own], false * scale[other]

    def tie_share(self) -> float:
        """The share of the compared pairs whose scores are exactly equal, in [0, 1]."""
        return float((self._own.through - self._own.before).sum() / self.pairs)

    def roc(self) -> Roc:
        """Rates of accepted pairs as the threshold decreases; equal scores are accepted together."""
        levels = 1 + max(int(side.max()) for side in self._level)
        true, false = (np.cumsum(np.bincount(side, minlength=levels)) for side in self._level)
        return Roc(*(np.append(0, accepted) / accepted[-1] for accepted in (false, true)))

    def _weighed(
        self,
        statistic: Callable[[np.ndarray, np.ndarray], float],
        weights: np.ndarray | None,
        negative: np.ndarray | None = None,
    ) -> Any:
        """A statistic of the weights of the rows of positives and of those of negatives: of each sample, or of one."""
        own, other = (
            np.ones(rows) if side is None else np.array(side, np.float64)
            for side, rows in zip((weights, weights if negative is None else negative), self._rows, strict=True)
        )
        if own.ndim == 1:
            return statistic(own, other)
        other = own if negative is None else other
        precise = statistic == self._average_precision
        values = None if self._stratified else weighed(self._items, own, other, precision=precise, chance=CHANCE)
        if values is not None:
            return values
        return np.array([statistic(*pair) for pair in zip(own, other, strict=True)])

    @cached_property
    def _items(self) -> torch.Tensor:
        return ranked_items(self._level, self._row)


class _Sides(NamedTuple):
    """Positives and negatives in one order, best first, and where they meet; p positives and n negatives."""

    true: np.ndarray  # (p,) rows of the positives
    false: np.ndarray  # (n,) rows of the negatives
    before: np.ndarray  # (p,) how many negatives precede the keys equal to that of each positive
    through: np.ndarray  # (p,) and the keys after them; the same array where no two sides' keys are equal
    start: np.ndarray  # (p,) how many negatives precede the stratum of each positive
    stop: np.ndarray  # (p,) and how many precede the next one
    level_ends: np.ndarray  # (p,) how many positives come before the keys after that of each
    stratum: tuple[np.ndarray, np.ndarray]  # of the positives and of the negatives

    @classmethod
    def of(cls, key: np.ndarray, is_true: np.ndarray, row: np.ndarray, stratum: np.ndarray) -> "_Sides":
        """Sorted by their keys, in which strata, where they matter, come first."""
        order = np.argsort(key, kind="stable")
        true, false = order[is_true[order]], order[~is_true[order]]
        before, through = (np.searchsorted(key[false], key[true], side) for side in ("left", "right"))
        own, other = stratum[true], stratum[false]
        return cls(
            row[true],
            row[false],
            before,
            before if np.array_equal(before, through) else through,
            np.searchsorted(other, own, "left"),
            np.searchsorted(other, own, "right"),
            np.searchsorted(key[true], key[true], "right"),
            (own, other),
        )


def _cumulated(mass: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, ... of some masses, (n,) -> (n + 1,); those of torch take half the time of NumPy's.

    NumPy gives the memory: threads of torch that fill it would be in the way of those of the products that follow.
    """
    sums = np.empty(len(mass) + 1)
    sums[0] = 0
    torch.cumsum(torch.from_numpy(mass), 0, out=torch.from_numpy(sums)[1:])
    return sums


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else CHANCE


def _strata(scores: tuple[np.ndarray, np.ndarray], strata: tuple[ArrayLike, ArrayLike]) -> np.ndarray:
    """The stratum of each score, positives first, numbered from 0."""
    rows = np.concatenate([np.reshape(own, (side.size, -1)) for side, own in zip(scores, strata, strict=True)])
    return np.asarray(np.unique(rows, axis=0, return_inverse=True)[1].ravel())


def auroc(positive: ArrayLike, negative: ArrayLike) -> float:
    """The area under the ROC curve, in [0, 1], ties counting one half; O(n log n).

    Args:
        positive: scores of true pairs, larger is more confident.
        negative: scores of false pairs.

    Raises:
        InputError: scores that are empty or hold NaN.
    """
    return float(Ranking(positive, negative).auroc())


def average_precision(positive: ArrayLike, negative: ArrayLike) -> float:
    """The average precision, in (0, 1], equal scores entering together; O(n log n). Arguments as for `auroc`.

    Raises:
        InputError: scores that are empty or hold NaN.
    """
    return float(Ranking(positive, negative).average_precision())


def pep_scores(angle: ArrayLike) -> np.ndarray:
    """Probability that the general point entails the specific one: max(1 - 2 phi / pi, 0), in [0, 1].

    It is 1 on the axis of the cone and 0 from a right angle on, where all pairs tie.

    Args:
        angle: phi, the exterior angle at the general point, radians, in [0, pi]; of any shape.

    Raises:
        InputError: no angles, NaN, or an angle outside [0, pi].

    Source: Huynh et al., ARGENT (arXiv 2603.23311), the probabilistic entailment protocol.
    """
    angles = checked("angle", angle)
    if angles.min() < 0 or angles.max() > np.pi + ROUNDING:
        raise InputError("exterior angles must be in [0, pi] radians.")
    return np.maximum(1 - 2 * angles / np.pi, 0)


class Reconstruction(NamedTuple):
    """Mean average precision over nodes with neighbours, in (0, 1], and mean rank over edges; 1 is perfect for both."""

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


@final
class RankCorrelation:
    """Spearman's rank correlation of scores x and y (n,) of the same rows, sorted once for many resamples."""

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        self._levels = [np.unique(values, return_inverse=True) for values in (x, y)]
        self.rows = len(self._levels[0][1])

    def rho(self, counts: np.ndarray | None = None) -> float:
        """The correlation in [-1, 1]; 0 where one of the scores is constant, which orders nothing.

        Equal values share their mean rank, and ranks are those of the resample: `counts` (n,) is how often each row
        counts, None is once.
        """
        weights = np.ones(self.rows) if counts is None else np.asarray(counts, dtype=np.float64)
        x, y = self._ranks(weights)
        spread = float(weights @ x**2) * float(weights @ y**2)
        return float(np.clip(weights @ (x * y) / np.sqrt(spread), -1, 1)) if spread > 0 else 0.0

    def influence(self) -> np.ndarray:
        """(n,) deviations of rows from the correlation, for ranks that do not change with the rows."""
        x, y = (ranks / (np.sqrt(np.square(ranks).mean()) or 1.0) for ranks in self._ranks(np.ones(self.rows)))
        return np.asarray(x * y - self.rho() * (x**2 + y**2) / 2)

    def permuted(self, samples: int, seed: int) -> np.ndarray:
        """Correlations with `y` in random order, (samples,): what chance alone gives."""
        generator = np.random.default_rng(seed)
        x, y = self._ranks(np.ones(self.rows))
        scale = float(np.linalg.norm(x) * np.linalg.norm(y))
        if scale == 0:
            return np.zeros(samples)
        return np.array([float(x @ generator.permutation(y)) / scale for _ in range(samples)])

    def _ranks(self, weights: np.ndarray) -> list[np.ndarray]:
        return [_centred(level, len(values), weights) for values, level in self._levels]


def _centred(level: np.ndarray, levels: int, weights: np.ndarray) -> np.ndarray:
    """Mean ranks less their weighted mean; 0 throughout where all values that count are equal."""
    mass = np.bincount(level, weights, levels)
    ranks = np.cumsum(mass) - (mass - 1) / 2
    if np.count_nonzero(mass) < 2:
        return np.zeros(len(level))
    return ranks[level] - (weights.sum() + 1) / 2


class Drift(NamedTuple):
    """Mean |cos_after - cos_before| over pairs, in [0, 2], and Pearson's correlation, NaN where cosines are level."""

    change: float
    correlation: float


def similarity_drift(before: np.ndarray, after: np.ndarray) -> Drift:
    """Drift of the cosine similarities of n >= 2 texts, (n, D) and (n, D'), over all pairs; O(n^2) memory."""
    upper = np.triu_indices(len(before), k=1)
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (np.float64(before), np.float64(after)))
    old, new = (np.clip(rows @ rows.T, -1, 1)[upper] for rows in unit)
    level = old.std() == 0 or new.std() == 0
    return Drift(float(np.abs(new - old).mean()), float("nan") if level else float(np.corrcoef(old, new)[0, 1]))


def checked(name: str, values: ArrayLike, ndim: int | None = None) -> np.ndarray:
    """`values` as a non-empty float64 array of `ndim` dimensions without NaN; InputError otherwise."""
    raw = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else values
    try:
        array = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be an array of numbers ({reason(error)}).") from error
    if array.size == 0:
        raise InputError(f"{name} is empty: nothing to measure.")
    if ndim is not None and array.ndim != ndim:
        raise InputError(f"{name} must have {ndim} dimension(s), not shape {array.shape}.")
    if np.isnan(array).any():
        position = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
        raise InputError(f"{name} holds {int(np.isnan(array).sum())} NaN, the first at {position}.")
    return array
