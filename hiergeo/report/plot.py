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
from hiergeo.report.drawing import SERIES, SOFT, STYLE
from hiergeo.report.ladders import exhibits
from hiergeo.report.radii import Radii, distributions, tallest
from hiergeo.report.shown import before_and_after, results
from hiergeo.report.summary import DotPlot, DotPlots, of_comparison, of_study
from hiergeo.training.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")


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
    rows = max(len(space.means) + (space.growth is not None) for space in drawn)
    figure, fields = panels.grid(len(drawn), width=panels.WIDTH, height=0.55 * rows + 0.9)
    for axes, space in zip(fields, drawn, strict=True):
        panels.histograms(axes, space, highest or tallest(drawn))
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
def learning_curves(study: Study, *, dim: int | None = None) -> "Figure":
    """Validation losses, tau_d and learnt curvatures against the step; thin lines are single seeds.

    Args:
        study: a study.
        dim: dimension; None is the first of the plan.
    """
    chosen = _dim(study.board, dim)
    cells = [cell for cell in study.cells if cell.dim == chosen]
    drawn = curves.learning_curves(cells)
    figure, fields = panels.grid(len(drawn), width=3.8, height=2.9)
    for axes, lines in zip(fields, drawn, strict=True):
        panels.training(axes, lines, [cell.geometry for cell in cells])
    fields[0].legend(frameon=False, fontsize="small")
    return figure


@_styled
def curve_panel(lines: curves.Curves, geometries: Sequence[str]) -> "Figure":
    """Curves under one title, of geometries in the order of these."""
    figure, (axes,) = panels.grid(1, width=panels.WIDTH, height=3.1)
    panels.training(axes, lines, geometries)
    return figure


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
    contrasts_by_metric = {name: contrasts for name in named if (contrasts := board.contrasts_of(name, chosen))}
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
