"""What a study returns: every head of every geometry on the same data, and what their differences amount to."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from hiergeo._core import notebook
from hiergeo._core.records import Exported, Figure, Grid, Record, json_text, number
from hiergeo._core.text import shortened
from hiergeo.evaluation import Result
from hiergeo.evaluation.comparison import HEADLINE
from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.findings import (
    BeforeAfter,
    Conclusion,
    Cube,
    Entry,
    Findings,
    HeadFacts,
    HeadsVerdict,
    SpaceFacts,
    identity,
)
from hiergeo.evaluation.metrics.registry import omissions
from hiergeo.geometry import parse
from hiergeo.training import EvalRecord, Summary, Trained
from hiergeo.training.study.design import StudyPlan, StudySettings
from hiergeo.training.trainer import at_step

DRIFT = ("similarity_change", "similarity_correlation")
"""Metrics of how far a head moved the embeddings: neither more nor less of it is better."""


NO_HEAD = "no head"
"""What tables call the frozen model."""

PAIRS = ("auroc", "average_precision", "score_ties")
"""How the names of metrics of pairs begin, which are measured on the chains that were set aside."""


def is_of_pairs(metric: str) -> bool:
    """Whether a metric is measured on the chains that were set aside; all others are on the test rows."""
    return metric.startswith(PAIRS)


@dataclass(frozen=True)
class HeadRun:
    """One head.

    Attributes:
        trained: the head, its geometry, its recipe (whose seed is that of weights, batches and validation rows) and its
            history.
        summary: before and after on the test rows; the result after it has the pairs protocol on the chains that were
            set aside as well. Every run resamples the same items.
        problem: how the training failed, or why the head is not the trained one; None where all went well.
    """

    trained: Trained = field(repr=False)
    summary: Summary = field(repr=False)
    problem: str | None = None

    @property
    def seed(self) -> int:
        """Of weights, batches and validation rows."""
        return self.trained.recipe.seed

    @property
    def metrics(self) -> dict[str, float]:
        """Flat name -> value: those behind the head, and the drift."""
        return self.summary.after.metrics | self.summary.drift

    @property
    def kept(self) -> EvalRecord:
        """The record at the state that was kept."""
        return at_step(self.trained.history, self.trained.best)

    @property
    def facts(self) -> HeadFacts:
        """What a verdict reads of the head."""
        after, curvature = self.summary.after, self.kept.curvature
        reach = math.sqrt(max(curvature[0], 0)) * float(after.radii.max()) if len(curvature) == 1 else 0.0
        return HeadFacts(self.seed, after.diagnostics, curvature, reach, self.problem, self.trained.best)

    def as_dict(self) -> dict[str, Any]:
        """JSON values: metrics, diagnostics, what was kept, and the records on the way."""
        return {
            "seed": self.seed,
            "metrics": self.metrics,
            "diagnostics": self.summary.after.diagnostics,
            "kept_step": self.trained.best,
            "problem": self.problem,
            "history": [look.as_dict() for look in self.trained.history],
        }


@dataclass(frozen=True)
class StudyCell:
    """One geometry at one dimension: a run for each seed, with the learning rate that the common budget chose.

    Attributes:
        geometry: spec.
        dim: dimension of the head's embeddings.
        learning_rate: the one of the plan's that did best on validation rows.
        runs: one a seed, in the order of the plan's seeds.
        tuning: learning rate -> AUROC of pairs, by the cone margin, on the validation rows of a seed that is not among
            the plan's; NaN where training failed; empty where the plan has a single learning rate.
    """

    geometry: str
    dim: int
    learning_rate: float
    runs: tuple[HeadRun, ...]
    tuning: dict[float, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """Mean of every metric over the runs."""
        return {name: float(np.mean([run.metrics[name] for run in self.runs])) for name in self.runs[0].metrics}

    @property
    def spread(self) -> dict[str, float]:
        """Standard deviation of every metric over the runs, by their number less one."""
        return {name: float(np.std([run.metrics[name] for run in self.runs], ddof=1)) for name in self.runs[0].metrics}

    @property
    def verdict(self) -> HeadsVerdict:
        """Collapse, curvature and training of the heads."""
        facts = tuple(run.facts for run in self.runs)
        return HeadsVerdict(self.geometry, self.dim, facts, self.learning_rate, tuple(self.tuning))

    @property
    def space(self) -> SpaceFacts:
        """What matters of the space when it is compared with others."""
        geometry, verdict = parse(self.geometry), self.verdict
        curved = any(float(factor.curvature) != 0 for factor, _ in geometry.parts(self.dim))
        added = geometry.norm == "l1"
        return SpaceFacts(self.geometry, self.dim, identity(self.geometry), curved, verdict.bend, added)

    def entries(self, model: str) -> tuple[Entry, ...]:
        """The runs as entries of a cube."""
        return tuple(
            replace(
                run.summary.after.entry(self.dim, run.seed), model=model, geometry=self.geometry, metrics=run.metrics
            )
            for run in self.runs
        )


def _figure(value: float | None) -> Figure:
    return Figure() if value is None else Figure(number(value))


@dataclass(frozen=True, repr=False)
class Study(Exported):
    """Heads of several geometries, trained alike and measured on the same rows.

    Attributes:
        plan: what was asked for.
        settings: how it was measured.
        frozen: the test data as the frozen model embeds them.
        before: geometry -> the result without a head, retrieval and pairs included; a product that does not fit the
            frozen embeddings has the Euclidean one.
        cells: geometries times dimensions, in the order of `StudyPlan.cells`.
        findings: scores, contrasts of every two different spaces, and cautions.
        conclusion: whether a geometry helps; it may be that none does.
        pairs: number of true pairs, and of false pairs of each kind, on the chains that were set aside.
        leakage: what of the test data was trained on, where that was forced.
    """

    plan: StudyPlan
    settings: StudySettings
    frozen: Embedded = field(repr=False)
    before: dict[str, Result]
    cells: tuple[StudyCell, ...]
    findings: Findings
    conclusion: Conclusion
    pairs: int
    leakage: str | None = None

    def __repr__(self) -> str:
        dims = ", ".join(map(str, self.plan.dims))
        about = (
            f"{self.frozen.model} in {', '.join(self.plan.geometries)}, {dims} dimensions, {len(self.plan.seeds)} seeds"
        )
        return f"<Study of {about}: {shortened(self.conclusion.headline, HEADLINE)}>"

    def _repr_html_(self) -> str:
        """The conclusion and the tables."""
        concluded = self.conclusion.headline, *self.conclusion.remarks
        return notebook.sentences(*concluded) + super()._repr_html_() + notebook.sentences(self.omissions)

    def records(self) -> Iterator[Record]:
        """Those of the findings, after rows of the frozen model, whose geometry is called "no head"."""
        yield from self._without_head()
        yield from self.findings.records()

    def _without_head(self) -> Iterator[Record]:
        names = ("dim", "geometry", "metric", "mean", "deviation", "low", "high", "best")
        for dim in self.findings.dims:
            before = self.before[self.findings.geometries(dim)[0]]
            for metric, value in before.metrics.items():
                row = dim, NO_HEAD, metric, value, None, *before.intervals.get(metric, (None, None)), 0
                yield dict(zip(names, row, strict=True))

    def grids(self) -> Iterator[Grid]:
        """Those of the findings with what the frozen model reaches, learning rates, and how to read them."""
        for dim, grid in zip(self.findings.dims, self.findings.grids(), strict=True):
            geometries = self.findings.geometries(dim)
            frozen = self.before[geometries[0]].metrics
            metrics = self.findings.cube.select(dim=dim).metrics
            rows = [
                (label, (_figure(frozen.get(name)), *figures))
                for name, (label, figures) in zip(metrics, grid.rows, strict=True)
            ]
            rates = (Figure(f"{self.cell(geometry, dim).learning_rate:g}") for geometry in geometries)
            empty = (Figure(),) * (len(grid.heads) - len(geometries))
            rows.append(("learning rate", (Figure(), *rates, *empty)))
            notes = f"Means over {len(self.plan.seeds)} seeds ± their standard deviation."
            if self.findings.has_leaders:
                notes += " Bold: better than every other geometry."
            yield replace(grid, heads=(NO_HEAD, *grid.heads), rows=tuple(rows), notes=notes)

    @property
    def omissions(self) -> str:
        """What was left out of a space, before or behind its heads, and why, in words; empty where nothing was."""
        after = (run.summary.after for cell in self.cells for run in cell.runs)
        return omissions({name: why for each in (*self.before.values(), *after) for name, why in each.left_out.items()})

    @property
    def cube(self) -> Cube:
        """All numbers, with `to_pandas`, `to_csv`, `to_markdown`, `to_latex` and `to_json`."""
        return self.findings.cube

    @cached_property
    def verdicts(self) -> dict[tuple[str, int], HeadsVerdict]:
        """(geometry, dim) -> verdict on collapse, curvature and training."""
        return {(cell.geometry, cell.dim): cell.verdict for cell in self.cells}

    def cell(self, geometry: str, dim: int) -> StudyCell:
        """The heads of a geometry at a dimension."""
        return next(each for each in self.cells if (each.geometry, each.dim) == (geometry, dim))

    def change(self, metric: str, geometry: str, dim: int) -> BeforeAfter | None:
        """A metric before and after training; None where it was not measured both times."""
        name = self.frozen.model
        return BeforeAfter.of(metric, self.before[geometry].entry(dim), self.cell(geometry, dim).entries(name))

    def to_json(self) -> str:
        """The means over seeds first, as ``GEOMETRY/dD/METRIC``; then contrasts, verdicts, every seed, and the plan."""
        named = {f"{cell.geometry}/d{cell.dim}": cell for cell in self.cells}
        flat = {f"{name}/{metric}": value for name, cell in named.items() for metric, value in cell.metrics.items()}
        whole = {
            "metrics": flat,
            "intervals": [contrast.as_dict() for contrast in self.findings.contrasts],
            "conclusion": str(self.conclusion),
            "cautions": [asdict(each) for each in self.findings.cautions],
            "verdicts": {f"{geometry}/d{dim}": str(verdict) for (geometry, dim), verdict in self.verdicts.items()},
            "same_by_construction": sorted(self.findings.shared),
            "twins": self.findings.twins,
            "leakage": self.leakage,
            "before": {geometry: result.as_dict() for geometry, result in self.before.items()},
            "cells": {
                name: {
                    "learning_rate": cell.learning_rate,
                    "tuning": {f"{rate:g}": score for rate, score in cell.tuning.items()},
                    "spread": cell.spread,
                    "runs": [run.as_dict() for run in cell.runs],
                }
                for name, cell in named.items()
            },
            "plan": asdict(self.plan),
            "settings": asdict(self.settings),
        }
        return json_text(whole)
