"""One picture of a run: the roofline, ratios to the matrix product, and how speed scales in N, M and D."""

from pathlib import Path
from typing import Any

from benchmarks.competitors import BASELINE
from benchmarks.peers import peer
from benchmarks.report import Results
from benchmarks.timing import Row

AXES = ("N", "M", "D")
PLACE = {axis: place for place, axis in enumerate(AXES)}
MARKS = ("o", "s", "^", "v", "D", "P", "X", "*", "<", ">")


def draw(results: Results, path: Path) -> None:
    """Write the picture as SVG. Raises Missing without matplotlib."""
    matplotlib = peer("matplotlib", "matplotlib")
    matplotlib.use("svg")
    pyplot: Any = peer("matplotlib.pyplot", "matplotlib")
    matplotlib.rcParams["svg.fonttype"] = "none"
    figure = pyplot.figure(figsize=(14, 12), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(3, 2))
    roofline, ratios = above.subplots(1, 2, width_ratios=(2, 3))
    _roofline(roofline, results)
    _ratios(ratios, results.main)
    for axis, axes in zip(AXES, below.subplots(1, len(AXES)), strict=True):
        rows = [row for row in results.scaling if row.axis == axis]
        _scaling(axes, axis, rows, results.machine.peak_all)
    figure.savefig(path)
    pyplot.close(figure)


def _roofline(axes: Any, results: Results) -> None:
    """FLOP/s of the products against FLOP per byte of the least traffic, under the roofs of the machine."""
    groups: dict[str, list[tuple[float, float]]] = {BASELINE: [], "hiergeo": []}
    for row in results.rows:
        if row.rate and row.label in (BASELINE, "hiergeo", "hiergeo, float32 screen", "hiergeo, 8-bit screen"):
            groups[BASELINE if row.label == BASELINE else "hiergeo"].append((row.flops / row.traffic, row.rate / 1e9))
    for (label, places), mark in zip(groups.items(), MARKS, strict=False):
        if places:
            axes.scatter(*zip(*places, strict=True), s=18, marker=mark, label=label)
    steps = [2**power for power in range(12)]
    if results.machine.peak_all:
        roof = [min(results.machine.peak_all, results.machine.bandwidth * step) / 1e9 for step in steps]
        axes.plot(steps, roof, color="black", linewidth=1, label="FMA peak, memory bandwidth")
    axes.set(xscale="log", yscale="log", xlabel="FLOP / byte", ylabel="GFLOP/s", title="Roofline")
    _legend(axes)


def _ratios(axes: Any, rows: list[Row]) -> None:
    """Time over that of the matrix product, a line a case."""
    cases = list(dict.fromkeys(row.case for row in rows))[::-1]
    labels = [label for label in dict.fromkeys(row.label for row in rows) if label != BASELINE]
    for place, label in enumerate(labels):
        shown = [(row.ratio, cases.index(row.case)) for row in rows if row.label == label and row.ratio]
        if shown:
            mark, colour = MARKS[place % len(MARKS)], f"C{(place + place // len(MARKS)) % len(MARKS)}"
            axes.scatter(*zip(*shown, strict=True), s=30, marker=mark, color=colour, label=label)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel="time / torch.mm", title="Ratio to the matrix product (less is better)")
    axes.set_yticks(range(len(cases)), cases, fontsize="small")
    axes.grid(axis="y", linewidth=0.3)
    _legend(axes, loc="upper left", bbox_to_anchor=(1, 1))


def _scaling(axes: Any, axis: str, rows: list[Row], peak: float | None) -> None:
    """GFLOP/s of the products while one letter varies."""
    lines: dict[str, dict[int, float]] = {}
    for row in rows:
        name = row.label if row.label == BASELINE else row.case.split(", ", 1)[1]
        if row.rate:
            lines.setdefault(name, {})[row.shape[PLACE[axis]]] = row.rate / 1e9
    for name, rates in lines.items():
        axes.plot(*zip(*sorted(rates.items()), strict=True), marker="o", label=name)
    if peak:
        axes.axhline(peak / 1e9, color="black", linewidth=1, linestyle="--", label="FMA peak")
    axes.set_xscale("log", base=2)
    axes.set(xlabel=axis, ylabel="GFLOP/s", title=f"Scaling in {axis}", ylim=(0, None))
    sizes = sorted({size for rates in lines.values() for size in rates})
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45, fontsize="small")
    axes.minorticks_off()
    _legend(axes)


def _legend(axes: Any, **place: Any) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small", **place)
