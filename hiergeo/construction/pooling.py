"""Rates over chains as ratios of sums over images, and their paired differences between two sets.

Chains of one image resemble each other, so a bootstrap draws images and takes all chains of each. A rate is the sum of
its numerators over the sum of its denominators: the share of pairs that are entailed, the mean number of words.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.addresses import UNNUMBERED
from hiergeo.evaluation.metrics import Interval, find_metric, percentile_interval, share_interval
from hiergeo.evaluation.metrics.registry import Metric, declare, share
from hiergeo.evaluation.metrics.resampling import resamples

SCENES = "scenes"
"""The dataset whose images are numbered as its rows are."""

TIER = "_tier"
"""What stands between the name of a metric and the number of a tier, from 0 for the most general one."""

rate = partial(share, depends_on_curvature=False, unit="images")
count = partial(rate, bounds=(0.0, math.inf), measures="")


def declare_rates(*rates: Metric) -> None:
    """Declare rates over all tiers, and those of single tiers."""
    for metric in rates:
        declare(metric, replace(metric, name=f"{metric.name}{TIER}{{}}", label=f"{metric.label}, tier {{}}"))


class Ratio(NamedTuple):
    """A rate over rows: what each (n,) adds to the sum above and to the one below, 0 where there is nothing to say."""

    numerator: np.ndarray
    denominator: np.ndarray


def by_tier(name: str, numerator: np.ndarray, denominator: np.ndarray | None = None) -> dict[str, Ratio]:
    """The rate over all tiers, `name`, and that of each tier; arrays (n, T), a denominator of None is 1 everywhere."""
    below = np.ones(numerator.shape) if denominator is None else denominator
    rates = {name: Ratio(numerator.sum(axis=1), below.sum(axis=1))}
    for tier in range(numerator.shape[1]):
        rates[f"{name}{TIER}{tier}"] = Ratio(numerator[:, tier], below[:, tier])
    return rates


def coco_image(chains: Hierarchy, row: Row) -> int | None:
    """The number in MS-COCO of the image of a row, by which two sets tell that an image is the same; None for others.

    Other images are numbered in every set anew, scenes from 0 and those of files of chains from `UNNUMBERED`.
    """
    number = row.image_id
    return None if number is None or number >= UNNUMBERED or chains.name == SCENES else number


def coco_images(chains: Hierarchy) -> set[int]:
    """Those of all rows."""
    return {number for row in chains.rows if (number := coco_image(chains, row)) is not None}


def groups_of(chains: Hierarchy) -> tuple[tuple[Hashable, ...], np.ndarray]:
    """What a bootstrap draws: images; a row without image is grouped with others of the same most specific caption.

    Gives the distinct groups in order of first appearance, MS-COCO's by their numbers, and the place of each row's,
    (n,).
    """
    keys: list[Hashable] = []
    for row in chains.rows:
        number = coco_image(chains, row)
        keys.append((row.positive[-1] if row.image_id is None else "", row.image_id) if number is None else number)
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return tuple(places), np.array([places[key] for key in keys])


class Difference(NamedTuple):
    """A metric of one set less that of another over the same images.

    Attributes:
        value: the difference.
        interval: 95 %, paired by image.
        images: how many both sets have of those that the metric says something of.
    """

    value: float
    interval: Interval
    images: int


@dataclass(frozen=True, eq=False)
class Pooled:
    """Rates and other statistics of chains as functions of how often each image is drawn.

    Attributes:
        groups: m images, or captions where there are none.
        sums: metric -> (m, 2) numerators and denominators, summed over the rows of each group.
        statistics: metric -> function of counts (m,) that need not sum to m; all ones give the metric itself.
    """

    groups: tuple[Hashable, ...]
    sums: dict[str, np.ndarray]
    statistics: dict[str, Callable[[np.ndarray], float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        chains: Hierarchy,
        ratios: Mapping[str, Ratio],
        statistics: Mapping[str, Callable[[np.ndarray], float]] | None = None,
    ) -> "Pooled":
        """Sum rates (metric -> `Ratio`) over the rows of each image; those that no row says anything of are left out.

        `statistics` are functions of counts of rows (n,).
        """
        groups, place = groups_of(chains)
        sums = {
            name: np.stack([np.bincount(place, weights=part, minlength=len(groups)) for part in ratio], axis=1)
            for name, ratio in ratios.items()
            if np.any(ratio.denominator)
        }

        def spread(of: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], float]:
            return lambda counts: of(counts[place])

        return cls(groups, sums, {name: spread(each) for name, each in (statistics or {}).items()})

    @cached_property
    def _table(self) -> np.ndarray:
        """Sums (m, 2 x metrics), first all numerators."""
        return np.concatenate(list(np.stack(list(self.sums.values()), axis=2).transpose(1, 0, 2)), axis=1)

    @property
    def values(self) -> dict[str, float]:
        """Every metric of the data as they are."""
        return self._at(np.ones(len(self.groups)))

    def draws(self, samples: int, seed: int, among: Sequence[Hashable] | None = None) -> dict[str, np.ndarray]:
        """Values of every metric under resampling of the images, or of some groups `among` them, each (samples,).

        Two sets that share images have the same resamples of them under the same seed.
        """
        places = self._places(among)
        drawn = [self._at(self._counts(places, counts)) for counts in resamples(len(places), samples, seed)]
        return {name: np.array([values[name] for values in drawn]) for name in (*self.sums, *self.statistics)}

    def intervals(self, samples: int, seed: int) -> dict[str, Interval]:
        """95 % intervals over images of the metrics that have one: of shares those of `share_interval`, bootstraps of
        the others; `samples` and `seed` are of these.
        """
        bounds = {name: interval(each) for name, each in self.draws(samples, seed).items()}
        for name, parts in self.sums.items():
            if math.isfinite(least := find_metric(name).least):
                bounds[name] = share_interval(*parts.T, least=least)
        return {name: each for name, each in bounds.items() if each is not None}

    def less(self, other: "Pooled", samples: int, seed: int) -> dict[str, Difference]:
        """The metrics that both have, less those of `other`, over the images that both have; empty without any.

        Images are told as `coco_image` does.
        """
        known = set(other.groups)
        common = [group for group in self.groups if group in known and isinstance(group, int)]
        if not common:
            return {}
        ones = np.ones(len(common))
        mine, theirs = (each._at(each._counts(each._places(common), ones)) for each in (self, other))
        draws, drawn = (each.draws(samples, seed, common) for each in (self, other))
        found = {}
        for name in mine:
            bounds = interval(draws[name] - drawn[name]) if name in theirs else None
            if bounds is not None and np.isfinite(mine[name] - theirs[name]):
                images = len(common)
                if name in self.sums and name in other.sums:
                    below = (each.sums[name][each._places(common), 1] > 0 for each in (self, other))
                    images = int(np.count_nonzero(np.logical_and(*below)))
                found[name] = Difference(mine[name] - theirs[name], bounds, images)
        return found

    def _places(self, among: Sequence[Hashable] | None) -> np.ndarray:
        place = {group: index for index, group in enumerate(self.groups)}
        return np.array([place[group] for group in (self.groups if among is None else among)])

    def _counts(self, places: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        counts = np.zeros(len(self.groups))
        counts[places] = drawn
        return counts

    def _at(self, counts: np.ndarray) -> dict[str, float]:
        """Every metric at these counts of groups; NaN where nothing is left below a rate."""
        found: dict[str, float] = {}
        if self.sums:
            above, below = (counts @ self._table).reshape(2, -1)
            rates = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
            found |= dict(zip(self.sums, rates.tolist(), strict=True))
        return found | {name: float(of(counts)) for name, of in self.statistics.items()}


def interval(draws: np.ndarray) -> Interval | None:
    """The 95 % interval of the draws in which the metric is defined; None without any."""
    defined = draws[np.isfinite(draws)]
    return percentile_interval(defined) if len(defined) else None
