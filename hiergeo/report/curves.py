"""Curves of a study: losses, tau_d and curvatures by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hiergeo.training import EvalRecord
from hiergeo.training.study import StudyCell

Read = Callable[[EvalRecord], float]


@dataclass(frozen=True)
class Line:
    """A curve over the steps of training.

    Attributes:
        name: the geometry that it belongs to.
        x: (n,) steps.
        y: (n,) values.
        best: index of the state that was kept; None for a mean over seeds.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    best: int | None = None


@dataclass(frozen=True)
class Curves:
    """Curves under one title: a line for each seed and one for their mean, of every geometry."""

    title: str
    lines: tuple[Line, ...]


def learning_curves(cells: Sequence[StudyCell]) -> list[Curves]:
    """Validation losses, the weighted sum first, tau_d, and the curvatures of factors that moved, where any did."""
    first = cells[0].runs[0].trained.history[0].validation
    terms = ["total", *(name for name in first if name != "total")] if len(first) > 2 else ["total"]
    made = [_by_geometry(cells, f"validation loss: {name}", partial(_entry, "validation", name)) for name in terms]
    order = _by_geometry(cells, "rank correlation of tier and radius", lambda record: record.tau_d)
    return [*made, order, *_curvatures(cells)]


def _curvatures(cells: Sequence[StudyCell]) -> list[Curves]:
    lines: list[Line] = []
    for cell in cells:
        for factor in range(len(cell.runs[0].trained.history[0].curvature)):
            if any(len({record.curvature[factor] for record in run.trained.history}) > 1 for run in cell.runs):
                lines += _lines(cell, cell.geometry, partial(_entry, "curvature", factor))
    return [Curves("curvature K", tuple(lines))] if lines else []


def _by_geometry(cells: Sequence[StudyCell], title: str, read: Read) -> Curves:
    lines = [line for cell in cells for line in _lines(cell, cell.geometry, read)]
    return Curves(title, tuple(sorted(lines, key=lambda line: line.best is None)))


def _entry(field: str, key: str | int, record: EvalRecord) -> float:
    return float(getattr(record, field)[key])


def _lines(cell: StudyCell, name: str, read: Read) -> list[Line]:
    """A line for each seed, and their mean over the steps that every seed reached: a seed may stop early."""
    lines = []
    for run in cell.runs:
        steps = [record.step for record in run.trained.history]
        values = np.array([read(record) for record in run.trained.history])
        lines.append(Line(name, np.array(steps), values, steps.index(run.trained.best)))
    common = sorted(set.intersection(*(set(line.x.tolist()) for line in lines)))
    mean = np.mean([line.y[np.isin(line.x, common)] for line in lines], axis=0)
    return [*lines, Line(name, np.array(common), mean)]
