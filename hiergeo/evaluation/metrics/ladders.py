"""Captions retrieved for images: ladders against the chains of an image, and zero-shot classification."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError

Truth = Sequence[Sequence[str]]  # the chains of one image: of every row, its tiers from general to specific


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
    """Precision and recall of the captions retrieved for one image: see `ladder_scores`."""
    if not truth or not truth[0] or any(len(row) != len(truth[0]) for row in truth):
        raise InputError("the truth of an image must be at least one row of captions, all rows of the same tiers.")
    retrieved = set(met)
    true = {text for row in truth for text in row}
    hits = [not retrieved.isdisjoint(tier) for tier in zip(*truth, strict=True)]
    return len(retrieved & true) / max(1, len(retrieved)), sum(hits) / len(hits)


def ladder_scores(ladders: Sequence[Sequence[str]], truths: Sequence[Truth]) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of the ladders of images, each of shape (images,) in [0, 1].

    Precision is the share of distinct retrieved captions that are a tier of any row of the image (0 if there are none);
    recall is the share of tiers for which the caption of some row was retrieved.

    Args:
        ladders: for each image the captions that were retrieved.
        truths: for each image its chains, of every row the tiers from general to specific.

    Raises:
        InputError: other numbers of ladders than of truths, none, or a truth without rows or with rows of different
            lengths.

    Source: Alper and Averbuch-Elor (ECCV 2024).
    """
    if not ladders or len(ladders) != len(truths):
        raise InputError(f"{len(ladders)} ladders for {len(truths)} images: there must be one each, and at least one.")
    scores = [ladder_precision_recall(met, truth) for met, truth in zip(ladders, truths, strict=True)]
    precision, recall = np.array(scores, dtype=np.float64).T
    return precision, recall


def ladder_metrics(
    ladders: Sequence[Sequence[str]],
    truths: Sequence[Truth],
    is_true: Callable[[int, str], bool] | None = None,
) -> dict[str, np.ndarray]:
    """``precision``, ``recall`` and ``any_hit`` (1 where a true caption was retrieved) of images, each (images,).

    Where `is_true` tells of which images (by position) a caption is true, ``true_of_picture`` is the share of distinct
    retrieved captions that are true of the image, in its chains or not (0 if there are none).
    """
    precision, recall = ladder_scores(ladders, truths)
    metrics = {"precision": precision, "recall": recall, "any_hit": (precision > 0).astype(np.float64)}
    if is_true is not None:
        true = [[is_true(at, text) for text in set(met)] or [False] for at, met in enumerate(ladders)]
        metrics["true_of_picture"] = np.array([np.mean(each) for each in true])
    return metrics
