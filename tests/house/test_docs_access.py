"""The pages of the documentation as axe-core reads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report import browser_common

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow  # it builds the documentation
def test_axe_finds_nothing_on_pages_of_the_documentation(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs mkdocs: pip install 'hiergeo[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True)
    with browser_common.chromium() as browser:
        for page in ("", "explore/", "search/", "notebooks/audit/", "api/", "api/geometry/"):
            for scheme in ("light", "dark"):
                browser_common.colours(browser, scheme)
                browser.get((tmp_path / page / "index.html").as_uri())
                assert browser_common.violations(browser) == [], (page, scheme)
