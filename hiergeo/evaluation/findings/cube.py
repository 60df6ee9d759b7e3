"""All numbers of an experiment in one object: model x geometry x dimension x seed x metric."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo._core.records import Exported, Figure, Grid, Record, json_text, number
from hiergeo.evaluation.metrics import (
    Interval,
    Metric,
    crossed_draws,
    find_metric,
    interval_of,
    percentile_interval,
    share_interval,
)
from hiergeo.evaluation.metrics.resampling import are_hits

COLUMNS = ("model", "geometry", "dim", "seed", "metric", "value", "low", "high")
"""Columns of the long form: one row a number; `low` and `high` bound its 95 % interval, empty where there is none."""


Place = tuple[str, str, int, str]
"""(model, geometry, dim, metric)."""


@dataclass(frozen=True)
class Entry:
    """Everything measured of one model in one geometry at one dimension with one seed.

    Attributes:
        model: name of the model.
        geometry: spec of the geometry.
        dim: dimension of the embeddings.
        seed: seed of the training; None where nothing was trained.
        metrics: metric -> value.
        draws: metric -> (samples,) bootstrap values; all entries of a cube use the same resamples.
        rows: metric -> (items,) value of each row, image or caption, where the metric is their mean.
        items: metric -> number of rows, images or captions that were resampled.
        bounds: metric -> its 95 % interval, where that does not come from `draws`.
        effective: metric whose rows share captions -> how many independent ones would be as precise.
        baselines: metric -> baseline by name -> its value where the model plays no part.
    """

    model: str
    geometry: str
    dim: int
    seed: int | None
    metrics: dict[str, float]
    draws: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    rows: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    items: dict[str, int] = field(default_factory=dict, repr=False)
    bounds: dict[str, Interval] = field(default_factory=dict, repr=False)
    effective: dict[str, float] = field(default_factory=dict, repr=False)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict, repr=False)

    def interval(self, metric: str) -> Interval:
        """The 95 % interval of a metric that has draws."""
        if metric in self.bounds:
            return self.bounds[metric]
        return interval_of(self.draws[metric], self.rows.get(metric), least=find_metric(metric).least)


@dataclass(frozen=True)
class Score:
    """One metric in one geometry at one dimension.

    Attributes:
        value: mean over seeds.
        spread: standard deviation over seeds (by their number less one); None for a single seed.
        interval: 95 % interval over items, and over seeds where there are several; None without draws.
        seeds: value of each seed.
    """

    value: float
    spread: float | None
    interval: Interval | None
    seeds: tuple[float, ...]


def _over_seeds(metric: str, entries: Sequence[Entry]) -> Interval:
    """The interval over items and seeds; where items are hits or misses, at least that over items alone."""
    crossed = percentile_interval(crossed_draws([each.draws[metric] for each in entries]))
    if metric in entries[0].effective:
        return crossed
    least = find_metric(metric).least
    hits = [each.rows[metric] for each in entries if are_hits(each.rows.get(metric), least)]
    if len(hits) < len(entries):
        return crossed
    items = np.mean(hits, axis=0)
    alone = share_interval(items, np.ones(len(items)), least=least)
    return Interval(min(crossed.low, alone.low), max(crossed.high, alone.high))


def _within(metric: Metric, interval: Interval) -> Interval:
    """An interval that seeds have widened, without values that the metric cannot have."""
    if not metric.higher_is_better:
        return interval
    least = metric.least if metric.discrete else -1.0
    return Interval(*(min(max(end, least), 1.0) for end in interval))


@dataclass(frozen=True)
class Cube(Exported):
    """Measurements along five axes; combinations that were not measured are absent.

    Attributes:
        entries: one a model, geometry, dimension and seed, in the order in which tables show them.

    Raises:
        InputError: no entries, or two of the same model, geometry, dimension and seed.
    """

    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        keys = [(each.model, each.geometry, each.dim, each.seed) for each in self.entries]
        if not keys or len(set(keys)) < len(keys):
            raise InputError(
                "a cube needs entries, each of a different model, geometry, dimension and seed; "
                f"it got {len(keys)} entries, {len(set(keys))} of them different."
            )

    def __repr__(self) -> str:
        axes = (self.models, self.geometries, self.dims, self.seeds, self.metrics)
        shape = " x ".join(str(len(axis)) for axis in axes)
        return f"<Cube of {len(self.entries)} entries, model x geometry x dim x seed x metric: {shape}>"

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(dict.fromkeys(each.model for each in self.entries))

    @cached_property
    def geometries(self) -> tuple[str, ...]:
        """Specs of the geometries."""
        return tuple(dict.fromkeys(each.geometry for each in self.entries))

    @cached_property
    def dims(self) -> tuple[int, ...]:
        """Dimensions."""
        return tuple(dict.fromkeys(each.dim for each in self.entries))

    @cached_property
    def seeds(self) -> tuple[int | None, ...]:
        """Seeds; (None,) where nothing was trained."""
        return tuple(dict.fromkeys(each.seed for each in self.entries))

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics, in the order in which they first appear."""
        return tuple(dict.fromkeys(name for each in self.entries for name in each.metrics))

    @cached_property
    def resampled(self) -> tuple[str, ...]:
        """Names of the metrics that have intervals."""
        return tuple(dict.fromkeys(name for each in self.entries for name in each.draws))

    @cached_property
    def cells(self) -> dict[tuple[str, str, int], tuple[Entry, ...]]:
        """(model, geometry, dim) -> entries of its seeds."""
        found: dict[tuple[str, str, int], list[Entry]] = {}
        for each in self.entries:
            found.setdefault((each.model, each.geometry, each.dim), []).append(each)
        return {key: tuple(entries) for key, entries in found.items()}

    def select(
        self, *, model: str | None = None, geometry: str | None = None, dim: int | None = None, seed: int | None = None
    ) -> "Cube":
        """The entries that match every argument that is given. Raises InputError where there are none."""
        wanted = {"model": model, "geometry": geometry, "dim": dim, "seed": seed}
        given = {name: value for name, value in wanted.items() if value is not None}
        return Cube(tuple(e for e in self.entries if all(getattr(e, name) == v for name, v in given.items())))

    def array(self) -> np.ndarray:
        """Values, (models, geometries, dims, seeds, metrics) float64, NaN where nothing was measured."""
        axes: Sequence[Sequence[object]] = (self.models, self.geometries, self.dims, self.seeds)
        values = np.full([len(axis) for axis in (*axes, self.metrics)], np.nan)
        for each in self.entries:
            key = (each.model, each.geometry, each.dim, each.seed)
            place = [axis.index(part) for axis, part in zip(axes, key, strict=True)]
            for name, value in each.metrics.items():
                at = (*place, self.metrics.index(name))
                values[at] = value
        return values

    def score(self, metric: str, geometry: str, dim: int, model: str | None = None) -> Score | None:
        """A metric over the seeds of one cell; None where it was not measured. `model` None is the first one."""
        key = (metric, model or self.models[0], geometry, dim)
        if key not in self._scores:
            self._scores[key] = self._score(*key)
        return self._scores[key]

    @cached_property
    def _scores(self) -> dict[tuple[str, str, str, int], Score | None]:
        """Scores that were computed before."""
        return {}

    def _score(self, metric: str, model: str, geometry: str, dim: int) -> Score | None:
        entries = self.cells.get((model, geometry, dim), ())
        if not entries or metric not in entries[0].metrics:
            return None
        values = tuple(each.metrics[metric] for each in entries)
        several = len(values) > 1
        interval = None
        if metric in entries[0].draws and several:
            interval = _within(find_metric(metric), _over_seeds(metric, entries))
        elif metric in entries[0].draws:
            interval = entries[0].interval(metric)
        return Score(float(np.mean(values)), float(np.std(values, ddof=1)) if several else None, interval, values)

    def records(self) -> Iterator[Record]:
        """One row a number, by `COLUMNS`; the interval is that of the single seed."""
        for each in self.entries:
            for name, value in each.metrics.items():
                bounds = each.interval(name) if name in each.draws else (None, None)
                row = each.model, each.geometry, each.dim, each.seed, name, value, *bounds
                yield dict(zip(COLUMNS, row, strict=True))

    def to_json(self) -> str:
        """A JSON object: `axes`, and `records` in the long form; null for NaN and for what is not there."""
        axes = {"model": self.models, "geometry": self.geometries, "dim": self.dims, "seed": self.seeds}
        return json_text({"axes": axes | {"metric": self.metrics}, "records": list(self.records())})

    def grids(self, best: Collection[Place] = (), *, plain: bool = True) -> Iterator[Grid]:
        """One table for each model and dimension: metrics down, geometries across.

        Args:
            best: places whose figures are marked.
            plain: also show metrics without intervals.
        """
        several = len(self.seeds) > 1
        for model in self.models:
            for dim in self.dims:
                shown = [geometry for name, geometry, at in self.cells if (name, at) == (model, dim)]
                names = [name for name in self.metrics if plain or name in self.resampled]
                rows = []
                for name in names:
                    scores = [self.score(name, geometry, dim, model) for geometry in shown]
                    if any(score is not None for score in scores):
                        marked = [(model, geometry, dim, name) in best for geometry in shown]
                        rows.append((name, tuple(map(_figure, scores, marked))))
                corner = f"dimension {dim}" if several or len(self.dims) > 1 else "metric"
                yield Grid(f"{model}, {corner}" if len(self.models) > 1 else corner, tuple(shown), tuple(rows))


def _figure(score: Score | None, best: bool) -> Figure:
    if score is None:
        return Figure()
    if score.spread is not None:
        return Figure(number(score.value), f"± {number(score.spread)}", best)
    bounds = "" if score.interval is None else f"({' to '.join(map(number, score.interval))})"
    return Figure(number(score.value), bounds, best)
