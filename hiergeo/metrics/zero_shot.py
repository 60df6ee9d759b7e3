"""Classification by the nearest class: accuracy over images and over classes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.errors import InputError
from hiergeo.metrics._checks import checked
from hiergeo.metrics.retrieval import retrieval_hits


class ZeroShot(NamedTuple):
    """Accuracies in [0, 1].

    Attributes:
        accuracy: over images.
        mean_per_class: of each class that has images, then the mean over those, large or small.
    """

    accuracy: float
    mean_per_class: float


def zero_shot_hits(distance: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Shape (n,): 1 where an image is nearer to its own class than to any other, else 0; a tie is a miss.

    Args:
        distance: (n, C), from images to classes.
        labels: (n,) integers, the class of each image.

    Raises:
        InputError: shapes that do not fit, NaN, a label that is no class.
    """
    length, own = checked("distance", distance, ndim=2), np.asarray(labels)
    if own.shape != length.shape[:1] or own.dtype.kind not in "iu" or own.min() < 0 or own.max() >= length.shape[1]:
        raise InputError(f"labels must be {len(length)} integers from 0 to {length.shape[1] - 1}, one an image.")
    return retrieval_hits(-length, own[:, None] == np.arange(length.shape[1]), 1)


def zero_shot(distance: ArrayLike, labels: ArrayLike) -> ZeroShot:
    """Accuracy and mean per-class accuracy of the nearest class. Arguments as for `zero_shot_hits`."""
    return accuracies(zero_shot_hits(distance, labels), labels)


def accuracies(hits: ArrayLike, labels: ArrayLike) -> ZeroShot:
    """Accuracy and mean per-class accuracy of hits (n,), each 0 or 1, on images of the classes `labels` (n,)."""
    hits, own = np.asarray(hits, dtype=np.float64), np.asarray(labels)
    return ZeroShot(float(hits.mean()), float(np.mean([hits[own == label].mean() for label in np.unique(own)])))
