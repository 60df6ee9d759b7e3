"""The survey of a space where points lie: radii, cones, lengths and tiers, from arrays, whatever stores the points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.records import plain
from hiergeo.evaluation.auditing.operating import point_of
from hiergeo.evaluation.auditing.population import CAPTION, Ids, Items, mean_of
from hiergeo.evaluation.auditing.record import Audit, Numbers
from hiergeo.evaluation.auditing.remarks import Remark, remarks
from hiergeo.evaluation.metrics import Interval
from hiergeo.geometry import Space
from hiergeo.geometry.disk import Floats, Plane

BINS, CONE_BINS = 60, 20
"""Bins of the histograms of radii, and of what cones hold."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the radii of a tier."""


@final
class TierOrder:
    """How radii order the items of different tiers: all pairs of them, which are not enumerated.

    Args:
        radii: (n,).
        tiers: (n,) from 0, general, to specific; pairs with an item of tier -1 do not count.
        strata: (n,) integers, such as numbers of words: only pairs that agree in them count. None is all pairs.
    """

    def __init__(self, radii: NDArray[Any], tiers: NDArray[Any], strata: NDArray[Any] | None = None) -> None:
        known = np.flatnonzero(tiers >= 0)
        strata = np.zeros(len(tiers), np.int64) if strata is None else strata
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, int]]] = []
        for stratum in np.unique(strata[known]):
            members = known[strata[known] == stratum]
            levels, level = np.unique(radii[members], return_inverse=True)
            shape = int(tiers[members].max()) + 1, len(levels)
            if tiers[members].min() < tiers[members].max():
                self._parts.append((members, tiers[members].astype(np.int64) * len(levels) + level, shape))

    @property
    def pairs(self) -> float:
        """How many pairs there are."""
        return self._sums(None)[1]

    def value(self, counts: NDArray[Any] | None = None) -> float:
        """Share of the pairs whose more specific item has the larger radius, less that where it has the smaller one.

        In [-1, 1]; NaN without pairs.

        Args:
            counts: (n,) how often each item counts; None is once.
        """
        surplus, pairs = self._sums(counts)
        return surplus / pairs if pairs else float("nan")

    def _sums(self, counts: NDArray[Any] | None) -> tuple[float, float]:
        surplus = pairs = 0.0
        for members, cell, shape in self._parts:
            weights = None if counts is None else counts[members]
            mass = np.bincount(cell, weights, shape[0] * shape[1]).reshape(shape).astype(np.float64)
            whole = mass.sum(axis=1)
            for specific in range(1, shape[0]):
                level = mass[:specific].sum(axis=0)
                below = np.cumsum(level)
                surplus += float(mass[specific] @ (2 * below - level - below[-1]))
                pairs += float(whole[specific] * below[-1])
        return surplus, pairs


@final
@dataclass(frozen=True)
class TierRadii:
    """The radii of the items of one tier.

    Attributes:
        name: of the tier.
        items: how many there are.
        mean: radius, geodesic units.
        quantiles: `QUANTILES` of the radii.
        counts: (BINS,) items in each bin of the histogram of all radii.
    """

    name: str
    items: int
    mean: float
    quantiles: tuple[float, ...]
    counts: tuple[int, ...]


@final
@dataclass(frozen=True)
class Survey:
    """What a space is like where the items of a collection lie.

    `numbers`, with 95 % intervals of those that a sample or a bootstrap was used for:

    | name | |
    |---|---|
    | `items`, `copies` | items, and how many lie exactly where another one does |
    | `radius_spread` | largest over smallest mean radius of a tier; of unknown tiers, 95 % over 5 % quantile |
    | `u_median`, `bend_high`, ... | the operating point, as in an audit: `point_of` |
    | `mean_direction` | length of the mean unit direction of a sample, in [0, 1] |
    | `plane_share` | share of the variance of its directions in the plane of the map |
    | `cone_saturated` | share of items whose cone is a half-space |
    | `cone_random` | share of the other items that the cone of an item holds, mean over random cones |
    | `cone_empty` | share of those cones that hold no other item |
    | `word_counts` | different numbers of words among the captions |
    | `length_spearman` | rank correlation of radius and number of words of captions, where both differ |
    | `tier_order` | order of tiers by radius over pairs of items, in [-1, 1]: `TierOrder` |
    | `tier_order_words` | the same by numbers of words |
    | `tier_order_equal_length` | the same among captions of equally many words |
    | `tier_pairs_equal_length` | the pairs of which |

    Attributes:
        title: of the lens.
        kinds: how many items are captions, and how many images.
        sample: items whose directions were looked at.
        numbers: see above; those that do not apply are left out.
        intervals: by the same names.
        edges: (BINS + 1,) of the histogram of radii, geodesic units.
        counts: (BINS,) items in each bin.
        quantiles: the 0, 1, ..., 100 % quantiles of the radii.
        cones: how many of the sampled cones hold 0 to 5 %, 5 to 10 %, ... of the others.
        tiers: radii by tier; empty if tiers are unknown.
        audit: of the hierarchy that the captions are from; None if it is unknown or not stored.
    """

    title: str
    kinds: tuple[int, int]
    sample: int
    numbers: dict[str, float]
    intervals: dict[str, Interval]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    quantiles: tuple[float, ...]
    cones: tuple[int, ...]
    tiers: tuple[TierRadii, ...]
    audit: Audit | None

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """The findings; that of the audit comes first."""
        return tuple(remarks(self.numbers, self.intervals, self.audit))

    def as_dict(self) -> dict[str, Any]:
        """JSON values; numbers that are not finite are null."""
        document: dict[str, Any] = plain(
            {
                "title": self.title,
                "items": sum(self.kinds),
                "captions": self.kinds[0],
                "images": self.kinds[1],
                "sample": self.sample,
                "numbers": self.numbers,
                "intervals": {name: list(interval) for name, interval in self.intervals.items()},
                "radius": {"edges": self.edges, "counts": self.counts, "quantiles": self.quantiles},
                "cones": self.cones,
                "tiers": self.tiers,
                "findings": self.remarks,
                "audit": None if self.audit is None else self.audit.as_dict(),
            }
        )
        return document


@final
@dataclass(frozen=True, eq=False)
class Surveyed:
    """What a survey is made from.

    Attributes:
        title: of the space.
        space: where the items lie.
        items: all of them.
        radii: (n, F) of the items in each factor, geodesic units.
        curvatures: signed K of each factor.
        tiers: names of the tiers; empty if they are unknown.
        copies: items that lie exactly where another one does.
        plane: of the directions of a sample.
        sample: items in that sample.
        contained: (m,) how many of all other items the cones of some items hold.
        audit: of the hierarchy that the captions are from; None if there is none.
    """

    title: str
    space: Space
    items: Items
    radii: NDArray[np.float32]
    curvatures: Sequence[float]
    tiers: Sequence[str]
    copies: int
    plane: Plane
    sample: int
    contained: Ids
    audit: Audit | None = None


def survey(source: Surveyed) -> Survey:
    """Survey a space at some items."""
    items = source.items
    radius = source.space.geometry.combine([torch.from_numpy(each) for each in source.radii.T]).double().numpy()
    point = point_of([each.astype(np.float64) for each in source.radii.T], source.curvatures, source.space.min_radius)
    evidence = Numbers(point.numbers)
    evidence.intervals["u_median"] = point.median
    evidence.numbers |= {"items": float(len(items)), "copies": float(source.copies)}
    evidence.numbers |= {"mean_direction": source.plane.mean, "plane_share": source.plane.share}
    cones = _add_cones(evidence, source.contained, len(items) - 1)
    _add_length(evidence, items, radius)
    edges = np.histogram_bin_edges(radius, BINS)
    by_tier = tuple(_by_tier(items, radius, edges, source.tiers))
    _add_order(evidence, items, radius, by_tier)
    return Survey(
        title=source.title,
        kinds=(int((items.kind == CAPTION).sum()), int((items.kind != CAPTION).sum())),
        sample=source.sample,
        numbers=evidence.numbers,
        intervals=evidence.intervals,
        edges=tuple(edges.tolist()),
        counts=tuple(np.histogram(radius, edges)[0].tolist()),
        quantiles=tuple(np.quantile(radius, np.linspace(0, 1, 101)).tolist()),
        cones=cones,
        tiers=by_tier,
        audit=source.audit,
    )


def _add_cones(evidence: Numbers, contained: Ids, others: int) -> tuple[int, ...]:
    """How many of all other items some cones hold, (n,); returns the histogram of the shares."""
    if not others:
        return (0,) * CONE_BINS
    shares = contained / others
    evidence.add("cone_random", mean_of(shares))
    evidence.add("cone_empty", mean_of((contained == 0).astype(np.float64)))
    return tuple(np.histogram(shares, np.linspace(0, 1, CONE_BINS + 1))[0].tolist())


def _add_length(evidence: Numbers, items: Items, radius: Floats) -> None:
    """How far radii follow the number of words of captions."""
    worded = items.words > 0
    words, own = items.words[worded], radius[worded]
    if len(words):
        evidence.numbers["word_counts"] = float(len(np.unique(words)))
    if len(words) and np.ptp(words) and np.ptp(own):
        evidence.add("length_spearman", items.take(worded).correlation(words, own))


def _add_order(evidence: Numbers, items: Items, radius: Floats, by_tier: tuple[TierRadii, ...]) -> None:
    """How radii order the tiers, if at least two are known, and how much they differ."""
    if len(by_tier) < 2:
        low, high = np.quantile(radius, [0.05, 0.95])
        evidence.numbers["radius_spread"] = _ratio(float(high), float(low))
        return
    means = [each.mean for each in by_tier]
    evidence.numbers["radius_spread"] = _ratio(max(means), min(means))
    known, own = items.take(items.tier >= 0), radius[items.tier >= 0]
    evidence.numbers["tier_order_words"] = TierOrder(known.words, known.tier).value()
    evidence.add("tier_order", known.measured(lambda some: TierOrder(own[some], known.tier[some]).value))
    pairs = TierOrder(own, known.tier, known.words).pairs
    if pairs:
        evidence.numbers["tier_pairs_equal_length"] = pairs
        measured = known.measured(lambda some: TierOrder(own[some], known.tier[some], known.words[some]).value)
        evidence.add("tier_order_equal_length", measured)


def _ratio(large: float, small: float) -> float:
    return large / small if small > 0 else 1.0 if large == 0 else float("inf")


def _by_tier(items: Items, radius: Floats, edges: Floats, names: Sequence[str]) -> Iterator[TierRadii]:
    for tier, name in enumerate(names):
        own = radius[items.tier == tier]
        if len(own):
            counts, quantiles = np.histogram(own, edges)[0].tolist(), np.quantile(own, QUANTILES).tolist()
            yield TierRadii(name, len(own), float(own.mean()), tuple(quantiles), tuple(counts))
