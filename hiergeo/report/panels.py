"""What is drawn on one pair of axes: dots, histograms, curves, intervals and ladders."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hiergeo._core.records import number
from hiergeo._core.text import shortened, without_folders
from hiergeo.evaluation.experiment import Contrast
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report import curves
from hiergeo.report.drawing import DASHES, INK, PAPER, SERIES, SOFT, TIERS, TRUE, words
from hiergeo.report.ladders import Exhibit, ImageLadder
from hiergeo.report.radii import Radii
from hiergeo.report.summary import DotPlot, DotPlots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 340 / 72
"""The width of a panel, inches: in a page 340 pixels."""

ROW, ROOM = 21 / 72, 84 / 72
"""Heights of a dot plot, inches: of a row, and of title and axis together."""

CONTROL_ROOM = 17
"""Points between a title and a plot that has the name of a control above its line."""

CAPTION, NAME = 44, 22
"""Characters that are drawn of a caption, and of the name of a row."""

BAR = 0.8
"""Height of the tallest bar where rows of a histogram are 1 apart."""


def grid(count: int, *, width: float, height: float) -> tuple["Figure", "list[Axes]"]:
    """A figure of `count` panels, at most three in a row."""
    from matplotlib.figure import Figure

    columns = min(count, 3)
    lines = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel().tolist()
    for unused in panels[count:]:
        figure.delaxes(unused)
    return figure, panels[:count]


def rows(axes: "Axes", names: Sequence[str], colour: str = INK) -> None:
    """Rows 0, 1, ... from above, by name, without an axis of their own."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=colour)


def dot_plots(drawn: DotPlots) -> "Figure":
    height = max(len(plot.dots) for plot in drawn.plots) * ROW + ROOM
    figure, panels = grid(len(drawn.plots), width=WIDTH, height=height)
    for axes, plot in zip(panels, drawn.plots, strict=True):
        dots(axes, plot)
    return figure


def dots(axes: "Axes", plot: DotPlot) -> None:
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    rows(axes, [words(shortened(without_folders(dot.name), NAME)) for dot in plot.dots])
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(range(len(plot.dots)), [number(dot.value) for dot in plot.dots])
    beside.spines["right"].set_visible(False)
    beside.tick_params(length=0, pad=9, labelcolor=INK)
    if plot.reference is not None:
        axes.axvline(plot.reference, color=INK, linewidth=0.75, linestyle="--")
        if plot.control:
            where = axes.get_xaxis_transform()
            axes.text(plot.reference, 1.0, plot.control, transform=where, ha="center", va="bottom")
    for row, dot in enumerate(plot.dots):
        colour = TRUE if dot.best else INK
        if dot.before is not None:
            axes.plot((dot.before, dot.value), (row, row), color=SOFT, linewidth=0.75, linestyle=":")
            axes.plot(dot.before, row, marker="o", markersize=6.8, color=SOFT, markerfacecolor=PAPER, clip_on=False)
        if dot.interval is not None:
            axes.plot(dot.interval, (row, row), color=TRUE if dot.best else SOFT, linewidth=2)
        axes.plot(dot.value, row, marker="o", markersize=7.2, markeredgewidth=0, color=colour, clip_on=False)
        if dot.best:
            for side in (axes, beside):
                side.get_yticklabels()[row].set(fontweight="bold", color=TRUE if side is beside else INK)
    axes.margins(x=0.06)
    metric = find_metric(plot.metric)
    axes.set_xlim(*np.clip(axes.get_xlim(), *metric.bounds))
    axes.locator_params(axis="x", nbins=4)
    named = metric.heading.replace("tau_d", r"$\tau_d$")
    title = f"{words(shortened(without_folders(plot.of), NAME))}: {named}" if plot.of else named
    axes.set_title(title, pad=CONTROL_ROOM if plot.control else None)
    axes.set_xlabel(metric.measures or metric.label, loc="right")


def histograms(axes: "Axes", drawn: Radii, highest: int) -> None:
    names = [f"tier {tier}\n{number(float(mean))}" for tier, mean in enumerate(drawn.means)]
    if drawn.growth is not None:
        names.append(f"sn(r)\nto {number(float(drawn.growth[-1]), 2)}")
        most = max(float(drawn.growth.max()), float(drawn.edges[-1]))
        row = len(drawn.means) + 0.35
        flat, curved = (row - 0.8 * radii / most for radii in (drawn.edges, drawn.growth))
        axes.plot(drawn.edges, flat, color=SOFT, linewidth=1.25, linestyle=":")
        axes.plot(drawn.edges, curved, color=INK, linewidth=1.5)
    rows(axes, names)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    for tier, (counts, mean) in enumerate(zip(drawn.counts, drawn.means, strict=True)):
        colour, base = TIERS[tier % len(TIERS)], tier + 0.35
        tops = base - BAR * counts / highest
        style: dict[str, Any] = {"color": colour, "label": f"tier {tier}", "linewidth": 1.1}
        axes.stairs(tops, drawn.edges, baseline=base, fill=True, alpha=0.3, **style | {"label": "_", "linewidth": 0})
        axes.stairs(tops, drawn.edges, baseline=base, **style)
        axes.plot((mean, mean), (base - 0.1, base + 0.07), color=colour, linewidth=2.5)
        axes.get_yticklabels()[tier].set_color(colour)
    axes.set_title(words(drawn.title))
    axes.set_xlabel("radius r (geodesic units)")
    axes.set_ylabel("chains")


def training(axes: "Axes", drawn: curves.Curves, geometries: Sequence[str]) -> None:
    """Lines of geometries, coloured in the order of these; thin lines are single seeds."""
    for line in drawn.lines:
        at, mean = geometries.index(line.name), line.best is None
        colour = SERIES[at % len(SERIES)]
        style = DASHES[at % len(DASHES)] if mean else "-"
        width, alpha, label = (2.0, 1.0, line.name) if mean else (0.9, 0.45, None)
        axes.plot(line.x, line.y, color=colour, linestyle=style, linewidth=width, alpha=alpha, label=label)
        if line.best is not None:
            axes.plot(line.x[line.best], line.y[line.best], marker="o", markersize=4.4, color=colour, alpha=0.8)
    axes.set_title(drawn.title)
    axes.grid(axis="y")
    axes.set_xlabel("training step", loc="right")


def intervals(axes: "Axes", contrasts: Sequence[Contrast]) -> None:
    for row, contrast in enumerate(contrasts):
        colour = TRUE if contrast.winner else SOFT
        axes.plot(contrast.simultaneous, (row, row), color=colour, linewidth=1)
        axes.plot(contrast.interval, (row, row), color=colour, linewidth=4, solid_capstyle="butt")
        axes.plot(contrast.difference, row, marker="o", markersize=5, color=INK)
    axes.axvline(0, color=INK, linewidth=0.8)
    rows(axes, [f"{contrast.a} − {contrast.b}" for contrast in contrasts])


def picture(axes: "Axes", exhibit: Exhibit) -> None:
    from PIL import Image

    axes.set_axis_off()
    axes.set_title(words(shortened(exhibit.name, NAME)), fontsize="small")
    if exhibit.picture.uri:
        data = base64.b64decode(exhibit.picture.uri.partition("base64,")[2])
        axes.imshow(np.asarray(Image.open(io.BytesIO(data))))
    else:
        axes.text(0, 0.5, words(exhibit.picture.problem), wrap=True, fontsize="x-small", transform=axes.transAxes)


def rungs(axes: "Axes", ladder: ImageLadder, longest: int) -> None:
    axes.set_axis_off()
    axes.set_ylim(-0.5, longest - 0.5)
    axes.set_xlim(0, 1)
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.set_title(f"{ladder.title}\nprecision {ladder.precision:.2f}, recall {ladder.recall:.2f}", fontsize="small")
    for height, rung in enumerate(ladder.rungs):
        text = shortened(rung.caption, CAPTION)
        colour, weight = (TRUE, "bold") if rung.true else (INK, "normal")
        axes.text(
            0.03, height, text, va="center", fontsize="x-small", parse_math=False, color=colour, fontweight=weight
        )
