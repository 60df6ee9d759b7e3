"""The record of a metric: its label, direction and bounds, whether curvature can change it, how it is resampled.

The module that makes a metric declares its record. Third parties add theirs by name through the entry-point group
``hiergeo.metrics``: a `Metric`, or a function without arguments that returns one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import Any, Literal

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.plugins import Plugins

Unit = Literal["rows", "images", "captions", "none"]
"""What the bootstrap of a metric resamples; "none" for plain numbers without an interval."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: key in results and JSON, such as ``auroc_margin``.
        label: name for tables and figures, such as "AUROC (margin)".
        higher_is_better: False where a smaller value is better; None where neither is a merit.
        depends_on_curvature: whether spaces of different curvature can differ in it on the same embeddings. Metrics of
            radii alone cannot: a point's radius is |e - root| in every geometry.
        unit: what the bootstrap resamples.
        discrete: whether it is the mean of one value per row, image or caption that takes few values, so that an exact
            sign test applies to paired differences.
        control: whether it repeats another metric with a confound held fixed. Controls are shown with their intervals,
            but differences between geometries are not tested in them.
        bounds: smallest and largest value, of the metric and of an item; infinite where there is none.
        measures: what an axis measures, such as "share"; empty where its label says it.
    """

    name: str
    label: str
    higher_is_better: bool | None = True
    depends_on_curvature: bool = True
    unit: Unit = "rows"
    discrete: bool = False
    control: bool = False
    bounds: tuple[float, float] = (-math.inf, math.inf)
    measures: str = ""

    @property
    def heading(self) -> str:
        """The label, with an arrow down where less is better."""
        return f"{self.label} ↓" if self.higher_is_better is False else self.label

    @property
    def least(self) -> float:
        """What a miss counts where a hit counts 1: 0 where nothing is bounded, -inf where bounds allow no hits."""
        low, high = self.bounds
        return low if high == 1 else -math.inf if math.isfinite(low) else 0.0


share = partial(Metric, bounds=(0.0, 1.0), measures="share")
correlation = partial(Metric, bounds=(-1.0, 1.0), measures="rank correlation")
area = partial(share, measures="area under the ROC curve")
average_precision = partial(share, measures="average precision")
recall = partial(share, discrete=True, measures="share of queries")
reciprocal = partial(share, measures="mean reciprocal rank")

METRICS: dict[str, Metric] = {}  # the metrics of this package by name, of the modules that are imported so far
RADIAL: set[str] = set()
"""Those of radii alone, which no geometry can win on the same embeddings: the radius is |e - root| in all of them."""

PLUGINS: Plugins[Any] = Plugins("metric", "hiergeo.metrics", METRICS)  # those metrics and the ones of other packages


def declare(*metrics: Metric) -> tuple[str, ...]:
    """Add the metrics that a module of this package makes to `METRICS`, no name twice; returns their names."""
    for metric in metrics:
        if METRICS.setdefault(metric.name, metric) is not metric:
            raise InputError(f"the metric '{metric.name}' is declared twice.")
    RADIAL.update(metric.name for metric in metrics if not metric.depends_on_curvature and metric.unit != "none")
    return tuple(metric.name for metric in metrics)


def import_makers() -> None:
    """Import the modules of this package that make metrics."""
    for module, kind in (("evaluation.protocols", "PROTOCOLS"), ("evaluation.benchmarks", "BENCHMARKS")):
        plugins: Plugins[Any] = getattr(import_module(f"hiergeo.{module}"), kind)
        for name in plugins.own:
            plugins.get(name)


@cache
def find_metric(name: str) -> Metric:
    """The record of a metric.

    An unregistered name gets a default record: labelled by the name, higher is better, resampled by row.

    Args:
        name: of the metric.

    Raises:
        UnavailableError: the entry point of that name cannot be loaded, or gives no `Metric`.
    """
    if name not in METRICS:
        import_makers()
    if name not in PLUGINS:
        return Metric(name, name)
    made = PLUGINS.get(name)
    if not isinstance(made, Metric):
        with PLUGINS.running(name, "cannot be made"):
            made = made()
    if not isinstance(made, Metric):
        raise UnavailableError(f"the metric '{name}' is a {type(made).__name__}, not a hiergeo.metrics.Metric.")
    return made


def omissions(left_out: Mapping[str, str]) -> str:
    """Metrics that were not measured, and why, in a sentence; empty without any."""
    by_reason: dict[str, list[str]] = {}
    for metric, why in left_out.items():
        by_reason.setdefault(why, []).append(find_metric(metric).label)
    said = "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())
    return f"Left out: {said}." if said else ""
