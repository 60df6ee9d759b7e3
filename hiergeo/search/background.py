"""What is usual among the items of an index in a space: what a query, a cone and a margin are compared with."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, final

import numpy as np
import torch

from hiergeo._core.records import plain
from hiergeo.evaluation.auditing.population import Floats, shuffled
from hiergeo.geometry import Points, Space
from hiergeo.search.layout import Manifest
from hiergeo.search.shards import Labels
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Count, Steps, run

PAIRS, FEWEST, MOST = 50_000_000, 128, 1024
"""Pairs of a sampled item and one that it is compared with; sampled items, at least, at most."""

LEVELS = 1000
"""Levels at which the distribution of margins is kept."""

FAR = 0.01
"""Share of the items that are farther than the reach from the nearest item that is clearly more general."""

SHELLS, APART = 16, 4
"""Shells of equally many items, by radius; shells that lie between an item and what is clearly more general."""

EMPTY = 0.9
"""Share of empty cones above which a margin does not decide whether one item entails another."""

SPREAD = 0.01
"""Relative difference of the 5 and the 95 % quantile of the radii below which they do not spread."""

SAME = 1e-5
"""Distance below which an item is the query itself: the same caption embedded twice differs by rounding."""

CHANGED = 0.1
"""Share of the items that may come or go before what is usual is measured again."""

SPACES = 16
"""Spaces of an index whose backgrounds are kept."""


@final
@dataclass(frozen=True, eq=False)
class Background:
    """What is usual among the items of an index in a space.

    Attributes:
        climbs: whether radii spread, so that there are ladders.
        reach: distance to its nearest item beyond which nothing is near a query, geodesic units, of a "text" and of an
            "image"; None for fewer items of that kind than tell.
        sampled: items whose cones, and nearest more general items, were looked for among all.
        empty: share of their cones that hold no other item, in [0, 1].
        pairs: of these items, whose margins were measured, the item of smaller radius at the apex.
        margins: (LEVELS + 1,) quantiles of these margins, ascending, radians.
    """

    climbs: bool
    reach: dict[str, float | None]
    sampled: int
    empty: float
    pairs: int
    margins: Floats

    def verdicts(self, margin: Sequence[float], distance: Sequence[float]) -> tuple[list[bool | None], list[Any]]:
        """What margins (n,), radians, of pairs at some distances (n,) say.

        Returns:
            entails: whether the item at the apex entails the other; None where nearly all cones are empty.
            quantile: share of the random pairs that are farther from entailing, in [0, 1], in steps of 0.001.

        Of an item and itself nothing is said: both are None.
        """
        below = np.maximum(self.margins.searchsorted(np.asarray(margin)) - 1, 0) / LEVELS
        apart = [not (away < SAME or math.isnan(width)) for width, away in zip(margin, distance, strict=True)]
        decided = self.empty <= EMPTY
        entails = [width >= 0 if other and decided else None for width, other in zip(margin, apart, strict=True)]
        return entails, [share if other else None for share, other in zip(below.tolist(), apart, strict=True)]

    def facts(self) -> dict[str, Any]:
        """What answers rest on, in values of JSON."""
        cones = {"empty": self.empty, "sampled": self.sampled, "decide": self.empty <= EMPTY, "pairs": self.pairs}
        return {"climbs": self.climbs, "reach": plain(self.reach), "cones": cones}


@final
class Backgrounds:
    """What is usual in the spaces that an index is searched in; measured when it is first needed, and when it changed.

    Args:
        device: where pairs are measured.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._lock = device, Lock()
        self._measured: OrderedDict[tuple[str, float], tuple[Manifest, Background]] = OrderedDict()

    def of(self, store: ExactStore, space: Space, min_radius: float | None = None) -> Background:
        """What is usual in a space whose cones are of this scale; by default of the space's own."""
        least = space.min_radius if min_radius is None else min_radius
        key = space.geometry.spec, least
        with self._lock:
            last = self._measured.get(key)
            if last is None or _changed(last[0], store.manifest) > CHANGED * store.manifest.rows:
                self._measured[key] = store.manifest, background_of(store, space, self._device, least)
            self._measured.move_to_end(key)
            if len(self._measured) > SPACES:
                self._measured.popitem(last=False)
            return self._measured[key][1]


def _changed(before: Manifest, after: Manifest) -> int:
    """How many items came or went, by shards; those that are written again count as both."""
    one, other = ({shard.name: shard.rows - shard.deleted for shard in of.shards} for of in (before, after))
    return sum(abs(one.get(name, 0) - other.get(name, 0)) for name in one.keys() | other.keys())


def background_of(
    store: ExactStore, space: Space, device: torch.device | str = "cpu", min_radius: float | None = None
) -> Background:
    """Measure the items of a store, at least one; the sample is the same whenever the items are the same.

    A query is far where its nearest item is farther than all but the share `FAR` of the items of its kind, captions or
    pictures, are from the nearest item that is clearly more general, about one tier of four. Nearest items of any
    radius would be nearer, as many captions are stored almost twice, and queries are not. Were a query drawn like the
    items, it would be far with a probability of at most about `FAR` (split conformal prediction; Vovk et al.,
    Algorithmic Learning in a Random World, 2005). A law without distances has no reach, and one without margins no
    cones that decide.
    """
    store = store.pinned()
    parts = [(ids, space.geometry.combine(list(radii.unbind(1))).numpy()) for ids, radii in store.radii()]
    ids, radius = (np.concatenate(column) for column in zip(*parts, strict=True))
    ids.sort()
    low, high = np.quantile(radius, (0.05, 0.95))
    some = ids[shuffled(ids)[: int(np.clip(PAIRS // len(ids), FEWEST, MOST))]]
    points = store.fetch(torch.from_numpy(some)).points(space.geometry, device)
    has = space.geometry.measures
    shells = torch.from_numpy(np.quantile(radius, np.arange(1, SHELLS) / SHELLS))
    near = Steps(space, points, shells) if "distance" in has else None
    cones = Count(space, points, min_radius) if "margin" in has else None
    run(store.stream(), [of for of in (near, cones) if of is not None], device)
    margins = np.empty(0) if cones is None else _margins(space, points, min_radius)
    levels = np.linspace(0, 1, LEVELS + 1)
    return Background(
        climbs=bool(high - low > SPREAD * high),
        reach=_reach(near, store.labels(torch.from_numpy(some))),
        sampled=len(some),
        empty=1.0 if cones is None else float((cones.total <= 1).cpu().double().mean()),
        pairs=len(margins),
        margins=np.quantile(margins, levels) if len(margins) else np.zeros(len(levels)),
    )


def _reach(near: Steps | None, labels: Labels) -> dict[str, float | None]:
    """The distance that a share `FAR` at most of some captions, and of some pictures, is from what is more general."""
    reach: dict[str, float | None] = {"text": None, "image": None}
    if near is None or near.matches is None:
        return reach
    shell = torch.searchsorted(near.thresholds, near.x.radius.cpu().double()) - APART
    away = near.matches.values.gather(1, shell.clamp_min(0)[:, None])[:, 0]
    named = zip(labels.captions, labels.images, strict=True)
    pictured = torch.tensor([caption is None and image is not None for caption, image in named])
    for kind, of_kind in (("text", ~pictured), ("image", pictured)):
        held = away[of_kind & (shell >= 0) & away.isfinite()].sort().values
        rank = math.ceil((len(held) + 1) * (1 - FAR))
        reach[kind] = float(held[rank - 1]) if rank <= len(held) else None
    return reach


def _margins(space: Space, points: Points, min_radius: float | None) -> Floats:
    """Margins (m,) of all pairs of some points whose radii differ, of each the one of smaller radius at the apex."""
    outwards = points.radius[:, None] < points.radius
    return np.asarray(space.pairwise_margin(points, points, min_radius)[outwards].cpu().double().numpy())
