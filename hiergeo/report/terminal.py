"""Tables for the terminal: the grids of results, comparisons and studies, as many columns a table as fit."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rich.table import Table

from hiergeo._core.records import Figure, Grid, drawn, spelled_out
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.metrics import find_metric
from hiergeo.evaluation.result import CONTROL
from hiergeo.training.study import Study

EDGES, GAP = 2, 3
"""Blank columns at the edges of a table, and between two of its columns."""

LONGEST_NAME = 24
"""Width at which the names of metrics are broken."""


def said(results: Iterable[Result]) -> frozenset[str]:
    """The metric that one sentence says of all results in per cent of pairs: tables do not repeat it in [-1, 1]."""
    answers = [result.answers.get("beyond_length") for result in results]
    shares = {answer.value if answer is not None and answer.n else None for answer in answers}
    return frozenset({"tau_d_equal_length"} if len(shares) == 1 and None not in shares else ())


def read_metrics(metrics: Iterable[str], results: Iterable[Result] = (), *, full: bool = False) -> tuple[str, ...]:
    """Those of some metrics that tables show: all but the one that a sentence says of the results in per cent, and
    unless `full` neither controls nor metrics without merit."""
    repeated = said(results)
    shown = {name: find_metric(name) for name in metrics if name not in repeated}
    return tuple(
        name for name, metric in shown.items() if full or not (metric.control or metric.higher_is_better is None)
    )


def tables(source: Result | Comparison | Study, width: int = 80, *, full: bool = False) -> Iterator[Table]:
    """The tables of a result, a comparison or a study, in as many as it takes to break no figure in `width` columns."""
    if isinstance(source, Study):
        metrics = dict.fromkeys(name for dim in source.board.dims for name in source.board.measured(dim))
        chosen = read_metrics(metrics, full=full)
    else:
        results = [source] if isinstance(source, Result) else source.results
        chosen = read_metrics(results[0].metrics, results, full=full)
    for grid in source.grids(chosen):
        parts = list(fitted(grid, width))
        narrow = len(parts) > 1 and grid.heads[-1] == CONTROL
        yield from map(drawn, fitted(_controls_in_notes(grid), width) if narrow else parts)


def _controls_in_notes(grid: Grid) -> Grid:
    """A table whose notes say what stands in its last column, the controls."""
    reached: dict[str, list[str]] = {}
    for name, (*_, control) in grid.rows:
        if control.value:
            reached.setdefault(control.note, []).append(f"{name} {control.value}")
    controls = "; ".join(f"{control}: {', '.join(values)}" for control, values in reached.items())
    rows = tuple((name, figures[:-1]) for name, figures in grid.rows)
    said = f"Reached by {controls}.\n" if controls else ""
    return replace(grid, heads=grid.heads[:-1], rows=rows, notes=f"{said}{grid.notes}")


def fitted(grid: Grid, width: int) -> Iterator[Grid]:
    """A table as several whose figures fit beside each other; only the last has its notes."""
    single = [[part for figure in figures for part in spelled_out(figure)] for _, figures in grid.rows]
    names = min(LONGEST_NAME, max(len(label) for label in (grid.corner, *dict(grid.rows))))
    sizes = [max([_size(row[at]) for row in single] + [min(len(head), 14)]) for at, head in enumerate(grid.heads)]
    start = 0
    while start < len(grid.heads):
        end, left = start, width - names - EDGES
        while end < len(grid.heads) and (end == start or left >= sizes[end] + GAP):
            left -= sizes[end] + GAP
            end += 1
        rows = tuple((label, tuple(row[start:end])) for (label, _), row in zip(grid.rows, single, strict=True))
        yield Grid(grid.corner, grid.heads[start:end], rows, grid.notes if end == len(grid.heads) else "", grid.title)
        start = end


def _size(figure: Figure) -> int:
    return max(len(figure.value) + figure.best, *map(len, figure.below), 0)
