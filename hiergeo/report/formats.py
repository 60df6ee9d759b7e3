"""Results in the formats of ``--format``: CSV, Markdown, LaTeX and JSON."""

from hiergeo._core.errors import unknown_name
from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.findings.exports import markdown_table
from hiergeo.report.labels import label, number
from hiergeo.training.study import Study

Reported = Result | Comparison | Study


FORMATS = ("table", "csv", "markdown", "latex", "json")
"""Formats in which results can be printed; tables are for the terminal (`hiergeo.report.terminal`)."""


def check_format(name: str) -> None:
    """Raise InputError for a format that is not among `FORMATS`."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)


def formatted(result: Reported, form: str) -> str:
    """A result as text in a format other than "table".

    CSV has one line a geometry and metric, unrounded: `low` and `high` are the bounds of the 95 % interval, `best` is 1
    where a geometry beats all others; a study has one line a dimension, geometry and metric, with means and standard
    deviations over seeds, and lines of the model without a head. Markdown and LaTeX (with the package booktabs) have a
    row a metric, the best figure bold. JSON is what ``--json`` writes.
    """
    check_format(form)
    if form == "json":
        return result.to_json()
    if form == "markdown" and isinstance(result, Result):
        rows = [
            (label(name), number(value, 4), " to ".join(number(end, 4) for end in result.intervals.get(name, ())))
            for name, value in result.metrics.items()
        ]
        return markdown_table(("metric", "value", "95 % interval"), rows)
    shown = result if isinstance(result, Study) else result.findings
    return {"csv": shown.to_csv, "markdown": shown.to_markdown, "latex": shown.to_latex}[form]()
