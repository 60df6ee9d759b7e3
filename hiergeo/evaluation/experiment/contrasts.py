"""How runs differ: paired differences with intervals and exact tests, and the rule that names a winner.

A difference is decided when the simultaneous 95 % interval excludes 0 and a paired test agrees after Holm's correction
over the same family: the exact sign test of independent items, for discrete values or where few items differ, and
Student's t for the others. Charts of one space are not compared with each other. Spaces that are effectively flat count
as one space with Euclidean space and with one another: differences between them are shown and never decided.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any, Literal, TypeAlias

import numpy as np

from hiergeo._core.errors import HiergeoError
from hiergeo.evaluation.metrics import (
    SMALL_SAMPLE,
    Interval,
    SignTest,
    crossed_draws,
    find_metric,
    holm,
    percentile_interval,
    sign_test,
    simultaneous_intervals,
)
from hiergeo.evaluation.metrics.sharing import p_value_of_draws
from hiergeo.evaluation.result import Result
from hiergeo.geometry import parse
from hiergeo.geometry.spec import recorded

FLAT_BEND = 0.02
"""Relative excess of sn(r) over r, at the largest radius, below which a curved space measures like a flat one."""

ALPHA = 0.05
"""Largest adjusted p-value at which a test agrees that there is a difference."""

Key: TypeAlias = tuple[str, int]
"""(label, dim): the runs that differ in their seeds alone."""


@dataclass(frozen=True)
class Run:
    """One model in one space, measured on one dataset.

    Attributes:
        label: what tables call it; runs that differ in their seeds alone share it.
        model: name of the model.
        space: spec of the space, before any curvature was learnt.
        result: its numbers.
        dim: dimension of the embeddings, where runs of one dimension alone are compared; 0 elsewhere.
        seed: of its training; None where nothing was trained.
        fingerprint: of the model; models of one fingerprint are one.
    """

    label: str
    model: str
    space: str
    result: Result = field(repr=False)
    dim: int = 0
    seed: int | None = None
    fingerprint: str = ""


@dataclass(frozen=True)
class SpaceFacts:
    """What matters of a space when it is compared with others.

    Attributes:
        identity: equal for charts of one space.
        bend: relative excess of sn(r) over r at the largest radius; over several seeds the largest in size.
        adds_lengths: whether it is a product that adds the lengths of its factors (l1), which is not a Euclidean space.
        model: what tells models apart.
    """

    label: str
    dim: int
    identity: Hashable
    curved: bool
    bend: float
    adds_lengths: bool = False
    model: str = ""

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "SpaceFacts":
        """Those of the runs of one space. A geometry that no spec names is a space of its own."""
        first = runs[0]
        settings, diagnostics = first.result.settings, first.result.diagnostics
        spec = first.space if first.seed is not None else str(settings.get("geometry", first.space))
        model = first.fingerprint or first.model
        around = model, settings.get("root"), settings.get("min_radius")
        bend = max((run.result.diagnostics.get("bend", np.inf) for run in runs), key=abs)
        curvature = diagnostics.get("curvature") if first.seed is None else None
        try:
            geometry = recorded(spec)
        except HiergeoError:
            alone = spec if curvature is None else curvature
            return cls(first.label, first.dim, (alone, *around), curvature != 0, bend, model=model)
        curved = geometry.isometry_class != parse("euclidean").isometry_class
        same = geometry.isometry_class if curvature is None else curvature
        return cls(first.label, first.dim, (same, *around), curved, bend, geometry.norm == "l1", model)

    @property
    def level(self) -> bool:
        """Whether the space measures like Euclidean space at these radii."""
        return not self.adds_lengths and (not self.curved or abs(self.bend) < FLAT_BEND)

    @property
    def flat(self) -> bool:
        """Whether the space is curved, but too little to measure differently from a flat one at these radii."""
        return self.curved and self.level

    def counts_as_one_with(self, other: "SpaceFacts") -> bool:
        """Whether neither can win against the other: charts of one space, or one model in two flat ones."""
        return self.identity == other.identity or (self.model == other.model and self.level and other.level)


@dataclass(frozen=True)
class Contrast:
    """The difference of two spaces in one metric at one dimension.

    Attributes:
        metric: name.
        dim: dimension of both.
        a: label of one.
        b: label of the other.
        difference: mean over seeds of a - b.
        interval: its 95 % interval, paired by item, and by seed where there are seeds.
        simultaneous: 95 % interval that holds simultaneously with those of all other differences.
        test: sign test of the differences by row, image or caption; None for metrics that are not discrete means.
        adjusted_p: p-value of the sign test, or of Student's t where there is none, after Holm's correction over all
            differences.
        one_space: whether the two count as one space, because both are flat.
    """

    metric: str
    dim: int
    a: str
    b: str
    difference: float
    interval: Interval
    simultaneous: Interval
    test: SignTest | None = None
    adjusted_p: float | None = None
    one_space: bool = False

    @property
    def undecided_because(self) -> Literal["interval", "sign test", "t test", "flat", "no merit"] | None:
        """Why no winner is named; None where one is."""
        low, high = self.simultaneous
        if find_metric(self.metric).higher_is_better is None:
            return "no merit"
        if low <= 0 <= high or low == high:
            return "interval"
        if self.test is None and self.adjusted_p is not None and self.adjusted_p > ALPHA:
            return "t test"
        if self.test is not None:
            agrees = (self.test.better > self.test.worse) == (self.difference > 0)
            if self.adjusted_p is None or self.adjusted_p > ALPHA or not agrees:
                return "sign test"
        return "flat" if self.one_space else None

    @property
    def winner(self) -> str | None:
        """Label of the better space; None where the evidence does not decide."""
        if self.undecided_because is not None:
            return None
        larger_wins = find_metric(self.metric).higher_is_better is True
        return self.a if (self.difference > 0) == larger_wins else self.b

    @property
    def clearness(self) -> float:
        """The size of the difference in widths of its simultaneous interval."""
        width = self.simultaneous.high - self.simultaneous.low
        return abs(self.difference) / width if width else 0.0

    def seen_from(self, label: str) -> "Contrast":
        """The same contrast with `label`, one of the two, as `a`."""
        if label == self.a:
            return self
        test = self.test and self.test._replace(better=self.test.worse, worse=self.test.better)
        alone, simultaneous = (Interval(-ends.high, -ends.low) for ends in (self.interval, self.simultaneous))
        return replace(
            self, a=self.b, b=self.a, difference=-self.difference, interval=alone, simultaneous=simultaneous, test=test
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values; `together` is the simultaneous interval."""
        whole = asdict(self)
        whole["together"] = whole.pop("simultaneous")
        whole["sign_test"] = None if self.test is None else self.test._asdict() | {"adjusted_p": self.adjusted_p}
        del whole["test"]
        return whole | {"winner": self.winner, "undecided_because": self.undecided_because}


@dataclass(frozen=True)
class BeforeAfter:
    """A metric before and, as a mean over seeds, after training, and the interval of the difference, paired by item."""

    metric: str
    before: float
    after: float
    interval: Interval

    @classmethod
    def of(cls, metric: str, before: Result, after: Sequence[Result]) -> "BeforeAfter | None":
        """The change of a metric; None where it has no interval before or after."""
        if metric not in before.draws or metric not in after[0].draws:
            return None
        draws = crossed_draws([result.draws[metric] - before.draws[metric] for result in after])
        mean = float(np.mean([result.metrics[metric] for result in after]))
        return cls(metric, before.metrics[metric], mean, percentile_interval(draws))

    @property
    def direction(self) -> Literal["better", "worse", "same"]:
        """Whether the interval excludes 0, and on which side; "same" too for a metric without merit."""
        low, high = self.interval
        larger_is_better = find_metric(self.metric).higher_is_better
        if larger_is_better is None or low <= 0 <= high:
            return "same"
        return "better" if (low > 0) == larger_is_better else "worse"


def contrast_all(
    cells: Mapping[Key, Sequence[Run]], spaces: Sequence[SpaceFacts], *, without: frozenset[str], seed: int
) -> tuple[Contrast, ...]:
    """Contrasts of every two spaces of one dimension in every metric with intervals that is not a control.

    Simultaneous intervals and adjusted p-values hold over all of them. Metrics `without` cannot differ, so are left
    out; `seed` is of the resampling of seeds.
    """
    pairs = list(_pairs(cells, spaces, without, seed))
    if not pairs:
        return ()
    contrasts, draws, p_values = zip(*pairs, strict=True)
    corrected = zip(contrasts, simultaneous_intervals(np.stack(draws)), holm(p_values).tolist(), strict=True)
    return tuple(replace(contrast, simultaneous=ends, adjusted_p=p) for contrast, ends, p in corrected)


def _pairs(
    cells: Mapping[Key, Sequence[Run]], spaces: Sequence[SpaceFacts], without: frozenset[str], seed: int
) -> Iterator[tuple[Contrast, np.ndarray, float]]:
    """Contrasts by themselves, with their draws and p-values; each resamples seeds by a stream of its own."""
    streams: dict[Hashable, int] = {}
    for a, b in combinations(spaces, 2):
        if a.dim != b.dim or a.identity == b.identity:
            continue
        runs = zip(cells[a.label, a.dim], cells[b.label, b.dim], strict=True)
        results = [(x.result, y.result) for x, y in runs]
        first, other = results[0]
        for metric in first.draws:
            if metric in without or find_metric(metric).control:
                continue
            if not all(metric in x.draws and metric in y.draws for x, y in results):
                continue
            if first.items.get(metric) != other.items.get(metric):  # not the same items: nothing is paired
                continue
            stream = streams.setdefault((metric, a.dim, a.identity, b.identity), len(streams))
            draws = [x.draws[metric] - y.draws[metric] for x, y in results]
            if not np.isfinite(draws).all():  # some resample left it undefined: no interval holds
                continue
            paired = crossed_draws(draws, seed=(seed, stream)) if len(draws) > 1 else draws[0]
            difference = float(np.mean([x.metrics[metric] - y.metrics[metric] for x, y in results]))
            test, p_value = _tests(metric, results)
            alone, one = percentile_interval(paired), a.counts_as_one_with(b)
            yield (
                Contrast(metric, a.dim, a.label, b.label, difference, alone, alone, test, p_value, one),
                paired,
                p_value,
            )


def _tests(metric: str, results: Sequence[tuple[Result, Result]]) -> tuple[SignTest | None, float]:
    """The sign test of independent items (discrete ones, or few that differ), else None with Student's t; a p-value."""
    first = results[0][0]
    shared = metric in first.effective
    if not shared and all(metric in result.rows for pair in results for result in pair):
        test = sign_test(np.mean([x.rows[metric] - y.rows[metric] for x, y in results], axis=0))
        if find_metric(metric).discrete or test.better + test.worse < SMALL_SAMPLE:
            return test, test.p_value
    draws = np.mean([x.draws[metric] - y.draws[metric] for x, y in results], axis=0)
    difference = float(np.mean([x.metrics[metric] - y.metrics[metric] for x, y in results]))
    items = first.effective[metric] if shared else float(first.items.get(metric, len(draws)))
    return None, p_value_of_draws(difference, draws, items, widened=shared)
