"""Curves of a study: losses, radii and curvatures by step, and ROC curves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hiergeo.evaluation.metrics import Roc, mean_roc
from hiergeo.training import EvalRecord
from hiergeo.training.study import HeadRun, Study, StudyCell

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
    made = [_by_geometry(cells, f"validation loss: {name}", _loss(name)) for name in terms]
    return [*made, _by_geometry(cells, "rank correlation of tier and radius", lambda look: look.tau_d)]


def curvature_curves(cells: Sequence[StudyCell]) -> list[Curves]:
    """Curvature of every factor whose curvature moved, together; empty where all were constant."""
    lines: list[Line] = []
    for cell in cells:
        for factor in range(len(cell.runs[0].trained.history[0].curvature)):
            if any(len({look.curvature[factor] for look in run.trained.history}) > 1 for run in cell.runs):
                lines += _lines(cell, cell.geometry, _curvature(factor))
    return [Curves("curvature K", tuple(lines))] if lines else []


def radius_curves(cells: Sequence[StudyCell]) -> list[Curves]:
    """Mean radius of every tier of the validation rows, by geometry."""
    return [
        Curves(
            cell.geometry,
            tuple(
                line
                for tier in range(len(cell.runs[0].trained.history[0].radius))
                for line in _lines(cell, f"tier {tier}", _radius(tier))
            ),
        )
        for cell in cells
    ]


def _by_geometry(cells: Sequence[StudyCell], title: str, read: Read) -> Curves:
    lines = [line for cell in cells for line in _lines(cell, cell.geometry, read)]
    return Curves(title, tuple(sorted(lines, key=lambda line: line.kept is None)))


def _lines(cell: StudyCell, name: str, read: Read) -> list[Line]:
    common = _common_steps(cell.runs)
    mean = np.mean([[read(look) for look in run.trained.history if look.step in common] for run in cell.runs], axis=0)
    return [*(_seed(run, name, read) for run in cell.runs), Line(name, np.array(sorted(common)), mean)]


def _seed(run: HeadRun, name: str, read: Read) -> Line:
    looks = run.trained.history
    steps, values = np.array([look.step for look in looks]), np.array([read(look) for look in looks])
    return Line(name, steps, values, steps.tolist().index(run.trained.best))


def _common_steps(runs: Sequence[HeadRun]) -> set[int]:
    """Steps that every seed reached: a seed may stop early."""
    return set.intersection(*({look.step for look in run.trained.history} for run in runs))


def _loss(name: str) -> Read:
    return lambda look: look.validation[name]


def _curvature(factor: int) -> Read:
    return lambda look: look.curvature[factor]


def _radius(tier: int) -> Read:
    return lambda look: look.radius[tier]


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
