"""What is usual among the items of a lens: what a query, a cone and a margin are compared with."""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from hiergeo._core.records import plain
from hiergeo.evaluation.auditing.population import IMAGE, Ids, shuffled
from hiergeo.geometry import Points, Space
from hiergeo.geometry.disk import Floats
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.items import radii_of, read_items
from hiergeo.search.sweep import Best, Count, run

PAIRS, FEWEST, MOST = 50_000_000, 128, 1024
"""Pairs of a sampled item and one that it is compared with; sampled items, at least, at most."""

LEVELS = 1000
"""Levels at which the distribution of margins is kept."""

FAR = 0.01
"""Share of the items that are farther from their nearest other item than the reach."""

EMPTY = 0.9
"""Share of empty cones above which a margin does not decide whether one item entails another."""

SPREAD = 0.01
"""Relative difference of the 5 and the 95 % quantile of the radii below which they do not spread."""


@final
@dataclass(frozen=True, eq=False)
class Background:
    """What is usual among the items of a lens.

    Attributes:
        climbs: whether radii spread, so that there are ladders.
        pictures: whether some items are images without a caption.
        reach: distance to its nearest item beyond which nothing is near a query, geodesic units; None for fewer items
            than tell.
        sampled: items whose cones, and nearest other items, were looked for among all.
        empty: share of their cones that hold no other item, in [0, 1].
        pairs: of these items, whose margins were measured, the item of smaller radius at the apex.
        margins: (LEVELS + 1,) quantiles of these margins, ascending, radians.
    """

    climbs: bool
    pictures: bool
    reach: float | None
    sampled: int
    empty: float
    pairs: int
    margins: Floats

    def entails(self, margin: float) -> bool | None:
        """Whether a margin says that the item at the apex entails the other; None where nearly all cones are empty."""
        return None if self.empty > EMPTY or math.isnan(margin) else margin >= 0

    def rank(self, margin: float) -> float:
        """Share of the random pairs that are farther from entailing than a pair of this margin, in steps of 0.001."""
        below = int(np.searchsorted(self.margins, margin))
        return float("nan") if math.isnan(margin) else max(0, below - 1) / LEVELS

    def is_far(self, distance: float, kind: str) -> bool | None:
        """Whether nothing is near a query, by the distance to its nearest item.

        None where it cannot be told: there are too few items, or the query is a photo and no item is one, since models
        embed pictures apart from captions.
        """
        if self.reach is None or (kind == "image" and not self.pictures):
            return None
        return distance > self.reach

    def facts(self) -> dict[str, Any]:
        """What answers rest on, in values of JSON."""
        cones = {"empty": self.empty, "sampled": self.sampled, "decide": self.empty <= EMPTY, "pairs": self.pairs}
        return {"climbs": self.climbs, "reach": plain(self.reach), "cones": cones}


def background_of(lens: Lens, generation: int) -> Background:
    """Measure the items of a lens; the sample is the same whenever the items are the same.

    A query is far where its nearest item is farther than all but the share `FAR` of the items are from their nearest
    other one. Were it drawn like the items, that would happen with a probability of at most `FAR` (split conformal
    prediction; Vovk et al., Algorithmic Learning in a Random World, 2005).

    Args:
        lens: it.
        generation: of its index, which tells what was measured before the items changed.
    """
    store, space = lens.index.store.pinned(), lens.space
    items = read_items(store)
    ids, radius = items.ids, radii_of(store, items, space.geometry)
    low, high = np.quantile(radius, (0.05, 0.95))
    some = ids[shuffled(ids)[: int(np.clip(PAIRS // len(ids), FEWEST, MOST))]]
    points = store.fetch(torch.from_numpy(some)).points(space.geometry, lens.index.device)
    near, cones = Best(space, points, 2, "distance"), Count(space, points)
    run(store.stream(), [near, cones], lens.index.device)
    margins = _margins(space, points)
    levels = np.linspace(0, 1, LEVELS + 1)
    return Background(
        climbs=bool(high - low > SPREAD * high),
        pictures=bool((items.kind == IMAGE).any()),
        reach=_reach(near, some),
        sampled=len(some),
        empty=float((cones.total <= 1).cpu().double().mean()),
        pairs=len(margins),
        margins=np.quantile(margins, levels) if len(margins) else np.zeros(len(levels)),
    )


def _reach(near: Best, ids: Ids) -> float | None:
    """The distance that a share `FAR` of some items (n,) at most is beyond, from the two items nearest to each."""
    assert near.matches is not None
    rank = math.ceil((len(ids) + 1) * (1 - FAR))
    if rank > len(ids) or near.matches.ids.shape[1] < 2:
        return None
    itself = near.matches.ids[:, 0] == torch.from_numpy(ids)
    others = torch.where(itself, near.matches.values[:, 1], near.matches.values[:, 0])
    return float(others.sort().values[rank - 1])


def _margins(space: Space, points: Points) -> Floats:
    """Margins (m,) of all pairs of some points whose radii differ, of each the one of smaller radius at the apex."""
    outwards = points.radius[:, None] < points.radius
    return np.asarray(space.pairwise_margin(points, points)[outwards].cpu().double().numpy())
