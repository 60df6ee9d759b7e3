"""Scores as text: CSV, JSON, Markdown and LaTeX."""

import csv
import io
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from hiergeo._core import extras, notebook
from hiergeo._core.text import inert
from hiergeo.evaluation.metrics import find_metric

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Figure:
    """One entry of a table.

    Attributes:
        value: the figure.
        detail: what stands behind it, in parentheses or after ±.
        best: whether it is marked.
        across: the columns that it stands for.
    """

    value: str = ""
    detail: str = ""
    best: bool = False
    across: int = 1


@dataclass(frozen=True)
class Grid:
    """A table: its corner, column heads, rows of a metric and figures, and what must be known to read them."""

    corner: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Figure, ...]], ...]
    notes: str = ""


class Exported(ABC):
    """Numbers that are exported in the long form, one row a number, and as tables, metrics down and geometries across.

    Numbers of the long form are unrounded.
    """

    @abstractmethod
    def long_form(self) -> tuple[tuple[str, ...], Iterator[tuple[object, ...]]]:
        """Header and rows."""

    @abstractmethod
    def grids(self) -> Iterator[Grid]:
        """One table for each model and dimension; best figures are marked."""

    def to_pandas(self) -> "DataFrame":
        """The long form as a data frame. Raises UnavailableError where pandas is not installed."""
        header, rows = self.long_form()
        return extras.require("pandas", "to_pandas").DataFrame(list(rows), columns=list(header))

    def to_csv(self) -> str:
        """The long form as CSV."""
        return csv_text(*self.long_form())

    def to_markdown(self) -> str:
        """The tables in Markdown, best figures bold."""
        return "\n\n".join(map(markdown, self.grids()))

    def to_latex(self) -> str:
        """The same for LaTeX with the package booktabs."""
        return "\n\n".join(map(latex, self.grids()))

    def _repr_html_(self) -> str:
        """The tables in HTML, for notebooks."""
        return "".join(map(html, self.grids()))


def number(value: float, digits: int = 3) -> str:
    """A figure with a true minus sign; what rounds to 0 has no sign."""
    text = f"{value:.{digits}f}"
    return minus(text) if float(text) else text.lstrip("-")


def percent(share: float, digits: int = 1) -> str:
    """A share in per cent."""
    return f"{number(100 * share, digits)} %"


def signed(value: float, digits: int = 3) -> str:
    """A difference: a figure with its sign, also where it is positive; what rounds to 0 has none."""
    text = number(value, digits)
    return f"+{text}" if value > 0 and float(text) else text


def minus(text: str) -> str:
    """Digits with a true minus sign."""
    return text.replace("-", "−")


def markdown(grid: Grid) -> str:
    """The table in Markdown; best figures are bold."""

    def written(figure: Figure) -> str:
        if figure.detail.startswith("±"):
            text = f"{figure.value} {figure.detail}"
            return f"**{text}**" if figure.best else text
        return f"{f'**{figure.value}**' if figure.best else figure.value} {figure.detail}".strip()

    def spread(figure: Figure) -> list[str]:
        return [written(figure), *["same"] * (figure.across - 1)]

    rows = [(find_metric(name).label, *chain(*map(spread, figures))) for name, figures in grid.rows]
    return "\n\n".join(filter(None, (markdown_table((grid.corner, *grid.heads), rows), grid.notes)))


def html(grid: Grid) -> str:
    """The table in HTML; best figures are bold."""
    rows = (
        (
            find_metric(name).label,
            [notebook.HtmlCell(f"{each.value} {each.detail}".strip(), each.best, each.across) for each in figures],
        )
        for name, figures in grid.rows
    )
    return notebook.table((grid.corner, *grid.heads), rows) + notebook.sentences(grid.notes)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, numbers aligned right."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def latex(grid: Grid) -> str:
    """The table as a LaTeX tabular with booktabs rules; best figures are bold."""

    def written(figure: Figure) -> str:
        if not figure.value or figure.value[-1].isalpha():
            return figure.value or "--"
        value = rf"\mathbf{{{figure.value}}}" if figure.best else figure.value
        if figure.detail.startswith("±"):
            return rf"${value} \pm {figure.detail[2:]}$".replace("−", "-")
        bounds = figure.detail.strip("()").replace(" to ", ",\\,")
        return f"${value}$ {{\\small $[{bounds}]$}}".replace("−", "-") if bounds else f"${value}$".replace("−", "-")

    def spread(figure: Figure) -> str:
        return rf"\multicolumn{{{figure.across}}}{{c}}{{{written(figure)}}}" if figure.across > 1 else written(figure)

    notes = rf"\multicolumn{{{len(grid.heads) + 1}}}{{l}}{{\footnotesize {latex_text(grid.notes)}}}"
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(grid.heads)}}}",
        r"\toprule",
        latex_row(map(latex_text, (grid.corner, *grid.heads))),
        r"\midrule",
        *(latex_row((_latex_label(name), *map(spread, figures))) for name, figures in grid.rows),
        r"\bottomrule",
        *([latex_row([notes])] if grid.notes else []),
        r"\end{tabular}",
    ]
    return "\n".join(lines)


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def latex_text(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(LATEX.get(character, character) for character in text)


def latex_row(entries: Iterable[str]) -> str:
    r"""A row of a tabular; it begins with an empty group, since ``\\`` and rules take ``[`` and ``*`` as arguments."""
    return "{}" + " & ".join(entries) + r" \\"


def _latex_label(metric: str) -> str:
    label = find_metric(metric).label
    return r"$\tau_d$" + latex_text(label[5:]) if label.startswith("tau_d") else latex_text(label)


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """CSV with a header; numbers are written so that they read back exactly, None as an empty field, texts inert."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(inert, header))
    writer.writerows([repr(float(cell)) if isinstance(cell, float) else inert(cell) for cell in row] for row in rows)
    return text.getvalue().rstrip("\n")


def omissions(left_out: Mapping[str, str]) -> str:
    """Metrics that were not measured, and why, in a sentence; empty without any."""
    by_reason: dict[str, list[str]] = {}
    for metric, why in left_out.items():
        by_reason.setdefault(why, []).append(find_metric(metric).label)
    told = "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())
    return f"Left out: {told}." if told else ""


def json_text(value: Any) -> str:
    """JSON in which NaN and infinities are null."""
    return json.dumps(plain(value), indent=2)


def plain(value: Any) -> Any:
    """Nested dicts and sequences with null for numbers that JSON has not, and dataclasses as their fields."""
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
