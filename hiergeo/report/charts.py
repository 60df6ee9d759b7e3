"""Line charts as pixel coordinates, drawn as SVG by one template: scales, round ticks and paths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.evaluation.findings.exports import minus


@dataclass(frozen=True)
class Scale:
    """A linear map from [low, high], in data units, to [start, end], in pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, values: ArrayLike) -> np.ndarray:
        """Pixels of `values`, of any shape."""
        return self.start + (np.asarray(values) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, wanted: int = 5) -> tuple[tuple[float, str], ...]:
        """Pixels and labels of about `wanted` round numbers, all with equally many decimals."""
        found = [(tick, f"{tick:.10g}") for tick in ticks(self.low, self.high, wanted)]
        decimals = max((len(text.partition(".")[2]) for _, text in found if "e" not in text), default=0)
        return tuple(
            (float(self(tick)), minus(text if "e" in text else f"{tick:.{decimals}f}")) for tick, text in found
        )


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers within [low, high], about `wanted` of them, in steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / wanted
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough)))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [float(index * step) + 0.0 for index in np.arange(first, last + 1)]


def line(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> str:
    """The SVG path through points."""
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


WIDTH, HEIGHT = 340, 212
"""Size of a chart in pixels, labels included."""

LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 36
"""Pixels between the frame and the edges."""


@dataclass(frozen=True)
class Line:
    """A curve in data units.

    Attributes:
        css: CSS classes.
        x: (n,).
        y: (n,).
        mark: index of a point that is drawn as a dot, or None.
    """

    css: str
    x: np.ndarray
    y: np.ndarray
    mark: int | None = None


@dataclass(frozen=True)
class Chart:
    """A chart in pixels.

    Attributes:
        title: above it.
        x_label: below it.
        box: left, top, right and bottom of the frame.
        x_ticks: places and labels.
        y_ticks: places and labels.
        paths: CSS classes and SVG paths.
        dots: CSS classes and centres.
        height: of the whole.
    """

    title: str
    x_label: str
    box: tuple[int, int, int, int]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    paths: tuple[tuple[str, str], ...]
    dots: tuple[tuple[str, float, float], ...]
    width: int = WIDTH
    height: int = HEIGHT


def draw(
    title: str,
    x_label: str,
    lines: Sequence[Line],
    *,
    spans: tuple[tuple[float, float], tuple[float, float]] | None = None,
    height: int = HEIGHT,
) -> Chart:
    """A chart of `lines`, later ones on top; `spans` are the ranges of the axes, by default those of the lines."""
    (x_low, x_high), (y_low, y_high) = spans or (_span([each.x for each in lines]), _span([each.y for each in lines]))
    box = (LEFT, TOP, WIDTH - RIGHT, height - BOTTOM)
    x, y = Scale(x_low, x_high, box[0], box[2]), Scale(y_low, y_high, box[3], box[1])
    return Chart(
        title=title,
        x_label=x_label,
        box=box,
        x_ticks=x.ticks(),
        y_ticks=y.ticks(4),
        paths=tuple((each.css, line(x(each.x), y(each.y))) for each in lines),
        dots=tuple(
            (each.css, float(x(each.x[each.mark])), float(y(each.y[each.mark])))
            for each in lines
            if each.mark is not None
        ),
        height=height,
    )


def _span(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """The smallest and the largest value; a small interval around them if they are equal."""
    low, high = min(float(each.min()) for each in values), max(float(each.max()) for each in values)
    room = 0.0 if high > low else 0.05 * max(abs(high), 1.0)
    return low - room, high + room
