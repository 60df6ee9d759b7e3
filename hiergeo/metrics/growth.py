"""Whether a score grows as a description grows: HiMo@K."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.errors import InputError
from hiergeo.metrics._checks import checked


def himo(scores: Sequence[ArrayLike]) -> float:
    """The mean of `himo_rows`, in [-1, 1]."""
    return float(himo_rows(scores).mean())


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
