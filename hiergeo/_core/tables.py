"""The one style of tables in a terminal: a rule below the heads, notes below the table, names folded and not cut."""

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


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
