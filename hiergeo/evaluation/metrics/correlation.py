"""Correlations: of ranks under many weights of the rows, and of scores with growing descriptions (HiMo@K)."""

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics._checks import checked


@final
class RankCorrelation:
    """Spearman's rank correlation of two scores, sorted once and evaluated under many resamples.

    Args:
        x: (n,) numbers.
        y: (n,) numbers, of the same rows.

    Raises:
        InputError: another shape, fewer than two rows, rows of different number, or NaN.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        first, second = checked("x", x, ndim=1), checked("y", y, ndim=1)
        if len(first) != len(second) or len(first) < 2:
            raise InputError(f"a correlation needs at least 2 pairs, not {len(first)} and {len(second)} values.")
        self.rows = len(first)
        self._levels = [np.unique(values, return_inverse=True) for values in (first, second)]

    def rho(self, counts: np.ndarray | None = None) -> float:
        """The correlation in [-1, 1]; 0 where one of the scores is constant, which orders nothing.

        Equal values share their mean rank, and ranks are those of the resample.

        Args:
            counts: (n,) how often each row counts; None is once.
        """
        weights = np.ones(self.rows) if counts is None else np.asarray(counts, dtype=np.float64)
        x, y = (_centred(level, len(values), weights) for values, level in self._levels)
        spread = float(weights @ x**2) * float(weights @ y**2)
        return float(np.clip(weights @ (x * y) / np.sqrt(spread), -1, 1)) if spread > 0 else 0.0

    def influence(self) -> np.ndarray:
        """(n,) deviations of rows from the correlation, for ranks that do not change with the rows."""
        weights = np.ones(self.rows)
        x, y = (_centred(level, len(values), weights) for values, level in self._levels)
        x, y = (ranks / (np.sqrt(np.square(ranks).mean()) or 1.0) for ranks in (x, y))
        return np.asarray(x * y - self.rho() * (x**2 + y**2) / 2)

    def permuted(self, samples: int, seed: int) -> np.ndarray:
        """Correlations with `y` in random order, (samples,): what chance alone gives."""
        generator, weights = np.random.default_rng(seed), np.ones(self.rows)
        x, y = (_centred(level, len(values), weights) for values, level in self._levels)
        scale = float(np.linalg.norm(x) * np.linalg.norm(y))
        if scale == 0:
            return np.zeros(samples)
        return np.array([float(x @ generator.permutation(y)) / scale for _ in range(samples)])


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation in [-1, 1], equal values sharing their mean rank. See `RankCorrelation`."""
    return RankCorrelation(x, y).rho()


def _centred(level: np.ndarray, levels: int, weights: np.ndarray) -> np.ndarray:
    """Mean ranks less their weighted mean; 0 throughout where all values that count are equal."""
    mass = np.bincount(level, weights, levels)
    ranks = np.cumsum(mass) - (mass - 1) / 2
    if np.count_nonzero(mass) < 2:
        return np.zeros(len(level))
    return ranks[level] - (weights.sum() + 1) / 2


def himo_rows(scores: Sequence[ArrayLike]) -> np.ndarray:
    """Pearson correlation of 1..K with the scores of each image, (n,) in [-1, 1]; 0 where they are constant.

    Args:
        scores: of each image (K,), at least two: the score of the image with its caption built up to part k.

    Raises:
        InputError: no images, fewer than two scores of an image, or NaN.

    Source: HiMo@K of HiMo-CLIP (arXiv 2511.06653).
    """
    if len(scores) == 0:
        raise InputError("scores is empty: nothing to measure.")
    return np.array([_pearson(checked(f"scores of image {i}", row, ndim=1), i) for i, row in enumerate(scores)])


def _pearson(scores: np.ndarray, image: int) -> float:
    count = len(scores)
    if count < 2:
        raise InputError(f"image {image} has {count} score: a correlation needs at least 2.")
    if not np.isfinite(scores).all():
        raise InputError(f"the scores of image {image} are not all finite.")
    if scores.max() == scores.min():
        return 0.0
    steps = np.arange(count) - (count - 1) / 2
    scaled = scores / np.abs(scores).max()
    away = scaled - scaled.mean()
    norm = np.linalg.norm(away) * np.linalg.norm(steps)
    return float(np.clip(steps @ away / norm, -1, 1)) if norm > 0 else 0.0
