"""Points go to other libraries and come back; their candidates, measured again, hold the exact nearest."""

from pathlib import Path

import pytest

from benchmarks.round_trips import PEERS, measured


@pytest.mark.parametrize("name", PEERS)
def test_the_exact_nearest_are_found_in_what_comes_back(tmp_path: Path, name: str) -> None:
    pytest.importorskip(name, reason=f"pip install {name}")
    found = measured(name, tmp_path)
    assert found["rows"] < 1e-6
    assert found["rescored"] == 1
