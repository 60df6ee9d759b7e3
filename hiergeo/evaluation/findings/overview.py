"""What a comparison or a study found, computed once: scores, leaders, contrasts and cautions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from hiergeo._core.records import Exported, Figure, Grid, Record, number
from hiergeo.evaluation.findings.contrasts import Contrast, SpaceFacts
from hiergeo.evaluation.findings.cube import Cube, Score
from hiergeo.evaluation.metrics import SMALL_SAMPLE, find_metric
from hiergeo.evaluation.metrics.length import LENGTH, baseline_name

NAMED = 3
"""Metrics that a sentence names; more are counted."""

Kind = Literal["small sample", "few seeds", "flat", "learning rates", "collapse", "training", "leakage"]


@dataclass(frozen=True)
class Caution:
    """A reason to read results with care.

    Attributes:
        kind: what it is about.
        subjects: metrics or geometries that it concerns.
        message: one sentence.
    """

    kind: Kind
    subjects: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Findings(Exported):
    """Numbers of one model and what they say about its spaces.

    Attributes:
        cube: the numbers.
        spaces: one for each geometry and dimension, in the order of the cube's cells.
        contrasts: differences of every two spaces that are not charts of one.
        shared: metrics that are equal in all spaces by construction.
        cautions: reasons for care.
    """

    cube: Cube
    spaces: tuple[SpaceFacts, ...]
    contrasts: tuple[Contrast, ...] = ()
    shared: frozenset[str] = frozenset()
    cautions: tuple[Caution, ...] = field(default=())

    @property
    def dims(self) -> tuple[int, ...]:
        """Dimensions."""
        return self.cube.dims

    def geometries(self, dim: int) -> tuple[str, ...]:
        """Geometries at a dimension."""
        return tuple(each.geometry for each in self.spaces if each.dim == dim)

    def metrics(self, dim: int) -> tuple[str, ...]:
        """Metrics with intervals at a dimension, in the order in which they first appear."""
        return self.cube.select(dim=dim).resampled

    @cached_property
    def twins(self) -> tuple[tuple[str, ...], ...]:
        """Groups of geometries that are charts of one space."""
        groups: dict[object, dict[str, None]] = {}
        for each in self.spaces:
            groups.setdefault(each.identity, {})[each.geometry] = None
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)

    def charts(self, geometry: str) -> tuple[str, ...]:
        """The geometry and the other charts of its space."""
        return next((group for group in self.twins if geometry in group), (geometry,))

    def score(self, metric: str, geometry: str, dim: int) -> Score | None:
        """A metric in a geometry; None where it has no interval there."""
        entries = self.cube.cells.get((self.cube.models[0], geometry, dim), ())
        if not entries or metric not in entries[0].draws:
            return None
        return self.cube.score(metric, geometry, dim)

    def baselines(self, metric: str, dim: int) -> dict[str, float]:
        """Control by name -> what it reaches in a metric at a dimension: its mean over seeds, in the space where it
        does best.

        The distances of a space take part in some controls: a ladder by words lists the captions nearest to the image.
        """
        found: dict[str, list[float]] = {}
        for geometry in self.geometries(dim):
            entries = self.cube.cells.get((self.cube.models[0], geometry, dim), ())
            for name in entries[0].baselines.get(metric, {}) if entries else ():
                mean = float(np.mean([each.baselines[metric][name] for each in entries]))
                if math.isfinite(mean):
                    found.setdefault(name, []).append(mean)
        best = min if find_metric(metric).higher_is_better is False else max
        return {name: best(values) for name, values in found.items()}

    def is_best(self, metric: str, geometry: str, dim: int) -> bool:
        """Whether the geometry leads in the metric."""
        return geometry in self.leaders(metric, dim)

    def span(self, metric: str, dim: int) -> tuple[float, float]:
        """The smallest and the largest bound or seed value of a metric over all geometries of a dimension."""
        scores = [score for geometry in self.geometries(dim) if (score := self.score(metric, geometry, dim))]
        low = min(min(*_bounds(score), *score.seeds) for score in scores)
        return low, max(max(*_bounds(score), *score.seeds) for score in scores)

    def contrasts_of(self, metric: str, dim: int) -> tuple[Contrast, ...]:
        """The contrasts of a metric at a dimension."""
        return tuple(each for each in self.contrasts if (each.metric, each.dim) == (metric, dim))

    def reach(self, metric: str, dim: int) -> float:
        """The largest distance from 0 of any bound of those contrasts."""
        return max(max(abs(bound) for bound in each.simultaneous) for each in self.contrasts_of(metric, dim)) or 1.0

    def leaders(self, metric: str, dim: int) -> tuple[str, ...]:
        """The geometries that win against every other space, all counting as one space; empty where none does."""
        return self._leaders.get((metric, dim), ())

    @property
    def has_leaders(self) -> bool:
        """Whether some geometry leads in some metric."""
        return bool(self._leaders)

    def winner(self, metric: str, dim: int) -> str | None:
        """The leader with the best value; None where there is none."""
        leaders = self.leaders(metric, dim)
        return max(leaders, key=lambda spec: self._merit(metric, spec, dim)) if leaders else None

    def closest_rival(self, metric: str, dim: int) -> Contrast | None:
        """The geometry with the best value against the rival that it is least surely ahead of; None without rivals."""
        contrasts = self.contrasts_of(metric, dim)
        if not contrasts:
            return None
        named = dict.fromkeys(spec for spec in self.geometries(dim) for each in contrasts if spec in (each.a, each.b))
        best = max(named, key=lambda spec: self._merit(metric, spec, dim))
        turned = [each.seen_from(best) for each in contrasts if best in (each.a, each.b)]
        others = [each for each in turned if not each.one_space] or turned
        smaller_wins = find_metric(metric).higher_is_better is False
        return min(others, key=lambda each: -each.interval.high if smaller_wins else each.interval.low)

    def _merit(self, metric: str, geometry: str, dim: int) -> float:
        """The value of a metric, turned round where smaller is better."""
        score = self.score(metric, geometry, dim)
        assert score is not None
        return -score.value if find_metric(metric).higher_is_better is False else score.value

    @property
    def decided(self) -> tuple[Contrast, ...]:
        """The contrasts that name a winner."""
        return tuple(each for each in self.contrasts if each.winner is not None)

    @cached_property
    def _leaders(self) -> dict[tuple[str, int], tuple[str, ...]]:
        """(metric, dim) -> leaders."""
        places = dict.fromkeys((each.metric, each.dim) for each in self.contrasts)
        return {place: found for place in places if (found := self._leading(*place))}

    def _leading(self, metric: str, dim: int) -> tuple[str, ...]:
        contrasts = self.contrasts_of(metric, dim)
        spaces = [each for each in self.spaces if each.dim == dim]
        leading: set[str] = set()
        for space in spaces:
            own = [each for each in contrasts if space.geometry in (each.a, each.b) and not each.one_space]
            if own and all(each.winner == space.geometry for each in own):
                leading |= set(self.charts(space.geometry))
        return tuple(each.geometry for each in spaces if each.geometry in leading)

    def records(self) -> Iterator[Record]:
        """One row a geometry, dimension and metric; `best` is 1 for leaders.

        `low` and `high` bound the 95 % interval; with seeds, means have their standard deviation over them beside.
        """
        several = len(self.cube.seeds) > 1
        for space in self.spaces:
            for metric in self.cube.cells[self.cube.models[0], space.geometry, space.dim][0].metrics:
                score = self.cube.score(metric, space.geometry, space.dim)
                assert score is not None
                ends = *(score.interval or (None, None)), int(self.is_best(metric, space.geometry, space.dim))
                names: tuple[str, ...] = ("geometry", "metric", "value", "low", "high", "best")
                row: tuple[object, ...] = (space.geometry, metric, score.value, *ends)
                if several:
                    names = ("dim", "geometry", "metric", "mean", "deviation", "low", "high", "best")
                    row = space.dim, space.geometry, metric, score.value, score.spread, *ends
                yield dict(zip(names, row, strict=True))

    def grids(self) -> Iterator[Grid]:
        """One table for each dimension; metrics without intervals are left out where spaces are compared.

        What is the same in all spaces by construction stands once, and in the last column what words alone reach.
        """
        model = self.cube.models[0]
        best = {(model, spec, dim, name) for (name, dim), specs in self._leaders.items() for spec in specs}
        grids = self.cube.grids(best, plain=len(self.cube.seeds) > 1 or len(self.spaces) == 1)
        for dim, grid in zip(self.dims, grids, strict=True):
            known = {name: self.baselines(name, dim) for name, _ in grid.rows}
            words = {name: each[LENGTH] for name, each in known.items() if LENGTH in each}
            rows = tuple(
                (find_metric(name).label, (*self._once(name, figures), *_beside(words, name)))
                for name, figures in grid.rows
            )
            yield replace(grid, heads=(*grid.heads, baseline_name(LENGTH)) if words else grid.heads, rows=rows)

    def _once(self, metric: str, figures: tuple[Figure, ...]) -> tuple[Figure, ...]:
        same = metric in self.shared and len(set(figures)) == 1
        return (replace(figures[0], across=len(figures)),) if same else figures


def _beside(words: Mapping[str, float], metric: str) -> Iterator[Figure]:
    """The last entry of a row: what words alone reach; no entry where nothing is known of them in any row."""
    if words:
        yield Figure(number(words[metric])) if metric in words else Figure()


def _bounds(score: Score) -> tuple[float, float]:
    assert score.interval is not None
    return score.interval


def _few(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more" if len(names) > NAMED + 1 else ", ".join(names)


def small_samples(*cubes: Cube) -> Iterator[Caution]:
    """A caution about metrics that are measured on too few items for bootstrap intervals, if there are any."""
    counts = [pair for cube in cubes for entry in cube.entries for pair in entry.items.items()]
    groups: dict[tuple[int, str], dict[str, None]] = {}
    for metric, count in counts:
        if count < SMALL_SAMPLE:
            groups.setdefault((count, find_metric(metric).unit), {})[metric] = None
    if groups:
        named = (
            f"{count} {unit} for {_few([find_metric(metric).label for metric in metrics])}"
            for (count, unit), metrics in groups.items()
        )
        message = (
            f"Small sample: {'; '.join(named)}. 95 % bootstrap intervals of fewer than {SMALL_SAMPLE} items hold less "
            "than 95 % of the time (79 to 91 % at 10 items): differences are provisional."
        )
        subjects = tuple(dict.fromkeys(metric for metrics in groups.values() for metric in metrics))
        yield Caution("small sample", subjects, message)


def flat_spaces(spaces: Sequence[SpaceFacts]) -> Iterator[Caution]:
    """One caution for each dimension at which several spaces count as one because they are flat."""
    for dim in dict.fromkeys(each.dim for each in spaces):
        level = [each for each in spaces if each.dim == dim and each.level]
        flat = [each.geometry for each in level if each.flat]
        if flat and len(level) > 1:
            named = ", ".join(each.geometry for each in level)
            yield Caution(
                "flat",
                tuple(flat),
                f"{named} count as one space, and no winner is named among them: {' and '.join(flat)} "
                f"{'is' if len(flat) == 1 else 'are'} effectively flat at these radii.",
            )
