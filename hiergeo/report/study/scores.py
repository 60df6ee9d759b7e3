"""The table of a study: every metric in every geometry of one dimension, over seeds, and the differences."""

from dataclasses import dataclass
from functools import cached_property

from hiergeo.metrics import Interval, crossed_draws, percentile_interval
from hiergeo.report.study_table import leaders
from hiergeo.study import Cell, Contrast, Study


@dataclass(frozen=True)
class Score:
    """One metric in one geometry.

    Attributes:
        value: the mean over seeds.
        interval: its 95 % interval, test items and seeds drawn anew.
        seeds: the value of each seed.
        best: whether it beats every geometry that is another space.
    """

    value: float
    interval: Interval
    seeds: tuple[float, ...]
    best: bool


@dataclass(frozen=True)
class Scores:
    """The heads of one dimension, metric by metric."""

    study: Study
    dim: int

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """One a geometry."""
        return tuple(cell for cell in self.study.cells if cell.dim == self.dim)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Those with intervals that any geometry has, in order of first appearance."""
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.runs[0].draws))

    def score(self, metric: str, cell: Cell) -> Score | None:
        """The figure of a metric in a geometry, or None where that geometry has none."""
        if metric not in cell.runs[0].draws:
            return None
        seeds = tuple(run.metrics[metric] for run in cell.runs)
        interval = percentile_interval(crossed_draws([run.draws[metric] for run in cell.runs]))
        return Score(cell.metrics[metric], interval, seeds, cell.geometry in leaders(self.study, self.dim, metric))

    def span(self, metric: str) -> tuple[float, float]:
        """The bounds of all intervals and seeds of a metric together."""
        scores = [score for cell in self.cells if (score := self.score(metric, cell))]
        low = min(min(score.interval.low, *score.seeds) for score in scores)
        return low, max(max(score.interval.high, *score.seeds) for score in scores)

    def contrasts(self, metric: str) -> tuple[Contrast, ...]:
        """How its geometries differ in a metric, pair by pair."""
        return tuple(each for each in self.study.contrasts if each.metric == metric and each.dim == self.dim)

    @cached_property
    def decided(self) -> tuple[Contrast, ...]:
        """The contrasts that name a winner."""
        return tuple(each for metric in self.metrics for each in self.contrasts(metric) if each.winner)

    def reach(self, metric: str) -> float:
        """The largest distance from 0 of any bound of the contrasts of a metric, which their drawings share."""
        return max(max(abs(bound) for bound in each.together) for each in self.contrasts(metric)) or 1.0


def tables(study: Study) -> tuple[Scores, ...]:
    """One a dimension, in the order of the plan."""
    return tuple(Scores(study, dim) for dim in dict.fromkeys(cell.dim for cell in study.cells))
