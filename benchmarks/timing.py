"""Paired timing in one process: every competitor in every round, medians, and ratios within a round."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks import machine
from benchmarks.cases import Case
from benchmarks.competitors import BASELINE, Competitor, native
from benchmarks.ours import INTO, STORED
from benchmarks.peers import Missing, Run
from benchmarks.problem import Problem, Shape
from hiergeo._core.errors import UnavailableError

SLOW, TOO_SLOW = 2.0, 20.0
"""Seconds: what takes longer is timed once; what takes longer still is estimated from a part of the rows."""

PAUSE = 0.005  # seconds before a competitor is timed, in which the thread pools of the one before go to sleep


@dataclass(frozen=True)
class Row:
    """One competitor in one case.

    Attributes:
        case: name of the case.
        label: name of the competitor.
        shape: N, M and D.
        flops: operations of the products that the result needs; 0 where they say nothing.
        traffic: the least bytes between memory and processor: directions in, their gradients and stored pairs out.
        rounds: how often it was timed; 0 for an estimate.
        seconds: median time, None where it did not run.
        ratio: median of its time over that of the matrix product in the same round.
        goal: what is wanted, if anything.
        note: why it did not run, or how else than by all rounds it was timed; else empty.
    """

    case: str
    label: str
    shape: Shape
    flops: float
    traffic: float
    goal: str = ""
    rounds: int = 0
    seconds: float | None = None
    ratio: float | None = None
    note: str = ""

    @property
    def rate(self) -> float | None:
        """FLOP/s of the products alone, whatever else was done in the time."""
        return self.flops / self.seconds if self.flops and self.seconds else None


@dataclass
class _Entry:
    """A competitor in the course of a measurement: what it runs, the base problem first, and its times so far."""

    competitor: Competitor
    runs: tuple[Run, ...] = ()
    estimate: float | None = None
    note: str = ""
    times: list[float] = field(default_factory=list)

    @property
    def once(self) -> bool:
        return self.estimate is not None

    def clock(self) -> None:
        """Time one more round: one run, or how much longer the second takes than the first."""
        try:
            with self.competitor.at_work():
                *base, last = (seconds(run) for run in self.runs)
        except Exception as error:  # a peer may fail in any way, and becomes a row that says so
            self.fail(error)
        else:
            self.times.append(last - sum(base))

    def fail(self, error: Exception) -> None:
        """Out of the measurement, and why."""
        self.runs, self.times, self.estimate, self.note = (), [], None, _failure(error)


def measure(case: Case, competitors: Sequence[Competitor], curvature: float, rounds: int) -> list[Row]:
    """The rows of one case, the matrix product's first."""
    problems = case.problems(curvature)
    entries = [_enter(competitor, case, problems) for competitor in competitors]
    for turn in range(rounds):
        for entry in entries:
            if entry.runs and not (entry.once and turn):
                entry.clock()
    baseline = next(entry.times for entry in entries if entry.competitor.label == BASELINE)
    return [_row(entry, case, baseline) for entry in entries]


def _enter(competitor: Competitor, case: Case, problems: tuple[Problem, ...]) -> _Entry:
    print(f"{case.name} ({case.shape}): {competitor.label}", file=sys.stderr)
    entry = _Entry(competitor)
    if competitor.label == BASELINE:
        problems = problems[:1]
    try:
        with competitor.at_work():
            _check_memory(competitor, case)
            if competitor.slow:
                expected = _extrapolated(competitor, problems[0])
                entry.estimate = expected if expected > SLOW else None
                if expected > TOO_SLOW:
                    entry.note = "estimated from a sixteenth of the rows"
                    return entry
            entry.runs = tuple(competitor.prepare(problem) for problem in problems)
            if not entry.once:
                for run in entry.runs:
                    run()
    except Exception as error:  # a peer may fail in any way, and becomes a row that says so
        entry.fail(error)
    return entry


def _failure(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    expected = isinstance(error, Missing | UnavailableError | MemoryError)
    return lines[0] if expected else f"failed: {lines[0][:150]}"


def _check_memory(competitor: Competitor, case: Case) -> None:
    needed, there = float(competitor.arrays * case.shape.pairs), machine.available_memory()
    if needed > there:
        raise Missing(f"needs about {needed / 2**30:.0f} GiB, and {there / 2**30:.0f} GiB are free")


def _extrapolated(competitor: Competitor, problem: Problem) -> float:
    """Seconds for all rows, by a straight line through the times of a 64th and a 16th of them."""
    n = problem.shape.n
    few, more = (min(n, max(least, n // part)) for least, part in ((2, 64), (4, 16)))
    first, second = (competitor.prepare(_learnable(problem, rows)) for rows in (few, more))
    first()
    short, long = seconds(first), seconds(second)
    return max(long, short + (long - short) / max(1, more - few) * (n - few))


def _learnable(problem: Problem, rows: int) -> Problem:
    part = problem.part(rows)
    return part.leaves if problem.x.radius.requires_grad else part


def seconds(run: Run) -> float:
    time.sleep(PAUSE)
    start = time.perf_counter()
    result = run()
    took = time.perf_counter() - start
    del result
    return took


def _row(entry: _Entry, case: Case, baseline: list[float]) -> Row:
    row = replace(_untimed(case, entry.competitor.label), note=entry.note, rounds=len(entry.times))
    if entry.times:
        seconds, ratio = median(entry.times), median(t / b for t, b in zip(entry.times, baseline, strict=False))
        if min(seconds, ratio) <= 0:
            return replace(row, note="less than the noise of the measurement")
        return replace(row, seconds=seconds, ratio=ratio, note="timed once" if entry.once else "")
    if entry.estimate is not None:
        return replace(row, seconds=entry.estimate, ratio=entry.estimate / median(baseline))
    return row


def _untimed(case: Case, label: str) -> Row:
    shape = case.shape
    if label == BASELINE:
        return Row(case.name, label, shape, shape.flops, shape.directions + shape.pairs)
    traffic = shape.directions * (2 if case.backward else 1) + (
        shape.pairs if case.operation in {**STORED, **INTO} else 0
    )
    goal = dict(zip((competitor.label for competitor in native(case)), case.goals, strict=False)).get(label, "")
    return Row(case.name, label, shape, case.products * shape.flops, traffic, goal)
