"""One benchmark of a suite: its rows, how they differ, and what stands beside them."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from hiergeo.evaluation.benchmarks import Published
from hiergeo.evaluation.findings import (
    Caution,
    Contrast,
    Cube,
    Entry,
    Findings,
    SpaceFacts,
    contrast_all,
    identity,
    small_samples,
)
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.evaluation.metrics.registry import omissions
from hiergeo.geometry import parse
from hiergeo.training.suite.audits import VERDICT
from hiergeo.training.suite.cells import Cell, TaskFacts
from hiergeo.training.suite.plan import row_name

FEW = 15
"""Contrasts of a metric that tables list in full."""


class BoardRow(NamedTuple):
    """A row of the table: names of model and space in the plan."""

    model: str
    space: str

    def __str__(self) -> str:
        return row_name(*self)


class Span(NamedTuple):
    """The smallest and the largest value of a baseline over the rows; equal where no model plays a part."""

    low: float
    high: float


@dataclass(frozen=True)
class Board:
    """One benchmark of a suite.

    Attributes:
        name: its name in the plan.
        cells: row -> its cell, in the order of the table; those that are not there yet are absent.
        published_as: model -> the model of published figures that it reproduces.
        seed: of the bootstrap.
    """

    name: str
    cells: dict[BoardRow, Cell]
    published_as: dict[str, str] = field(default_factory=dict)
    seed: int = 0

    @cached_property
    def task(self) -> TaskFacts | None:
        """Label, metrics and published figures; None where no cell is there yet."""
        return next((cell.task for cell in self.cells.values()), None)

    @cached_property
    def measured(self) -> dict[BoardRow, Cell]:
        """The rows that were measured."""
        return {row: cell for row, cell in self.cells.items() if cell.status == "done"}

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are shown: those of the benchmark that some row has, and of published figures."""
        if self.task is None:
            return ()
        found = {name for cell in self.measured.values() for name in cell.metrics}
        found |= {each.metric for each in self.task.published}
        return tuple(name for name in self.task.metrics if name in found)

    @cached_property
    def protocols(self) -> dict[str, tuple[BoardRow, ...]]:
        """Protocol -> the rows that were measured by it."""
        measured = self.measured.items()
        return {
            protocol: tuple(row for row, cell in measured if cell.protocol == protocol)
            for protocol in dict.fromkeys(cell.protocol for _, cell in measured)
        }

    def value(self, row: BoardRow, metric: str) -> float | None:
        """A measured value; None where there is none."""
        cell = self.measured.get(row)
        return None if cell is None else cell.metrics.get(metric)

    def interval(self, row: BoardRow, metric: str) -> Interval | None:
        """Its 95 % interval, where it has one."""
        cell = self.measured.get(row)
        return None if cell is None else cell.intervals.get(metric)

    @cached_property
    def verdicts(self) -> dict[BoardRow, str]:
        """Row -> a verdict in words, of benchmarks that give one."""
        return {row: str(cell.settings[VERDICT]) for row, cell in self.measured.items() if VERDICT in cell.settings}

    def published_for(self, row: BoardRow, metric: str) -> Published | None:
        """The published figure that stands beside a measured one: of the model that the row reproduces."""
        figures = self.published.get(self.published_as.get(row.model, ""), ())
        return next((each for each in figures if each.metric == metric), None)

    @cached_property
    def published(self) -> dict[str, tuple[Published, ...]]:
        """Model of published figures -> its figures."""
        figures = () if self.task is None else self.task.published
        models = dict.fromkeys(each.model for each in figures)
        return {model: tuple(each for each in figures if each.model == model) for model in models}

    @cached_property
    def baselines(self) -> dict[str, dict[str, Span]]:
        """Baseline by name, such as ``chance`` or ``length`` -> metric -> its values over the rows."""
        found: dict[str, dict[str, list[float]]] = {}
        for cell in self.measured.values():
            for metric, values in cell.baselines.items():
                for name, value in values.items():
                    if value is not None:
                        found.setdefault(name, {}).setdefault(metric, []).append(value)
        return {
            name: {metric: Span(min(values), max(values)) for metric, values in by_metric.items()}
            for name, by_metric in found.items()
        }

    @property
    def omissions(self) -> str:
        """Metrics of the benchmark that were left out of some row and why, in words; empty where none was."""
        wanted = () if self.task is None else self.task.metrics
        whys = {name: why for cell in self.measured.values() for name, why in cell.left_out.items()}
        return omissions({name: why for name, why in whys.items() if name in wanted})

    @cached_property
    def findings(self) -> dict[str, tuple[Findings, ...]]:
        """Metric -> what its rows say, once for each set of rows of one protocol; all metrics share one correction."""
        groups: dict[Hashable, list[BoardRow]] = {}
        for row, cell in self.measured.items():
            samples = {len(cell.draws[metric]) for metric in self.metrics if metric in cell.draws}
            for count in samples:
                groups.setdefault((cell.protocol, count, cell.settings.get("seed")), []).append(row)
        found = [self._finding(rows) for rows in groups.values()]
        return {name: tuple(each for each in found if name in each.cube.resampled) for name in self.metrics}

    def contrasts(self, metric: str) -> tuple[Contrast, ...]:
        """Paired differences between rows over the same items, with simultaneous intervals; a and b are rows."""
        return tuple(each for finding in self.findings.get(metric, ()) for each in finding.contrasts_of(metric, 0))

    def leading(self, metric: str) -> tuple[Contrast, ...]:
        """The contrasts that tables list: all where they are few, otherwise those of the best row, seen from it."""
        contrasts = self.contrasts(metric)
        if len(contrasts) <= FEW:
            return contrasts
        larger = find_metric(metric).higher_is_better is not False
        values = {row: value for row in self.measured if (value := self.value(row, metric)) is not None}
        best = str((max if larger else min)(values, key=lambda row: values[row]))
        return tuple(each.seen_from(best) for each in contrasts if best in (each.a, each.b))

    def is_best(self, row: BoardRow, metric: str) -> bool:
        """Whether a row is better than every other row over the same items, all intervals holding simultaneously."""
        return any(finding.is_best(metric, str(row), 0) for finding in self.findings.get(metric, ()))

    @cached_property
    def cautions(self) -> tuple[Caution, ...]:
        """Reasons to read the benchmark with care; metrics of few items share one."""
        return tuple(small_samples(*(each.cube for held in self.findings.values() for each in held)))

    def _finding(self, rows: Sequence[BoardRow]) -> Findings:
        cells = {row: self.measured[row] for row in rows}
        cube = Cube(tuple(self._entry(row, cell) for row, cell in cells.items()))
        facts = tuple(_facts(row, cell) for row, cell in cells.items())
        contrasts = contrast_all(cube, facts, without=frozenset(), seed=self.seed)
        model = {str(row): cell.fingerprint for row, cell in cells.items()}
        same_model = (replace(each, one_space=each.one_space and model[each.a] == model[each.b]) for each in contrasts)
        return Findings(cube, facts, tuple(same_model))

    def _entry(self, row: BoardRow, cell: Cell) -> Entry:
        names = [name for name in self.metrics if name in cell.draws]
        return Entry(
            model=self.name,
            geometry=str(row),
            dim=0,
            seed=None,
            metrics={name: float(cell.metrics[name] or 0.0) for name in names},
            draws={name: cell.draws[name] for name in names},
            rows={name: cell.rows[name] for name in names if name in cell.rows},
            items={name: cell.items[name] for name in names if name in cell.items},
            effective={name: cell.effective[name] for name in names if name in cell.effective},
        )


def _facts(row: BoardRow, cell: Cell) -> SpaceFacts:
    """A row as a space among others; charts of one space with the same model are one."""
    spec = str(cell.settings.get("geometry", "euclidean"))
    geometry = parse(spec)
    others = (cell.fingerprint, cell.settings.get("root"), cell.settings.get("min_radius"))
    bend = cell.diagnostics.get("bend")
    curved = geometry.isometry_class != parse("euclidean").isometry_class
    return SpaceFacts(
        geometry=str(row),
        dim=0,
        identity=identity(spec, *others),
        curved=curved,
        bend=float("inf") if bend is None else bend,
        adds_lengths=geometry.norm == "l1",
    )
