"""What a comparison says: which metrics tell geometries apart, who is ahead, and the sentence that sums it up."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from hiergeo.evaluation import RADIAL, Comparison, Result
from hiergeo.metrics import Interval
from hiergeo.report.words import label, listing

WEAK = 0.4
"""Below this tau_d the order of the tiers is called weak."""


NAMED = 3
"""Metrics that the headline names; more are counted."""


@dataclass(frozen=True)
class Cell:
    """One metric in one geometry; `best` when it beats every other space."""

    value: float
    interval: Interval
    best: bool


@dataclass(frozen=True)
class Margin:
    """How far the best geometry is ahead of the rival that comes closest, with the paired interval."""

    best: str
    rival: str
    difference: float
    interval: Interval

    @property
    def decided(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval.low > 0


@dataclass(frozen=True)
class Findings:
    """A comparison read metric by metric."""

    comparison: Comparison

    @property
    def results(self) -> tuple[Result, ...]:
        """One result a geometry."""
        return self.comparison.results

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics with intervals that any geometry has, in order of first appearance."""
        return tuple(dict.fromkeys(name for result in self.results for name in result.draws))

    def leaders(self, metric: str) -> tuple[str, ...]:
        """The winner of a metric and the other charts of its space; empty when there is no winner."""
        winner = self.comparison.winners.get(metric)
        if winner is None:
            return ()
        return self.comparison.charts(winner)

    def cell(self, metric: str, result: Result) -> Cell | None:
        """The figure of a metric in a geometry, or None where that geometry has none."""
        if metric not in result.draws:
            return None
        return Cell(result.metrics[metric], result.intervals[metric], result.geometry in self.leaders(metric))

    def margin(self, metric: str) -> Margin | None:
        """The lead of the best geometry over the one it is least surely ahead of; None without another space."""
        scored = [result for result in self.results if metric in result.draws]
        best = max(scored, key=lambda result: result.metrics[metric])
        same = self.comparison.charts(best.geometry)
        rivals = [
            (self.comparison.difference(metric, best, rival), rival) for rival in scored if rival.geometry not in same
        ]
        if not rivals:
            return None
        interval, rival = min(rivals, key=lambda pair: pair[0].low)
        return Margin(best.geometry, rival.geometry, best.metrics[metric] - rival.metrics[metric], interval)

    def span(self, metric: str) -> tuple[float, float]:
        """The bounds of all intervals of a metric together."""
        intervals = [result.intervals[metric] for result in self.results if metric in result.draws]
        return min(interval.low for interval in intervals), max(interval.high for interval in intervals)

    @cached_property
    def compared(self) -> bool:
        """Whether there are several geometries and a metric in which one could win."""
        return len(self.results) > 1 and bool(self.comparison.winners)

    @cached_property
    def any_leader(self) -> bool:
        """Whether some geometry wins some metric."""
        return any(self.leaders(metric) for metric in self.metrics)

    @cached_property
    def headline(self) -> str:
        """What was found, in one sentence."""
        sentence = "; ".join((self._order(), *self._verdicts()))
        return f"{sentence[0].upper()}{sentence[1:]}."

    def twin_notes(self) -> Iterator[str]:
        """One sentence for each space that was measured in several charts."""
        for charts in self.comparison.twins:
            yield f"{listing(charts)} are one space in {len(charts)} charts, so they tie."

    def _order(self) -> str:
        geometries: dict[str, list[str]] = {}
        for result in self.results:
            geometries.setdefault(_order(result), []).append(result.geometry)
        if len(geometries) == 1:
            return next(iter(geometries))
        return "; ".join(f"{order} in {listing(names)}" for order, names in geometries.items())

    def _verdicts(self) -> Iterator[str]:
        if len(self.results) == 1:
            return
        by_leaders: dict[tuple[str, ...], list[str]] = {}
        for metric in self.metrics:
            if metric not in RADIAL:
                by_leaders.setdefault(self.leaders(metric), []).append(label(metric))
        count = sum(map(len, by_leaders.values()))
        undecided = by_leaders.pop((), [])
        for leaders, metrics in by_leaders.items():
            verb = "is" if len(metrics) == 1 else "are"
            yield f"{_named(metrics, count, 'all')} {verb} best in {listing(leaders)}"
        if undecided:
            yield f"no geometry is better in {_named(undecided, count, 'any of the')}"


def _order(result: Result) -> str:
    """Whether radii order the tiers, by the interval of tau_d."""
    low, high = result.intervals["tau_d"]
    if low <= 0 <= high:
        return "radii do not order the tiers"
    manner = " backwards" if high < 0 else " weakly" if result.metrics["tau_d"] < WEAK else ""
    return f"radii order the tiers{manner}"


def _named(metrics: list[str], count: int, all_of: str) -> str:
    """The metrics by name while that reads well, then by how many of `count` they are."""
    if len(metrics) <= NAMED:
        return listing(metrics)
    return f"{all_of} {count} metrics" if len(metrics) == count else f"{len(metrics)} of {count} metrics"
