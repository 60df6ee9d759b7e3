"""The protocol of the paper: ladders of captions under growing radius thresholds.

Source: Alper and Averbuch-Elor (ECCV 2024), section 4, as their evaluation code computes it.
"""

import torch
from torch import Tensor

from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.outcome import Outcome, mean_of
from hiergeo.evaluation.stretches import ladder_indices, row_by_row
from hiergeo.geometry import Space
from hiergeo.metrics import ladder, ladder_scores


def run(embedded: Embedded, space: Space, steps: int, progress: bool) -> Outcome:
    """Precision and recall of the ladders over `steps` thresholds; nothing for a model without images.

    The thresholds run evenly from the smallest to the largest radius of all captions, both included. Candidates are
    ordered by the geodesic distance of the space, in Euclidean space of unit embeddings the order of the cosine.
    """
    if embedded.image is None:
        return Outcome({})
    ladders = climb(embedded.image, embedded.text, embedded.texts, space, steps, progress)
    precision, recall = ladder_scores(ladders, embedded.truths)
    return Outcome({"precision": mean_of(precision), "recall": mean_of(recall)}, ladders=tuple(ladders))


def climb(
    queries: Tensor, candidates: Tensor, texts: tuple[str, ...], space: Space, steps: int, progress: bool
) -> list[tuple[str, ...]]:
    """The ladder of each query (m, D) among the candidate captions (U, D), general to specific."""
    radius = row_by_row(space.radius, candidates).double()
    thresholds = torch.linspace(float(radius.min()), float(radius.max()), steps, dtype=torch.float64)
    indices = ladder_indices(space, queries, candidates, radius, thresholds, "climbing", progress)
    return [ladder(row, texts) for row in indices.cpu().numpy()]
