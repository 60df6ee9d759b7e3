"""Results in the formats of ``--format``: CSV, Markdown, LaTeX and JSON."""

from collections.abc import Callable

from hiergeo._core.errors import unknown_name
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.findings import Cube, Findings, SpaceFacts
from hiergeo.evaluation.findings.exports import markdown_table
from hiergeo.report.words import label, number
from hiergeo.training.study import Study

Reported = Result | Comparison | Study


def as_csv(result: Reported) -> str:
    """One line a geometry and metric, with unrounded figures and a header.

    `low` and `high` are the bounds of the 95 % interval, empty where there is none; `best` is 1 where a geometry beats
    all others. A study has one line a dimension, geometry and metric, with means and standard deviations over seeds.
    """
    return findings_of(result).to_csv()


def as_markdown(result: Reported) -> str:
    """A table with a row a metric; the best figure of a row is bold. A single result has a column of intervals."""
    if not isinstance(result, Result):
        return findings_of(result).to_markdown()
    intervals = result.intervals
    rows = [
        (label(name), number(value, 4), " to ".join(number(end, 4) for end in intervals.get(name, ())))
        for name, value in result.metrics.items()
    ]
    return markdown_table(("metric", "value", "95 % interval"), rows)


def as_latex(result: Reported) -> str:
    """The same as a LaTeX tabular, with the package booktabs."""
    return findings_of(result).to_latex()


def as_json(result: Reported) -> str:
    """What ``--json`` writes."""
    return result.to_json()


WRITERS: dict[str, Callable[[Reported], str]] = {
    "csv": as_csv,
    "markdown": as_markdown,
    "latex": as_latex,
    "json": as_json,
}

FORMATS = ("table", *WRITERS)
"""Formats in which results can be printed; tables are for the terminal (`hiergeo.report.tables`)."""


def check_format(name: str) -> None:
    """Raise InputError for a format that is not among `FORMATS`."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)


def formatted(result: Reported, form: str) -> str:
    """A result as text in a format other than "table"."""
    check_format(form)
    return WRITERS[form](result)


def findings_of(result: Reported) -> Findings:
    """The findings of a result; a single one is compared with nothing."""
    if not isinstance(result, Result):
        return result.findings
    space = SpaceFacts(result.geometry, 0, result.geometry, False, 0.0)
    return Findings(Cube((result.entry(0),)), (space,))
