"""The audit of a geometry as a benchmark of suites: its verdict and main numbers beside those of other benchmarks."""

from typing import final

from hiergeo._core import limits
from hiergeo._core.errors import check_whole
from hiergeo.adapters import Model
from hiergeo.evaluation import Result
from hiergeo.evaluation.auditing import AuditSettings, audit
from hiergeo.evaluation.benchmarks import Run
from hiergeo.evaluation.benchmarks.hierarcaps import ChainBenchmark
from hiergeo.geometry import Space

VERDICT = "verdict"
"""The setting of a result that holds a verdict in words."""


@final
class AuditBenchmark(ChainBenchmark):
    """Whether the geometry does the work (`hiergeo.audit`): a verdict in words, and the numbers behind it.

    Args:
        data: a dataset of chains.
        split: its split.
        steps: thresholds of ladders.
        take: only the first rows; None takes all.
    """

    name = "audit"
    label = "audit"
    primary = "native"
    metrics = ("native", "angle_only", "radius_only", "flat", "depth", "cone_gain", "u_median", "u_share_above_1")
    needs = "HierarCaps (`hiergeo data fetch hierarcaps`), or another dataset of chains, such as scenes"

    def __init__(self, data: str = "hierarcaps", split: str = "test", steps: int = 50, take: int | None = None) -> None:
        check_whole("steps", steps, 1, limits.PROTOCOL_STEPS)
        super().__init__(data, split, take)
        self.steps = steps

    @property
    def protocol(self) -> str:
        return f"operating point, cones, depth and attribution, {self.steps} steps, {self.source}"

    def check(self, model: Model, space: Space) -> None:
        model.check_texts(self.hierarchy.texts)

    def run(self, model: Model, space: Space, how: Run) -> Result:
        settings = AuditSettings(self.steps, how.seed)
        measured = audit(model, self.hierarchy, space, settings, compute=how.compute, progress=how.progress)
        return Result(
            metrics={name: measured.numbers[name] for name in self.metrics if name in measured.numbers},
            settings={**measured.settings, "protocol": self.protocol, VERDICT: measured.headline},
            diagnostics={},
            draws={},
            bounds={name: ends for name, ends in measured.intervals.items() if name in self.metrics},
        )
