"""What a study hands back: every head of every geometry on the same data, and how the geometries differ."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from hiergeo.evaluation import Result
from hiergeo.evaluation.embedded import Embedded
from hiergeo.metrics import Interval
from hiergeo.study.plan import Plan
from hiergeo.training import Summary, Trained


@dataclass(frozen=True)
class Run:
    """One head.

    Attributes:
        seed: of its weights, batches and validation rows.
        trained: the head, its geometry and its history.
        summary: before and after on the test rows.
        metrics: flat name -> value: those of `summary` behind the head, the drift, and those of the pairs protocol on
            the chains that were set aside.
        draws: metric -> (samples,) bootstrap values under resampling of the items, the same items in every run.
        problem: how the training broke off, or why the head is not the trained one; None where all went well.
    """

    seed: int
    trained: Trained = field(repr=False)
    summary: Summary = field(repr=False)
    metrics: dict[str, float]
    draws: dict[str, np.ndarray] = field(repr=False)
    problem: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON values: metrics, diagnostics, what was kept, and the looks on the way."""
        return {
            "seed": self.seed,
            "metrics": _plain(self.metrics),
            "diagnostics": self.summary.after.diagnostics,
            "kept_step": self.trained.best,
            "problem": self.problem,
            "history": [look.as_dict() for look in self.trained.history],
        }


@dataclass(frozen=True)
class Cell:
    """One geometry at one dimension: a run for each seed, with the learning rate that the common budget chose.

    Attributes:
        geometry: spec.
        dim: dimension of the head's embeddings.
        learning_rate: the one of the plan's that did best on validation rows.
        runs: one a seed, in the order of the plan's seeds.
        tuning: learning rate -> AUROC of pairs, by the cone margin, on the validation rows of a seed that is not among
            the plan's; NaN where training broke off; empty where the plan has a single learning rate.
    """

    geometry: str
    dim: int
    learning_rate: float
    runs: tuple[Run, ...]
    tuning: dict[float, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The mean of every metric over the runs."""
        return {name: float(np.mean([run.metrics[name] for run in self.runs])) for name in self.runs[0].metrics}

    @property
    def spread(self) -> dict[str, float]:
        """The standard deviation of every metric over the runs, by their number less one."""
        return {name: float(np.std([run.metrics[name] for run in self.runs], ddof=1)) for name in self.runs[0].metrics}


@dataclass(frozen=True)
class Contrast:
    """How two geometries differ in one metric at one dimension.

    Attributes:
        metric: name.
        dim: dimension of both.
        a: spec of one.
        b: spec of the other.
        difference: mean over seeds of a - b.
        interval: its 95 % interval, test items and seeds resampled in pairs.
        together: the same interval, wider, so that those of all contrasts of the study hold at once with 95 %.
    """

    metric: str
    dim: int
    a: str
    b: str
    difference: float
    interval: Interval
    together: Interval

    @property
    def winner(self) -> str | None:
        """The spec that is better, as far as `together` excludes 0; None otherwise."""
        low, high = self.together
        if low <= 0 <= high or low == high:
            return None
        return self.a if self.difference > 0 else self.b


@dataclass(frozen=True)
class Study:
    """Heads of several geometries, trained alike and measured on the same rows.

    Attributes:
        plan: what was asked for.
        frozen: the test data as the frozen model embeds them.
        before: geometry -> the result without a head, retrieval and pairs included; a product that does not fit the
            frozen embeddings has the Euclidean one.
        cells: geometries times dimensions, in the order of `Plan.cells`.
        contrasts: every pair of different spaces, for every metric that could differ, and every dimension.
        verdicts: (geometry, dim) -> plain words on collapse and flatness.
        conclusion: plain words on whether a geometry helps; allowed to say that none does.
        same: metrics that are equal in all geometries by construction, and so have no contrasts.
        twins: specs that are one space in several charts, and so have no contrasts with each other.
        leakage: what of the test data was trained on, where that was forced.
    """

    plan: Plan
    frozen: Embedded = field(repr=False)
    before: dict[str, Result]
    cells: tuple[Cell, ...]
    contrasts: tuple[Contrast, ...]
    verdicts: dict[tuple[str, int], str]
    conclusion: str
    same: frozenset[str] = frozenset()
    twins: tuple[tuple[str, ...], ...] = ()
    leakage: str | None = None

    def to_json(self) -> str:
        """The means over seeds first, as ``GEOMETRY/dD/METRIC``; then contrasts, verdicts, every seed, and the plan."""
        named = {f"{cell.geometry}/d{cell.dim}": cell for cell in self.cells}
        flat = {f"{name}/{metric}": value for name, cell in named.items() for metric, value in cell.metrics.items()}
        whole = {
            "metrics": _plain(flat),
            "intervals": [asdict(contrast) | {"winner": contrast.winner} for contrast in self.contrasts],
            "conclusion": self.conclusion,
            "verdicts": {f"{geometry}/d{dim}": words for (geometry, dim), words in self.verdicts.items()},
            "same_by_construction": sorted(self.same),
            "twins": self.twins,
            "leakage": self.leakage,
            "before": {geometry: result.as_dict() for geometry, result in self.before.items()},
            "cells": {
                name: {
                    "learning_rate": cell.learning_rate,
                    "tuning": _plain({f"{rate:g}": score for rate, score in cell.tuning.items()}),
                    "spread": _plain(cell.spread),
                    "runs": [run.as_dict() for run in cell.runs],
                }
                for name, cell in named.items()
            },
            "plan": asdict(self.plan),
        }
        return json.dumps(whole, indent=2)


def _plain(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers that JSON has: null for NaN."""
    return {name: None if math.isnan(value) else value for name, value in numbers.items()}
