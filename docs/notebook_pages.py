"""Hook of MkDocs that turns the stored notebooks into pages, without executing them and without foreign scripts."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

WIDE = 360
"""Points of width up to which a drawing is shown whole on a phone."""

Node = dict[str, Any]

SUFFIXES = {"image/svg+xml": "svg", "image/png": "png"}
"""Kinds of figures and the ends of their file names."""

FIGURES = "figures"
"""Folder of the figures, beside the pages; `pages.css` styles pictures in it."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Beside every notebook, which stays there for download, a page and the figures of its outputs."""
    for notebook in [each for each in files if each.src_uri.endswith(".ipynb")]:
        uri = Path(notebook.src_uri)
        text, figures = page(json.loads(notebook.content_string), uri.stem)
        files.append(File.generated(config, str(uri.with_suffix(".md")), content=text))
        for name, content in figures.items():
            files.append(File.generated(config, str(uri.parent / name), content=content))
    return files


def page(notebook: Node, stem: str) -> tuple[str, dict[str, bytes]]:
    """The Markdown of a notebook, and the figures that it shows by their names relative to the page."""
    figures: dict[str, bytes] = {}
    parts = []
    for place, cell in enumerate(notebook["cells"]):
        source = joined(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(linked(source, stem))
        elif "google.colab" not in source:
            parts.append(fenced(source, "python"))
            parts.extend(_shown(cell, f"{FIGURES}/{stem}-{place}", figures))
    return "\n\n".join(parts) + "\n", figures


def joined(text: str | list[str]) -> str:
    """Text of a notebook, which is stored whole or as its lines."""
    return text if isinstance(text, str) else "".join(text)


def linked(source: str, stem: str) -> str:
    """Text with links to the pages of other notebooks; the badge of Colab becomes a button."""
    source = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", source)
    return re.sub(
        r"\[!\[Open in Colab\]\([^)]*\)\](\([^)]*\))",
        rf"[Open in Colab]\1{{ .md-button }} [Download the notebook]({stem}.ipynb){{ .md-button }}",
        source,
    )


def fenced(text: str, *classes: str) -> str:
    """A code block whose fence is longer than any in the text."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    names = classes[0] if len(classes) == 1 else "{ " + " ".join(f".{name}" for name in classes) + " }"
    return f"{fence}{names}\n{text.rstrip()}\n{fence}"


def wide(figure: str) -> bool:
    """Whether a figure is a drawing of more than `WIDE` points, which would be too small to read on a phone."""
    width = re.search(r'<svg[^>]*? width="([\d.]+)pt"', figure)
    return width is not None and float(width[1]) > WIDE


def _shown(cell: Node, name: str, figures: dict[str, bytes]) -> Iterator[str]:
    """Outputs of a cell as Markdown; the bytes of figures go into `figures`."""
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            yield fenced(joined(output["text"]), "text", "output")
            continue
        data = {kind: joined(text) for kind, text in output["data"].items()}
        figure = next((kind for kind in SUFFIXES if kind in data), None)
        if figure:
            file = f"{name}.{SUFFIXES[figure]}"
            figures[file] = data[figure].encode() if figure == "image/svg+xml" else base64.b64decode(data[figure])
            yield f"![{cell['metadata']['alt']}]({file}{'#wide' * wide(data[figure])})"
        elif "text/markdown" in data:
            yield data["text/markdown"]
        else:
            yield fenced(data["text/plain"], "text", "output")
