"""Figures for notebooks, papers and report pages, with matplotlib, from the same objects that tables render.

Every function returns a `matplotlib.figure.Figure` and touches no global state: `figure.savefig("radii.pdf")` writes
it, and a notebook shows it. `hiergeo.report.drawing.svg` puts it into a page.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.auditing import Audit
from hiergeo.evaluation.experiment import Board
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report import curves, panels
from hiergeo.report import disk as disks
from hiergeo.report.drawing import DASHES, SERIES, SOFT, STYLE
from hiergeo.report.ladders import exhibits
from hiergeo.report.radii import Radii, distributions, tallest
from hiergeo.report.shown import before_and_after, results, spaces
from hiergeo.report.summary import DotPlot, DotPlots, of_comparison, of_study
from hiergeo.training.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")

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
    return panels.dot_plots(of_study(source) if isinstance(source, Study) else of_comparison(source.board))


@_styled
def dots(plot: DotPlot) -> "Figure":
    """One dot plot: a row for each space, model or control."""
    return panels.dot_plots(DotPlots((plot,), ""))


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
    figure, fields = panels.grid(len(drawn), width=panels.WIDTH, height=0.55 * rows + 0.9)
    for axes, each in zip(fields, drawn, strict=True):
        panels.histograms(axes, each, highest or tallest(drawn))
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
    fields = figure.subplots(len(shown), columns + 1, squeeze=False, width_ratios=[1, *([1.5] * columns)], sharey=False)
    for row, exhibit in zip(fields, shown, strict=True):
        panels.picture(row[0], exhibit)
        for axes, ladder in zip(row[1:], exhibit.ladders, strict=True):
            panels.rungs(axes, ladder, longest)
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
    figure, fields = panels.grid(len(views), width=3.8, height=4.0)
    for axes, view in zip(fields, views, strict=True):
        panels.points(axes, view)
        axes.set_title(f"{view.title}\n{CHARTS[view.chart]}, to r = {view.reach:.2f}", fontsize="small")
    handles, labels = fields[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


@_styled
def disk_panel(view: disks.DiskView) -> "Figure":
    """One disk alone, without title and legend; the artist of gid `points-K` draws the points of kind K."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.8, 3.8))
    panels.points(figure.add_axes((0, 0, 1, 1)), view)
    return figure


@_styled
def roc(study: Study, *, dim: int | None = None) -> "Figure":
    """ROC curves by the cone margin before and after training; the area under a curve is the AUROC of the table.

    Args:
        study: a study.
        dim: dimension; None is the first of the plan.
    """
    figure = roc_panel(curves.roc_figure(study, _dim(study.board, dim)), points=None)
    (axes,) = figure.axes
    axes.set_title(find_metric(curves.ROC).label)
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    return figure


@_styled
def roc_panel(drawn: curves.RocFigure, *, points: int | None = POINTS) -> "Figure":
    """ROC curves alone, each drawn by at most `points` of its points (None for all)."""
    figure, (axes,) = panels.grid(1, width=panels.WIDTH, height=panels.WIDTH)
    axes.plot((0, 1), (0, 1), color=SOFT, linewidth=0.75, label="chance")
    for at, (geometry, pair) in enumerate(drawn.curves.items()):
        kinds = zip(pair, drawn.areas[geometry], ("before", "after"), (1.3, 2.0), strict=True)
        for curve, area, when, width in kinds:
            style = ":" if when == "before" else DASHES[at % len(DASHES)]
            name = f"{geometry}, {when}: {area:.3f}"
            axes.plot(
                *panels.rates(curve, points),
                color=panels.colour_of(at),
                linestyle=style,
                linewidth=width,
                label=name,
            )
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="false positive rate", ylabel="true positive rate")
    return figure


@_styled
def learning_curves(study: Study, *, dim: int | None = None) -> "Figure":
    """Validation losses, tau_d, learnt curvatures and mean radii against the step; thin lines are single seeds.

    Args:
        study: a study.
        dim: dimension; None is the first of the plan.
    """
    chosen = _dim(study.board, dim)
    cells = [cell for cell in study.cells if cell.dim == chosen]
    shared = [*curves.loss_curves(cells), *curves.curvature_curves(cells)]
    of_radii = curves.radius_curves(cells)
    figure, fields = panels.grid(len(shared) + len(of_radii), width=3.8, height=2.9)
    for axes, each in zip(fields, shared, strict=False):
        panels.training(axes, each, [cell.geometry for cell in cells])
        axes.set_title(each.title)
    for axes, each in zip(fields[len(shared) :], of_radii, strict=True):
        panels.training(axes, each, None)
        axes.set_title(f"mean radius, {each.title}")
        axes.set_ylabel("radius r (geodesic units)")
        for line in (line for line in each.lines if line.kept is None):
            end = line.x[-1], line.y[-1]
            axes.annotate(line.name, end, xytext=(6, 0), textcoords="offset points", va="center", fontsize="small")
    fields[0].legend(frameon=False, fontsize="small")
    return figure


@_styled
def curve_panels(groups: Sequence[curves.Curves], geometries: Sequence[str] | None) -> "list[Figure]":
    """A figure for each group of curves; lines are of geometries, each on a scale of its own, or of tiers on one."""
    made = [panels.grid(1, width=panels.WIDTH, height=3.1) for _ in groups]
    for (_, (axes,)), each in zip(made, groups, strict=True):
        panels.training(axes, each, geometries)
        axes.set_title(each.title)
    if geometries is None:
        first, *others = (axes for _, (axes,) in made)
        for axes in others:
            axes.sharex(first)
            axes.sharey(first)
        first.autoscale()
    return [figure for figure, _ in made]


@_styled
def operating_point(audit: Audit) -> "Figure":
    """The share of the captions of an audit up to each u = sqrt(|K|) r; a line marks u = 1 where that is in reach."""
    u = np.array(audit.u_quantiles)
    high = max(1.05, float(u[-1]) * 1.05)
    figure, (axes,) = panels.grid(1, width=panels.WIDTH, height=3.1)
    axes.axvline(1, color=SOFT, linewidth=0.75)
    axes.plot([0.0, *u, high], [0.0, *np.linspace(0, 1, 101), 1.0], color=SERIES[0], linewidth=2)
    axes.set(xlim=(0, high), ylim=(0, 1), title="share of captions up to u", xlabel="u = √|K| r; the line marks 1")
    return figure


@_styled
def forest(
    source: Comparison | Study | Board, *, metrics: Sequence[str] | None = None, dim: int | None = None
) -> "Figure":
    """Forest plot of contrasts: each difference with its own 95 % interval (thick) and the simultaneous one (thin).

    Decided contrasts are drawn in colour.

    Args:
        source: a comparison, a study, or board.
        metrics: names of metrics; None is all that have contrasts.
        dim: dimension; None is the first.

    Raises:
        InputError: there are no such contrasts.
    """
    board = source if isinstance(source, Board) else source.board
    chosen = _dim(board, dim)
    named = metrics if metrics is not None else board.metrics(chosen)
    contrasts_by_metric = {name: found for name in named if (found := board.contrasts_of(name, chosen))}
    if not contrasts_by_metric:
        raise InputError(f"there are no contrasts in {', '.join(named) or 'any metric'} at dimension {chosen} to draw.")
    from matplotlib.figure import Figure

    heights = [len(contrasts) + 1.5 for contrasts in contrasts_by_metric.values()]
    figure = Figure(figsize=(7.5, 0.28 * sum(heights) + 0.6), layout="constrained")
    fields = figure.subplots(len(contrasts_by_metric), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (name, contrasts) in zip(fields, contrasts_by_metric.items(), strict=True):
        panels.intervals(axes, contrasts)
        axes.set_title(find_metric(name).label)
    fields[-1].set_xlabel("difference, with 95 % intervals")
    return figure


def _dim(board: Board, dim: int | None) -> int:
    if dim is not None and dim not in board.dims:
        raise InputError(f"dim must be one of {', '.join(map(str, board.dims))}, not {dim}.")
    return board.dims[0] if dim is None else dim
