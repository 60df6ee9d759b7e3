"""Precision and recall of the captions retrieved for an image on the way from general to specific."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.errors import InputError

Truth = Sequence[Sequence[str]]
"""The chains of one image: of every row, its tiers from general to specific."""


def ladder(indices: ArrayLike, texts: Sequence[str]) -> tuple[str, ...]:
    """The captions met at growing thresholds, each appended when it differs from the last one appended.

    Args:
        indices: shape (thresholds,), positions in `texts`; negative where no caption lies within the threshold.
        texts: the candidate captions; equal strings are one caption.

    Raises:
        InputError: an index is beyond `texts`.
    """
    steps: list[str] = []
    for index in np.asarray(indices, dtype=np.int64).tolist():
        if index >= len(texts):
            raise InputError(f"ladder index {index} is beyond the {len(texts)} candidate texts.")
        if index >= 0 and (not steps or steps[-1] != texts[index]):
            steps.append(texts[index])
    return tuple(steps)


def ladder_precision_recall(met: Sequence[str], truth: Truth) -> tuple[float, float]:
    """Precision and recall, each in [0, 1], of the captions met for one image (Alper and Averbuch-Elor, ECCV 2024).

    Precision is the share of distinct captions met that are a tier of any row (0 when none was met); recall is the
    share of tiers of which some row's caption was met.

    Raises:
        InputError: `truth` has no rows, or rows of different lengths.
    """
    if not truth or not truth[0] or any(len(row) != len(truth[0]) for row in truth):
        raise InputError("the truth of an image must be at least one row of captions, all rows of the same tiers.")
    found = set(met)
    true = {text for row in truth for text in row}
    hits = [not found.isdisjoint(tier) for tier in zip(*truth, strict=True)]
    return len(found & true) / max(1, len(found)), sum(hits) / len(hits)


def ladder_scores(ladders: Sequence[Sequence[str]], truths: Sequence[Truth]) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of many images, each of shape (images,): see `ladder_precision_recall`."""
    _same_images(ladders, truths)
    scores = [ladder_precision_recall(met, truth) for met, truth in zip(ladders, truths, strict=True)]
    precision, recall = np.array(scores, dtype=np.float64).T
    return precision, recall


def any_hit(ladders: Sequence[Sequence[str]], truths: Sequence[Truth]) -> np.ndarray:
    """Shape (images,): 1 where at least one true caption of the image was met, else 0; its mean is the share."""
    _same_images(ladders, truths)
    met_any = [
        not set(met).isdisjoint(text for row in truth for text in row)
        for met, truth in zip(ladders, truths, strict=True)
    ]
    return np.array(met_any, dtype=np.float64)


def _same_images(ladders: Sequence[Sequence[str]], truths: Sequence[Truth]) -> None:
    if not ladders or len(ladders) != len(truths):
        raise InputError(f"{len(ladders)} ladders for {len(truths)} images: there must be one each, and at least one.")
