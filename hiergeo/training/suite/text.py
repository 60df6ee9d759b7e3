"""The table of a suite as CSV, Markdown and LaTeX."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hiergeo._core import records as exports
from hiergeo._core.markdown import plain
from hiergeo._core.records import Figure, Grid, number, signed
from hiergeo.evaluation.length import baseline_name
from hiergeo.evaluation.metrics import find_metric
from hiergeo.training.suite.board import Board, BoardRow, Span
from hiergeo.training.suite.cells import Place

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

CORNER = "model and space"

READING = (
    "Values with 95 % intervals. Bold: better than every other row of the same protocol, by paired differences that "
    "hold over all rows and metrics of the benchmark. ↓: less is better. Published figures are their authors', not "
    "measured here."
)


def records(boards: Sequence[Board], missing: Mapping[Place, str]) -> Iterator[tuple[object, ...]]:
    """The lines of the CSV."""
    for board in boards:
        yield from _measured(board)
        rows = {str(row): row for row in board.measured}
        for metric in board.metrics:
            for each in board.contrasts(metric):
                best = "" if each.winner is None else str(each.winner)
                bounds = (each.difference, *each.simultaneous)
                yield "difference", board.name, *rows[each.a], *rows[each.b], metric, *bounds, best, "", ""
        for model, figures in board.published.items():
            for figure in figures:
                facts = (figure.metric, figure.value, None, None, "", figure.protocol, figure.source)
                yield "published", board.name, model, "", "", "", *facts
        for name, by_metric in board.baselines.items():
            for metric, span in by_metric.items():
                value = span.low if span.low == span.high else None
                yield "baseline", board.name, name, "", "", "", metric, value, *span, "", "", ""
    for place, reason in missing.items():
        kind = reason.partition(":")[0] if ":" in reason else "missing"
        yield kind, place.benchmark, place.model, place.space, "", "", "", None, None, None, "", "", reason


def _measured(board: Board) -> Iterator[tuple[object, ...]]:
    for row, cell in board.measured.items():
        for metric, value in cell.metrics.items():
            bounds = board.interval(row, metric) or (None, None)
            best = int(board.is_best(row, metric))
            yield "measured", board.name, *row, "", "", metric, value, *bounds, best, cell.protocol, ""


def markdown(title: str, rows: Sequence[BoardRow], boards: Sequence[Board], missing: Mapping[Place, str]) -> str:
    """The whole table in Markdown."""
    parts = [f"# {plain(title)}", READING]
    if len(boards) > 1:
        lines = tuple((str(row), tuple(_first(board, row) for board in boards)) for row in rows)
        heads = tuple(plain(heading(board)) for board in boards)
        parts.append(exports.markdown(_escaped(Grid(CORNER, heads, lines))))
    for board in boards:
        parts += _board(board)
    if missing:
        parts.append("## Cells without numbers")
        parts.append("\n".join(f"- {plain(' · '.join(place))}: {plain(why)}" for place, why in missing.items()))
    return "\n\n".join(parts) + "\n"


def latex(boards: Sequence[Board], missing: Mapping[Place, str]) -> str:
    """One tabular a benchmark, with booktabs rules; cells without numbers and their reasons as comments after them."""
    heads = (_comment(f"{board.name}: {'; '.join(board.protocols)}") for board in boards)
    parts = [f"{head}\n{exports.latex(grid(board))}" for head, board in zip(heads, boards, strict=True)]
    if missing:
        parts.append("\n".join(_comment(f"{' · '.join(place)}: {why}") for place, why in missing.items()))
    return "\n\n".join(parts) + "\n"


def heading(board: Board) -> str:
    """A benchmark and its first metric."""
    return board.name if board.task is None else f"{board.name}: {find_metric(board.task.primary).heading}"


def grid(board: Board, *, published: bool = False) -> Grid:
    """The rows of a benchmark, published figures and baselines; `published` repeats published figures in their rows."""
    metrics = board.metrics
    rows = [
        (str(row), tuple(_figure(board, row, metric, published=published) for metric in metrics)) for row in board.cells
    ]
    for model, figures in board.published.items():
        values = {each.metric: f"{each.value:g}" for each in figures}
        rows.append((f"published: {model}", tuple(Figure(values.get(metric, "")) for metric in metrics)))
    for name, by_metric in board.baselines.items():
        rows.append((f"baseline: {baseline_name(name)}", tuple(_span(by_metric.get(metric)) for metric in metrics)))
    return Grid(CORNER, tuple(find_metric(metric).heading for metric in metrics), tuple(rows))


def _first(board: Board, row: BoardRow) -> Figure:
    if board.task is None or row not in board.cells:
        return Figure("not measured yet")
    return _figure(board, row, board.task.primary, published=True)


def _figure(board: Board, row: BoardRow, metric: str, *, published: bool) -> Figure:
    value, interval = board.value(row, metric), board.interval(row, metric)
    if value is None:
        return Figure("" if board.cells[row].status == "done" else board.cells[row].status)
    bounds = "" if interval is None else f"({' to '.join(map(number, interval))})"
    figure = board.published_for(row, metric) if published else None
    reported = "" if figure is None else f" (published {figure.value:g})"
    return Figure(number(value), f"{bounds}{reported}".strip(), board.is_best(row, metric))


def _span(span: Span | None) -> Figure:
    if span is None:
        return Figure()
    low, high = map(number, span)
    return Figure(low if low == high else f"{low} .. {high}")


def _board(board: Board) -> Iterator[str]:
    yield f"## {plain(board.name)}"
    for protocol, rows in board.protocols.items():
        of = "" if len(board.protocols) == 1 else f" ({plain(', '.join(map(str, rows)))})"
        yield f"Protocol{of}: {plain(protocol)}."
    yield exports.markdown(_escaped(grid(board, published=True)))
    if board.verdicts:
        yield "\n".join(f"- {plain(row)}: {plain(verdict)}" for row, verdict in board.verdicts.items())
    sources = dict.fromkeys(
        f"{each.source}{f' ({each.protocol})' if each.protocol else ''}"
        for figures in board.published.values()
        for each in figures
    )
    if sources:
        yield f"Published figures: {plain('; '.join(sources))}."
    if board.task is not None and (contrasts := board.leading(board.task.primary)):
        yield f"Paired differences in {find_metric(board.task.primary).label}, with simultaneous 95 % intervals:"
        yield "\n".join(
            f"- {plain(each.a)} minus {plain(each.b)}: {signed(each.difference)} "
            f"({' to '.join(map(number, each.simultaneous))})"
            f"{f' (**{plain(each.winner)}** is better)' if each.winner else ''}"
            for each in contrasts
        )
    for caution in board.cautions:
        yield plain(caution.message)


def _escaped(table: Grid) -> Grid:
    """The same table with labels as text in Markdown."""
    return replace(table, rows=tuple((plain(label), figures) for label, figures in table.rows))


def _comment(words: str) -> str:
    return f"% {' '.join(words.split())}"
