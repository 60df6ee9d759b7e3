"""ProLIP's protocol: walk from the caption nearest to the image to the root, and read the captions met on the way.

Source: Chun et al., ProLIP (ICLR 2025), as their HierarCaps evaluation computes it.
"""

import torch
from torch import Tensor

from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.outcome import Outcome, mean_of
from hiergeo.evaluation.stretches import nearest
from hiergeo.geometry import Euclidean, Space
from hiergeo.metrics import any_hit, ladder, ladder_scores


def run(embedded: Embedded, space: Space, steps: int, progress: bool) -> Outcome:
    """Precision, recall and any-hit of the captions met.

    The walk is the radial geodesic r (1 - i / steps), i = 0 .. steps - 1. In Euclidean space each point is renormalised
    first, so that captions are met by cosine as in the source.
    """
    assert embedded.image is not None
    begins = nearest(space, embedded.image, embedded.text, "starting", progress)
    starts, walk_of = torch.unique(begins, return_inverse=True)
    points = walk(embedded.text[starts], space, steps)
    met = nearest(space, points.flatten(0, 1), embedded.text, "walking", progress).view(len(starts), steps)
    ladders = [ladder(met[i].flip(0).numpy(), embedded.texts) for i in walk_of.tolist()]
    precision, recall = ladder_scores(ladders, embedded.truths)
    hits = any_hit(ladders, embedded.truths)
    statistics = {"precision": mean_of(precision), "recall": mean_of(recall), "any_hit": mean_of(hits)}
    return Outcome(statistics, ladders=tuple(ladders))


def walk(start: Tensor, space: Space, steps: int) -> Tensor:
    """The points met between the embeddings `start` (n, D) and the root, start included: (n, steps, D)."""
    assert space.root is not None
    left = 1 - torch.arange(steps, dtype=start.dtype) / steps
    points = space.root + left[:, None] * (start - space.root)[:, None, :]
    return torch.nn.functional.normalize(points, dim=-1) if isinstance(space.geometry, Euclidean) else points
