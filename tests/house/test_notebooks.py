"""Every notebook of the documentation runs from a new kernel, offline, and gives the outputs that are stored in it."""

import re
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

for package in ("nbclient", "ipykernel", "matplotlib", "pyarrow"):
    pytest.importorskip(package, reason=f"needs {package}: pip install 'hiergeo[test]'")
nbformat = pytest.importorskip("nbformat", reason="needs nbformat: pip install 'hiergeo[test]'")
runs = import_module("docs.notebook_runs")
each_notebook = pytest.mark.parametrize("path", runs.notebooks(), ids=lambda path: path.stem)


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty folder with a short name, since the names of sockets in it may not be long."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem == "quick_start" else pytest.mark.slow) for path in runs.notebooks()],
    ids=lambda path: path.stem,
)
def test_a_notebook_gives_its_stored_outputs(path, home):
    stored = runs.read(path)
    fresh = runs.normalised(runs.execute(stored, home), path)
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
