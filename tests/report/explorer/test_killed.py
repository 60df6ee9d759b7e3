"""A server of the explorer that is killed while it builds leaves nothing half made: the next one answers the same."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest

pytest.importorskip("uvicorn")

from hiergeo.report.explorer import open_collection
from tests.report.explorer.explorer_served import browser
from tests.tools import warm

ROWS, DIM = 8000, 32
ASKED = ("ladder?item=0", "ladder?item=7999&lens=1", "find?k=5", "map", "items?ids=3,4")


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("killed") / "words.npz"
    rows = np.random.default_rng(0).normal(size=(ROWS, DIM)) * np.linspace(0.05, 0.6, ROWS)[:, None]
    captions = np.array([f"word {i}" for i in range(ROWS)])
    np.savez(path, text=rows.astype(np.float32), caption=captions, root=np.zeros(DIM, np.float32))
    return path


@contextmanager
def started(file: Path, cache: Path):
    """A server of a file in a process of its own, which is killed in the end."""
    line = [sys.executable, "-m", "hiergeo", "explore", str(file), "-g", "euclidean", "-g", "lorentz:-1"]
    settings = {**os.environ, "HIERGEO_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    with warm.Popen(
        [*line, "--port", "0", "--no-open"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=settings
    ) as child:
        try:
            yield child
        finally:
            child.send_signal(signal.SIGKILL)


def get(url: str):
    with urlopen(url, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_killed_while_it_builds(file, tmp_path, monkeypatch) -> None:
    cache = tmp_path / "cache"
    with started(file, cache) as first:
        until = time.monotonic() + 120
        while not list(cache.glob(".*.part/index/*")):
            assert first.poll() is None
            assert time.monotonic() < until
            time.sleep(0.001)
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert not list(cache.glob("npz-*/index"))
    left = list(cache.glob(".*.part"))
    assert left
    with started(file, cache) as second:
        assert second.stdout is not None
        url = re.findall(r"http://\S+", second.stdout.readline())[0]
        answers = [get(f"{url}/api/{path}") for path in ASKED]
    assert not [path for path in left if path.exists()]
    monkeypatch.setenv("HIERGEO_CACHE_HOME", str(tmp_path / "another"))
    with browser(open_collection([file], ["euclidean", "lorentz:-1"])) as client:
        assert [client.get(f"/api/{path}").json() for path in ASKED] == answers
