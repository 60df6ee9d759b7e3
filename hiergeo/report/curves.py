"""Curves of a study: losses, radii and curvatures by step, and ROC curves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hiergeo.evaluation.metrics import Roc, mean_roc
from hiergeo.training import EvalRecord
from hiergeo.training.study import Study, StudyCell

Read = Callable[[EvalRecord], float]


@dataclass(frozen=True)
class Line:
    """A curve over the steps of training.

    Attributes:
        name: the geometry or the tier that it belongs to.
        x: (n,) steps.
        y: (n,) values.
        kept: index of the state that was kept; None for a mean over seeds.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    kept: int | None = None


@dataclass(frozen=True)
class Curves:
    """Curves under one title: a line for each seed and one for their mean, of every geometry or tier."""

    title: str
    lines: tuple[Line, ...]


def loss_curves(cells: Sequence[StudyCell]) -> list[Curves]:
    """Validation losses, the weighted sum first, and tau_d."""
    first = cells[0].runs[0].trained.history[0].validation
    terms = ["total", *(name for name in first if name != "total")] if len(first) > 2 else ["total"]
    made = [_by_geometry(cells, f"validation loss: {name}", partial(_entry, "validation", name)) for name in terms]
    return [*made, _by_geometry(cells, "rank correlation of tier and radius", lambda look: look.tau_d)]


def curvature_curves(cells: Sequence[StudyCell]) -> list[Curves]:
    """Curvature of every factor whose curvature moved, together; empty where all were constant."""
    lines: list[Line] = []
    for cell in cells:
        for factor in range(len(cell.runs[0].trained.history[0].curvature)):
            if any(len({look.curvature[factor] for look in run.trained.history}) > 1 for run in cell.runs):
                lines += _lines(cell, cell.geometry, partial(_entry, "curvature", factor))
    return [Curves("curvature K", tuple(lines))] if lines else []


def radius_curves(cells: Sequence[StudyCell]) -> list[Curves]:
    """Mean radius of every tier of the validation rows, by geometry."""
    return [
        Curves(
            cell.geometry,
            tuple(
                line
                for tier in range(len(cell.runs[0].trained.history[0].radius))
                for line in _lines(cell, f"tier {tier}", partial(_entry, "radius", tier))
            ),
        )
        for cell in cells
    ]


def _by_geometry(cells: Sequence[StudyCell], title: str, read: Read) -> Curves:
    lines = [line for cell in cells for line in _lines(cell, cell.geometry, read)]
    return Curves(title, tuple(sorted(lines, key=lambda line: line.kept is None)))


def _entry(field: str, key: str | int, look: EvalRecord) -> float:
    return float(getattr(look, field)[key])


def _lines(cell: StudyCell, name: str, read: Read) -> list[Line]:
    """A line for each seed, and their mean over the steps that every seed reached: a seed may stop early."""
    lines = []
    for run in cell.runs:
        steps = [look.step for look in run.trained.history]
        values = np.array([read(look) for look in run.trained.history])
        lines.append(Line(name, np.array(steps), values, steps.index(run.trained.best)))
    common = sorted(set.intersection(*(set(line.x.tolist()) for line in lines)))
    mean = np.mean([line.y[np.isin(line.x, common)] for line in lines], axis=0)
    return [*lines, Line(name, np.array(common), mean)]


ROC = "auroc_margin"
"""The AUROC whose ROC curves are drawn: by the cone margin, which products have too."""


@dataclass(frozen=True)
class RocFigure:
    """ROC curves of the geometries of one dimension, by the cone margin, on the chains that were set aside.

    Attributes:
        curves: geometry -> curves before and after; the area under the second is the AUROC of the table of results.
        areas: geometry -> AUROC before and after; curves after training are means over seeds.
        pairs: number of true pairs, and of false ones.
    """

    curves: dict[str, tuple[Roc, Roc]]
    areas: dict[str, tuple[float, float]]
    pairs: int


def roc_figure(study: Study, dim: int) -> RocFigure:
    """The ROC curves of the pairs that the AUROC of the table is computed from."""
    curves, areas = {}, {}
    for cell in (cell for cell in study.cells if cell.dim == dim):
        before = study.before[cell.geometry]
        curves[cell.geometry] = before.rocs[ROC], mean_roc([run.summary.after.rocs[ROC] for run in cell.runs])
        areas[cell.geometry] = before.metrics[ROC], cell.metrics[ROC]
    return RocFigure(curves, areas, study.pairs)
