"""What `hiergeo probe` and `hiergeo compare` print: tables that read well in 80 columns."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hiergeo.evaluation import Comparison, Result
from hiergeo.report.findings import Cell, Findings
from hiergeo.report.words import label, number, setting_line

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

WIDE = 4
"""Metrics that fit beside each other in 80 columns; with more of them each gets a row."""

EDGES, GAP = 4, 2
"""Blank columns of a table besides those between two of its columns, and those."""

NARROWEST = 50
"""Columns of a short table, so that its caption has room."""

MARK = "*"
"""Behind a figure that beats every other geometry."""


def result_table(result: Result) -> "Table":
    """The metrics of one result: name, value and 95 % bootstrap interval."""
    from rich.text import Text

    table = _table(f"{setting_line(result)} · {result.geometry}")
    table.min_width = NARROWEST
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for metric, value in result.metrics.items():
        interval = result.intervals.get(metric)
        bounds = Text(f"{number(interval.low, 4)} to {number(interval.high, 4)}") if interval else _dim("-")
        table.add_row(label(metric), number(value, 4), bounds)
    return table


def comparison_table(comparison: Comparison) -> "Table":
    """Every metric in every geometry with its 95 % interval, the winner marked; metrics down when there are many."""
    findings = Findings(comparison)
    return _across(findings) if _is_across(findings) else _down(findings, range(len(findings.results)), last=True)


def comparison_tables(comparison: Comparison, width: int = 80) -> Iterator["Table"]:
    """The same in as many tables as it takes to break no figure in `width` columns; the last has the caption."""
    findings = Findings(comparison)
    if _is_across(findings):
        yield _across(findings)
        return
    places = range(len(findings.results))
    names = max(len(label(metric)) for metric in findings.metrics)
    entries = [_entry(findings, metric, place).plain for metric in findings.metrics for place in places]
    figure = max(len(line) for entry in entries for line in entry.split("\n"))
    fitting = max(1, (width - names - EDGES) // (figure + GAP))
    for start in places[::fitting]:
        yield _down(findings, places[start : start + fitting], last=start + fitting >= len(places))


def _is_across(findings: Findings) -> bool:
    return len(findings.metrics) <= WIDE


def _across(findings: Findings) -> "Table":
    from rich.text import Text

    table = _table(_caption(findings))
    table.add_column("geometry", overflow="fold")
    for metric in findings.metrics:
        table.add_column(Text(label(metric), overflow="fold"))
    for place, result in enumerate(findings.results):
        table.add_row(Text(result.geometry), *(_entry(findings, metric, place) for metric in findings.metrics))
    return table


def _down(findings: Findings, places: Sequence[int], *, last: bool) -> "Table":
    from rich.text import Text

    table = _table(_caption(findings) if last else "")
    table.min_width = NARROWEST if last else None
    table.add_column("metric", overflow="fold")
    for place in places:
        table.add_column(Text(findings.results[place].geometry, overflow="fold"))
    for metric in findings.metrics:
        table.add_row(label(metric), *(_entry(findings, metric, place) for place in places))
    return table


def _caption(findings: Findings) -> str:
    return "\n".join((setting_line(findings.results[0]), *_notes(findings)))


def _table(caption: str) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(box=box.SIMPLE_HEAD, caption=Text(caption, style="dim"), caption_justify="left", pad_edge=False)


def _entry(findings: Findings, metric: str, place: int) -> "Text":
    if metric in findings.comparison.shared and place > 0:
        return _dim("same by\nconstruction" if place == 1 else "same")
    cell = findings.cell(metric, findings.results[place])
    return _dim("-") if cell is None else _figure(cell)


def _figure(cell: Cell) -> "Text":
    from rich.text import Text

    text = Text(f"{number(cell.value)}{MARK if cell.best else ''}", style="bold" if cell.best else "")
    return text.append(f"\n{number(cell.interval.low)}–{number(cell.interval.high)}", style="not bold dim")


def _dim(words: str) -> "Text":
    from rich.text import Text

    return Text(words, style="dim")


def _notes(findings: Findings) -> Sequence[str]:
    notes = ["Below each value its 95 % bootstrap interval."]
    if findings.compared:
        notes.append(
            f"{MARK} best: the paired 95 % bootstrap interval against every other geometry excludes 0."
            if findings.any_leader
            else "No geometry is best: no paired 95 % bootstrap interval excludes 0 against every other one."
        )
    if len(findings.results) > 1:
        notes.append(
            "tau_d is the same by construction: the radius is |e - root| in every geometry."
            if findings.comparison.shared
            else "tau_d is each geometry's own, since these measure radii differently; no winner is named for it."
        )
    return [*notes, *findings.twin_notes()]
