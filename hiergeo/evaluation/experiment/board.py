"""The board of a dataset: every model in every space with every seed, who leads, and reasons for care."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo._core.records import Exported, Figure, Grid, Record, number
from hiergeo._core.text import caption, few, listing, without_folders
from hiergeo.evaluation.experiment.contrasts import Contrast, Key, Run, SpaceFacts, contrast_all
from hiergeo.evaluation.metrics import (
    SMALL_SAMPLE,
    Interval,
    crossed_draws,
    find_metric,
    percentile_interval,
    share_interval,
)
from hiergeo.evaluation.metrics.resampling import are_hits
from hiergeo.evaluation.result import CONTROL, Result, control_figure, counted, record, strongest


@dataclass(frozen=True)
class Caution:
    """A reason to read results with care: its kind, such as ``flat``, the metrics or spaces concerned, a sentence."""

    kind: str
    subjects: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Score:
    """A metric in a space: mean and deviation over seeds (None for one), 95 % interval, value of each seed."""

    value: float
    spread: float | None
    interval: Interval | None
    seeds: tuple[float, ...]

    @classmethod
    def of(cls, metric: str, results: Sequence[Result]) -> "Score":
        """A metric over the results of all seeds; seeds do not widen an interval beyond the bounds of the metric."""
        values = tuple(result.metrics[metric] for result in results)
        if len(values) == 1:
            return cls(values[0], None, results[0].intervals.get(metric), values)
        interval = None
        if all(metric in result.draws for result in results):
            least, most = find_metric(metric).bounds
            interval = Interval(*(min(max(end, least), most) for end in _over_seeds(metric, results)))
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)), interval, values)

    def figure(self, best: bool = False) -> Figure:
        """Its entry in a table: the deviation over seeds, or the interval, behind the value."""
        if self.spread is not None:
            return Figure(number(self.value), f"± {number(self.spread)}", best=best)
        bounds = "" if self.interval is None else " to ".join(map(number, self.interval))
        return Figure(number(self.value), bounds, best=best)


def _over_seeds(metric: str, results: Sequence[Result]) -> Interval:
    crossed = percentile_interval(crossed_draws([result.draws[metric] for result in results]))
    if metric in results[0].effective:
        return crossed
    least = find_metric(metric).least
    hits = [result.rows[metric] for result in results if are_hits(result.rows.get(metric), least)]
    if len(hits) < len(results):
        return crossed
    items = np.mean(hits, axis=0)
    alone = share_interval(items, np.ones(len(items)), least=least)
    return Interval(min(crossed.low, alone.low), max(crossed.high, alone.high))


@dataclass(frozen=True)
class Board(Exported):
    """Runs on one dataset, what they say about their spaces, and the rows of all of it.

    Attributes:
        runs: in the order in which tables show them; those that differ in their seeds alone share a label.
        dataset: its name, with the split.
        without: metrics in which spaces are not compared, because they cannot differ.
        shared: metrics that are equal in all spaces by construction.
        remarks: what gives reasons for care beside those that `cautions` knows of.
        resampling: seed of the resampling of seeds.

    Raises:
        InputError: no runs, two of the same label, dimension and seed, or labels of different seeds.
    """

    runs: tuple[Run, ...]
    dataset: str = ""
    without: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    remarks: Callable[["Board"], Iterable[Caution]] = lambda _: ()
    resampling: int = 0

    def __post_init__(self) -> None:
        keys = [(run.label, run.dim, run.seed) for run in self.runs]
        if not keys or len(set(keys)) < len(keys):
            raise InputError(
                "a board needs runs, each of a different label, dimension and seed; "
                f"it got {len(keys)} runs, {len(set(keys))} of them different."
            )
        seeds = {tuple(run.seed for run in runs) for runs in self.cells.values()}
        if len(seeds) > 1:
            raise InputError("every label and dimension of a board needs runs of the same seeds, in one order.")

    def __repr__(self) -> str:
        return f"<Board of {len(self.runs)} runs on {self.dataset or 'a dataset'}: {', '.join(self.labels)}>"

    @cached_property
    def cells(self) -> dict[Key, tuple[Run, ...]]:
        """(label, dim) -> runs of its seeds."""
        groups: dict[Key, list[Run]] = {}
        for run in self.runs:
            groups.setdefault((run.label, run.dim), []).append(run)
        return {key: tuple(runs) for key, runs in groups.items()}

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What tables call the spaces."""
        return tuple(dict.fromkeys(run.label for run in self.runs))

    @cached_property
    def dims(self) -> tuple[int, ...]:
        """Dimensions."""
        return tuple(dict.fromkeys(run.dim for run in self.runs))

    @cached_property
    def seeds(self) -> int:
        """The number of seeds of a cell."""
        return max(map(len, self.cells.values()))

    @cached_property
    def spaces(self) -> tuple[SpaceFacts, ...]:
        """One for each label and dimension."""
        return tuple(map(SpaceFacts.of, self.cells.values()))

    @cached_property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Differences of every two spaces that are not charts of one."""
        return contrast_all(self.cells, self.spaces, without=self.without, seed=self.resampling)

    @cached_property
    def cautions(self) -> tuple[Caution, ...]:
        """Reasons to read the board with care."""
        charts = (
            Caution("charts", group, f"{listing(group)} are one space in {len(group)} charts, so they tie.")
            for group in self.charts
        )
        results = [run.result for run in self.runs]
        return (*self.remarks(self), *charts, *flat_spaces(self.spaces), *small_samples(results))

    def geometries(self, dim: int) -> tuple[str, ...]:
        """Labels at a dimension."""
        return tuple(label for label, at in self.cells if at == dim)

    def measured(self, dim: int) -> tuple[str, ...]:
        """All metrics at a dimension, in the order in which they first appear."""
        return tuple(dict.fromkeys(name for run in self.runs if run.dim == dim for name in run.result.metrics))

    def metrics(self, dim: int) -> tuple[str, ...]:
        """Metrics with intervals at a dimension, in the order in which they first appear."""
        return tuple(dict.fromkeys(name for run in self.runs if run.dim == dim for name in run.result.draws))

    def results(self, label: str, dim: int) -> tuple[Result, ...]:
        """The results of a cell, one a seed; empty where there are none."""
        return tuple(run.result for run in self.cells.get((label, dim), ()))

    @cached_property
    def charts(self) -> tuple[tuple[str, ...], ...]:
        """Groups of labels that are charts of one space."""
        groups: dict[object, dict[str, None]] = {}
        for space in self.spaces:
            groups.setdefault(space.identity, {})[space.label] = None
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)

    def score(self, metric: str, label: str, dim: int) -> Score | None:
        """A metric in a space; None where it was not measured with every seed."""
        return self._scores.get((metric, label, dim))

    @cached_property
    def _scores(self) -> dict[tuple[str, str, int], Score]:
        scores = {}
        for label, dim in self.cells:
            results = self.results(label, dim)
            for metric in results[0].metrics:
                if all(metric in result.metrics for result in results):
                    scores[metric, label, dim] = Score.of(metric, results)
        return scores

    def baselines(self, metric: str, dim: int) -> dict[str, float]:
        """Control by name -> its mean over seeds in the space where it does best; some depend on distances."""
        reached: dict[str, list[float]] = {}
        for label in self.geometries(dim):
            results = self.results(label, dim)
            for name in results[0].baselines.get(metric, {}):
                mean = float(np.mean([result.baselines[metric][name] for result in results]))
                if math.isfinite(mean):
                    reached.setdefault(name, []).append(mean)
        best = min if find_metric(metric).higher_is_better is False else max
        return {name: best(values) for name, values in reached.items()}

    def control(self, metric: str, dim: int) -> tuple[str, float] | None:
        """The baseline that does best in a metric at a dimension, by its name for readers, and its value."""
        return strongest(metric, self.baselines(metric, dim))

    def span(self, metric: str, dim: int) -> tuple[float, float]:
        """The smallest and the largest bound, seed value or control of a metric over all spaces of a dimension."""
        scores = [score for label in self.geometries(dim) if (score := self.score(metric, label, dim))]
        ends = [end for score in scores for end in (*(score.interval or ()), *score.seeds)]
        ends += [control[1]] if (control := self.control(metric, dim)) else []
        return min(ends), max(ends)

    def contrasts_of(self, metric: str, dim: int) -> tuple[Contrast, ...]:
        """The contrasts of a metric at a dimension."""
        return tuple(contrast for contrast in self.contrasts if (contrast.metric, contrast.dim) == (metric, dim))

    def is_best(self, metric: str, label: str, dim: int) -> bool:
        """Whether the space leads in the metric, and no control does better."""
        control, score = self.control(metric, dim), self.score(metric, label, dim)
        sign = -1 if find_metric(metric).higher_is_better is False else 1
        beaten = control is not None and score is not None and sign * (control[1] - score.value) > 0
        return label in self.leaders(metric, dim) and not beaten

    def leaders(self, metric: str, dim: int) -> tuple[str, ...]:
        """Spaces that win against every other one on the same items, charts of one space all alike."""
        return self._leaders.get((metric, dim), ())

    @property
    def has_best(self) -> bool:
        """Whether some space leads in some metric, ahead of its controls."""
        return any(self.is_best(metric, label, dim) for (metric, dim), best in self._leaders.items() for label in best)

    @property
    def decided(self) -> tuple[Contrast, ...]:
        """The contrasts that name a winner."""
        return tuple(contrast for contrast in self.contrasts if contrast.winner is not None)

    @cached_property
    def _leaders(self) -> dict[tuple[str, int], tuple[str, ...]]:
        keys = dict.fromkeys((contrast.metric, contrast.dim) for contrast in self.contrasts)
        return {key: self._leading(*key) for key in keys}

    def _leading(self, metric: str, dim: int) -> tuple[str, ...]:
        measured = [label for label in self.geometries(dim) if self.score(metric, label, dim) is not None]
        leading: set[str] = set()
        for label in measured:
            same = next((group for group in self.charts if label in group), (label,))
            own = [contrast for contrast in self.contrasts_of(metric, dim) if label in (contrast.a, contrast.b)]
            met = {*same, *(other for contrast in own for other in (contrast.a, contrast.b))}
            rivals = [contrast for contrast in own if not contrast.one_space]
            if rivals and met.issuperset(measured) and all(contrast.winner == label for contrast in rivals):
                leading.update(same)
        return tuple(label for label in measured if label in leading)

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """One row a number: those of every run, means over seeds, baselines, and differences."""
        for (label, dim), runs in self.cells.items():
            about = {"model": runs[0].model, "space": runs[0].space, "dim": dim or None, "dataset": self.dataset}
            best = [name for name in runs[0].result.metrics if self.is_best(name, label, dim)]
            several = len(runs) > 1
            for run in runs:
                yield from run.result.rows_of({**about, "seed": run.seed}, items=items, best=() if several else best)
            for metric in runs[0].result.metrics if several else ():
                if score := self.score(metric, label, dim):
                    low, high = score.interval or (None, None)
                    mean = {"value": score.value, "low": low, "high": high, "deviation": score.spread}
                    n = runs[0].result.items.get(metric)
                    yield record("mean", **about, metric=metric, n=n, best=metric in best, **mean)
        for dim in self.dims:
            for metric in self.measured(dim):
                for name, value in self.baselines(metric, dim).items():
                    yield record(
                        "baseline", dim=dim or None, dataset=self.dataset, model=name, metric=metric, value=value
                    )
        for contrast in self.contrasts:
            run = self.cells[contrast.a, contrast.dim][0]
            about = {"model": run.model, "space": run.space, "dim": run.dim or None, "dataset": self.dataset}
            low, high = contrast.simultaneous
            difference = {"value": contrast.difference, "low": low, "high": high, "winner": contrast.winner}
            yield record("difference", **about, than=contrast.b, metric=contrast.metric, **difference)

    def grids(self, metrics: Sequence[str] | None = None) -> Iterator[Grid]:
        """One table a dimension: metrics down, spaces across, the strongest baseline last.

        What is the same in all spaces by construction stands once. `metrics` are those that are shown; None is all, and
        where spaces are compared those with intervals.
        """
        plain = self.seeds > 1 or len(self.spaces) == 1
        for dim in self.dims:
            names = self.measured(dim) if plain else self.metrics(dim)
            shown = [name for name in names if metrics is None or name in metrics]
            rows = tuple(
                (
                    find_metric(name).heading,
                    (*self._figures(name, dim), control_figure(name, self.baselines(name, dim))),
                )
                for name in shown
            )
            heads = *self.geometries(dim), CONTROL
            corner = f"dimension {dim}" if self.seeds > 1 or len(self.dims) > 1 else "metric"
            yield Grid(corner, heads, rows, self._notes(shown, dim))

    def _figures(self, metric: str, dim: int) -> tuple[Figure, ...]:
        scores = [(label, self.score(metric, label, dim)) for label in self.geometries(dim)]
        figures = tuple(
            Figure() if score is None else score.figure(self.is_best(metric, label, dim)) for label, score in scores
        )
        return (replace(figures[0], across=len(figures)),) if metric in self.shared else figures

    def _notes(self, metrics: Sequence[str], dim: int) -> str:
        models = dict.fromkeys(run.model for run in self.runs)
        named = [*models, self.dataset] if len(models) == 1 else [self.dataset]
        of = " on ".join(caption(without_folders(name)) for name in named)
        results = [run.result for run in self.runs if run.dim == dim]
        items = {name: result.items[name] for result in results for name in metrics if name in result.items}
        read = "Values with 95 % intervals."
        if self.seeds > 1:
            read = f"Means over {self.seeds} seeds ± their standard deviation."
        own = [find_metric(name).label for name in metrics if name in self.without - self.shared]
        several = len(self.spaces) > 1
        apart = f"No winner is named for {listing(own)}: each space has its own." if own and several else ""
        if any(self.is_best(metric, label, dim) for metric in metrics for label in self.geometries(dim)):
            marked = "Marked: ahead of every other space, by paired tests over all of them, and of its control."
        else:
            marked = "No space is ahead of every other one and of the control." if self.contrasts else ""
        several = len(self.geometries(dim)) > 1 and any(self.baselines(name, dim) for name in metrics)
        controls = "Each control is what it reaches in the space where it does best." if several else ""
        notes = f"{of}; {counted(items)}." if items else f"{of}.", read, controls, apart, marked
        return " ".join(filter(None, notes))


def small_samples(results: Sequence[Result]) -> Iterator[Caution]:
    small = {name: count for result in results for name, count in result.items.items() if count < SMALL_SAMPLE}
    groups: dict[tuple[int, str], list[str]] = {}
    for metric, count in small.items():
        groups.setdefault((count, find_metric(metric).unit), []).append(find_metric(metric).label)
    if groups:
        named = (f"{count} {unit} for {few(labels)}" for (count, unit), labels in groups.items())
        message = (
            f"Small sample: {'; '.join(named)}. Differences are provisional: their 95 % intervals are bootstraps, "
            f"which hold less than 95 % of the time below {SMALL_SAMPLE} items (79 to 91 % at 10)."
        )
        yield Caution("small sample", tuple(small), message)


def flat_spaces(spaces: Sequence[SpaceFacts]) -> Iterator[Caution]:
    for model, dim in dict.fromkeys((space.model, space.dim) for space in spaces):
        level = [space for space in spaces if (space.model, space.dim) == (model, dim) and space.level]
        flat = [space.label for space in level if space.flat]
        if flat and len(level) > 1:
            named = ", ".join(space.label for space in level)
            yield Caution(
                "flat",
                tuple(flat),
                f"{named} count as one space, and no winner is named among them: {' and '.join(flat)} "
                f"{'is' if len(flat) == 1 else 'are'} effectively flat at these radii.",
            )
