"""Finding the match among candidates: recall at k in either direction."""

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.errors import InputError
from hiergeo.metrics._checks import checked


def retrieval_hits(similarity: ArrayLike, relevant: ArrayLike, k: int) -> np.ndarray:
    """Shape (n,): 1 where some relevant candidate is among the k most similar to the query, else 0.

    An irrelevant candidate of equal similarity comes first, so that a model for which everything is alike finds
    nothing. The mean is R@k; transposing both arrays turns the direction round.

    Args:
        similarity: (n, m), larger is nearer, such as minus a distance.
        relevant: (n, m) booleans; every query needs at least one.
        k: at least 1.

    Raises:
        InputError: shapes that differ, NaN, a query without a relevant candidate, or k below 1.
    """
    scores, match = checked("similarity", similarity, ndim=2), np.asarray(relevant, dtype=bool)
    if match.shape != scores.shape:
        raise InputError(f"similarity has shape {scores.shape} and relevant {match.shape}: they must be equal.")
    if not match.any(axis=1).all():
        raise InputError(f"query {int(np.argmin(match.any(axis=1)))} has no relevant candidate to find.")
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}.")
    best = np.where(match, scores, -np.inf).max(axis=1, keepdims=True)
    ahead = ((scores >= best) & ~match).sum(axis=1)
    return (ahead < k).astype(np.float64)


def recall_at(similarity: ArrayLike, relevant: ArrayLike, k: int) -> float:
    """R@k in [0, 1]: the mean of `retrieval_hits`."""
    return float(retrieval_hits(similarity, relevant, k).mean())
