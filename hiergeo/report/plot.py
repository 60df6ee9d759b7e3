"""Figures for notebooks, papers and report pages, with matplotlib, from the same objects that tables render.

Every function returns a `matplotlib.figure.Figure` and touches no global state: `figure.savefig("radii.pdf")` writes
it, and a notebook shows it. `hiergeo.report.drawing.svg` puts it into a page.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo._core.text import shortened
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.auditing import Audit
from hiergeo.evaluation.findings import Contrast, Findings
from hiergeo.evaluation.metrics import Roc, find_metric
from hiergeo.report import curves
from hiergeo.report import disk as disks
from hiergeo.report.drawing import DASHES, INK, LINE, MARKERS, PAPER, SERIES, SOFT, STYLE, TIERS, TRUE, WASH, words
from hiergeo.report.ladders import Exhibit, Ladder, exhibits
from hiergeo.report.radii import Radii, distributions, tallest
from hiergeo.report.shown import before_and_after, results, spaces
from hiergeo.report.summary import DotPlot, Summary, of_comparison, of_study
from hiergeo.report.words import label, measure, number
from hiergeo.training.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")

WIDTH = 340 / 72
"""Of a panel, inches: in a page 340 pixels."""

ROW, ROOM = 21 / 72, 72 / 72
"""Heights of a dot plot, inches: of a row, and of title and axis together."""

CAPTION, NAME = 44, 22
"""Characters that are drawn of a caption, and of the name of a row."""

BAR = 0.8
"""Height of the tallest bar where rows of a histogram are 1 apart."""

POINTS = 240
"""Largest number of drawn points of a ROC curve."""

CHARTS = {"poincare": "Poincaré disk", "stereographic": "stereographic", "flat": "flat"}


def _styled(draw: Callable[P, T]) -> Callable[P, T]:
    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


@_styled
def summary(source: Comparison | Study) -> "Figure":
    """The metrics that the conclusion rests on, in every geometry, with 95 % intervals; of a study before and after."""
    return _dot_plots(of_study(source) if isinstance(source, Study) else of_comparison(source.findings))


@_styled
def dots(plot: DotPlot) -> "Figure":
    """One dot plot: a row for each space, model or control."""
    return _dot_plots(Summary((plot,), ""))


@_styled
def radii(source: Result | Comparison | Study | Mapping[str, Result] | Radii, *, highest: int = 0) -> "Figure":
    """Distribution of radii by tier, one panel a space, all with the same bins and scales.

    One row a tier, the most general one above; a tick and a figure give its mean. The row below draws sn(r), the growth
    of circles, over the flat r, where a space has one curvature.

    Args:
        source: a result, a comparison, results by title, a study (the frozen model, then one head of each geometry,
            of all seeds the one with the middle validation loss), or one distribution.
        highest: number of chains in the tallest bar; 0 is that of the tallest bar of all panels.
    """
    drawn = [source] if isinstance(source, Radii) else distributions(results(source))
    rows = max(len(each.means) + (each.growth is not None) for each in drawn)
    figure, panels = _grid(len(drawn), width=WIDTH, height=0.55 * rows + 0.9)
    for axes, each in zip(panels, drawn, strict=True):
        _radii(axes, each, highest or tallest(drawn))
    return figure


@_styled
def ladders(source: Comparison | Study, *, images: int = 4, seed: int = 0) -> "Figure":
    """Ladders of single images with thumbnails, general captions at the bottom; true captions are bold.

    Args:
        source: a comparison, or a study: each geometry before and after training.
        images: number of images, drawn at random.
        seed: of that draw.

    Raises:
        InputError: there are no ladders: the model embeds no images, or the protocol makes none.
    """
    embedded = source.frozen if isinstance(source, Study) else source.embedded
    by_title = before_and_after(source) if isinstance(source, Study) else results(source)
    shown = exhibits(embedded, by_title, images, seed)
    if not shown:
        raise InputError("there are no ladders to draw: they need a model of images and the protocol re or traversal.")
    from matplotlib.figure import Figure

    longest = max(len(ladder.rungs) for exhibit in shown for ladder in exhibit.ladders)
    columns = len(by_title)
    figure = Figure(figsize=(2 + 2.8 * columns, len(shown) * max(1.8, 0.2 * longest + 0.5)), layout="constrained")
    panels = figure.subplots(len(shown), columns + 1, squeeze=False, width_ratios=[1, *([1.5] * columns)], sharey=False)
    for row, exhibit in zip(panels, shown, strict=True):
        _picture(row[0], exhibit)
        for axes, ladder in zip(row[1:], exhibit.ladders, strict=True):
            _ladder(axes, ladder, longest)
    return figure


@_styled
def disk(source: Comparison | Study, *, seed: int = 0) -> "Figure":
    """Captions on disks around the root: radii are exact, directions are projected.

    Hyperbolic spaces are drawn as Poincare disks, spheres stereographically, flat spaces and products as they are; all
    disks end at the same radius.

    Args:
        source: a comparison, or a study: the frozen model and one head of each geometry.
        seed: of the choice of chains.
    """
    embedded = source.frozen if isinstance(source, Study) else source.embedded
    views = disks.views(spaces(source), disks.drawn_rows(embedded, seed))
    figure, panels = _grid(len(views), width=3.8, height=4.0)
    for axes, view in zip(panels, views, strict=True):
        _disk(axes, view)
        axes.set_title(f"{view.title}\n{CHARTS[view.chart]}, to r = {view.reach:.2f}", fontsize="small")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


@_styled
def disk_panel(view: disks.DiskView) -> "Figure":
    """One disk alone, without title and legend; the artist of gid `points-K` draws the points of kind K."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.8, 3.8))
    _disk(figure.add_axes((0, 0, 1, 1)), view)
    return figure


@_styled
def roc(study: Study, *, dim: int | None = None) -> "Figure":
    """ROC curves by the cone margin before and after training; the area under a curve is the AUROC of the table.

    Args:
        study: a study.
        dim: dimension; None is the first of the plan.
    """
    figure = roc_panel(curves.roc_figure(study, _dim(study.findings, dim)), points=None)
    (axes,) = figure.axes
    axes.set_title(find_metric(curves.ROC).label)
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    return figure


@_styled
def roc_panel(found: curves.RocFigure, *, points: int | None = POINTS) -> "Figure":
    """ROC curves alone, each drawn by at most `points` of its points (None for all)."""
    figure, (axes,) = _grid(1, width=WIDTH, height=WIDTH)
    axes.plot((0, 1), (0, 1), color=SOFT, linewidth=0.75, label="chance")
    for place, (geometry, pair) in enumerate(found.curves.items()):
        kinds = zip(pair, found.areas[geometry], ("before", "after"), (1.3, 2.0), strict=True)
        for curve, area, when, width in kinds:
            style = ":" if when == "before" else DASHES[place % len(DASHES)]
            name = f"{geometry}, {when}: {area:.3f}"
            axes.plot(*_rates(curve, points), color=_colour(place), linestyle=style, linewidth=width, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="false positive rate", ylabel="true positive rate")
    return figure


@_styled
def learning_curves(study: Study, *, dim: int | None = None) -> "Figure":
    """Validation losses, tau_d, learnt curvatures and mean radii against the step; thin lines are single seeds.

    Args:
        study: a study.
        dim: dimension; None is the first of the plan.
    """
    chosen = _dim(study.findings, dim)
    cells = [cell for cell in study.cells if cell.dim == chosen]
    shared = [*curves.loss_curves(cells), *curves.curvature_curves(cells)]
    of_radii = curves.radius_curves(cells)
    figure, panels = _grid(len(shared) + len(of_radii), width=3.8, height=2.9)
    for axes, each in zip(panels, shared, strict=False):
        _training(axes, each, [cell.geometry for cell in cells])
        axes.set_title(each.title)
    for axes, each in zip(panels[len(shared) :], of_radii, strict=True):
        _training(axes, each, None)
        axes.set_title(f"mean radius, {each.title}")
        axes.set_ylabel("radius r (geodesic units)")
        for line in (line for line in each.lines if line.kept is None):
            end = line.x[-1], line.y[-1]
            axes.annotate(line.name, end, xytext=(6, 0), textcoords="offset points", va="center", fontsize="small")
    panels[0].legend(frameon=False, fontsize="small")
    return figure


@_styled
def curve_panels(found: Sequence[curves.Curves], geometries: Sequence[str] | None) -> "list[Figure]":
    """A figure for each group of curves; lines are of geometries, each on a scale of its own, or of tiers on one."""
    made = [_grid(1, width=WIDTH, height=3.1) for _ in found]
    for (_, (axes,)), each in zip(made, found, strict=True):
        _training(axes, each, geometries)
        axes.set_title(each.title)
    if geometries is None:
        first, *others = (axes for _, (axes,) in made)
        for axes in others:
            first.sharex(axes)
            first.sharey(axes)
        first.autoscale()
    return [figure for figure, _ in made]


@_styled
def operating_point(audit: Audit) -> "Figure":
    """The share of the captions of an audit up to each u = sqrt(|K|) r; a line marks u = 1 where that is in reach."""
    u = np.array(audit.u_quantiles)
    high = max(1.05, float(u[-1]) * 1.05)
    figure, (axes,) = _grid(1, width=WIDTH, height=3.1)
    axes.axvline(1, color=SOFT, linewidth=0.75)
    axes.plot([0.0, *u, high], [0.0, *np.linspace(0, 1, 101), 1.0], color=SERIES[0], linewidth=2)
    axes.set(xlim=(0, high), ylim=(0, 1), title="share of captions up to u", xlabel="u = √|K| r; the line marks 1")
    return figure


@_styled
def forest(
    source: Comparison | Study | Findings, *, metrics: Sequence[str] | None = None, dim: int | None = None
) -> "Figure":
    """Forest plot of contrasts: each difference with its own 95 % interval (thick) and the simultaneous one (thin).

    Decided contrasts are drawn in colour.

    Args:
        source: a comparison, a study, or findings.
        metrics: names of metrics; None is all that have contrasts.
        dim: dimension; None is the first.

    Raises:
        InputError: there are no such contrasts.
    """
    findings = source if isinstance(source, Findings) else source.findings
    chosen = _dim(findings, dim)
    named = metrics if metrics is not None else findings.metrics(chosen)
    held = {name: found for name in named if (found := findings.contrasts_of(name, chosen))}
    if not held:
        raise InputError(f"there are no contrasts in {', '.join(named) or 'any metric'} at dimension {chosen} to draw.")
    from matplotlib.figure import Figure

    heights = [len(contrasts) + 1.5 for contrasts in held.values()]
    figure = Figure(figsize=(7.5, 0.28 * sum(heights) + 0.6), layout="constrained")
    panels = figure.subplots(len(held), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (name, contrasts) in zip(panels, held.items(), strict=True):
        _forest(axes, contrasts)
        axes.set_title(find_metric(name).label)
    panels[-1].set_xlabel("difference, with 95 % intervals")
    return figure


def _dim(findings: Findings, dim: int | None) -> int:
    if dim is not None and dim not in findings.dims:
        raise InputError(f"dim must be one of {', '.join(map(str, findings.dims))}, not {dim}.")
    return findings.dims[0] if dim is None else dim


def _grid(count: int, *, width: float, height: float) -> tuple["Figure", "list[Axes]"]:
    """A figure of `count` panels, at most three in a row."""
    from matplotlib.figure import Figure

    columns = min(count, 3)
    lines = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel().tolist()
    for unused in panels[count:]:
        figure.delaxes(unused)
    return figure, panels[:count]


def _colour(place: int) -> str:
    return SERIES[place % len(SERIES)]


def _rows(axes: "Axes", names: Sequence[str], colour: str = INK) -> None:
    """Rows 0, 1, ... from above, by name, without an axis of their own."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=colour)


def _dot_plots(found: Summary) -> "Figure":
    height = max(len(plot.dots) for plot in found.plots) * ROW + ROOM
    figure, panels = _grid(len(found.plots), width=WIDTH, height=height)
    for axes, plot in zip(panels, found.plots, strict=True):
        _dots(axes, plot)
    return figure


def _dots(axes: "Axes", plot: DotPlot) -> None:
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    _rows(axes, [words(shortened(dot.name, NAME)) for dot in plot.dots])
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(range(len(plot.dots)), [number(dot.value) for dot in plot.dots])
    beside.spines["right"].set_visible(False)
    beside.tick_params(length=0, labelcolor=INK)
    if plot.reference is not None:
        axes.axvline(plot.reference, color=INK, linewidth=0.75, linestyle="--")
    for row, dot in enumerate(plot.dots):
        colour = TRUE if dot.best else INK
        if dot.before is not None:
            axes.plot((dot.before, dot.value), (row, row), color=SOFT, linewidth=0.75, linestyle=":")
            axes.plot(dot.before, row, marker="o", markersize=6.8, color=SOFT, markerfacecolor=PAPER)
        if dot.interval is not None:
            axes.plot(dot.interval, (row, row), color=TRUE if dot.best else SOFT, linewidth=2)
        axes.plot(dot.value, row, marker="o", markersize=7.2, markeredgewidth=0, color=colour)
        if dot.best:
            for side in (axes, beside):
                side.get_yticklabels()[row].set(fontweight="bold", color=TRUE if side is beside else INK)
    axes.margins(x=0.06)
    axes.locator_params(axis="x", nbins=4)
    named = label(plot.metric)
    drawn = r"$\tau_d$" + named[5:] if named.startswith("tau_d") else named
    fewer = " ↓" if find_metric(plot.metric).higher_is_better is False else ""
    axes.set_title(f"{words(plot.of)}: {drawn}{fewer}" if plot.of else f"{drawn}{fewer}")
    axes.set_xlabel(measure(plot.metric), loc="right")


def _radii(axes: "Axes", drawn: Radii, highest: int) -> None:
    names = [f"tier {tier}\n{number(float(mean))}" for tier, mean in enumerate(drawn.means)]
    if drawn.growth is not None:
        names.append(f"sn(r)\nto {number(float(drawn.growth[-1]), 2)}")
        most = max(float(drawn.growth.max()), float(drawn.edges[-1]))
        row = len(drawn.means) + 0.35
        flat, curved = (row - 0.8 * each / most for each in (drawn.edges, drawn.growth))
        axes.plot(drawn.edges, flat, color=SOFT, linewidth=1.25, linestyle=":")
        axes.plot(drawn.edges, curved, color=INK, linewidth=1.5)
    _rows(axes, names)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    for tier, (counts, mean) in enumerate(zip(drawn.counts, drawn.means, strict=True)):
        colour, base = TIERS[tier % len(TIERS)], tier + 0.35
        tops = base - BAR * counts / highest
        style: dict[str, Any] = {"color": colour, "label": f"tier {tier}", "linewidth": 1.1}
        axes.stairs(tops, drawn.edges, baseline=base, fill=True, alpha=0.3, **style | {"label": "_", "linewidth": 0})
        axes.stairs(tops, drawn.edges, baseline=base, gid=f"bars{tier}", **style)
        axes.plot((mean, mean), (base - 0.1, base + 0.07), color=colour, linewidth=2.5)
        axes.get_yticklabels()[tier].set_color(colour)
    axes.set_title(words(drawn.title))
    axes.set_xlabel("radius r (geodesic units)")
    axes.set_ylabel("chains")


def _rates(curve: Roc, points: int | None) -> tuple[np.ndarray, np.ndarray]:
    count = len(curve.true_positive_rate)
    kept = np.unique(np.linspace(0, count - 1, min(count, points or count)).round().astype(int))
    return curve.false_positive_rate[kept], curve.true_positive_rate[kept]


def _training(axes: "Axes", found: curves.Curves, geometries: Sequence[str] | None) -> None:
    """Lines of geometries, in the order of these, or of tiers."""
    names = list(geometries if geometries is not None else dict.fromkeys(line.name for line in found.lines))
    colours = SERIES if geometries is not None else TIERS
    for line in found.lines:
        place = names.index(line.name)
        colour, mean = colours[place % len(colours)], line.kept is None
        axes.plot(
            line.x,
            line.y,
            color=colour,
            linestyle=DASHES[place % len(DASHES)] if mean else "-",
            linewidth=2.0 if mean else 0.9,
            alpha=1.0 if mean else 0.45,
            label=line.name if mean else None,
        )
        if line.kept is not None:
            axes.plot(line.x[line.kept], line.y[line.kept], marker="o", markersize=4.4, color=colour, alpha=0.8)
    axes.grid(axis="y")
    axes.set_xlabel("training step", loc="right")


def _forest(axes: "Axes", contrasts: Sequence[Contrast]) -> None:
    for place, each in enumerate(contrasts):
        colour = TRUE if each.winner else SOFT
        axes.plot(each.simultaneous, (place, place), color=colour, linewidth=1)
        axes.plot(each.interval, (place, place), color=colour, linewidth=4, solid_capstyle="butt")
        axes.plot(each.difference, place, marker="o", markersize=5, color=INK)
    axes.axvline(0, color=INK, linewidth=0.8)
    _rows(axes, [f"{each.a} − {each.b}" for each in contrasts])


def _picture(axes: "Axes", exhibit: Exhibit) -> None:
    from PIL import Image

    axes.set_axis_off()
    axes.set_title(f"image {exhibit.image_id}", fontsize="small")
    if exhibit.picture.uri:
        data = base64.b64decode(exhibit.picture.uri.partition("base64,")[2])
        axes.imshow(np.asarray(Image.open(io.BytesIO(data))))
    else:
        axes.text(0, 0.5, words(exhibit.picture.problem), wrap=True, fontsize="x-small", transform=axes.transAxes)


def _ladder(axes: "Axes", ladder: Ladder, longest: int) -> None:
    axes.set_axis_off()
    axes.set_ylim(-0.5, longest - 0.5)
    axes.set_xlim(0, 1)
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.set_title(f"{ladder.title}\nprecision {ladder.precision:.2f}, recall {ladder.recall:.2f}", fontsize="small")
    for height, rung in enumerate(ladder.rungs):
        text = rung.caption if len(rung.caption) <= CAPTION else f"{rung.caption[: CAPTION - 1]}…"
        colour, weight = (TRUE, "bold") if rung.true else (INK, "normal")
        axes.text(
            0.03, height, text, va="center", fontsize="x-small", parse_math=False, color=colour, fontweight=weight
        )


def _disk(axes: "Axes", view: disks.DiskView) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((0, 0), disks.RIM, facecolor=WASH, edgecolor=SOFT, linewidth=0.6))
    for radius, text in view.circles:
        axes.add_patch(Circle((0, 0), radius, fill=False, color=LINE, linewidth=0.5))
        box = {"facecolor": WASH, "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": SOFT, "bbox": box, "zorder": 5}
        axes.annotate(f"r = {text}", (0, -radius), **style)
    for kind in sorted({point.kind for point in view.points}, key=lambda kind: (kind == disks.IMAGE, kind)):
        points = [point for point in view.points if point.kind == kind]
        image = kind == disks.IMAGE
        axes.scatter(
            [point.x for point in points],
            [point.y for point in points],
            s=16,
            marker="x" if image else MARKERS[kind % len(MARKERS)],
            color=INK if image else TIERS[kind % len(TIERS)],
            alpha=0.5 if image else 0.8,
            linewidths=0.8 if image else 0,
            label="image" if image else f"tier {kind}",
            gid=f"points{kind}",
            clip_on=False,
        )
    axes.plot(0, 0, marker="+", markersize=6, color=INK, markeredgewidth=0.8)
    axes.set(xlim=(-104, 104), ylim=(-104, 104), aspect="equal")
    axes.set_axis_off()
