"""Captions retrieved for images: ladders, recall by chance and zero-shot classification."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics._checks import checked

Truth = Sequence[Sequence[str]]
"""The chains of one image: of every row, its tiers from general to specific."""


def ladder(indices: ArrayLike, texts: Sequence[str]) -> tuple[str, ...]:
    """Captions retrieved at increasing thresholds, each appended when it differs from the last one appended.

    Args:
        indices: shape (thresholds,), positions in `texts`; negative where no caption is within the threshold.
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
    """Precision and recall, each in [0, 1], of the captions retrieved for one image.

    Precision is the share of distinct retrieved captions that are a tier of any row (0 if there are none); recall is
    the share of tiers for which the caption of some row was retrieved.

    Source: Alper and Averbuch-Elor (ECCV 2024).

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


def ladder_metrics(ladders: Sequence[Sequence[str]], truths: Sequence[Truth]) -> dict[str, np.ndarray]:
    """``precision``, ``recall`` and ``any_hit`` of many images, each of shape (images,)."""
    precision, recall = ladder_scores(ladders, truths)
    return {"precision": precision, "recall": recall, "any_hit": any_hit(ladders, truths)}


def any_hit(ladders: Sequence[Sequence[str]], truths: Sequence[Truth]) -> np.ndarray:
    """Shape (images,): 1 where at least one true caption of the image was retrieved, else 0."""
    _same_images(ladders, truths)
    met_any = [
        not set(met).isdisjoint(text for row in truth for text in row)
        for met, truth in zip(ladders, truths, strict=True)
    ]
    return np.array(met_any, dtype=np.float64)


def _same_images(ladders: Sequence[Sequence[str]], truths: Sequence[Truth]) -> None:
    if not ladders or len(ladders) != len(truths):
        raise InputError(f"{len(ladders)} ladders for {len(truths)} images: there must be one each, and at least one.")


def chance_recall(relevant: ArrayLike, candidates: int, k: int) -> float:
    """Expected R@k in [0, 1] of a random order of the candidates: 1 - C(M - c, k) / C(M, k), averaged over queries.

    Args:
        relevant: (n,) how many of the candidates are relevant to each query, at least 1.
        candidates: M.
        k: at least 1.

    Raises:
        InputError: no queries, or numbers out of range.
    """
    counts = checked("relevant", relevant, ndim=1)
    if counts.min() < 1 or counts.max() > candidates or k < 1:
        raise InputError(f"each query needs from 1 to {candidates} relevant candidates, and k must be at least 1.")
    places = np.arange(min(k, candidates))
    missed = np.clip(candidates - counts[:, None] - places, 0, None) / (candidates - places)
    return float(1 - missed.prod(axis=1).mean())


class ZeroShot(NamedTuple):
    """Accuracies in [0, 1].

    Attributes:
        accuracy: over images.
        mean_per_class: accuracy of each class that has images, averaged over classes.
    """

    accuracy: float
    mean_per_class: float


def accuracies(hits: ArrayLike, labels: ArrayLike) -> ZeroShot:
    """Accuracy and mean per-class accuracy of hits (n,), each 0 or 1, on images of the classes `labels` (n,)."""
    hits, own = np.asarray(hits, dtype=np.float64), np.asarray(labels)
    return ZeroShot(float(hits.mean()), float(np.mean([hits[own == label].mean() for label in np.unique(own)])))
