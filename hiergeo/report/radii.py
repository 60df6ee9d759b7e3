"""Distribution of radii by tier: histograms over common bins, and the panels that draw them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hiergeo.evaluation import Result
from hiergeo.evaluation.measuring import bend
from hiergeo.report.charts import Scale, line

BINS = 40
"""Number of bins between the smallest and the largest radius."""


@dataclass(frozen=True)
class Histogram:
    """Counts of radii.

    Attributes:
        edges: (BINS + 1,) bounds of the bins, in geodesic units.
        counts: (T, BINS) number of chains whose caption of that tier is in the bin; rows sum to the number of chains.
        means: (T,) mean radius of each tier.
    """

    edges: np.ndarray
    counts: np.ndarray
    means: np.ndarray


def histograms(radii: Sequence[np.ndarray]) -> list[Histogram]:
    """Histograms of several (n, T) arrays of radii over common bins."""
    edges = np.histogram_bin_edges(np.concatenate([each.ravel() for each in radii]), bins=BINS)
    return [
        Histogram(edges, np.stack([np.histogram(tier, edges)[0] for tier in each.T]), each.mean(0)) for each in radii
    ]


WIDTH, GUTTER, MARGIN = 340, 58, 14
"""Widths in pixels: of a panel, of the labels on its left, of the margin on its right."""

ROW, ROOM, AXIS, STRIP = 42, 8, 42, 48
"""Heights in pixels: of the row of a tier, of the space above it, of the radius axis, of the strip for sn(r)."""


@dataclass(frozen=True)
class Tier:
    """Histogram of one tier: outline of its bars in pixels, counts, mean radius and its position."""

    baseline: float
    outline: str
    counts: tuple[int, ...]
    mean: float
    mean_x: float


@dataclass(frozen=True)
class Growth:
    """Growth of circles in a space of constant curvature: sn(r) and r as paths, and sn at the largest radius."""

    curve: str
    flat: str
    end_y: float
    end: float


@dataclass(frozen=True)
class Panel:
    """One panel in pixels."""

    title: str
    width: int
    height: int
    left: int
    right: int
    floor: float
    ticks: tuple[tuple[float, str], ...]
    tiers: tuple[Tier, ...]
    growth: Growth | None


def panels(results: Mapping[str, Result]) -> list[Panel]:
    """One panel for each result, titled by its key; all share the radius axis and the scales of bars and of sn(r)."""
    drawn = histograms([result.radii for result in results.values()])
    highest = max(int(each.counts.max()) for each in drawn)
    radius = np.linspace(drawn[0].edges[0], drawn[0].edges[-1], 60)
    sines = [_sine(result, radius) for result in results.values()]
    curves = [radius, *(sine for sine in sines if sine is not None)]
    span = (min(float(curve.min()) for curve in curves), max(float(curve.max()) for curve in curves))
    return [
        _panel(title, histogram, highest, radius, sine, span)
        for title, histogram, sine in zip(results, drawn, sines, strict=True)
    ]


def tallest(drawn: Sequence[Panel]) -> int:
    """Number of chains in the tallest bar of any panel."""
    return max(count for panel in drawn for tier in panel.tiers for count in tier.counts)


def _sine(result: Result, radius: np.ndarray) -> np.ndarray | None:
    curvature = result.diagnostics.get("curvature")
    if curvature is None:
        return None
    return np.array([r * (1 + bend(curvature, r)) for r in radius.tolist()])


def _panel(
    title: str,
    histogram: Histogram,
    highest: int,
    radius: np.ndarray,
    sine: np.ndarray | None,
    span: tuple[float, float],
) -> Panel:
    low, high = float(histogram.edges[0]), float(histogram.edges[-1])
    right = WIDTH - MARGIN

    x = Scale(low, high, GUTTER, right)
    floor = ROW * len(histogram.counts) + ROOM
    bottom = floor + AXIS + STRIP

    y = Scale(*span, bottom, bottom - STRIP)
    tiers = []
    for place, (counts, mean) in enumerate(zip(histogram.counts, histogram.means.tolist(), strict=True)):
        baseline = ROOM + ROW * (place + 1)
        heights = counts / highest * (ROW - ROOM)
        outline = _steps(x(histogram.edges), baseline - heights, baseline)
        tiers.append(Tier(baseline, outline, tuple(counts.tolist()), mean, float(x(mean))))
    growth = None
    if sine is not None:
        growth = Growth(line(x(radius), y(sine)), line(x(radius), y(radius)), float(y(sine)[-1]), float(sine[-1]))
    return Panel(
        title=title,
        width=WIDTH,
        height=(bottom if growth else floor + AXIS) + ROOM,
        left=GUTTER,
        right=right,
        floor=floor,
        ticks=x.ticks(),
        tiers=tuple(tiers),
        growth=growth,
    )


def _steps(x: np.ndarray, tops: np.ndarray, baseline: float) -> str:
    steps = "".join(f"V{top:.1f}H{edge:.1f}" for edge, top in zip(x[1:], tops, strict=True))
    return f"M{x[0]:.1f} {baseline:.1f}{steps}V{baseline:.1f}Z"
