"""Results as CSV and Markdown: the figures of the terminal's tables, for spreadsheets, scripts and papers."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from hiergeo.errors import unknown_name
from hiergeo.evaluation import Comparison, Result
from hiergeo.report.findings import Findings
from hiergeo.report.study_table import leaders
from hiergeo.report.words import label, number
from hiergeo.study import Study

FORMATS = ("table", "csv", "markdown")
"""How results can be printed; a table is `hiergeo.report.table`'s."""

CSV_HEADER = ("geometry", "metric", "value", "low", "high", "best")
STUDY_HEADER = ("dim", "geometry", "metric", "mean", "deviation", "best")


def check_format(name: str) -> None:
    """Raise InputError for a format that is none of `FORMATS`."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)


def as_csv(result: Result | Comparison | Study) -> str:
    """One line a geometry and metric, with unrounded figures and a header.

    `low` and `high` are the bounds of the 95 % interval, empty where there is none; `best` is 1 where a geometry beats
    all others. A study has one line a dimension, geometry and metric, means and standard deviations over seeds.
    """
    if isinstance(result, Study):
        return _csv(STUDY_HEADER, _study_rows(result))
    return _csv(CSV_HEADER, _rows(result))


def as_markdown(result: Result | Comparison | Study) -> str:
    """A table with a row a metric, for a paper or an issue; the best figure of a row is bold."""
    if isinstance(result, Result):
        intervals = result.intervals
        rows = [
            (label(name), number(value, 4), _bounds(intervals[name], 4) if name in intervals else "")
            for name, value in result.metrics.items()
        ]
        return _markdown(("metric", "value", "95 % interval"), rows)
    if isinstance(result, Comparison):
        findings = Findings(result)
        return _markdown(
            ("metric", *(each.geometry for each in findings.results)),
            [(label(name), *(_cell(findings, name, each) for each in findings.results)) for name in findings.metrics],
        )
    return "\n\n".join(_study_markdown(result))


def _rows(result: Result | Comparison) -> Iterator[Sequence[object]]:
    findings = None if isinstance(result, Result) else Findings(result)
    for each in (result,) if isinstance(result, Result) else result.results:
        intervals = each.intervals
        for name, value in each.metrics.items():
            bounds: Sequence[object] = intervals.get(name, ("", ""))
            best = findings is not None and each.geometry in findings.leaders(name)
            yield each.geometry, name, repr(value), *bounds, int(best)


def _study_rows(study: Study) -> Iterator[Sequence[object]]:
    for cell in study.cells:
        spread = cell.spread
        for name, value in cell.metrics.items():
            best = cell.geometry in leaders(study, cell.dim, name)
            yield cell.dim, cell.geometry, name, repr(value), repr(spread[name]), int(best)


def _study_markdown(study: Study) -> Iterator[str]:
    for dim in study.plan.dims:
        cells = [cell for cell in study.cells if cell.dim == dim]
        names = dict.fromkeys(name for cell in cells for name in cell.metrics)
        rows = []
        for name in names:
            best = leaders(study, dim, name)
            figures = (
                f"{number(cell.metrics[name])} ± {number(cell.spread[name])}" if name in cell.metrics else ""
                for cell in cells
            )
            marked = (
                _bold(words) if cell.geometry in best else words for words, cell in zip(figures, cells, strict=True)
            )
            rows.append((label(name), *marked))
        yield _markdown((f"dimension {dim}", *(cell.geometry for cell in cells)), rows)


def _cell(findings: Findings, metric: str, result: Result) -> str:
    cell = findings.cell(metric, result)
    if cell is None:
        return ""
    value = number(cell.value)
    return f"{_bold(value) if cell.best else value} ({_bounds(cell.interval)})"


def _bounds(interval: Iterable[float], digits: int = 3) -> str:
    low, high = interval
    return f"{number(low, digits)} to {number(high, digits)}"


def _bold(words: str) -> str:
    return f"**{words}**"


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
