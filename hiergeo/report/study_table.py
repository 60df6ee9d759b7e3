"""What `hiergeo compare --train` prints: every metric in every geometry, mean and spread over seeds."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hiergeo.report.table import MARK
from hiergeo.report.words import label, number
from hiergeo.study import Cell, Study

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

DRIFT = ("similarity_change", "similarity_correlation")
"""Rows below the metrics: how far a head moved, which is no merit."""


def study_tables(study: Study) -> Iterator["Table"]:
    """One table a dimension, in the plan's order, and the differences that stand."""
    for dim in study.plan.dims:
        cells = [cell for cell in study.cells if cell.dim == dim]
        if cells:
            yield _table(study, dim, cells)
    if (differences := contrast_table(study)) is not None:
        yield differences


def contrast_table(study: Study) -> "Table | None":
    """The differences that stand, with the intervals that hold all at once; None where none does."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    standing = [each for each in study.contrasts if each.winner is not None]
    if not standing:
        return None
    table = Table(box=box.SIMPLE_HEAD, title="Differences that stand", title_justify="left", pad_edge=False)
    for heading in ("dim", "metric", "a", "b"):
        table.add_column(heading, overflow="fold")
    for heading in ("a - b", "95 %, alone", "95 %, with all"):
        table.add_column(heading, no_wrap=True)
    for each in standing:
        bounds = (f"{number(low, 4)} to {number(high, 4)}" for low, high in (each.interval, each.together))
        names = (Text(name, style="bold" if name == each.winner else "") for name in (each.a, each.b))
        table.add_row(str(each.dim), label(each.metric), *names, number(each.difference, 4), *bounds)
    return table


def leaders(study: Study, dim: int, metric: str) -> tuple[str, ...]:
    """The geometry, with the other charts of its space, that wins against every other space; empty where none does."""
    held = [each for each in study.contrasts if (each.dim, each.metric) == (dim, metric)]
    for spec in dict.fromkeys(each.winner for each in held if each.winner is not None):
        if all(each.winner == spec for each in held if spec in (each.a, each.b)):
            return next((charts for charts in study.twins if spec in charts), (spec,))
    return ()


def _table(study: Study, dim: int, cells: Sequence[Cell]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    caption = "\n".join(_notes(study, dim))
    table = Table(box=box.SIMPLE_HEAD, caption=Text(caption, style="dim"), caption_justify="left", pad_edge=False)
    table.add_column("metric", overflow="fold")
    table.add_column(Text("no head", overflow="fold"))
    for cell in cells:
        table.add_column(Text(cell.geometry, overflow="fold"))
    frozen = study.before[cells[0].geometry].metrics
    metrics = dict.fromkeys(metric for cell in cells for metric in cell.runs[0].draws)
    for metric in (*metrics, *DRIFT):
        best = leaders(study, dim, metric)
        plain = number(frozen[metric]) if metric in frozen else "-"
        table.add_row(label(metric), plain, *(_entry(cell, metric, cell.geometry in best) for cell in cells))
    rates = [f"{cell.learning_rate:g}" for cell in cells]
    table.add_row("learning rate", "", *rates, end_section=True)
    return table


def _entry(cell: Cell, metric: str, best: bool) -> "Text":
    from rich.text import Text

    if metric not in cell.metrics:
        return Text("-", style="dim")
    text = Text(f"{number(cell.metrics[metric])}{MARK if best else ''}", style="bold" if best else "")
    return text.append(f"\n±{number(cell.spread[metric])}", style="not bold dim")


def _notes(study: Study, dim: int) -> Iterator[str]:
    marked = any(leaders(study, dim, each.metric) for each in study.contrasts if each.dim == dim)
    yield f"Dimension {dim}: means over {len(study.plan.seeds)} seeds, below them the standard deviation over seeds."
    yield (
        f"{MARK} better than every other geometry, all differences of the study looked at together."
        if marked
        else "No geometry is better than every other one in anything."
    )
    if study.same:
        yield f"{', '.join(sorted(study.same))}: the same in all geometries by construction."
