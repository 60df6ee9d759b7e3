"""Curves of a study: losses, radii and curvatures by step, ROC curves; and the one head shown for each geometry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.metrics import Roc, mean_roc
from hiergeo.geometry import Space, parse
from hiergeo.report.charts import WIDTH, Chart, Line, draw
from hiergeo.training import EvalRecord
from hiergeo.training.study import Cell, HeadRun, Study
from hiergeo.training.summary import behind_head


@dataclass(frozen=True)
class Shown:
    """The head that represents the seeds of its geometry.

    Attributes:
        cell: its geometry and dimension.
        run: the head.
        embedded: the test data behind it.
        space: its geometry, with whatever curvature was learnt, around its root.
    """

    cell: Cell
    run: HeadRun
    embedded: Embedded
    space: Space


def shown(study: Study) -> tuple[Shown, ...]:
    """One head for each geometry, at its largest dimension: see `representative`."""
    largest = {cell.geometry: cell for cell in sorted(study.cells, key=lambda cell: cell.dim)}
    return tuple(_shown(study, largest[geometry]) for geometry in dict.fromkeys(cell.geometry for cell in study.cells))


def representative(cell: Cell) -> HeadRun:
    """The run with the median validation loss (the better of the two in the middle)."""
    ordered = sorted(cell.runs, key=validation_loss)
    return ordered[(len(ordered) - 1) // 2]


def validation_loss(run: HeadRun) -> float:
    """Validation loss of the state that was kept."""
    return run.kept.validation["total"]


def _shown(study: Study, cell: Cell) -> Shown:
    run = representative(cell)
    embedded = behind_head(study.frozen, run.trained.head, f"head@{study.frozen.model}")
    return Shown(cell, run, embedded, Space(run.trained.geometry, embedded.root))


Read = Callable[[EvalRecord], float]

STEPS = "step"


@dataclass(frozen=True)
class Curves:
    """Lines over the steps of training, in data units, under one title.

    Attributes:
        title: what the lines are of.
        lines: a thin one for each seed, with the place of the state that was kept, and a thick one for their mean.
        names: of each line the geometry, or geometry and tier, that it belongs to.
    """

    title: str
    lines: tuple[Line, ...]
    names: tuple[str, ...]


def loss_curves(cells: Sequence[Cell]) -> list[Curves]:
    """Validation losses, the weighted sum first, and tau_d."""
    first = cells[0].runs[0].trained.history[0].validation
    terms = ["total", *(name for name in first if name != "total")] if len(first) > 2 else ["total"]
    made = [_by_geometry(cells, f"validation loss: {name}", _loss(name)) for name in terms]
    return [*made, _by_geometry(cells, "rank correlation of tier and radius", lambda look: look.tau_d)]


def curvature_curves(cells: Sequence[Cell]) -> list[Curves]:
    """Curvature of every factor whose curvature moved, together; empty where all were constant."""
    found: list[tuple[Line, str]] = []
    for place, cell in enumerate(cells):
        factors = len(cell.runs[0].trained.history[0].curvature)
        for factor in range(factors):
            if any(len({look.curvature[factor] for look in run.trained.history}) > 1 for run in cell.runs):
                found += [(line, cell.geometry) for line in _lines(cell, series(place), _curvature(factor))]
    return [_curves("curvature K", found)] if found else []


def radius_curves(cells: Sequence[Cell]) -> list[Curves]:
    """Mean radius of every tier of the validation rows, by geometry."""
    made = []
    for cell in cells:
        tiers = range(len(cell.runs[0].trained.history[0].radius))
        found = [(line, f"tier {tier}") for tier in tiers for line in _lines(cell, f"tier{tier % 4}", _radius(tier))]
        made.append(_curves(cell.geometry, found))
    return made


def charted(curves: Sequence[Curves], *, one_scale: bool = False) -> list[Chart]:
    """A chart of each, with axes of its own or all on one scale."""
    spans = None
    if one_scale:
        every = [line for each in curves for line in each.lines]
        x, y = (np.concatenate([getattr(each, axis) for each in every]) for axis in ("x", "y"))
        spans = (float(x.min()), float(x.max())), (float(y.min()), float(y.max()))
    return [draw(each.title, STEPS, each.lines, spans=spans) for each in curves]


def series(place: int) -> str:
    """CSS class of the geometry at a place."""
    return f"series{place % 6}"


def _by_geometry(cells: Sequence[Cell], title: str, read: Read) -> Curves:
    found = [(line, cell.geometry) for place, cell in enumerate(cells) for line in _lines(cell, series(place), read)]
    return _curves(title, sorted(found, key=lambda each: "mean" in each[0].css))


def _curves(title: str, found: Sequence[tuple[Line, str]]) -> Curves:
    return Curves(title, tuple(line for line, _ in found), tuple(name for _, name in found))


def _lines(cell: Cell, css: str, read: Read) -> list[Line]:
    thin = [_seed(run, css, read) for run in cell.runs]
    common = _common_steps(cell.runs)
    mean = np.mean([[read(look) for look in run.trained.history if look.step in common] for run in cell.runs], axis=0)
    return [*thin, Line(f"curve mean {css}", np.array(sorted(common)), mean)]


def _seed(run: HeadRun, css: str, read: Read) -> Line:
    looks = run.trained.history
    steps, values = np.array([look.step for look in looks]), np.array([read(look) for look in looks])
    return Line(f"curve seed {css}", steps, values, steps.tolist().index(run.trained.best))


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

POINTS = 240
"""Largest number of drawn points of a curve."""


@dataclass(frozen=True)
class RocFigure:
    """ROC curves of the geometries of one dimension, by the cone margin, on the chains that were set aside.

    Attributes:
        chart: before and after training; curves after training are means over seeds.
        curves: geometry -> curves before and after; the area under the second is the AUROC of the table of results.
        areas: geometry -> AUROC before and after.
        pairs: number of true pairs, and of false ones.
    """

    chart: Chart
    curves: dict[str, tuple[Roc, Roc]]
    areas: dict[str, tuple[float, float]]
    pairs: int


def roc_figure(study: Study, dim: int) -> RocFigure:
    """The ROC curves of the pairs that the AUROC of the table is computed from."""
    curves, areas, lines = {}, {}, []
    cells = [cell for cell in study.cells if cell.dim == dim]
    for place, cell in enumerate(cells):
        before = study.before[cell.geometry]
        curves[cell.geometry] = before.rocs[ROC], mean_roc([run.rocs[ROC] for run in cell.runs])
        areas[cell.geometry] = before.metrics[ROC], cell.metrics[ROC]
        kinds = zip(("before", "mean"), curves[cell.geometry], strict=True)
        lines += [_roc_line(roc, f"curve {kind} {series(place)}") for kind, roc in kinds]
    unit = (0.0, 1.0)
    chance = Line("chance", np.array(unit), np.array(unit))
    chart = draw(
        "share of true pairs accepted",
        "share of false pairs accepted",
        [chance, *lines],
        spans=(unit, unit),
        height=WIDTH,
    )
    return RocFigure(chart, curves, areas, study.pairs)


def unheaded(study: Study, spec: str) -> Space:
    """The space that the frozen model was measured in for a geometry."""
    return Space(parse(study.before[spec].geometry), study.frozen.root)


def _roc_line(roc: Roc, css: str) -> Line:
    kept = np.unique(np.linspace(0, len(roc.true_positive_rate) - 1, POINTS).round().astype(int))
    return Line(css, *(rate[kept] for rate in roc))
