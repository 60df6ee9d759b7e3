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
from hiergeo.geometry import parse
from hiergeo.training.suite.audits import VERDICT
from hiergeo.training.suite.cells import DONE, Cell, Task
from hiergeo.training.suite.plan import row_name

FEW = 15
"""Contrasts of a metric that tables list in full."""


class Row(NamedTuple):
    """A row of the table: names of model and space in the plan."""

    model: str
    space: str

    def __str__(self) -> str:
        return row_name(*self)


class Range(NamedTuple):
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
    cells: dict[Row, Cell]
    published_as: dict[str, str] = field(default_factory=dict)
    seed: int = 0

    @cached_property
    def task(self) -> Task | None:
        """Label, metrics and published figures; None where no cell is there yet."""
        return next((cell.task for cell in self.cells.values()), None)

    @cached_property
    def measured(self) -> dict[Row, Cell]:
        """The rows that were measured."""
        return {row: cell for row, cell in self.cells.items() if cell.status == DONE}

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are shown: those of the benchmark that some row has, and of published figures."""
        if self.task is None:
            return ()
        found = {name for cell in self.measured.values() for name in cell.metrics}
        found |= {each.metric for each in self.task.published}
        return tuple(name for name in self.task.metrics if name in found)

    @cached_property
    def protocols(self) -> dict[str, tuple[Row, ...]]:
        """Protocol -> the rows that were measured by it."""
        found: dict[str, list[Row]] = {}
        for row, cell in self.measured.items():
            found.setdefault(cell.protocol, []).append(row)
        return {protocol: tuple(rows) for protocol, rows in found.items()}

    def value(self, row: Row, metric: str) -> float | None:
        """A measured value; None where there is none."""
        cell = self.measured.get(row)
        return None if cell is None else cell.metrics.get(metric)

    def interval(self, row: Row, metric: str) -> Interval | None:
        """Its 95 % interval, where it has one."""
        cell = self.measured.get(row)
        return None if cell is None else cell.intervals.get(metric)

    @cached_property
    def verdicts(self) -> dict[Row, str]:
        """Row -> a verdict in words, of benchmarks that give one."""
        return {row: str(cell.settings[VERDICT]) for row, cell in self.measured.items() if VERDICT in cell.settings}

    def beside(self, row: Row, metric: str) -> Published | None:
        """The published figure that stands beside a measured one: of the model that the row reproduces."""
        named = self.published_as.get(row.model)
        held = [] if self.task is None or named is None else self.task.published
        return next((each for each in held if (each.model, each.metric) == (named, metric)), None)

    @cached_property
    def published(self) -> dict[str, tuple[Published, ...]]:
        """Model of published figures -> its figures."""
        found: dict[str, list[Published]] = {}
        for each in () if self.task is None else self.task.published:
            found.setdefault(each.model, []).append(each)
        return {model: tuple(figures) for model, figures in found.items()}

    @cached_property
    def baselines(self) -> dict[str, dict[str, Range]]:
        """Baseline by name, such as ``chance`` or ``length`` -> metric -> its values over the rows."""
        found: dict[str, dict[str, list[float]]] = {}
        for cell in self.measured.values():
            for metric, values in cell.baselines.items():
                for name, value in values.items():
                    if value is not None:
                        found.setdefault(name, {}).setdefault(metric, []).append(value)
        return {
            name: {metric: Range(min(held), max(held)) for metric, held in by_metric.items()}
            for name, by_metric in found.items()
        }

    @cached_property
    def findings(self) -> dict[str, tuple[Findings, ...]]:
        """Metric -> what its rows say, once for each set of rows over the same items by the same protocol."""
        groups: dict[tuple[str, Hashable], list[Row]] = {}
        for row, cell in self.measured.items():
            for metric in self.metrics:
                if metric in cell.draws:
                    same = (cell.protocol, cell.items.get(metric), len(cell.draws[metric]), cell.settings.get("seed"))
                    groups.setdefault((metric, same), []).append(row)
        found: dict[str, list[Findings]] = {}
        for (metric, _), rows in groups.items():
            found.setdefault(metric, []).append(self._finding(metric, rows))
        return {metric: tuple(held) for metric, held in found.items()}

    def contrasts(self, metric: str) -> tuple[Contrast, ...]:
        """Paired differences between rows over the same items, with simultaneous intervals; a and b are rows."""
        return tuple(each for finding in self.findings.get(metric, ()) for each in finding.contrasts)

    def leading(self, metric: str) -> tuple[Contrast, ...]:
        """The contrasts that tables list: all where they are few, otherwise those of the best row, seen from it."""
        held = self.contrasts(metric)
        if len(held) <= FEW:
            return held
        larger = find_metric(metric).higher_is_better is not False
        values = {row: value for row in self.measured if (value := self.value(row, metric)) is not None}
        best = str((max if larger else min)(values, key=lambda row: values[row]))
        return tuple(each.seen_from(best) for each in held if best in (each.a, each.b))

    def is_best(self, row: Row, metric: str) -> bool:
        """Whether a row is better than every other row over the same items, all intervals holding simultaneously."""
        return any(finding.is_best(metric, str(row), 0) for finding in self.findings.get(metric, ()))

    @cached_property
    def cautions(self) -> tuple[Caution, ...]:
        """Reasons to read the benchmark with care; metrics of few items share one."""
        return tuple(small_samples(*(each.cube for held in self.findings.values() for each in held)))

    def _finding(self, metric: str, rows: Sequence[Row]) -> Findings:
        entries, facts = [], []
        for row in rows:
            cell = self.measured[row]
            of_rows = {metric: cell.rows[metric]} if metric in cell.rows else {}
            entries.append(
                Entry(
                    self.name,
                    str(row),
                    0,
                    None,
                    {metric: float(cell.metrics[metric] or 0.0)},
                    {metric: cell.draws[metric]},
                    of_rows,
                    {metric: cell.items[metric]} if metric in cell.items else {},
                )
            )
            facts.append(_facts(row, cell))
        cube = Cube(tuple(entries))
        contrasts = contrast_all(cube, facts, without=frozenset(), family="metric", seed=self.seed)
        model = {str(row): self.measured[row].fingerprint for row in rows}
        return Findings(
            cube,
            tuple(facts),
            tuple(replace(each, one_space=each.one_space and model[each.a] == model[each.b]) for each in contrasts),
        )


def _facts(row: Row, cell: Cell) -> SpaceFacts:
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
