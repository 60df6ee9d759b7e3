"""Correlations: of ranks under many weights of the rows, and of the cosines of texts between two models."""

from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike


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
