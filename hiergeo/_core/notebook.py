"""What objects show of themselves in notebooks: sentences and tables in HTML, in which text from outside stays text."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from hiergeo._core.text import tame


class HtmlCell(NamedTuple):
    """A figure: its text, whether it is bold, and how many columns it stands for."""

    text: str
    bold: bool = False
    across: int = 1


def sentences(*texts: str) -> str:
    """A paragraph for each text that says something."""
    return "".join(f"<p>{_plain(text)}</p>" for text in texts if text)


def table(heads: Sequence[str], rows: Iterable[tuple[str, Sequence[HtmlCell]]]) -> str:
    """A table of rows that have a name and figures."""
    top = "".join(f'<th scope="col">{_plain(head)}</th>' for head in heads)
    body = "".join(f'<tr><th scope="row">{_plain(name)}</th>{"".join(map(_cell, cells))}</tr>' for name, cells in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: HtmlCell) -> str:
    text = f"<b>{_plain(cell.text)}</b>" if cell.bold else _plain(cell.text)
    return f'<td colspan="{cell.across}">{text}</td>' if cell.across > 1 else f"<td>{text}</td>"


def _plain(text: str) -> str:
    return escape(tame(text))
