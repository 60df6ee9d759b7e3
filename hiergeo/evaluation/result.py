"""Results: what a protocol measures, and the numbers, intervals and settings of one evaluation."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import FiniteFloat, PlainValidator

from hiergeo._core.progress import track
from hiergeo._core.records import Exported, Figure, Grid, Record, json_text, number, paragraphs, plain
from hiergeo._core.storage.documents import STRICT, validated
from hiergeo._core.text import caption, few, without_folders
from hiergeo.evaluation.answers import Answer, Conclusion, conclude
from hiergeo.evaluation.metrics import Interval, Ranking, Roc, bootstrap_draws, find_metric, interval_of
from hiergeo.evaluation.metrics.length import baseline_name
from hiergeo.evaluation.metrics.registry import omissions
from hiergeo.evaluation.metrics.sharing import Sharing, Tested, deviating_test, widened

Counts = np.ndarray

Numbers = Annotated[np.ndarray, PlainValidator(lambda values: np.array(validated(tuple[FiniteFloat, ...], values)))]
"""A row of finite numbers, in JSON a list."""

AS_IT_IS = PlainValidator(lambda value: value)
"""For fields of which pydantic needs no schema."""

T = TypeVar("T")

CONTROL = "strongest control"
"""Head of the last column of tables."""

NO_RADII = np.empty((0, 0))


@dataclass(frozen=True)
class Statistic:
    """A number computed from rows, as a function of how often each row counts.

    Attributes:
        rows: number of rows.
        of: takes counts of shape (rows,) that sum to `rows`; all ones give the value itself.
        values: (rows,) the value of each row, where the statistic is their mean; None otherwise.
        stacked: whether `of` also takes counts (k, rows) and then returns (k,).
        sharing: which rows share captions, where they do; None for independent rows.
        influence: of rows that share captions, where there are no values: derivatives (rows,) by weights, times `rows`.
        least: the least value that it can have, 0 or -1.
        by_words: draws (k,) of the statistic less chance under random word weights, which its interval has to contain.
    """

    rows: int
    of: Callable[[Counts], Any]
    values: np.ndarray | None = None
    stacked: bool = False
    sharing: Sharing | None = None
    influence: Callable[[], np.ndarray] | None = None
    least: float = -1.0
    by_words: np.ndarray | None = None

    @property
    def value(self) -> float:
        """The statistic of the data as they are."""
        return float(self.of(np.ones(self.rows)))

    def draws(self, samples: int, seed: int) -> np.ndarray:
        """Values under resampling of the rows, (samples,); farther from the value where rows share captions."""
        drawn = bootstrap_draws(self.of, self.rows, samples=samples, seed=seed, stacked=self.stacked)
        if self.sharing is None:
            return drawn
        value = self.value
        return value + self.sharing.widening(self.deviations) * (drawn - value)

    @property
    def effective(self) -> float:
        """The number of independent rows, or words, that are as precise."""
        rows = self.rows if self.sharing is None else self.sharing.effective
        scale = 1 if self.least < 0 else 2
        return rows if self.by_words is None else min(rows, 1 / float(np.square(scale * self.by_words).mean()))

    @property
    def interval(self) -> Interval:
        """95 % interval by Student's t, in [`least`, 1], of rows that share captions; exact where all are an end."""
        assert self.sharing is not None
        if self.least < 0:
            interval = deviating_test(self.sharing, self.value, self.deviations).interval
        else:
            interval = deviating_test(self.sharing, 2 * self.value - 1, 2 * self.deviations).as_share.interval
        return interval if self.by_words is None else widened(self.value, interval, self.by_words, least=self.least)

    def minus(self, other: "Statistic") -> Tested:
        """The difference to another statistic of the same rows, tested against 0."""
        assert self.sharing is not None
        return deviating_test(self.sharing, self.value - other.value, self.deviations - other.deviations)

    @cached_property
    def deviations(self) -> np.ndarray:
        """(rows,) how far rows lie from the mean, or the influence of rows on a statistic that is not a mean."""
        if self.influence is not None:
            return self.influence()
        assert self.values is not None
        return self.values - self.values.mean()


def mean_of(values: np.ndarray, sharing: Sharing | None = None, *, signed: bool = False) -> Statistic:
    """The mean of one value per row, from 0 to 1 or `signed` from -1 to 1."""
    least = -1.0 if signed else 0.0
    count = len(values)
    return Statistic(count, lambda counts: counts @ values / count, values, stacked=True, sharing=sharing, least=least)


def ratio_of(part: np.ndarray, whole: np.ndarray) -> Statistic:
    """The sum of `part` over that of `whole`, (rows,) each; 0 where that is 0."""

    def of(counts: np.ndarray) -> Any:
        total = counts @ whole
        return np.divide(counts @ part, total, out=np.zeros_like(total, dtype=np.float64), where=total > 0)

    return Statistic(len(part), of, stacked=True, least=0.0)


def auroc_of(ranking: Ranking, rows: int, sharing: Sharing | None = None) -> Statistic:
    """The AUROC of a ranking of `rows` rows."""
    return Statistic(rows, ranking.auroc, stacked=True, sharing=sharing, influence=ranking.auroc_influence, least=0.0)


def average_precision_of(ranking: Ranking, rows: int, sharing: Sharing | None = None) -> Statistic:
    """The average precision of a ranking of `rows` rows."""
    precision, influence = ranking.average_precision, ranking.average_precision_influence
    return Statistic(rows, precision, stacked=True, sharing=sharing, influence=influence, least=0.0)


@dataclass(frozen=True)
class Outcome:
    """Measurements of one protocol before intervals and settings are added.

    Attributes:
        statistics: metric -> statistic that is resampled.
        numbers: metric -> plain number.
        ladders: as in `Result`, like the following.
        rocs: name of an AUROC among the statistics -> its ROC curve.
        baselines: metric -> baseline by name, such as ``chance`` or ``length`` -> its value.
        left_out: metric -> why it was not measured.
    """

    statistics: dict[str, Statistic] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    ladders: tuple[tuple[str, ...], ...] = ()
    rocs: Annotated[dict[str, Roc], AS_IT_IS] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, statistic: Statistic, **baselines: float) -> None:
        """Add a metric, with its baselines by name."""
        self.statistics[name] = statistic
        if baselines:
            self.baselines[name] = baselines

    def add_ranking(self, suffix: str, ranking: Ranking, rows: int, sharing: Sharing | None = None) -> None:
        """Add AUROC with its ROC curve, average precision and the share of ties; `suffix` ends their names."""
        self.add(f"auroc{suffix}", auroc_of(ranking, rows, sharing))
        self.add(f"average_precision{suffix}", average_precision_of(ranking, rows, sharing))
        self.numbers[f"score_ties{suffix}"] = ranking.tie_share()
        self.rocs[f"auroc{suffix}"] = ranking.roc()

    @property
    def rows(self) -> dict[str, np.ndarray]:
        """Metric -> the value of each row, of means that are finite."""
        values = {name: statistic.values for name, statistic in self.statistics.items() if statistic.values is not None}
        return {name: of_rows for name, of_rows in values.items() if _is_finite(of_rows)}

    @property
    def bounds(self) -> dict[str, Interval]:
        """Metric -> its 95 % interval, of metrics whose rows share captions."""
        return {
            name: statistic.interval for name, statistic in self.statistics.items() if statistic.sharing is not None
        }

    @property
    def effective(self) -> dict[str, float]:
        """Metric -> how many independent rows would be as precise, of the same metrics."""
        return {
            name: statistic.effective for name, statistic in self.statistics.items() if statistic.sharing is not None
        }

    def __or__(self, other: "Outcome") -> "Outcome":
        """The measurements of both; of a metric that both have, those of the other one."""
        return Outcome(
            self.statistics | other.statistics,
            self.numbers | other.numbers,
            self.ladders + other.ladders,
            self.rocs | other.rocs,
            self.baselines | other.baselines,
            self.left_out | other.left_out,
        )

    def result(
        self,
        settings: dict[str, str | int | float],
        seed: int,
        samples: int,
        *,
        diagnostics: dict[str, float] | None = None,
        radii: np.ndarray = NO_RADII,
        progress: bool = False,
    ) -> "Result":
        """The measurements with `samples` bootstrap draws, and settings, to which these numbers are added."""
        named = track(list(self.statistics.items()), "resampling metrics", enabled=progress)
        draws = {name: statistic.draws(samples, seed) for name, statistic in named}
        metrics = {name: statistic.value for name, statistic in self.statistics.items()} | self.numbers
        return Result(
            metrics=metrics,
            settings=settings | {"seed": seed, "bootstrap_samples": samples},
            diagnostics=diagnostics or {},
            draws=draws,
            ladders=self.ladders,
            radii=radii,
            rows=self.rows,
            items={name: statistic.rows for name, statistic in self.statistics.items()},
            bounds=self.bounds,
            effective=self.effective,
            rocs=self.rocs,
            baselines=self.baselines,
            left_out={name: why for name, why in self.left_out.items() if name not in metrics},
        )


COLUMNS = (
    "kind",
    "model",
    "space",
    "dim",
    "seed",
    "dataset",
    "metric",
    "item",
    "value",
    "low",
    "high",
    "n",
    "deviation",
    "best",
    "than",
    "winner",
    "source",
)
"""The long table: one row a number.

`kind` is ``measured``; ``item``, the value of a single row, image or caption, where those were asked for, numbered by
`item`; ``mean`` over seeds, with its deviation; ``baseline``, where the model plays no part and `model` names it;
``difference`` from the row that `than` names, with simultaneous bounds and the winner, if any; ``published``, from a
source; or why a cell has no number. `low` and `high` bound 95 % intervals, over `n` items.
"""


def record(kind: str, **values: object) -> Record:
    """A row of the long table."""
    return dict.fromkeys(COLUMNS) | {"kind": kind} | values


def counted(items: Mapping[str, int]) -> str:
    """How many items metrics are of, in words: those of the first metric of each unit, and what has others."""
    usual: dict[str, int] = {}
    others: dict[int, list[str]] = {}
    for name, count in items.items():
        metric = find_metric(name)
        if count != usual.setdefault(metric.unit, count):
            others.setdefault(count, []).append(metric.label)
    parts = [", ".join(f"{count:,} {unit}" for unit, count in usual.items())]
    parts += [f"{count:,} for {few(labels)}" for count, labels in others.items()]
    return f"n = {'; '.join(parts)}"


def strongest(metric: str, reached: Mapping[str, float]) -> tuple[str, float] | None:
    """The baseline that does best in a metric, by its name for readers, and its value; None without any."""
    if not reached:
        return None
    sign = -1 if find_metric(metric).higher_is_better is False else 1
    name = max(reached, key=lambda baseline: sign * reached[baseline])
    return baseline_name(name), reached[name]


def control_figure(metric: str, reached: Mapping[str, float], digits: int = 3) -> Figure:
    """The strongest baseline of a metric as an entry of a table."""
    control = strongest(metric, reached)
    return Figure() if control is None else Figure(number(control[1], digits), note=control[0])


def _is_finite(values: Any) -> bool:
    return bool(np.isfinite(values).all())


@dataclass(frozen=True, repr=False)
class Result(Exported):
    """Numbers measured in one space.

    Attributes:
        metrics: name -> value, flat; what `to_json` writes first.
        settings: model, dataset, split, geometry, root, protocol, steps, seed, counts and versions.
        diagnostics: radius spread, cone occupancy, curvature.
        draws: metric -> (samples,) its bootstrap values; those of two results over the same rows are paired.
        ladders: for each image the captions met, general to specific.
        radii: (n, T) radii of the chains.
        rows: metric -> (rows,) its value for each row, where it is their mean.
        items: metric -> number of rows, images or captions that were resampled.
        bounds: metric whose rows share captions -> its 95 % interval, which does not come from `draws`.
        effective: metric whose rows share captions -> how many independent ones would be as precise.
        rocs: name of an AUROC -> its ROC curve, from the same pairs.
        baselines: metric -> baseline by name -> its value where the model plays no part.
        left_out: metric that was not measured -> why.
        answers: question -> answer, of those that were asked.
    """

    __pydantic_config__ = STRICT

    metrics: dict[str, float]
    settings: dict[str, Any]
    diagnostics: dict[str, float]
    draws: dict[str, Numbers]
    ladders: tuple[tuple[str, ...], ...] = ()
    radii: Annotated[np.ndarray, AS_IT_IS] = field(default_factory=lambda: NO_RADII)
    rows: dict[str, Numbers] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    bounds: dict[str, Interval] = field(default_factory=dict)
    effective: dict[str, float] = field(default_factory=dict)
    rocs: Annotated[dict[str, Roc], AS_IT_IS] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)

    def __repr__(self) -> str:
        about = (str(self.settings.get(name, "?")) for name in ("model", "dataset", "split", "geometry"))
        numbers = ", ".join(f"{name} {value:.4f}" for name, value in self.metrics.items())
        return f"<Result {' '.join(about)}: {numbers}>"

    def _repr_html_(self) -> str:
        return super()._repr_html_() + paragraphs(str(self.conclusion), self.omissions)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % intervals of the metrics that are statistics of rows: `bounds`, or `hiergeo.metrics.interval_of`."""
        drawn = {
            name: interval_of(draws, self.rows.get(name), least=find_metric(name).least)
            for name, draws in self.draws.items()
            if name not in self.bounds
        }
        return drawn | self.bounds

    @property
    def about(self) -> str:
        """Model, dataset and split."""
        names = (str(self.settings[name]) for name in ("model", "dataset", "split") if name in self.settings)
        return " · ".join(caption(without_folders(name)) for name in names)

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """Its rows of the long table, and those of its baselines.

        Args:
            items: also give the value of every row, image or caption.
        """
        settings = self.settings
        dataset = " ".join(str(settings[name]) for name in ("dataset", "split") if name in settings)
        about = {"model": settings.get("model"), "space": settings.get("geometry"), "dataset": dataset}
        yield from self.rows_of(about, items=items)
        for metric, values in self.baselines.items():
            for name, value in values.items():
                yield record("baseline", model=name, dataset=dataset, metric=metric, value=value)

    def rows_of(
        self, about: Mapping[str, object], *, items: bool = False, best: Collection[str] = ()
    ) -> Iterator[Record]:
        """Its numbers as rows of the long table, in columns of `about` too; `best` are metrics that lead."""
        about = {**about, "dim": about.get("dim") or self.settings.get("dim")}
        for name, value in self.metrics.items():
            low, high = self.intervals.get(name, (None, None))
            row = {"value": value, "low": low, "high": high, "n": self.items.get(name), "best": name in best}
            yield record("measured", **about, metric=name, **row)
            for item, single in enumerate(self.rows.get(name, ()) if items else ()):
                yield record("item", **about, metric=name, item=item, value=float(single))

    def grids(self, metrics: Sequence[str] | None = None) -> Iterator[Grid]:
        """One table: the value of each metric with its interval, and the strongest baseline; None shows all metrics."""
        shown = [name for name in self.metrics if metrics is None or name in metrics]
        rows = []
        for name in shown:
            bounds = " to ".join(number(end, 4) for end in self.intervals.get(name, ()))
            figures = (
                Figure(number(self.metrics[name], 4), bounds),
                control_figure(name, self.baselines.get(name, {}), 4),
            )
            rows.append((find_metric(name).heading, figures))
        items = {name: self.items[name] for name in shown if name in self.items}
        about = f"{self.about} · {self.geometry}"
        notes = f"{about}; {counted(items)}." if items else f"{about}."
        yield Grid("metric", ("value, 95 % interval", CONTROL), tuple(rows), notes)

    @property
    def geometry(self) -> str:
        """The spec of the geometry it was measured in."""
        return str(self.settings["geometry"])

    @property
    def conclusion(self) -> Conclusion:
        """What was answered, in words; an empty headline where no questions were."""
        if not self.answers:
            return Conclusion("")
        return conclude(
            {self.geometry: self.answers}, str(self.settings.get("model")), str(self.settings.get("dataset"))
        )

    @property
    def omissions(self) -> str:
        """What was left out and why, in words; empty where nothing was."""
        return omissions(self.left_out)

    def of(self, metrics: Collection[str]) -> "Result":
        """Those of its numbers that are of some metrics, and finite; without ladders, radii, ROC curves and answers."""

        def chosen(values: Mapping[str, T]) -> dict[str, T]:
            return {name: value for name, value in values.items() if name in metrics and _is_finite(value)}

        draws = chosen(self.draws)

        def drawn(values: Mapping[str, T]) -> dict[str, T]:
            return {name: value for name, value in values.items() if name in draws}

        return Result(
            metrics=chosen(self.metrics),
            settings=self.settings,
            diagnostics={name: value for name, value in self.diagnostics.items() if _is_finite(value)},
            draws=draws,
            rows=drawn(self.rows),
            items=drawn(self.items),
            bounds=chosen(self.intervals),
            effective=drawn(self.effective),
            baselines={
                name: {control: value for control, value in reached.items() if _is_finite(value)}
                for name, reached in self.baselines.items()
                if name in metrics
            },
            left_out=self.left_out,
        )

    def stored(self) -> dict[str, Any]:
        """JSON values of its finite numbers, draws and rows included, of which pydantic makes a result again."""
        values = dict(vars(self.of(self.metrics)))
        for name in ("ladders", "radii", "rocs", "answers"):
            del values[name]
        for name in ("draws", "rows"):
            values[name] = {metric: array.tolist() for metric, array in values[name].items()}
        return {name: plain(value) for name, value in values.items()}

    def as_dict(self) -> dict[str, object]:
        """What `to_json` writes, `metrics` first."""
        return {
            "metrics": self.metrics,
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "effective": self.effective,
            "baselines": self.baselines,
            "left_out": self.left_out,
            "diagnostics": self.diagnostics,
            "answers": plain(self.answers),
            "settings": self.settings,
        }

    def to_json(self) -> str:
        """The result as a JSON object whose first key, ``metrics``, is a flat object name -> number."""
        return json_text(self.as_dict())
