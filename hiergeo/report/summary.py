"""The one picture of a page: the metrics that its headline rests on, as dot plots with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hiergeo._core.records import number
from hiergeo.evaluation.auditing.record import ATTRIBUTION, Audit
from hiergeo.evaluation.experiment import Board
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.evaluation.result import strongest
from hiergeo.training.study import Study

if TYPE_CHECKING:
    from hiergeo.training.suite import Leaderboard
    from hiergeo.training.suite.leaderboard import Standing

PLOTS = 3
"""Plots of a picture."""

ROWS = 12
"""Rows of a leaderboard that its picture shows, the best ones first."""

NAMED = ("tau_d", "tau_d_equal_length")
"""Metrics that headlines name."""

CARRIED = ("parent_mrr_pairs", "auroc", "recall", "average_precision", "precision")
"""Metrics that tell what carries a hierarchy, in the order of choice."""


@dataclass(frozen=True)
class Dot:
    """A row of a dot plot.

    Attributes:
        name: of the row.
        value: where the dot is.
        interval: its bar; None where there is none.
        before: where a hollow dot is, of the value that this one was; None where there is none.
        best: whether it is marked.
    """

    name: str
    value: float
    interval: Interval | None = None
    before: float | None = None
    best: bool = False

    def __str__(self) -> str:
        bounds = "" if self.interval is None else f" ({number(self.interval.low)} to {number(self.interval.high)})"
        before = "" if self.before is None else f"{number(self.before)}, then "
        return f"{self.name} {before}{number(self.value)}{bounds}{', best' if self.best else ''}"


@dataclass(frozen=True)
class DotPlot:
    """One metric.

    Attributes:
        metric: its name.
        dots: from above.
        reference: place of a vertical line; None without one.
        of: what the metric is of; may be empty.
        control: what reaches `reference` without the model; may be empty.
    """

    metric: str
    dots: tuple[Dot, ...]
    reference: float | None = None
    of: str = ""
    control: str = ""

    def __str__(self) -> str:
        """The plot in words."""
        line = f"; {self.control} {number(self.reference)}" if self.control and self.reference is not None else ""
        name = ", ".join(filter(None, (self.of, find_metric(self.metric).label)))
        return f"{name}: {'; '.join(map(str, self.dots))}{line}"

    def beside(self, control: tuple[str, float] | None) -> "DotPlot":
        """The plot with a line where a control, its name and value, is."""
        return self if control is None else replace(self, control=control[0], reference=control[1])


@dataclass(frozen=True)
class DotPlots:
    """What stands below the headline: dot plots, and what they show in words."""

    plots: tuple[DotPlot, ...]
    caption: str


def of_comparison(board: Board) -> DotPlots:
    """The main metrics in each geometry."""
    (dim,) = board.dims
    plots = [_controlled(board, metric, dim) for metric in main_metrics(board, dim)]
    marked = " Marked: better than every other space." if _marks(plots) else ""
    return DotPlots(tuple(plots), f"Value and 95 % interval, each metric on a scale of its own.{_lines(plots)}{marked}")


def _controlled(board: Board, metric: str, dim: int, before: dict[str, float] | None = None) -> DotPlot:
    """The dots of a metric, with the line of its control."""
    return DotPlot(metric, _dots(board, metric, dim, before)).beside(board.control(metric, dim))


def _lines(plots: Sequence[DotPlot]) -> str:
    """What the lines of plots are of, in a sentence."""
    names = dict.fromkeys(plot.control for plot in plots if plot.control)
    return f" Dashed line: the strongest control ({', '.join(names)})." if names else ""


def _marks(plots: Sequence[DotPlot]) -> bool:
    return any(dot.best for plot in plots for dot in plot.dots)


def of_study(study: Study) -> DotPlots:
    """The main metrics before and after training, at the largest dimension."""
    board, dim = study.board, max(study.board.dims)
    plots = []
    for metric in main_metrics(board, dim):
        changes = {spec: study.change(metric, spec, dim) for spec in board.geometries(dim)}
        before = {spec: change.before for spec, change in changes.items() if change is not None}
        plots.append(_controlled(board, metric, dim, before))
    of = f" at {dim} dimensions" if len(board.dims) > 1 else ""
    seeds = len(study.plan.seeds)
    shown = (
        f"the mean over {seeds} seeds and its 95 % interval" if seeds > 1 else "behind a head, with its 95 % interval"
    )
    return DotPlots(tuple(plots), f"Hollow: the frozen model. Filled: {shown}{of}.{_lines(plots)}")


def of_audit(audit: Audit) -> DotPlots:
    """Whether radii order the tiers beyond counting, and what carries the hierarchy: metrics under each control."""
    numbers = audit.numbers
    counted = {"length": numbers["length_tau_d"], "characters": numbers["length_tau_d_characters"]}
    order = DotPlot("tau_d", (Dot("radii", numbers["tau_d"], audit.intervals.get("tau_d")),))
    plots = [order.beside(strongest("tau_d", counted))]
    for metric in [name for name in CARRIED if name in audit.attribution][: PLOTS - 1]:
        native = numbers[metric]
        dots = [Dot(ATTRIBUTION[""], native, audit.intervals.get(metric))]
        for control in filter(audit.attribution[metric].__contains__, ATTRIBUTION):
            gain = audit.intervals.get(f"{metric}_minus_{control}")
            bounds = None if gain is None else Interval(native - gain.high, native - gain.low)
            dots.append(Dot(ATTRIBUTION[control], numbers[f"{metric}_{control}"], bounds))
        plots.append(DotPlot(metric, tuple(dots), native))
    explanation = (
        f"First: tau_d of the radii with its 95 % interval, and that of {plots[0].control} (dashed). Then: the space "
        "as it is (dashed), and the same points with parts of the geometry taken away, with 95 % intervals of the "
        "paired difference. Where a bar misses the line, what was taken away counts."
    )
    return DotPlots(tuple(plots), explanation)


def of_leaderboard(table: "Leaderboard") -> DotPlots:
    """The first metric of the first benchmarks that have numbers, best rows first."""
    measured = [standing for standing in table.standings if standing.measured]
    plots = [plot for standing in measured if (plot := _of_standing(standing))][:PLOTS]
    left = " The best rows alone." if any(len(standing.measured) > ROWS for standing in measured) else ""
    marked = " Marked: ahead of every other row." if _marks(plots) else ""
    return DotPlots(tuple(plots), f"Value and 95 % interval.{_lines(plots)}{left}{marked}")


def _of_standing(standing: "Standing") -> DotPlot | None:
    metric = standing.task.primary
    dots = [dot for board in standing.boards for dot in _dots(board, metric, 0)]
    if not dots:
        return None
    worst_first = find_metric(metric).higher_is_better is not False
    ordered = sorted(dots, key=lambda dot: dot.value, reverse=worst_first)[:ROWS]
    reached = {name: values[metric] for name, values in standing.baselines.items() if metric in values}
    return DotPlot(metric, tuple(ordered), of=standing.name).beside(strongest(metric, reached))


def main_metrics(board: Board, dim: int) -> tuple[str, ...]:
    """The metrics that a picture shows: those that a headline names, then those that tell spaces apart most clearly.

    Other controls and metrics without merit are left out. Those with a leader come first, then those with a decided
    contrast, and among equals those with the clearest contrast.
    """
    able = [
        name
        for name in board.metrics(dim)
        if (metric := find_metric(name)).higher_is_better is not None and not metric.control
    ]
    radial = [name for name in NAMED if name in board.metrics(dim)]
    others = sorted((name for name in able if name not in radial), key=lambda name: _rank(board, name, dim))
    return tuple([*radial, *others][:PLOTS])


def _rank(board: Board, metric: str, dim: int) -> tuple[bool, bool, float]:
    """Smaller for metrics that tell more: without a leader, without a decided contrast, and less the clearest one."""
    contrasts = board.contrasts_of(metric, dim)
    clearest = max((contrast.clearness for contrast in contrasts), default=0.0)
    return not board.leaders(metric, dim), not any(contrast.winner for contrast in contrasts), -clearest


def _dots(board: Board, metric: str, dim: int, before: dict[str, float] | None = None) -> tuple[Dot, ...]:
    """A dot for each geometry; a single one where all are equal by construction."""
    first = before or {}
    scores = {spec: score for spec in board.geometries(dim) if (score := board.score(metric, spec, dim))}
    if metric in board.shared and not first and len(scores) > 1:
        score = next(iter(scores.values()))
        return (Dot("every geometry", score.value, score.interval),)
    return tuple(
        Dot(spec, score.value, score.interval, first.get(spec), board.is_best(metric, spec, dim))
        for spec, score in scores.items()
    )
