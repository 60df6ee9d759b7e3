"""What a head kept of the frozen model and what it changed: before and after, over the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hiergeo.metrics import Interval, crossed_draws, percentile_interval
from hiergeo.report.study.scores import Scores
from hiergeo.study import Cell

DRIFT = ("similarity_change", "similarity_correlation")
"""How far the cosines of captions moved: numbers of the two models together, which have no before."""


@dataclass(frozen=True)
class Change:
    """A metric before and after training.

    Attributes:
        before: of the frozen model.
        after: the mean over seeds.
        interval: 95 % interval of after - before, test items and seeds drawn anew, in pairs over the items.
    """

    before: float
    after: float
    interval: Interval

    @property
    def direction(self) -> str:
        """ "better", "worse" or "same", by whether the interval excludes 0."""
        return "better" if self.interval.low > 0 else "worse" if self.interval.high < 0 else "same"


@dataclass(frozen=True)
class Retained:
    """The heads of one dimension beside the frozen model."""

    scores: Scores

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those that some geometry has before and after."""
        return tuple(name for name in self.scores.metrics if any(self.change(name, cell) for cell in self.scores.cells))

    def change(self, metric: str, cell: Cell) -> Change | None:
        """A metric in a geometry; None where it was not measured before and after."""
        before = self.scores.study.before[cell.geometry]
        if metric not in before.draws or metric not in cell.runs[0].draws:
            return None
        draws = crossed_draws([run.draws[metric] - before.draws[metric] for run in cell.runs])
        after = float(np.mean([run.metrics[metric] for run in cell.runs]))
        return Change(before.metrics[metric], after, percentile_interval(draws))

    def drift(self, name: str) -> Sequence[tuple[float, float, float]]:
        """For each geometry the mean, the smallest and the largest over seeds of a number of `DRIFT`."""
        rows = [[run.summary.drift[name] for run in cell.runs] for cell in self.scores.cells]
        return [(float(np.mean(row)), min(row), max(row)) for row in rows]
