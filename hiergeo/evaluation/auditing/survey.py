"""The survey of a space where points lie: radii, cones, lengths and tiers, from arrays, whatever stores the points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.records import plain
from hiergeo.evaluation.auditing.operating import point_of
from hiergeo.evaluation.auditing.population import CAPTION, Floats, Ids, Items, mean_of
from hiergeo.evaluation.auditing.record import Audit, Numbers
from hiergeo.evaluation.auditing.remarks import Remark, remarks
from hiergeo.evaluation.metrics import Interval
from hiergeo.geometry import Space

BINS, CONE_BINS = 60, 20
"""Bins of the histograms of radii, and of what cones hold."""


@final
@dataclass(frozen=True)
class TierRadii:
    """The radii of the items of one tier: how many, their mean, and how many in each bin of the histogram of all."""

    name: str
    items: int
    mean: float
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
    | `cone_saturated` | share of items whose cone is a half-space |
    | `cone_random` | share of the other items that the cone of an item holds, mean over random cones |
    | `cone_empty` | share of those cones that hold no other item |
    | `word_counts` | different numbers of words among the captions |
    | `length_spearman` | rank correlation of radius and number of words of captions, where both differ |

    Attributes:
        kinds: how many items are captions, and how many images.
        sample: items whose directions were looked at.
        edges: (BINS + 1,) of the histogram of radii, geodesic units.
        counts: (BINS,) items in each bin.
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
                "radius": {"edges": self.edges, "counts": self.counts},
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
    """What a survey is made from: all items, their radii (n, F) in each factor of curvature K, and counts of cones.

    Attributes:
        tiers: names of the tiers; empty if they are unknown.
        copies: items that lie exactly where another one does.
        mean_direction: length of the mean unit direction of a sample.
        sample: items in that sample.
        contained: (m,) how many of all other items the cones of some items hold.
    """

    title: str
    space: Space
    items: Items
    radii: NDArray[np.float32]
    curvatures: Sequence[float]
    tiers: Sequence[str]
    copies: int
    mean_direction: float
    sample: int
    contained: Ids
    audit: Audit | None = None


def survey(source: Surveyed) -> Survey:
    """Survey a space at some items."""
    items = source.items
    factors = source.radii.T
    radius = source.space.geometry.combine([torch.from_numpy(radii) for radii in factors]).double().numpy()
    point = point_of([radii.astype(np.float64) for radii in factors], source.curvatures, source.space.min_radius)
    evidence = Numbers(point.numbers)
    if point.median is not None:
        evidence.intervals["u_median"] = point.median
    evidence.numbers |= {"items": float(len(items)), "copies": float(source.copies)}
    evidence.numbers["mean_direction"] = source.mean_direction
    cones = _add_cones(evidence, source.contained, len(items) - 1)
    _add_length(evidence, items, radius)
    edges = np.histogram_bin_edges(radius, BINS)
    by_tier = tuple(_by_tier(items, radius, edges, source.tiers))
    _add_spread(evidence, radius, by_tier)
    return Survey(
        title=source.title,
        kinds=(int((items.kind == CAPTION).sum()), int((items.kind != CAPTION).sum())),
        sample=source.sample,
        numbers=evidence.numbers,
        intervals=evidence.intervals,
        edges=tuple(edges.tolist()),
        counts=tuple(np.histogram(radius, edges)[0].tolist()),
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


def _add_spread(evidence: Numbers, radius: Floats, by_tier: tuple[TierRadii, ...]) -> None:
    """How much radii differ: from tier to tier, if at least two are known."""
    if len(by_tier) < 2:
        low, high = np.quantile(radius, [0.05, 0.95])
        evidence.numbers["radius_spread"] = _ratio(float(high), float(low))
        return
    means = [tier.mean for tier in by_tier]
    evidence.numbers["radius_spread"] = _ratio(max(means), min(means))


def _ratio(large: float, small: float) -> float:
    return large / small if small > 0 else 1.0 if large == 0 else float("inf")


def _by_tier(items: Items, radius: Floats, edges: Floats, names: Sequence[str]) -> Iterator[TierRadii]:
    for tier, name in enumerate(names):
        own = radius[items.tier == tier]
        if len(own):
            yield TierRadii(name, len(own), float(own.mean()), tuple(np.histogram(own, edges)[0].tolist()))
