"""Figures for notebooks and papers, with matplotlib, from the same objects that pages and tables render.

Every function returns a `matplotlib.figure.Figure` and touches no global state: `figure.savefig("radii.pdf")` writes
it, and a notebook shows it. Needs the extra ``plot``.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np

from hiergeo._core import extras
from hiergeo._core.errors import InputError
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.findings import Contrast, Findings
from hiergeo.evaluation.metrics import Roc, find_metric
from hiergeo.geometry import Space
from hiergeo.report import curves
from hiergeo.report import disk as disks
from hiergeo.report.ladders import Exhibit, Ladder, exhibits
from hiergeo.report.radii import Histogram, histograms
from hiergeo.training.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")

SERIES = ("#1b4f9c", "#b04a00", "#1f7a4d", "#8b2f8f", "#6d5f00", "#5c6068")
"""Colours of geometries, in order."""

DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (8, 2, 2, 2)), (0, (4, 3)), (0, (10, 3)))
"""Line styles of geometries, in order, so that colour is not needed to tell them apart."""

TIERS = ("#1b4f9c", "#1f77a6", "#b15700", "#8f2417")
"""Colours of tiers, general to specific."""

MARKERS = ("o", "s", "^", "D")
"""Marks of tiers on the disk, general to specific."""

CAPTION = 44
"""Characters of a caption that are drawn."""

INK, SOFT, TRUE = "#1d1f23", "#8a8e96", "#7a4b00"


def _needs_matplotlib(draw: Callable[P, T]) -> Callable[P, T]:
    @wraps(draw)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        extras.require("matplotlib.figure", "a figure")
        return draw(*args, **kwargs)

    return checked


@_needs_matplotlib
def radii(source: Result | Comparison | Study | Mapping[str, Result]) -> "Figure":
    """Distribution of radii by tier, one panel a space, all with the same bins and axes.

    Args:
        source: a result, a comparison, results by title, or a study: the frozen model, then one head of each geometry
            (of all seeds the one with the middle validation loss).
    """
    results = _results(source)
    drawn = histograms([result.radii for result in results.values()])
    figure, panels = _grid(len(results), width=4.2, height=3.2, share_y=True)
    for axes, (title, histogram) in zip(panels, zip(results, drawn, strict=True), strict=True):
        _histogram(axes, histogram)
        axes.set_title(title, loc="left")
        axes.set_xlabel("radius r (geodesic units)")
        axes.set_ylabel("chains")
    panels[0].legend(frameon=False)
    return figure


@_needs_matplotlib
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
    results = _results(source) if isinstance(source, Comparison) else _before_and_after(source)
    shown = exhibits(embedded, results, images, seed)
    if not shown:
        raise InputError("there are no ladders to draw: they need a model of images and the protocol re or traversal.")
    from matplotlib.figure import Figure

    longest = max(len(ladder.rungs) for exhibit in shown for ladder in exhibit.ladders)
    columns = len(results)
    figure = Figure(figsize=(2 + 2.8 * columns, len(shown) * max(1.8, 0.2 * longest + 0.5)), layout="constrained")
    panels = figure.subplots(len(shown), columns + 1, squeeze=False, width_ratios=[1, *([1.5] * columns)], sharey=False)
    for row, exhibit in zip(panels, shown, strict=True):
        _picture(row[0], exhibit)
        for axes, ladder in zip(row[1:], exhibit.ladders, strict=True):
            _ladder(axes, ladder, longest)
    return figure


@_needs_matplotlib
def disk(source: Comparison | Study, *, seed: int = 0) -> "Figure":
    """Captions on disks around the root: radii are exact, directions are projected.

    Hyperbolic spaces are drawn as Poincare disks, spheres stereographically, flat spaces and products as they are; all
    disks end at the same radius.

    Args:
        source: a comparison, or a study: the frozen model and one head of each geometry.
        seed: of the choice of chains.
    """
    embedded, spaces = _spaces(source)
    rows = disks.drawn_rows(embedded, seed)
    views = disks.views(spaces, rows)
    figure, panels = _grid(len(views), width=3.8, height=4.0)
    for axes, view in zip(panels, views, strict=True):
        _disk(axes, view)
    tiers = embedded.chains.shape[1]
    handles, labels = panels[0].get_legend_handles_labels()
    assert len(labels) in (tiers, tiers + 1)
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


@_needs_matplotlib
def roc(study: Study, *, dim: int | None = None) -> "Figure":
    """ROC curves by the cone margin before and after training; the area under a curve is the AUROC of the table.

    Args:
        study: a study.
        dim: dimension; None is the first of the plan.
    """
    found = curves.roc_figure(study, _dim(study.findings, dim))
    figure, (axes,) = _grid(1, width=4.6, height=4.6)
    axes.plot((0, 1), (0, 1), color=SOFT, linewidth=0.8, label="chance")
    for place, (geometry, (before, after)) in enumerate(found.curves.items()):
        areas = found.areas[geometry]
        for curve, area, when, width in zip((before, after), areas, ("before", "after"), (1.0, 2.0), strict=True):
            style = ":" if when == "before" else DASHES[place % len(DASHES)]
            label = f"{geometry}, {when}: {area:.3f}"
            _roc(axes, curve, color=SERIES[place % len(SERIES)], linestyle=style, linewidth=width, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_title(find_metric(curves.ROC).label, loc="left")
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    return figure


@_needs_matplotlib
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
    geometries = [cell.geometry for cell in cells]
    for axes, each in zip(panels, shared, strict=False):
        _training(axes, each, {name: SERIES[place % len(SERIES)] for place, name in enumerate(geometries)})
        axes.set_title(each.title, loc="left")
    for axes, each in zip(panels[len(shared) :], of_radii, strict=True):
        tiers = dict.fromkeys(each.names)
        _training(axes, each, {name: TIERS[place % len(TIERS)] for place, name in enumerate(tiers)})
        axes.set_title(f"mean radius, {each.title}", loc="left")
        axes.set_ylabel("radius r (geodesic units)")
        for line, name in zip(each.lines, each.names, strict=True):
            if "mean" in line.css.split():
                axes.annotate(
                    name,
                    (line.x[-1], line.y[-1]),
                    xytext=(6, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize="small",
                )
    panels[0].legend(frameon=False, fontsize="small")
    return figure


@_needs_matplotlib
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
        axes.set_title(find_metric(name).label, loc="left")
    panels[-1].set_xlabel("difference, with 95 % intervals")
    return figure


def _results(source: Result | Comparison | Study | Mapping[str, Result]) -> dict[str, Result]:
    if isinstance(source, Result):
        return {source.geometry: source}
    if isinstance(source, Comparison):
        return {result.geometry: result for result in source.results}
    if isinstance(source, Study):
        heads = curves.shown(source)
        before = {f"before, {heads[0].cell.geometry}": source.before[heads[0].cell.geometry]}
        return before | {f"after, {head.cell.geometry}": head.run.summary.after for head in heads}
    return dict(source)


def _before_and_after(study: Study) -> dict[str, Result]:
    found = {}
    for head in curves.shown(study):
        found[f"{head.cell.geometry}, before"] = head.run.summary.before
        found[f"{head.cell.geometry}, after"] = head.run.summary.after
    return found


def _spaces(source: Comparison | Study) -> tuple[Embedded, dict[str, tuple[Embedded, Space]]]:
    if isinstance(source, Study):
        heads = curves.shown(source)
        spec = heads[0].cell.geometry
        before = {f"before, {spec}": (source.frozen, curves.unheaded(source, spec))}
        return source.frozen, before | {head.cell.geometry: (head.embedded, head.space) for head in heads}
    embedded = source.embedded
    spaces = {result.geometry: Space(result.geometry, embedded.root) for result in source.results}
    return embedded, {geometry: (embedded, space) for geometry, space in spaces.items()}


def _dim(findings: Findings, dim: int | None) -> int:
    if dim is not None and dim not in findings.dims:
        raise InputError(f"dim must be one of {', '.join(map(str, findings.dims))}, not {dim}.")
    return findings.dims[0] if dim is None else dim


def _grid(count: int, *, width: float, height: float, share_y: bool = False) -> tuple["Figure", "list[Axes]"]:
    """A figure of `count` panels, at most three in a row."""
    from matplotlib.figure import Figure

    columns = min(count, 3)
    lines = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharey=share_y).ravel().tolist()
    for unused in panels[count:]:
        figure.delaxes(unused)
    for axes in panels[:count]:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels[:count]


def _histogram(axes: "Axes", histogram: Histogram) -> None:
    for tier, (counts, mean) in enumerate(zip(histogram.counts, histogram.means, strict=True)):
        colour = TIERS[tier % len(TIERS)]
        axes.stairs(counts, histogram.edges, color=colour, fill=True, alpha=0.2)
        axes.stairs(counts, histogram.edges, color=colour, label=f"tier {tier}")
        axes.axvline(float(mean), color=colour, linewidth=0.8, linestyle=":")


def _roc(axes: "Axes", curve: Roc, **style: object) -> None:
    axes.plot(curve.false_positive_rate, curve.true_positive_rate, **style)  # type: ignore[arg-type]


def _training(axes: "Axes", found: curves.Curves, colours: Mapping[str, str]) -> None:
    for line, name in zip(found.lines, found.names, strict=True):
        mean = "mean" in line.css.split()
        axes.plot(
            line.x,
            line.y,
            color=colours[name],
            linestyle=DASHES[list(colours).index(name) % len(DASHES)] if mean else "-",
            linewidth=2.0 if mean else 0.7,
            alpha=1.0 if mean else 0.5,
            label=name if mean else None,
        )
        if line.mark is not None:
            axes.plot(line.x[line.mark], line.y[line.mark], marker="o", markersize=3, color=colours[name])
    axes.set_xlabel("training step")


def _forest(axes: "Axes", contrasts: Sequence[Contrast]) -> None:
    for place, each in enumerate(contrasts):
        colour = TRUE if each.winner else SOFT
        axes.plot(each.simultaneous, (place, place), color=colour, linewidth=1)
        axes.plot(each.interval, (place, place), color=colour, linewidth=4, solid_capstyle="butt")
        axes.plot(each.difference, place, marker="o", markersize=5, color=INK)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(contrasts)), [f"{each.a} − {each.b}" for each in contrasts])
    axes.set_ylim(len(contrasts) - 0.4, -0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _picture(axes: "Axes", exhibit: Exhibit) -> None:
    from PIL import Image

    axes.set_axis_off()
    axes.set_title(f"image {exhibit.image_id}", loc="left", fontsize="small")
    if exhibit.picture.uri:
        data = base64.b64decode(exhibit.picture.uri.partition("base64,")[2])
        axes.imshow(np.asarray(Image.open(io.BytesIO(data))))
    else:
        axes.text(0, 0.5, exhibit.picture.problem, wrap=True, fontsize="x-small", transform=axes.transAxes)


def _ladder(axes: "Axes", ladder: Ladder, longest: int) -> None:
    axes.set_axis_off()
    axes.set_ylim(-0.5, longest - 0.5)
    axes.set_xlim(0, 1)
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.set_title(
        f"{ladder.title}\nprecision {ladder.precision:.2f}, recall {ladder.recall:.2f}", loc="left", fontsize="small"
    )
    for height, rung in enumerate(ladder.rungs):
        text = rung.caption if len(rung.caption) <= CAPTION else f"{rung.caption[: CAPTION - 1]}…"
        colour, weight = (TRUE, "bold") if rung.true else (INK, "normal")
        axes.text(
            0.03, height, text, va="center", fontsize="x-small", parse_math=False, color=colour, fontweight=weight
        )


def _disk(axes: "Axes", view: disks.DiskView) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((0, 0), disks.RIM, fill=False, color=SOFT))
    for radius, text in view.circles:
        axes.add_patch(Circle((0, 0), radius, fill=False, color=SOFT, linewidth=0.4))
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        axes.annotate(f"r = {text}", (0, radius), ha="center", va="center", fontsize=7, color=INK, bbox=box, zorder=5)
    kinds = sorted({point.kind for point in view.points}, key=lambda kind: (kind == disks.IMAGE, kind))
    for kind in kinds:
        points = [point for point in view.points if point.kind == kind]
        image = kind == disks.IMAGE
        axes.scatter(
            [point.x for point in points],
            [-point.y for point in points],
            s=9,
            marker="x" if image else MARKERS[kind % len(MARKERS)],
            color=INK if image else TIERS[kind % len(TIERS)],
            alpha=0.7,
            linewidths=0.7 if image else 0,
            label="image" if image else f"tier {kind}",
        )
    axes.plot(0, 0, marker="+", color=INK)
    axes.set(xlim=(-104, 104), ylim=(-104, 104), aspect="equal")
    axes.set_axis_off()
    charts = {"poincare": "Poincaré disk", "stereographic": "stereographic", "flat": "flat"}
    axes.set_title(f"{view.title}\n{charts[view.chart]}, to r = {view.reach:.2f}", loc="left", fontsize="small")
