"""Every Python block of the README and the documentation runs, page by page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = {"extending.md"}
"""Pages whose blocks are files of a package, which a test of their own runs."""


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def code_pages() -> list[object]:
    """The README is quick, and the page that most people copy from."""
    pages = [page for page in PAGES if blocks(page) and page.name not in PACKAGES]
    return [pytest.param(page, id=page.name, marks=pytest.mark.slow if page != PAGES[0] else ()) for page in pages]


@pytest.mark.parametrize("page", code_pages())
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), namespace)


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    docs = ROOT / "docs"
    assert all(page.relative_to(docs).as_posix() in navigation for page in docs.rglob("*.md"))
