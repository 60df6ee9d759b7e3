"""Confidence of edges: the share of pairs of items at matched radii that do no better.

Scores of pairs depend on how far both items are from the root: cones are wide near the root, angles and distances grow
outwards. An edge is therefore compared with pairs drawn at random whose child and whose parent have about the radii of
its own: both lie in the same of `BINS` bins of equal mass.
"""

from itertools import pairwise
from typing import final

import numpy as np
import torch
from torch import Tensor

from hiergeo.geometry import Space
from hiergeo.geometry.space import By
from hiergeo.search import Rows
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.taxonomy.linking import Links, RadialOrder, goodness, pair_scores

SAMPLE = 1 << 12
"""Items whose pairs are the null."""

BINS = 16
"""Bins of radius."""

BIN_ITEMS = 16
"""Items of the sample in a bin, at least."""


@final
class Null:
    """Scores of pairs of random items, by the radii of both.

    Args:
        scores: for each pair of bins (child, parent), parent <= child, goodness of its pairs, (p,) ascending; larger is
            better.
        edges: (bins - 1,) radii between bins, ascending.
    """

    def __init__(self, scores: dict[tuple[int, int], Tensor], edges: Tensor) -> None:
        self.scores, self.edges = scores, edges

    @classmethod
    def of(cls, store: ExactStore, space: Space, order: RadialOrder, by: By, seed: int = 0) -> "Null":
        """The null of all pairs among `SAMPLE` items drawn at random, whose second has the smaller radius."""
        rows = _sample(store, order, seed)
        radius, points = rows.radius(space.geometry), rows.points(space.geometry)
        bins = max(1, min(BINS, len(rows) // BIN_ITEMS))
        cuts = [len(rows) * at // bins for at in range(bins + 1)]
        parts = [slice(start, stop) for start, stop in pairwise(cuts)]
        scores = {}
        for child, low in enumerate(parts):
            for parent, high in enumerate(parts[: child + 1]):
                good = goodness(pair_scores(space, points.rows(high), points.rows(low), by), by)
                below = radius[high, None] < radius[low]
                scores[child, parent] = good[below].sort().values
        return cls(scores, radius[cuts[1:-1]])

    def confidence(self, links: Links) -> np.ndarray:
        """The share in [0, 1] of null pairs that each edge is at least as good as, (n, k); NaN where there is no edge.

        It is 1 where there are no pairs to compare with.
        """
        bins = torch.bucketize(links.order.radius, self.edges, right=True)
        above = bins[links.parent.clamp_min(0)]
        found = torch.full(links.parent.shape, torch.nan, dtype=torch.float64)
        good = goodness(links.score, links.by)
        for (child, parent), scores in self.scores.items():
            here = (links.parent >= 0) & (bins[:, None] == child) & (above == parent)
            rank = torch.searchsorted(scores, good[here].contiguous(), right=True)
            found[here] = rank.double() / len(scores) if len(scores) else 1.0
        return found.numpy()


def _sample(store: ExactStore, order: RadialOrder, seed: int) -> Rows:
    """`SAMPLE` items at random, in order of radius, or all of them."""
    generator = np.random.default_rng(seed)
    drawn = np.sort(generator.choice(len(order), min(SAMPLE, len(order)), replace=False))
    return order.rows(store.scan(), torch.from_numpy(drawn))
