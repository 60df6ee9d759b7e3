"""Numbers as rows of records and as tables, and both as CSV, JSON, Markdown, LaTeX and HTML, and in a terminal.

A record is one row of the long form, key -> value, unrounded; a table is what people read of it. Renderers compute
nothing: what every format of a result says is in its records.
"""

import csv
import io
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO, TypeAlias, final

from hiergeo._core import extras
from hiergeo._core.errors import unknown_name
from hiergeo._core.markdown import plain as escaped
from hiergeo._core.text import inert, tame

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table
    from rich.text import Text

Record: TypeAlias = Mapping[str, object]  # one row: key -> text, number, bool, or None where there is nothing
WRITTEN = ("csv", "markdown", "latex")
"""Formats of the numbers alone: `Exported` has a method ``to_NAME`` for every one."""

FIGURE = re.compile(r"[+−-]?\d[\d,]*(\.\d+)?(e[+−-]?\d+)?")  # digits of a figure, as LaTeX sets them in formulas


FORMATS = ("table", *WRITTEN, "json")  # formats in which results can be printed; tables are for the terminal


def check_format(name: str) -> None:
    """Raise InputError for a format that is not among `FORMATS`."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)


@dataclass(frozen=True)
class Figure:
    """One entry of a table."""

    value: str = ""
    detail: str = ""  # how sure it is: ``± 0.01`` or ``0.46 to 0.54``
    note: str = ""  # what it belongs to, such as a control or a paper
    best: bool = False
    across: int = 1  # the columns that it stands for

    @property
    def deviates(self) -> bool:
        """Whether the detail is a deviation, which belongs to the value, and not an interval."""
        return self.detail.startswith("±")

    @property
    def below(self) -> tuple[str, ...]:
        """What tables write below the value, where a row has several lines."""
        return tuple(filter(None, (self.detail, self.note)))

    @property
    def behind(self) -> str:
        """What they write behind it otherwise."""
        return " ".join(part if part.startswith("±") else f"({part})" for part in self.below)


@dataclass(frozen=True)
class Grid:
    """A table: its corner, column heads, rows of a label and figures, what must be known to read them, and a title."""

    corner: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Figure, ...]], ...]
    notes: str = ""
    title: str = ""


class Exported(ABC):
    """Numbers that are exported as records, unrounded, and as tables."""

    keys: tuple[str, ...] = ()
    """Columns that are there without a record too, before all others."""

    @abstractmethod
    def records(self, *, items: bool = False) -> Iterator[Record]:
        """The rows of the long form; with `items` also those of single rows, images or captions, if any."""

    @abstractmethod
    def grids(self) -> Iterator[Grid]:
        """The tables; best figures are marked."""

    def to_pandas(self, *, items: bool = False) -> "DataFrame":
        """The records as a data frame. Raises UnavailableError where pandas is not installed."""
        rows = list(self.records(items=items))
        return extras.require("pandas", "to_pandas").DataFrame(rows, columns=list(columns(rows, self.keys)))

    def to_csv(self, *, items: bool = False) -> str:
        """The records as CSV."""
        return csv_text(self.records(items=items), self.keys)

    def to_markdown(self) -> str:
        """The tables in Markdown, best figures bold."""
        return "\n\n".join(map(markdown, self.grids()))

    def to_latex(self) -> str:
        """The tables for LaTeX with the package booktabs, best figures bold."""
        return "\n\n".join(map(latex, self.grids()))

    def _repr_html_(self) -> str:
        """The tables in HTML, for notebooks."""
        return "".join(map(html, self.grids()))


@final
@dataclass(frozen=True)
class Records(Exported):
    """Rows as they are, and the table of them, with notes; columns of `keys` are there without a row too."""

    rows: Sequence[Record]
    notes: str = ""
    keys: tuple[str, ...] = ()

    @classmethod
    def of(cls, keys: tuple[str, ...], rows: Iterable[Iterable[object]], notes: str = "") -> "Records":
        """Rows that have a value for every one of some keys."""
        return cls([dict(zip(keys, row, strict=True)) for row in rows], notes, keys)

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """The rows."""
        return iter(self.rows)

    def grids(self) -> Iterator[Grid]:
        """One table."""
        yield self.grid

    @property
    def grid(self) -> Grid:
        """The table: a column for each key, numbers to four digits."""
        corner, *heads = columns(self.rows, self.keys) or ("",)
        lines = (
            (_rounded(row.get(corner)), tuple(Figure(_rounded(row.get(key))) for key in heads)) for row in self.rows
        )
        return Grid(corner, tuple(heads), tuple(lines), self.notes)


def columns(rows: Iterable[Record], first: Iterable[str] = ()) -> tuple[str, ...]:
    """Some keys, then those of records in the order in which they first appear."""
    return tuple(dict.fromkeys(chain(first, *rows)))


def csv_text(rows: Iterable[Record], first: Iterable[str] = ()) -> str:
    """CSV with one header, a column for each key; numbers read back exactly, None is an empty field, text is inert."""
    rows, text = list(rows), io.StringIO(newline="")
    write_csv(text, rows, columns(rows, first))
    return text.getvalue().rstrip("\n")


def write_csv(text: TextIO, rows: Iterable[Record], keys: Iterable[str]) -> None:
    """Write CSV as `csv_text` gives it, row by row."""
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(inert, keys := list(keys)))
    writer.writerows([_exact(row.get(key)) for key in keys] for row in rows)


def _exact(value: object) -> object:
    if isinstance(value, float):
        return repr(float(value))
    return inert(tame(value)) if isinstance(value, str) else value


def _rounded(value: object) -> str:
    if isinstance(value, float):
        return minus(f"{value:#.4g}".rstrip("."))
    if isinstance(value, int):
        return minus(str(value))
    return "" if value is None else tame(str(value))


def number(value: float, digits: int = 3) -> str:
    """A figure with a true minus sign; what rounds to 0 has no sign."""
    text = f"{value:.{digits}f}"
    return minus(text) if float(text) else text.lstrip("-")


def percent(share: float) -> str:
    """A share in per cent."""
    return f"{number(100 * share, 1)} %"


def signed(value: float, digits: int = 3) -> str:
    """A difference: a figure with its sign, also where it is positive; what rounds to 0 has none."""
    text = number(value, digits)
    return f"+{text}" if value > 0 and float(text) else text


def minus(text: str) -> str:
    """Digits with a true minus sign."""
    return text.replace("-", "−")


def spelled_out(figure: Figure) -> Iterator[Figure]:
    """A figure that stands for several columns, for tables whose cells do not span any."""
    yield replace(figure, across=1)
    yield from [Figure("same")] * (figure.across - 1)


def markdown(grid: Grid) -> str:
    """The table in Markdown; best figures are bold."""

    def written(figure: Figure) -> str:
        value = figure.value if FIGURE.fullmatch(figure.value) else escaped(figure.value)
        if figure.deviates:
            value, figure = f"{value} {figure.detail}", replace(figure, detail="")
        return f"{f'**{value}**' if figure.best else value} {escaped(figure.behind)}".strip()

    def spread(figure: Figure) -> list[str]:
        return list(map(written, spelled_out(figure)))

    rows = [(escaped(label), *chain(*map(spread, figures))) for label, figures in grid.rows]
    heads = map(escaped, (grid.corner, *grid.heads))
    title = f"## {escaped(grid.title)}" if grid.title else ""
    return "\n\n".join(filter(None, (title, markdown_table(tuple(heads), rows), escaped(grid.notes))))


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, numbers aligned right."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)


def html(grid: Grid) -> str:
    """The table in HTML; best figures are bold."""
    rows = (
        (label, [HtmlCell(f"{part.value} {part.behind}".strip(), part.best, part.across) for part in figures])
        for label, figures in grid.rows
    )
    table = html_table((grid.corner, *grid.heads), rows)
    return paragraphs(grid.title) + table + paragraphs(grid.notes)


class HtmlCell(NamedTuple):
    """A figure: its text, whether it is bold, and how many columns it stands for."""

    text: str
    bold: bool = False
    across: int = 1


def paragraphs(*texts: str) -> str:
    """A paragraph for each text that says something."""
    return "".join(f"<p>{_html_text(text)}</p>" for text in texts if text)


def html_table(heads: Sequence[str], rows: Iterable[tuple[str, Sequence[HtmlCell]]]) -> str:
    """A table of rows that have a name and figures."""
    top = "".join(f'<th scope="col">{_html_text(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{_html_text(name)}</th>{"".join(map(_html_cell, cells))}</tr>' for name, cells in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _html_cell(cell: HtmlCell) -> str:
    text = f"<b>{_html_text(cell.text)}</b>" if cell.bold else _html_text(cell.text)
    return f'<td colspan="{cell.across}">{text}</td>' if cell.across > 1 else f"<td>{text}</td>"


def _html_text(text: str) -> str:
    return escape(tame(text))


MARK = "*"  # mark behind a figure that beats every other one


def drawn(grid: Grid) -> "Table":
    """A table of records for the terminal; columns of bare numbers are aligned right."""
    numbers = [head for at, head in enumerate(grid.heads) if all(_is_number(row, at) for _, row in grid.rows)]
    table = light(grid.corner, *grid.heads, numbers=numbers, notes=grid.notes, title=grid.title)
    for label, figures in grid.rows:
        table.add_row(label, *(stacked(part) for figure in figures for part in spelled_out(figure)))
    return table


def _is_number(figures: tuple[Figure, ...], at: int) -> bool:
    return at < len(figures) and not figures[at].below and FIGURE.fullmatch(figures[at].value or "0") is not None


def stacked(figure: Figure) -> "Text":
    """A figure, marked and bold where it is best, and what belongs to it below."""
    from rich.text import Text

    text = Text(f"{figure.value}{MARK if figure.best else ''}", style="bold" if figure.best else "")
    return text.append("".join(f"\n{line}" for line in figure.below), style="not bold dim")


def light(*heads: str, numbers: Collection[str] = (), notes: str = "", title: str = "") -> "Table":
    """An empty table for the terminal, with notes below it; columns of `numbers` are aligned right and not broken.

    There is a rule below the heads, and names are folded and not cut.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        caption=Text(notes, style="dim"),
        caption_justify="left",
        pad_edge=False,
    )
    for head in heads:
        figures = head in numbers
        table.add_column(
            Text(head, overflow="fold"), justify="right" if figures else "left", no_wrap=figures, overflow="fold"
        )
    return table


def latex(grid: Grid) -> str:
    """The table as a LaTeX table with booktabs rules and its notes as caption; best figures are bold."""
    caption = ": ".join(filter(None, (grid.title, grid.notes)))
    lines = [
        r"\begin{table}",
        r"\centering",
        *([rf"\caption{{{latex_text(caption)}}}"] if caption else []),
        rf"\begin{{tabular}}{{l{'r' * len(grid.heads)}}}",
        r"\toprule",
        _latex_row(map(latex_text, (grid.corner, *grid.heads))),
        r"\midrule",
        *(_latex_row((latex_text(label), *map(_latex_figure, figures))) for label, figures in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
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
    "−": "$-$",
    "–": "--",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def latex_text(text: str) -> str:
    r"""Text with LaTeX's special characters escaped; ``tau_d`` is set as a formula.

    A ``[`` or ``*`` at its beginning is braced, since ``\\`` before it would take it as an argument.
    """
    head, tail = (f"{{{text[0]}}}", text[1:]) if text.startswith(("[", "*")) else ("", text)
    formula = r"$\tau_d$".join("".join(LATEX.get(letter, letter) for letter in part) for part in tail.split("tau_d"))
    return head + formula


def _latex_row(entries: Iterable[str]) -> str:
    return " & ".join(entries) + r" \\"


def _latex_figure(figure: Figure) -> str:
    text = _latex_value(figure)
    return rf"\multicolumn{{{figure.across}}}{{c}}{{{text}}}" if figure.across > 1 else text


def _latex_value(figure: Figure) -> str:
    if not figure.value:
        return "--"
    if not FIGURE.fullmatch(figure.value):
        return latex_text(figure.value)
    digits, _, power = figure.value.partition("e")
    value = rf"\mathbf{{{digits}}}" if figure.best else digits
    if power:
        value += rf" \times 10^{{{int(power.replace('−', '-'))}}}"
    if figure.deviates:
        value += rf" \pm {figure.detail[2:]}"
    parts = [f"${value}$"]
    if figure.detail and not figure.deviates:
        low, _, high = figure.detail.partition(" to ")
        parts.append(rf"{{\small $[{low},\,{high}]$}}")
    if figure.note:
        parts.append(rf"{{\small ({latex_text(figure.note)})}}")
    return " ".join(part.replace("−", "-") for part in parts)


def json_text(value: Any) -> str:
    """JSON in which NaN and infinities are null."""
    return json.dumps(plain(value), indent=2)


def plain(value: Any) -> Any:
    """Nested dicts and sequences with null for numbers that JSON has not, and dataclasses as their fields."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
