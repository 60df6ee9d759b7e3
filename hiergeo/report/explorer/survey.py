"""The audit of a space in sight: what the stored items of a lens say of it, without embedding anything."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.auditing import Audit
from hiergeo.evaluation.auditing.operating import half_spaces, point_of
from hiergeo.evaluation.findings.exports import plain
from hiergeo.evaluation.metrics import Interval
from hiergeo.geometry.disk import Floats, plane
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.items import CAPTION, Ids, Items, Measured, factor_radii, mean_of, read_items
from hiergeo.report.explorer.mapping import SAMPLE, tangents
from hiergeo.report.explorer.remarks import Remark, remarks
from hiergeo.report.explorer.stored_audit import audit_of
from hiergeo.report.explorer.tiers import TierOrder, Tiers
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Count, run

FEWEST, APEXES = 100, 1024
"""Items whose cones are looked into, whatever their number."""

PAIRS = 100_000_000
"""Pairs of a cone and an item that is looked for in it."""

BINS, CONE_BINS = 60, 20
"""Bins of the histograms of radii, and of what cones hold."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the radii of a tier."""

ROWS = 4096
"""Rows that are compared for copies at a time."""


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

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "items": self.items,
            "mean": self.mean,
            "quantiles": list(self.quantiles),
            "counts": list(self.counts),
        }


@final
@dataclass(frozen=True)
class Survey:
    """What a space is like where the items of a collection lie.

    `numbers`, with 95 % intervals of those that a sample or a bootstrap was used for:

    | name | |
    |---|---|
    | `items`, `copies` | items, and how many lie exactly where another one does |
    | `radius_spread` | largest over smallest mean radius of a tier; of unknown tiers, 95 % over 5 % quantile |
    | `u_median`, `bend_high`, ... | the operating point, as in an audit: `auditing.operating.point_of` |
    | `mean_direction` | length of the mean unit direction of a sample, in [0, 1] |
    | `plane_share` | share of the variance of its directions in the plane of the map |
    | `cone_saturated` | share of items whose cone is a half-space |
    | `cone_random` | share of the other items that the cone of an item holds, mean over random cones |
    | `cone_empty` | share of those cones that hold no other item |
    | `word_counts` | different numbers of words among the captions |
    | `length_spearman` | rank correlation of radius and number of words of captions, where both differ |
    | `tier_order` | order of tiers by radius over pairs of items, in [-1, 1]: `explorer.tiers.TierOrder` |
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
        u_quantiles: those of u = sqrt(|K|) r.
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
    u_quantiles: tuple[float, ...]
    cones: tuple[int, ...]
    tiers: tuple[TierRadii, ...]
    audit: Audit | None

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """The findings; that of the audit comes first."""
        return tuple(remarks(self.numbers, self.intervals, self.audit))

    def as_dict(self) -> dict[str, Any]:
        """JSON values; numbers that are not finite are null."""
        held: dict[str, Any] = plain(
            {
                "title": self.title,
                "items": sum(self.kinds),
                "captions": self.kinds[0],
                "images": self.kinds[1],
                "sample": self.sample,
                "numbers": self.numbers,
                "intervals": {name: list(interval) for name, interval in self.intervals.items()},
                "radius": {"edges": self.edges, "counts": self.counts, "quantiles": self.quantiles},
                "u_quantiles": self.u_quantiles,
                "cones": self.cones,
                "tiers": [each.as_dict() for each in self.tiers],
                "findings": [each.as_dict() for each in self.remarks],
                "audit": None if self.audit is None else self.audit.as_dict(),
            }
        )
        return held


def survey_of(lens: Lens, tiers: Tiers | None = None, hierarchy: Hierarchy | None = None) -> Survey:
    """Survey the space of a lens.

    Radii are those of all items. Directions are those of a random sample, the same whenever the items are the same;
    the cones of some of it are looked for among all items: of as many as `PAIRS` allows, `FEWEST` to `APEXES`.

    Args:
        lens: the items and their space.
        tiers: of the captions.
        hierarchy: that they are from: it is audited as far as its captions are stored.
    """
    store, space = lens.index.store.pinned(), lens.space
    items = read_items(store, tiers)
    factors = factor_radii(store, items)
    parts = space.geometry.parts(store.manifest.frame.dim)
    curvatures = [factor.value for factor, _ in parts]
    radius = space.geometry.combine([torch.from_numpy(each) for each in factors.T]).double().numpy()
    wide = [each.astype(np.float64) for each in factors.T]
    point = point_of(wide, curvatures)
    found = _Found(point.numbers | {"items": float(len(items))}, {"u_median": point.median})
    found.numbers["cone_saturated"] = float(half_spaces(wide, curvatures, space.min_radius).mean())
    found.numbers["copies"] = float(_copies(store))
    sample = items.sample(SAMPLE)
    points = store.fetch(torch.from_numpy(sample)).points(space.geometry)
    flat = plane(tangents(points))
    found.numbers.update(mean_direction=flat.mean, plane_share=flat.share)
    apexes = points.rows(slice(0, int(np.clip(PAIRS // max(len(items), 1), FEWEST, APEXES))))
    counted = Count(space, apexes)
    run(store.stream(), [counted], lens.index.device)
    cones = found.add_cones(counted.total.numpy() - 1, len(items) - 1)
    found.add_length(items, radius)
    edges = np.histogram_bin_edges(radius, BINS)
    by_tier = tuple(_by_tier(items, radius, edges, tiers))
    found.add_order(items, radius, by_tier)
    return Survey(
        title=lens.title,
        kinds=(int((items.kind == CAPTION).sum()), int((items.kind != CAPTION).sum())),
        sample=len(sample),
        numbers=found.numbers,
        intervals=found.intervals,
        edges=tuple(edges.tolist()),
        counts=tuple(np.histogram(radius, edges)[0].tolist()),
        quantiles=tuple(np.quantile(radius, np.linspace(0, 1, 101)).tolist()),
        u_quantiles=point.quantiles,
        cones=cones,
        tiers=by_tier,
        audit=None if hierarchy is None else audit_of(lens, hierarchy),
    )


@dataclass(frozen=True)
class _Found:
    """Numbers and intervals as they are gathered."""

    numbers: dict[str, float]
    intervals: dict[str, Interval]

    def add(self, name: str, value: Measured) -> None:
        self.numbers[name], self.intervals[name] = value.value, value.interval

    def add_cones(self, held: Ids, others: int) -> tuple[int, ...]:
        """How many of all other items some cones hold, (n,); returns the histogram of the shares."""
        if not others:
            return (0,) * CONE_BINS
        shares = held / others
        self.add("cone_random", mean_of(shares))
        self.add("cone_empty", mean_of((held == 0).astype(np.float64)))
        return tuple(np.histogram(shares, np.linspace(0, 1, CONE_BINS + 1))[0].tolist())

    def add_length(self, items: Items, radius: Floats) -> None:
        """How far radii follow the number of words of captions."""
        worded = items.words > 0
        words, own = items.words[worded], radius[worded]
        if len(words):
            self.numbers["word_counts"] = float(len(np.unique(words)))
        if len(words) and np.ptp(words) and np.ptp(own):
            self.add("length_spearman", items.take(worded).correlation(words, own))

    def add_order(self, items: Items, radius: Floats, by_tier: tuple[TierRadii, ...]) -> None:
        """How radii order the tiers, if at least two are known, and how much they differ."""
        if len(by_tier) < 2:
            low, high = np.quantile(radius, [0.05, 0.95])
            self.numbers["radius_spread"] = _ratio(float(high), float(low))
            return
        means = [each.mean for each in by_tier]
        self.numbers["radius_spread"] = _ratio(max(means), min(means))
        known, own = items.take(items.tier >= 0), radius[items.tier >= 0]
        self.numbers["tier_order_words"] = TierOrder(known.words, known.tier).value()
        self.add("tier_order", known.measured(lambda some: TierOrder(own[some], known.tier[some]).value))
        pairs = TierOrder(own, known.tier, known.words).pairs
        if pairs:
            self.numbers["tier_pairs_equal_length"] = pairs
            measured = known.measured(lambda some: TierOrder(own[some], known.tier[some], known.words[some]).value)
            self.add("tier_order_equal_length", measured)


def _ratio(large: float, small: float) -> float:
    return large / small if small > 0 else 1.0 if large == 0 else float("inf")


def _by_tier(items: Items, radius: Floats, edges: Floats, tiers: Tiers | None) -> Iterator[TierRadii]:
    for tier, name in enumerate(() if tiers is None else tiers.names):
        own = radius[items.tier == tier]
        if len(own):
            counts, quantiles = np.histogram(own, edges)[0].tolist(), np.quantile(own, QUANTILES).tolist()
            yield TierRadii(name, len(own), float(own.mean()), tuple(quantiles), tuple(counts))


def _copies(store: ExactStore) -> int:
    """How many rows equal another one in every bit of direction and radius: the fewest to take away for none to do."""
    digests, count = [np.empty(0, np.uint64)], 0
    for rows in store.scan():
        count += len(rows)
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            columns = (held[part].contiguous().view(torch.uint8).numpy() for held in (rows.direction, rows.radii))
            digests.append(_digests(np.concatenate(list(columns), axis=1)))
    return count - len(np.unique(np.concatenate(digests)))


def _digests(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A hash (n,) of rows of bytes (n, B)."""
    return np.fromiter(
        (int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "little") for row in rows),
        np.uint64,
        len(rows),
    )
