"""The one style of tables in a terminal: a rule below the heads, notes below the table, names folded and not cut."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from hiergeo._core.records import FIGURE, Figure, Grid, spelled_out

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

MARK = "*"
"""Mark behind a figure that beats every other one."""


def drawn(grid: Grid) -> "Table":
    """A table of records for the terminal; columns of bare numbers are aligned right."""
    numbers = [head for at, head in enumerate(grid.heads) if all(_is_number(row, at) for _, row in grid.rows)]
    table = light(grid.corner, *grid.heads, numbers=numbers, notes=grid.notes, title=grid.title)
    for label, figures in grid.rows:
        table.add_row(label, *(stacked(each) for figure in figures for each in spelled_out(figure)))
    return table


def _is_number(figures: tuple[Figure, ...], at: int) -> bool:
    return at < len(figures) and not figures[at].below and FIGURE.fullmatch(figures[at].value or "0") is not None


def stacked(figure: Figure) -> "Text":
    """A figure, marked and bold where it is best, and what belongs to it below."""
    from rich.text import Text

    text = Text(f"{figure.value}{MARK if figure.best else ''}", style="bold" if figure.best else "")
    return text.append("".join(f"\n{line}" for line in figure.below), style="not bold dim")


def light(*heads: str, numbers: Collection[str] = (), notes: str = "", title: str = "") -> "Table":
    """An empty table.

    Args:
        heads: of the columns.
        numbers: heads of the columns of figures, which are aligned right and not broken.
        notes: below the table.
        title: above it.
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
