"""The table of a suite as CSV, Markdown and LaTeX."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from hiergeo.evaluation.findings.exports import latex_row, latex_text, markdown_table, number, signed
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.training.suite.board import Board, Range, Row
from hiergeo.training.suite.cells import DONE

if TYPE_CHECKING:
    from hiergeo.training.suite.leaderboard import Leaderboard


COLUMNS = (
    "kind",
    "benchmark",
    "model",
    "space",
    "than_model",
    "than_space",
    "metric",
    "value",
    "low",
    "high",
    "best",
    "protocol",
    "source",
)
"""Columns of the CSV. `kind` is measured, difference, published, baseline, failed, skipped, damaged or missing.

A difference is of (model, space) minus (than_model, than_space), its bounds those of the simultaneous interval.
"""

READING = (
    "Values with 95 % bootstrap intervals. Bold: better than every other row of the same protocol, by simultaneous "
    "intervals of paired differences. ↓: less is better. Published figures are their authors', not measured here."
)


def records(table: "Leaderboard") -> Iterator[tuple[object, ...]]:
    """The lines of the CSV."""
    for board in table.boards:
        yield from _measured(board)
        rows = {str(row): row for row in board.measured}
        for metric in board.metrics:
            for each in board.contrasts(metric):
                best = "" if each.winner is None else str(each.winner)
                bounds = (each.difference, *each.simultaneous)
                yield "difference", board.name, *rows[each.a], *rows[each.b], metric, *bounds, best, "", ""
        for model, figures in board.published.items():
            for figure in figures:
                told = (figure.metric, figure.value, None, None, "", figure.protocol, figure.source)
                yield "published", board.name, model, "", "", "", *told
        for name, by_metric in board.baselines.items():
            for metric, span in by_metric.items():
                value = span.low if span.low == span.high else None
                yield "baseline", board.name, name, "", "", "", metric, value, *span, "", "", ""
    for place, reason in table.missing.items():
        kind = reason.partition(":")[0] if ":" in reason else "missing"
        yield kind, place.benchmark, place.model, place.space, "", "", "", None, None, None, "", "", reason


def _measured(board: Board) -> Iterator[tuple[object, ...]]:
    for row, cell in board.measured.items():
        for metric, value in cell.metrics.items():
            bounds = board.interval(row, metric) or (None, None)
            best = int(board.is_best(row, metric))
            yield "measured", board.name, *row, "", "", metric, value, *bounds, best, cell.protocol, ""


def markdown(table: "Leaderboard") -> str:
    """The whole table in Markdown."""
    parts = [f"# {_line(table.title)}", READING]
    if len(table.boards) > 1:
        header = ("model", "space", *(_line(heading(board)) for board in table.boards))
        parts.append(markdown_table(header, ((*map(_line, row), *_overview(table, row)) for row in table.rows)))
    for board in table.boards:
        parts += _board(board)
    if table.missing:
        parts.append("## Cells without numbers")
        parts.append("\n".join(f"- {_line(' · '.join(place))}: {_line(why)}" for place, why in table.missing.items()))
    return "\n\n".join(parts) + "\n"


def heading(board: Board) -> str:
    """A benchmark and its first metric."""
    return board.name if board.task is None else f"{board.name}: {find_metric(board.task.primary).heading}"


def _overview(table: "Leaderboard", row: Row) -> Iterator[str]:
    for board in table.boards:
        known = board.task and row in board.cells
        yield _shown(_figure(board, row, board.task.primary)) if board.task and known else "not measured yet"


class Figure(NamedTuple):
    """What stands in a field of the table of a benchmark: a value as text, its interval, and whether it is best."""

    value: str
    interval: Interval | None = None
    best: bool = False
    beside: str = ""


class Line(NamedTuple):
    """A line of the table of a benchmark; `kind` is empty for measured rows, ``published`` or ``baseline``."""

    kind: str
    names: tuple[str, ...]
    figures: tuple[Figure, ...]


def _lines(board: Board) -> Iterator[Line]:
    metrics = board.metrics
    for row in board.cells:
        yield Line("", row, tuple(_figure(board, row, metric) for metric in metrics))
    for model, held in board.published.items():
        values = {each.metric: f"{each.value:g}" for each in held}
        yield Line("published", (model, ""), tuple(Figure(values.get(metric, "")) for metric in metrics))
    for name, by_metric in board.baselines.items():
        yield Line("baseline", (name, ""), tuple(Figure(_span(by_metric.get(metric))) for metric in metrics))


def _figure(board: Board, row: Row, metric: str) -> Figure:
    value, beside = board.value(row, metric), board.beside(row, metric)
    if value is None:
        return Figure("–" if board.cells[row].status == DONE else board.cells[row].status)
    told = "" if beside is None else f" (published {beside.value:g})"
    return Figure(number(value), board.interval(row, metric), board.is_best(row, metric), told)


def _span(span: Range | None) -> str:
    if span is None:
        return ""
    low, high = map(number, span)
    return low if low == high else f"{low} to {high}"


def _board(board: Board) -> Iterator[str]:
    yield f"## {_line(board.name)}"
    for protocol, rows in board.protocols.items():
        of = "" if len(board.protocols) == 1 else f" ({', '.join(map(str, rows))})"
        yield f"Protocol{_line(of)}: {_line(protocol)}."
    metrics = board.metrics
    lines = []
    for kind, (name, *rest), figures in _lines(board):
        if kind:
            italic = (f"*{each.value}*" if each.value else "" for each in figures)
            lines.append((f"*{kind}: {_line(name)}*", "", *italic))
        else:
            lines.append((_line(name), *map(_line, rest), *map(_shown, figures)))
    yield markdown_table(("model", "space", *(find_metric(metric).heading for metric in metrics)), lines)
    if board.verdicts:
        yield "\n".join(f"- {_line(row)}: {_line(verdict)}" for row, verdict in board.verdicts.items())
    sources = dict.fromkeys(
        f"{each.source}{f' ({each.protocol})' if each.protocol else ''}"
        for held in board.published.values()
        for each in held
    )
    if sources:
        yield f"Published figures: {_line('; '.join(sources))}."
    if board.task is not None and (held := board.leading(board.task.primary)):
        yield f"Paired differences in {find_metric(board.task.primary).label}, with simultaneous 95 % intervals:"
        yield "\n".join(
            f"- {_line(each.a)} minus {_line(each.b)}: {signed(each.difference)} {_bounds(each.simultaneous)}"
            f"{f' (**{_line(each.winner)}** is better)' if each.winner else ''}"
            for each in held
        )
    for caution in board.cautions:
        yield _line(caution.message)


def _shown(figure: Figure) -> str:
    value = f"**{figure.value}**" if figure.best else figure.value
    return f"{value}{'' if figure.interval is None else f' {_bounds(figure.interval)}'}{figure.beside}"


def _bounds(interval: Interval) -> str:
    return f"[{number(interval.low)}, {number(interval.high)}]"


def _line(words: object) -> str:
    """Words of the user in a Markdown table: one line, without characters that would be read as markup."""
    told = " ".join(str(words).split())
    return "".join(f"\\{letter}" if letter in "\\|*_`<>[]#" else letter for letter in told)


def latex(table: "Leaderboard") -> str:
    """One tabular a benchmark, with booktabs rules; published figures are in italics, baselines below a rule.

    Cells without numbers are listed with their reasons in comments after the tables.
    """
    reasons = (_comment(f"{' · '.join(place)}: {why}") for place, why in table.missing.items())
    return "\n\n".join((*map(_tabular, table.boards), *(["\n".join(reasons)] if table.missing else ()))) + "\n"


def _tabular(board: Board) -> str:
    metrics = board.metrics
    labels = [latex_text(find_metric(metric).heading).replace("↓", r"$\downarrow$") for metric in metrics]
    lines = [
        _comment(f"{board.name}: {'; '.join(board.protocols)}"),
        rf"\begin{{tabular}}{{ll{'r' * len(metrics)}}}",
        r"\toprule",
        latex_row(("model", "space", *labels)),
        r"\midrule",
    ]
    ruled = False
    for kind, (name, *rest), figures in _lines(board):
        if kind and not ruled:
            lines.append(r"\midrule")
            ruled = True
        label = f"{kind}: {latex_text(name)}" if kind else latex_text(name)
        italic = kind == "published"
        entries = (rf"\textit{{{each.value}}}" if italic and each.value else _latex(each) for each in figures)
        lines.append(latex_row((rf"\textit{{{label}}}" if italic else label, *map(latex_text, rest), *entries)))
    return "\n".join((*lines, r"\bottomrule", r"\end{tabular}"))


def _latex(figure: Figure) -> str:
    if figure.interval is None and not figure.best:
        return latex_text(figure.value).replace("–", "--").replace("−", "$-$")
    shown = rf"\mathbf{{{figure.value}}}" if figure.best else figure.value
    low, high = map(number, figure.interval or ())
    return rf"${shown}$ {{\small $[{low},\,{high}]$}}".replace("−", "-")


def _comment(words: str) -> str:
    return f"% {' '.join(words.split())}"
