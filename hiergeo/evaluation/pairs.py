"""Entailment as a binary question: does the score tell a caption's child from a contradicting caption.

Positives are (p_i, p_{i+1}), negatives (p_i, n_i), i = 0 .. T - 2, pooled over tiers, as in the RE loss; with sibling
negatives they are (p_i, n_{i+1}).
"""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.outcome import Outcome, Statistic
from hiergeo.evaluation.stretches import row_by_row
from hiergeo.geometry import Product, Space
from hiergeo.metrics import Ranking, Roc


def run(embedded: Embedded, space: Space, steps: int, progress: bool) -> Outcome:
    """AUROC and average precision by -Xi and by the cone margin, for both kinds of negatives.

    A product has no single exterior angle: there the margin alone is scored. `steps` and `progress` play no part.
    """
    assert embedded.contradicting is not None
    return score(embedded.captions, embedded.chains, embedded.contradicting, space)


def score(captions: Tensor, positive: Tensor, negative: Tensor, space: Space) -> Outcome:
    """The protocol on chains, (n, T) positions among embeddings `captions` (V, D); the space has its root."""
    parent, child = positive[:, :-1], positive[:, 1:]
    negatives = {"": negative[:, :-1], "_sibling": negative[:, 1:]}

    def scored(by: Callable[[Tensor, Tensor], Tensor], other: Tensor) -> np.ndarray:
        scores = row_by_row(lambda x, y: by(captions[x], captions[y]), parent.flatten(), other.flatten())
        return scores.view(parent.shape).numpy()

    statistics: dict[str, Statistic] = {}
    numbers: dict[str, float] = {}
    rocs: dict[str, Roc] = {}
    for name, by in _scores(space).items():
        true = scored(by, child)
        for kind, wrong in negatives.items():
            ranking = Ranking(true, scored(by, wrong))
            statistics[f"auroc{name}{kind}"] = Statistic(len(true), ranking.auroc)
            statistics[f"average_precision{name}{kind}"] = Statistic(len(true), ranking.average_precision)
            numbers[f"score_ties{name}{kind}"] = ranking.tie_share()
            rocs[f"auroc{name}{kind}"] = ranking.roc()
    return Outcome(statistics, numbers, rocs=rocs)


def _scores(space: Space) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    def by_angle(x: Tensor, y: Tensor) -> Tensor:
        return -space.exterior_angle(x, y)

    def by_margin(x: Tensor, y: Tensor) -> Tensor:
        return space.margin(x, y)

    return {"_margin": by_margin} if isinstance(space.geometry, Product) else {"": by_angle, "_margin": by_margin}
