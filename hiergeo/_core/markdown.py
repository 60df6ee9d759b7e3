"""Markdown out of text that may hold anything, and cards of the Hugging Face hub."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from hiergeo._core.text import tame


def plain(text: object) -> str:
    """Text from outside as Markdown that shows it as it is, in one line."""
    return re.sub(r"([\\`*{}\[\]<>#|&~!]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(tame(str(text)).split()))


def fenced(text: str, kind: str) -> str:
    """Text as a block of code, whatever it holds."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 0)
    return f"{fence}{kind}\n{text.rstrip()}\n{fence}"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, whole numbers with commas between thousands and others with four digits."""
    lines = [heads, ["---"] * len(heads), *(map(_cell, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else plain(value)


def card(kind: Literal["DatasetCard", "ModelCard"], template: Path, data: Mapping[str, Any], **values: Any) -> str:
    """The text of a card of the Hugging Face hub, from a jinja template that is given the functions of this module.

    `data` is what the hub reads at the head of the card; `values` what the template names besides.
    """
    hub = import_module("huggingface_hub")
    metadata = getattr(hub, f"{kind}Data")(**data)
    functions = {"plain": plain, "fenced": fenced, "table": table}
    text = template.read_text(encoding="utf-8")
    return f"{getattr(hub, kind).from_template(metadata, template_str=text, **functions, **values)}\n"
