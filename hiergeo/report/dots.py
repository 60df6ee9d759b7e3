"""Dot plots with intervals, as pixel coordinates: one row a space, model or control, drawn as SVG by one template."""

from collections.abc import Sequence
from dataclasses import dataclass

from hiergeo._core.text import shortened
from hiergeo.evaluation.metrics import Interval
from hiergeo.report.charts import Scale
from hiergeo.report.words import label, measure, number

WIDTH = 340
"""Width of a plot in pixels, names and values included."""

ROW, TOP, BOTTOM = 21, 8, 38
"""Heights in pixels: of a row, of the room above the rows, and of the axis below them."""

RIGHT, NARROWEST, WIDEST, LETTER = 46, 52, 150, 6.4
"""Widths in pixels: of the values, of the names at least and at most, and of a letter of a name."""

TICK = 58
"""Pixels of an axis for each tick."""

LETTERS = int(WIDEST / LETTER)
"""Longest name that is drawn whole."""

ROOM = 0.06
"""Room beyond the outermost bound, in widths of what is drawn."""


@dataclass(frozen=True)
class Dot:
    """A row of a dot plot, in data units.

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


@dataclass(frozen=True)
class DrawnRow:
    """A row in pixels: name as drawn and whole, value as printed, height, places of dot, bar and hollow dot."""

    name: str
    whole: str
    value: str
    y: float
    at: float
    bar: tuple[float, float] | None
    before: float | None
    best: bool


@dataclass(frozen=True)
class DotPlot:
    """A dot plot in pixels.

    Attributes:
        of: what the metric is of, or nothing.
        metric: its name.
        axis: what the axis measures.
        told: the same in words.
        left: where the axis begins.
        right: where it ends.
        floor: height of the axis.
        height: of the whole.
        ticks: places and labels.
        rows: from above.
        reference: place of a vertical line, or None.
    """

    of: str
    metric: str
    axis: str
    told: str
    left: float
    right: float
    floor: float
    height: float
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[DrawnRow, ...]
    reference: float | None = None
    width: int = WIDTH


def dot_plot(metric: str, dots: Sequence[Dot], *, reference: float | None = None, of: str = "") -> DotPlot:
    """A plot of one metric: a row for each of `dots`, a vertical line at `reference`, and `of` before its title."""
    low, high = _span(dots)
    names = max(len(each.name) for each in dots)
    left = min(WIDEST, max(NARROWEST, names * LETTER)) + 10
    x = Scale(low, high, left, WIDTH - RIGHT)
    floor = TOP + ROW * len(dots)
    rows = tuple(_row(dot, TOP + ROW * (place + 0.5), x) for place, dot in enumerate(dots))
    return DotPlot(
        of=of,
        metric=metric,
        axis=measure(metric),
        told=f"{of}{', ' if of else ''}{label(metric)}: {'; '.join(map(_told, dots))}",
        left=left,
        right=WIDTH - RIGHT,
        floor=floor,
        height=floor + BOTTOM,
        ticks=x.ticks(int((x.end - x.start) / TICK)),
        rows=rows,
        reference=None if reference is None else float(x(reference)),
    )


def _row(dot: Dot, y: float, x: Scale) -> DrawnRow:
    bar = None if dot.interval is None else (float(x(dot.interval.low)), float(x(dot.interval.high)))
    before = None if dot.before is None else float(x(dot.before))
    return DrawnRow(
        name=shortened(dot.name, LETTERS),
        whole=dot.name,
        value=number(dot.value),
        y=y,
        at=float(x(dot.value)),
        bar=bar,
        before=before,
        best=dot.best,
    )


def _told(dot: Dot) -> str:
    bounds = "" if dot.interval is None else f" ({number(dot.interval.low)} to {number(dot.interval.high)})"
    before = "" if dot.before is None else f"{number(dot.before)}, then "
    return f"{dot.name} {before}{number(dot.value)}{bounds}{', best' if dot.best else ''}"


def _span(dots: Sequence[Dot]) -> tuple[float, float]:
    drawn = [dot.value for dot in dots]
    drawn += [bound for dot in dots if dot.interval is not None for bound in dot.interval]
    drawn += [dot.before for dot in dots if dot.before is not None]
    low, high = min(drawn), max(drawn)
    room = ROOM * (high - low) or 0.05 * max(abs(high), 1.0)
    return low - room, high + room
