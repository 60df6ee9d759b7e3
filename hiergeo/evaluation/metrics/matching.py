"""Rankings in which a confound is held fixed: positives and negatives are compared within strata."""

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics._checks import checked

CHANCE = 0.5
"""AUROC and average precision of any score that is constant within strata."""


class MatchedRanking:
    """Scores of positives and negatives, compared only where their strata are the same.

    The stratum of a pair of captions is, for example, the number of words of both: then no score that is computed from
    lengths alone does better or worse than 0.5, by construction.

    Args:
        positive: scores of true pairs, larger is more confident; the first axis indexes rows.
        negative: scores of false pairs, with the same number of rows.
        positive_strata: integers of the shape of `positive` and one more axis: each true pair's stratum, equal where
            all its integers are equal.
        negative_strata: those of the false pairs.

    Raises:
        InputError: shapes that do not fit, other numbers of rows, empty scores, or NaN.
    """

    def __init__(
        self, positive: ArrayLike, negative: ArrayLike, positive_strata: ArrayLike, negative_strata: ArrayLike
    ) -> None:
        true, false = checked("positive scores", positive), checked("negative scores", negative)
        strata = [np.asarray(positive_strata), np.asarray(negative_strata)]
        for scores, own in zip((true, false), strata, strict=True):
            if own.shape[:-1] != scores.shape:
                raise InputError(f"strata of shape {own.shape} do not fit scores of shape {scores.shape}.")
        if len(true) != len(false):
            raise InputError(f"{len(true)} rows of positives and {len(false)} of negatives: there must be as many.")
        self._rows = len(true)
        width = strata[0].shape[-1]
        named = np.concatenate([own.reshape(-1, width) for own in strata])
        _, stratum = np.unique(named, axis=0, return_inverse=True)
        stratum = stratum.ravel()
        row = np.concatenate([np.repeat(np.arange(self._rows), each[0].size) for each in (true, false)])
        is_true = np.arange(len(row)) < true.size
        both = np.intersect1d(stratum[is_true], stratum[~is_true])
        kept = np.isin(stratum, both)
        _, stratum = np.unique(stratum[kept], return_inverse=True)
        score = np.concatenate([true.ravel(), false.ravel()])[kept]
        self._row, self._is_true, self._strata = row[kept], is_true[kept], len(both)
        distinct, self._level = np.unique(-score, return_inverse=True)
        self._levels = len(distinct)
        cells, self._cell = np.unique(stratum * max(self._levels, 1) + self._level, return_inverse=True)
        self._stratum_of_cell, self._level_of_cell = np.divmod(cells, max(self._levels, 1))

    @property
    def matched(self) -> tuple[int, int]:
        """How many positives and how many negatives have a counterpart in their stratum."""
        return int(self._is_true.sum()), int((~self._is_true).sum())

    @property
    def pairs(self) -> int:
        """How many pairs of a positive and a negative are compared."""
        true, false = (self._per_stratum(mass) for mass in self._mass(None))
        return round(float(true @ false))

    def auroc(self, weights: np.ndarray | None = None) -> float:
        """Probability that a positive scores higher than a negative of its stratum, ties counting one half; in [0, 1].

        Every pair of a positive and a negative in one stratum counts once: the sum over strata of Mann and Whitney's U,
        divided by the number of such pairs. `CHANCE` where weights leave no pair.

        Args:
            weights: (rows,) multiplicity of each row, for its positives and negatives; None is 1.
        """
        true, false = self._mass(weights)
        total = self._per_stratum(false)
        before = np.cumsum(total) - total
        below = (total + before)[self._stratum_of_cell] - np.cumsum(false) + false / 2
        compared = float(self._per_stratum(true) @ total)
        return float(true @ below) / compared if compared else CHANCE

    def average_precision(self, weights: np.ndarray | None = None) -> float:
        """Average precision with the negatives of each stratum weighted to be as many as its positives; in (0, 1].

        Both sides then have the same distribution over strata. Thresholds are pooled, and equal scores enter together.
        `CHANCE` where weights leave no stratum with both.

        Args:
            weights: as for `auroc`.
        """
        true, false = self._mass(weights)
        positives, negatives = self._per_stratum(true), self._per_stratum(false)
        scale = np.divide(positives, negatives, out=np.zeros_like(positives), where=negatives > 0)
        true = true * (negatives > 0)[self._stratum_of_cell]
        false = false * scale[self._stratum_of_cell]
        if not true.any():
            return CHANCE
        true, false = (_sums(self._level_of_cell, mass, self._levels) for mass in (true, false))
        above = np.cumsum(true)
        retrieved = above + np.cumsum(false)
        precision = np.divide(above, retrieved, out=np.zeros_like(retrieved), where=retrieved > 0)
        return float(true @ precision / true.sum())

    def _mass(self, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the positives and of the negatives in each cell, a stratum and a score; largest score first."""
        if weights is not None and len(weights) != self._rows:
            raise InputError(f"{len(weights)} weights for {self._rows} rows of scores: there must be one each.")
        each = np.ones(len(self._row)) if weights is None else weights[self._row].astype(np.float64)
        cells = len(self._stratum_of_cell)
        true, everything = (_sums(self._cell, mass, cells) for mass in (each * self._is_true, each))
        return true, everything - true

    def _per_stratum(self, mass: np.ndarray) -> np.ndarray:
        return _sums(self._stratum_of_cell, mass, self._strata)


def _sums(place: np.ndarray, mass: np.ndarray, places: int) -> np.ndarray:
    """Sums of mass at each of `places` places, float64 (numpy gives integers where there is no mass)."""
    return np.bincount(place, mass, places).astype(np.float64)
