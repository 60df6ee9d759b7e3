"""Packages that people have beside hiergeo can be installed with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hiergeo._core.storage.texts import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NEIGHBOURS = ("hierarchy-transformers", "mteb", "sentence-transformers", "pymilvus", "open_clip_torch")
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.slow
def test_what_hiergeo_needs_agrees_with_its_neighbours(tmp_path: Path) -> None:
    needed = tomllib.loads(read_text(PROJECT, ""))["project"]["dependencies"]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report"]
    words = [*command, str(tmp_path / "report.json"), "--timeout", "10", "--retries", "1", *needed, *NEIGHBOURS]
    run = subprocess.run(words, capture_output=True, text=True, timeout=900)
    if "ResolutionImpossible" not in run.stderr and run.returncode:
        pytest.skip(f"needs a package index: {run.stderr.strip().splitlines()[-1][:200]}")
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    found = {part["metadata"]["name"].lower().replace("_", "-") for part in report["install"]}
    assert {name.replace("_", "-") for name in NEIGHBOURS} | {"geoopt"} <= found
