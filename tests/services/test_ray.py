"""Embedding on a cluster of Ray of two CPUs, whose processes are killed, against one process."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search.corpus.corpus_common import embed, inputs, stored

ray = pytest.importorskip("ray", reason="needs ray: run `make test-services`")

PATIENCE = 400
"""Seconds after which processes that do not reach a gate are a failure."""

PLUGINS = """[hiergeo.adapters]
gate = tests.services.gate:load
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of processes that join a cluster whose workers know the plug-ins of these tests."""
    place = tmp_path_factory.mktemp("plugins")
    (place / "gate-1.dist-info").mkdir()
    (place / "gate-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: gate\nVersion: 1\n")
    (place / "gate-1.dist-info" / "entry_points.txt").write_text(PLUGINS)
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, [place, here, here.parent, here.parents[1]]))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        patch.setenv("PYTHONPATH", path)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # by default workers give way to everything else on the machine
        patch.setenv("OMP_NUM_THREADS", "1")
        ray.init(num_cpus=2, object_store_memory=200 << 20, include_dashboard=False, log_to_driver=False)
        try:
            yield {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
        finally:
            ray.shutdown()


def waiting(folder: Path, count: int, driver: "subprocess.Popen[bytes]") -> list[int]:
    """The processes at a gate, when there are so many; a driver that ends before is a failure."""
    found, end = list[int](), time.monotonic() + PATIENCE
    while time.monotonic() < end and driver.poll() is None:
        found = [int(path.name.rpartition("-")[2]) for path in folder.glob("waiting-*")]
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{len(found)} of {count} processes reached the gate")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "gate").mkdir()
    yield tmp_path / "gate"
    (tmp_path / "gate" / "open").touch()  # no worker waits for ever where a test failed


def test_an_index_is_that_of_one_process(cluster: dict[str, str], tmp_path: Path) -> None:
    made = inputs(tmp_path / "in")
    embed(tmp_path / "in", tmp_path / "plain", "tiny", device="cpu")
    summary = embed(tmp_path / "in", tmp_path / "ray", "tiny", ray=True, device="cpu")
    assert summary.finished
    assert summary.embedded == len(made)
    assert stored(tmp_path / "ray") == stored(tmp_path / "plain")


def test_an_index_survives_the_death_of_an_actor_and_of_the_driver(
    cluster: dict[str, str], tmp_path: Path, gate: Path
) -> None:
    made = inputs(tmp_path / "in")
    words = ["index", "build", tmp_path / "ray", "-m", f"gate:{gate}", "--captions", tmp_path / "in", "--device", "cpu"]
    with subprocess.Popen([sys.executable, "-m", "hiergeo", *map(str, words), "--ray"], env=cluster) as driver:
        try:
            before = waiting(gate, 2, driver)
            os.kill(before[0], 9)
            assert set(before) < set(waiting(gate, 3, driver)), "the actor that died is started anew"
        finally:
            driver.kill()
    assert not list((tmp_path / "ray" / "inputs").glob("*.json")), "nothing was embedded before the driver died"
    (gate / "open").touch()
    summary = embed(tmp_path / "in", tmp_path / "ray", f"gate:{gate}", ray=True, device="cpu")
    embed(tmp_path / "in", tmp_path / "plain", f"gate:{gate}", device="cpu")
    assert summary.finished
    assert summary.embedded == len(made)
    assert stored(tmp_path / "ray") == stored(tmp_path / "plain")
