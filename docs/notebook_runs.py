"""Notebooks of the documentation: executed, normalised and compared with what is stored (``make notebooks``)."""

import argparse
import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parent / "notebooks"

CITATION = (FOLDER.parents[1] / "CITATION.cff").read_text(encoding="utf-8")

REPOSITORY = re.findall(r'^repository-code: "https://github\.com/(.+)"$', CITATION, re.MULTILINE)[0]
"""``OWNER/NAME`` on GitHub of the repository, for the Colab links, which CITATION.cff alone names."""

BRANCH = "main"
"""The branch that Colab opens notebooks of."""

LARGEST = 300_000
"""Bytes that a notebook with its outputs may have."""

SECONDS = 120
"""Limit of one cell."""

FIGURES = ("image/svg+xml", "image/png")
"""Kinds of figures that are stored, best first: one of each figure."""

COLAB = re.compile(r"https://colab\.research\.google\.com/github/\S+?\.ipynb")
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:\.(\d+))?(?![\w.]*\d)")
UNITS = 2
"""Units of the last decimal by which fresh numbers may differ from stored ones: processors differ in rounding."""


def notebooks() -> list[Path]:
    """All notebooks, in the order of their names."""
    return sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> NotebookNode:
    """A notebook, checked against the schema."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def colab(path: Path) -> str:
    """Address under which Colab opens the published notebook."""
    return f"https://colab.research.google.com/github/{REPOSITORY}/blob/{BRANCH}/docs/notebooks/{path.name}"


def environment(home: Path) -> dict[str, str]:
    """Variables of a kernel whose outputs are to be the same everywhere: fixed figures, no downloads."""
    names = ("http_proxy", "https_proxy", "all_proxy")
    nowhere = {spelt: "http://127.0.0.1:9" for name in names for spelt in (name, name.upper())}
    return {
        **os.environ,
        **nowhere,
        "HF_HUB_OFFLINE": "1",
        "JUPYTER_RUNTIME_DIR": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "MATPLOTLIBRC": str(FOLDER / "matplotlibrc"),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore:IProgress not found",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(FOLDER.parents[1]), os.environ.get("PYTHONPATH")))),
        "SOURCE_DATE_EPOCH": "0",
    }


def execute(notebook: NotebookNode, home: Path) -> NotebookNode:
    """A copy of a notebook with the outputs of a new kernel that runs in a new folder.

    Args:
        notebook: as read.
        home: empty folder for the run, of a short name, for the sockets of the kernel lie in it.

    Raises:
        CellExecutionError: a cell raised an error.
    """
    fresh = nbformat.from_dict(notebook)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    asyncio.run(_run(fresh, home))
    return fresh


async def _run(notebook: NotebookNode, home: Path) -> None:
    """Execute in place. Sockets are files, so that nobody else can reach the kernel and it needs no network."""
    (work := home / "work").mkdir()
    manager = AsyncKernelManager(transport="ipc", ip=str(home / "kernel"), connection_file=str(home / "kernel.json"))
    resources = {"metadata": {"path": str(work)}}
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=SECONDS,
        shutdown_kernel="immediate",
        resources=resources,
    )
    await client.async_execute(env=environment(home), cleanup_kc=True)


def normalised(notebook: NotebookNode, path: Path) -> NotebookNode:
    """The notebook without anything that differs from run to run, and with the Colab link of `REPOSITORY`."""
    cells = []
    for place, cell in enumerate(notebook.cells):
        kept = {
            "id": f"cell-{place:02}",
            "metadata": {name: cell.metadata[name] for name in ("alt",) if name in cell.metadata},
        }
        source = COLAB.sub(colab(path), cell.source.rstrip())
        if cell.cell_type == "code":
            outputs = [_output(each) for each in _joined(cell.outputs)]
            cells.append(
                nbformat.v4.new_code_cell(
                    source,
                    execution_count=cell.execution_count,
                    outputs=outputs,
                    **kept,
                )
            )
        else:
            cells.append(nbformat.v4.new_markdown_cell(source, **kept))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(
        cells=cells,
        metadata={"kernelspec": kernel, "language_info": {"name": "python"}},
    )


def _joined(outputs: Sequence[NotebookNode]) -> Iterator[NotebookNode]:
    """Outputs with consecutive pieces of one stream as one: how a stream is cut is a matter of time."""
    last = None
    for each in outputs:
        if last is not None and each.output_type == last.output_type == "stream" and each.name == last.name:
            last.text += each.text
            continue
        if last is not None:
            yield last
        last = nbformat.from_dict(each)
    if last is not None:
        yield last


def _output(output: NotebookNode) -> NotebookNode:
    if output.output_type == "stream":
        return output
    output.metadata = {}
    best = next((kind for kind in FIGURES if kind in output.data), None)
    output.data = {kind: data for kind, data in output.data.items() if kind == best or not kind.startswith("image/")}
    return output


def differences(stored: NotebookNode, fresh: NotebookNode) -> Iterator[str]:
    """Sentences on cells whose stored output is not the fresh one: in text, up to `UNITS`, or in kinds of figures."""
    if len(stored.cells) != len(fresh.cells):
        yield f"{len(stored.cells)} cells are stored and {len(fresh.cells)} ran."
    for place, (old, new) in enumerate(zip(stored.cells, fresh.cells, strict=False)):
        if old.cell_type != "code":
            continue
        before, after = (
            list(map(_told, _joined(old.outputs))),
            list(map(_told, _joined(new.outputs))),
        )
        if len(before) != len(after) or not all(map(_alike, before, after)):
            yield f"cell {place} has stored {before} and now gives {after}; run `make notebooks` and read the result."


def _told(output: NotebookNode) -> dict[str, str]:
    """What a reader sees of an output, by kind; of figures only that they are there."""
    if output.output_type == "stream":
        return {output.name: output.text}
    if output.output_type == "error":
        return {"error": f"{output.ename}: {output.evalue}"}
    data: dict[str, Any] = output.data
    return {
        kind: "" if kind.startswith("image/") else text
        for kind, text in data.items()
        if kind != "text/plain" or len(data) == 1
    }


def _alike(old: dict[str, str], new: dict[str, str]) -> bool:
    return old.keys() == new.keys() and all(alike(text, new[kind]) for kind, text in old.items())


def alike(old: str, new: str) -> bool:
    """Whether two texts have the same words, and numbers that differ by at most `UNITS` of the last printed decimal."""
    found, given = list(NUMBER.finditer(old)), list(NUMBER.finditer(new))
    if NUMBER.sub("#", old).split() != NUMBER.sub("#", new).split() or len(found) != len(given):
        return False
    return all(_close(*pair) for pair in zip(found, given, strict=True))


def _close(old: re.Match[str], new: re.Match[str]) -> bool:
    decimals = len(old[1] or "")
    if decimals != len(new[1] or "") or (not decimals and old[0] != new[0]):
        return False
    return abs(_value(old) - _value(new)) <= (UNITS + 0.5) * 10.0**-decimals


def _value(number: re.Match[str]) -> float:
    return float(number[0].replace("−", "-"))


def main(words: Sequence[str] | None = None) -> int:
    """Execute notebooks and write them in place; 1 where a cell wrote to standard error or a notebook is too large."""
    parser = argparse.ArgumentParser(prog="python -m docs.notebook_runs", description=main.__doc__)
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        help="notebooks; all of docs/notebooks where none is named",
    )
    status = 0
    for path in parser.parse_args(words).paths or notebooks():
        with tempfile.TemporaryDirectory() as home:
            made = normalised(execute(read(path), Path(home)), path)
        nbformat.write(made, path)
        size = path.stat().st_size
        print(f"{path.name}: {size / 1000:.0f} kB")
        for problem in problems(made, size):
            print(f"{path.name}: {problem}", file=sys.stderr)
            status = 1
    return status


def problems(notebook: NotebookNode, size: int) -> Iterator[str]:
    """What a notebook must not have, a sentence each."""
    if size > LARGEST:
        yield f"{size} bytes are more than {LARGEST}."
    for place, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"cell {place} gives an error or a warning."
            if output.get("data", {}).keys() & {*FIGURES} and not cell.metadata.get("alt"):
                yield f"cell {place} has a figure and no description of it: add `alt` to the metadata of the cell."


if __name__ == "__main__":
    sys.exit(main())
