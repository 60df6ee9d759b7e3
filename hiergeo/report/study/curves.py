"""What was seen while the heads were trained: losses, the order of tiers, radii and curvatures, step by step."""

from collections.abc import Callable, Sequence

import numpy as np

from hiergeo.report.chart import Chart, Line, draw
from hiergeo.report.study.scores import Scores
from hiergeo.study import Cell, Run
from hiergeo.training import Look

Read = Callable[[Look], float]

STEPS = "step"


def learning(scores: Scores) -> list[Chart]:
    """Validation losses, the weighted sum first, and tau_d: one chart each, a colour for each geometry."""
    first = scores.cells[0].runs[0].trained.history[0].validation
    terms = ["total", *(name for name in first if name != "total")] if len(first) > 2 else ["total"]
    charts = [_by_geometry(scores, f"validation loss: {name}", _loss(name)) for name in terms]
    return [*charts, _by_geometry(scores, "rank correlation of tier and radius", lambda look: look.tau_d)]


def curvatures(scores: Scores) -> list[Chart]:
    """The curvature of every factor of every geometry whose curvature moved; nothing where all stood still."""
    lines = []
    for place, cell in enumerate(scores.cells):
        factors = len(cell.runs[0].trained.history[0].curvature)
        for factor in range(factors):
            if any(len({look.curvature[factor] for look in run.trained.history}) > 1 for run in cell.runs):
                lines += _lines(cell, series(place), _curvature(factor))
    return [draw("curvature K", STEPS, lines)] if lines else []


def radii(scores: Scores) -> list[Chart]:
    """The mean radius of every tier of the validation rows: one chart for each geometry, on one scale."""
    drawn = [_tiers(cell) for cell in scores.cells]
    every = [each for lines in drawn for each in lines]
    x, y = (np.concatenate([getattr(each, axis) for each in every]) for axis in ("x", "y"))
    spans = (float(x.min()), float(x.max())), (float(y.min()), float(y.max()))
    return [draw(cell.geometry, STEPS, lines, spans=spans) for cell, lines in zip(scores.cells, drawn, strict=True)]


def series(place: int) -> str:
    """The CSS class of the geometry at a place."""
    return f"series{place % 6}"


def _by_geometry(scores: Scores, title: str, read: Read) -> Chart:
    lines = [each for place, cell in enumerate(scores.cells) for each in _lines(cell, series(place), read)]
    return draw(title, STEPS, sorted(lines, key=lambda each: "mean" in each.css))


def _tiers(cell: Cell) -> list[Line]:
    tiers = range(len(cell.runs[0].trained.history[0].radius))
    return [each for tier in tiers for each in _lines(cell, f"tier{tier % 4}", _radius(tier))]


def _lines(cell: Cell, css: str, read: Read) -> list[Line]:
    """A thin line for each seed with a dot at the state that was kept, and a thick one for their mean."""
    thin = [_seed(run, css, read) for run in cell.runs]
    common = _common_steps(cell.runs)
    mean = np.mean([[read(look) for look in run.trained.history if look.step in common] for run in cell.runs], axis=0)
    return [*thin, Line(f"curve mean {css}", np.array(sorted(common)), mean)]


def _seed(run: Run, css: str, read: Read) -> Line:
    looks = run.trained.history
    steps, values = np.array([look.step for look in looks]), np.array([read(look) for look in looks])
    return Line(f"curve seed {css}", steps, values, steps.tolist().index(run.trained.best))


def _common_steps(runs: Sequence[Run]) -> set[int]:
    """The steps at which every seed was looked at: a seed may stop early."""
    return set.intersection(*({look.step for look in run.trained.history} for run in runs))


def _loss(name: str) -> Read:
    return lambda look: look.validation[name]


def _curvature(factor: int) -> Read:
    return lambda look: look.curvature[factor]


def _radius(tier: int) -> Read:
    return lambda look: look.radius[tier]
