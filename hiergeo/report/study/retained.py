"""What a head kept of the frozen model and what it changed: before and after, over the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from hiergeo.metrics import Interval, crossed_draws, percentile_interval
from hiergeo.report.study.scores import Scores
from hiergeo.study import Cell


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
        return Change(before.metrics[metric], cell.metrics[metric], percentile_interval(draws))

    def drift(self, name: str) -> Sequence[tuple[float, float, float]]:
        """For each geometry the mean, the smallest and the largest over seeds of how far cosines of captions moved."""
        rows = [(cell.metrics[name], [run.metrics[name] for run in cell.runs]) for cell in self.scores.cells]
        return [(mean, min(seeds), max(seeds)) for mean, seeds in rows]
