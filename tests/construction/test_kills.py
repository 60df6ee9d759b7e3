"""Builds that are killed at random steps end in the same bytes, and ask for nothing twice that was answered."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.construction.endpoint_kills import CONCURRENCY
from tests.tools import warm

KILLS = int(os.environ.get("HIERGEO_KILLS", "3"))
"""Steps at which a build is killed."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="builds are killed in forked processes")


def killed(script: str, folder: Path) -> dict[str, Any]:
    """What a script of these tests tells of its builds; one that ends before its step is not killed."""
    done = warm.run(
        [sys.executable, "-m", f"tests.construction.{script}", str(folder), str(KILLS), "0"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout)
    assert 1 <= told["killed"] <= KILLS
    return told


@pytest.mark.slow
def test_killed_builds_by_an_endpoint_lose_no_answer(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    told = killed("endpoint_kills", tmp_path)
    assert told["differing"] == []
    assert told["new"] == 0
    assert told["again"] <= KILLS * CONCURRENCY
