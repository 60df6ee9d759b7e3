"""Every notebook of the documentation runs from a new kernel, offline, and gives the outputs that are stored in it."""

import base64
import json
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.house.notebook_kernels import warm

for package in ("nbclient", "ipykernel", "matplotlib", "pyarrow"):
    pytest.importorskip(package, reason=f"needs {package}: pip install 'hiergeo[test]'")
nbformat = pytest.importorskip("nbformat", reason="needs nbformat: pip install 'hiergeo[test]'")
runs = import_module("docs.notebook_runs")

ROOT = Path(__file__).parents[2]
each_notebook = pytest.mark.parametrize("path", runs.notebooks(), ids=lambda path: path.stem)


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty folder with a short name, since the names of sockets in it may not be long."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def command() -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as folder, warm(Path(folder), runs.environment(Path(folder))) as started:
        yield started


@pytest.fixture
def run(command, home) -> Callable:
    return lambda notebook: runs.execute(notebook, home, command)


def notebook_of(*sources: str):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def printed(notebook) -> str:
    return "".join(output.text for cell in notebook.cells for output in cell.outputs)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem == "quick_start" else pytest.mark.slow) for path in runs.notebooks()],
    ids=lambda path: path.stem,
)
def test_a_notebook_gives_its_stored_outputs(path, run):
    stored = runs.read(path)
    fresh = runs.normalised(run(stored), path)
    assert not list(runs.problems(fresh, path.stat().st_size))
    assert not list(runs.differences(stored, fresh))


@each_notebook
def test_a_notebook_is_stored_in_normal_form_and_opens_in_colab(path):
    stored = runs.read(path)
    assert runs.normalised(stored, path) == stored
    assert [cell.execution_count for cell in stored.cells if cell.cell_type == "code"] == list(
        range(1, 1 + sum(cell.cell_type == "code" for cell in stored.cells))
    )
    assert runs.colab(path) in stored.cells[0].source
    first = next(cell for cell in stored.cells if cell.cell_type == "code")
    assert re.search(r'if "google.colab" in sys.modules:.*\n    %pip install .*hiergeo', first.source)
    assert not first.outputs


def test_a_kernel_is_new_and_has_no_network(run, home):
    with socket.create_server(("127.0.0.1", 0)) as door:
        reach = f"""
import socket
try:
    socket.create_connection(("127.0.0.1", {door.getsockname()[1]}), timeout=5)
except OSError as error:
    print(type(error).__name__, error)
"""
        fresh = run(notebook_of("print('left' in globals()); left = 1", "import os; print(os.listdir())", reach))
    assert "no" in printed(fresh).splitlines()[-1]
    assert printed(fresh).startswith("False\n[]\nOSError")


def test_an_error_in_a_cell_is_raised(run):
    from nbclient.exceptions import CellExecutionError

    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run(notebook_of("1 / 0"))


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("tau_d 0.892 [0.87, 0.92]", "tau_d 0.893 [0.88, 0.92]", True),
        ("tau_d 0.892", "tau_d 0.896", False),
        ("tau_d 0.892", "tau_d 0.89", False),
        ("tau_d +0.001", "tau_d -0.001", True),
        ("200 photos", "201 photos", False),
        ("a red  circle", "a red circle", True),
        ("a red circle", "a red square", False),
        ("−0.060", "0.060", False),
        ("lorentz:-1", "lorentz:-2", False),
        ("K = -0.01", "K = -0.02", True),
        ("1.31e+03 %", "1.31e+04 %", False),
    ],
)
def test_texts_agree_up_to_the_last_decimals_of_their_numbers(old, new, same):
    assert runs.alike(old, new) is same


@pytest.mark.slow
def test_a_changed_output_and_a_missing_one_are_named():
    stored, fresh = notebook_of("1", "2"), notebook_of("1", "2")
    stored.cells[1].outputs = [nbformat.v4.new_output("stream", name="stdout", text="0.5 rad\n")]
    fresh.cells[1].outputs = [nbformat.v4.new_output("stream", name="stdout", text="0.9 rad\n")]
    assert "cell 1" in next(runs.differences(stored, fresh))
    fresh.cells[1].outputs = []
    assert "cell 1" in next(runs.differences(stored, fresh))
    assert not list(runs.differences(stored, stored))


@pytest.mark.slow
def test_pages_show_all_that_notebooks_hold():
    pytest.importorskip("mkdocs", reason="needs mkdocs: pip install 'hiergeo[docs]'")
    pages = import_module("docs.notebook_pages")
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in runs.notebooks():
        stored = json.loads(path.read_text(encoding="utf-8"))
        text, figures = pages.page(stored, path.stem)
        assert f"notebooks/{path.stem}.md" in navigation
        assert f"({path.stem}.ipynb)" in text
        assert re.findall(r"!\[.+\]\(([^\s#]+)(?:#wide)?\)", text) == list(figures)
        assert "google.colab" not in text
        for cell in stored["cells"]:
            for output in cell.get("outputs", ()):
                if output["output_type"] == "stream":
                    assert pages.joined(output["text"]).rstrip() in text
        assert not any(b"<script" in each or b"http://127" in each for each in figures.values())


@pytest.mark.slow
def test_a_page_keeps_fences_and_figures():
    pytest.importorskip("mkdocs", reason="needs mkdocs: pip install 'hiergeo[docs]'")
    pages = import_module("docs.notebook_pages")
    pixels = b"\x89PNG"
    notebook = notebook_of("x", "figure")
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="```\n# no heading\n")]
    picture = {"image/png": base64.b64encode(pixels).decode(), "text/plain": "<Image>"}
    notebook.cells[1] |= {"metadata": {"alt": "A dot."}}
    notebook.cells[1].outputs = [nbformat.v4.new_output("display_data", picture)]
    text, figures = pages.page(json.loads(nbformat.writes(notebook)), "name")
    assert "````{ .text .output }\n```\n# no heading\n````" in text
    assert "![A dot.](figures/name-1.png)" in text
    assert figures == {"figures/name-1.png": pixels}
