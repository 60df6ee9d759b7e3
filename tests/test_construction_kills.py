"""Builds that are killed at random moments end in the same bytes, and ask for nothing twice that was answered."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("HIERGEO_KILLS", "8"))
"""Moments at which a build is killed."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="builds are killed in forked processes")
def test_killed_builds_go_on_to_the_same_bytes(tmp_path: Path) -> None:
    script = Path(__file__).parent / "construction_kills.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(KILLS), "0"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["equal"], f"files differ: {told}"
    assert {"train.csv", "test.csv", "test_expanded.csv", "dropped.csv", "plan.toml"} <= set(told["files"])
    assert told["killed"] == KILLS
    assert told["again"] <= KILLS, "more was asked for again than the calls in flight"
    assert not told["left"], "temporary files or answers are left"
