"""Inputs over a cluster: what a double of Ray is asked for, and what its workers, which embed in threads, make."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from types import SimpleNamespace
from typing import Any

import pytest

from hiergeo import adapters
from hiergeo._core import extras
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.search.corpus import running
from tests.search.corpus.corpus_common import NAMES, Quick, embed, inputs, stored


class RayError(Exception):
    pass


class Ray:
    """A cluster of threads of this process."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, resources: dict[str, float], running: bool = True, death: Exception | None = None) -> None:
        self.resources, self.running, self.death = resources, running, death
        self.pool = ThreadPoolExecutor(8)
        self.wanted: dict[str, Any] = {}
        self.workers = 0
        self.events: list[str] = []

    def is_initialized(self) -> bool:
        return self.running

    def init(self, **_) -> None:
        self.events.append("init")

    def shutdown(self) -> None:
        self.events.append("shutdown")

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def remote(self, **wanted):
        self.wanted = wanted

        def submit(*given):
            self.workers += 1
            return self.pool.submit(function, *given)

        def of(called):
            nonlocal function
            function = called
            return SimpleNamespace(remote=submit)

        function: Any = None
        return of

    def wait(self, pending, num_returns, timeout):
        ready, rest = wait_for(pending, timeout, FIRST_COMPLETED)
        return list(ready), list(rest)

    def get(self, reference):
        if self.death is not None:
            raise self.death
        return reference.result()


@pytest.fixture
def ray(monkeypatch):
    def make(resources, **settings):
        made = Ray(resources, **settings)
        monkeypatch.setattr(extras, "require", lambda *_: made)
        monkeypatch.setattr(adapters, "load", lambda *_, **__: Quick())
        return made

    return make


@pytest.mark.parametrize("count", [1, 3])
def test_workers_store_what_one_process_does(tmp_path, ray, count):
    made = inputs(tmp_path / "in")
    (tmp_path / "in" / "z.parquet").write_bytes(b"no parquet")
    embed(tmp_path / "in", tmp_path / "plain", Quick())
    cluster = ray({"CPU": float(count)})
    summary = embed(tmp_path / "in", tmp_path / "ray", Quick(), ray=True)
    assert stored(tmp_path / "ray") == stored(tmp_path / "plain")
    assert (summary.embedded, summary.items) == (len(NAMES), sum(map(len, made.values())))
    assert list(summary.failed) == ["z.parquet"]
    assert summary.finished
    assert (cluster.workers, cluster.events) == (count, [])


@pytest.mark.parametrize(
    ("device", "resources", "workers", "gpus"),
    [("auto", {"CPU": 8.0, "GPU": 3.0}, 3, 1), ("cpu", {"CPU": 4.0, "GPU": 3.0}, 4, 0), ("auto", {"CPU": 9.0}, 5, 0)],
)
def test_there_is_a_worker_for_each_gpu_or_cpu_and_none_too_many(tmp_path, ray, device, resources, workers, gpus):
    inputs(tmp_path / "in")
    cluster = ray(resources)
    embed(tmp_path / "in", tmp_path / "ix", Quick(), ray=True, device=device)
    assert (cluster.workers, cluster.wanted["num_gpus"], cluster.wanted["num_cpus"]) == (workers, gpus, 1)


@pytest.mark.parametrize(
    ("error", "kind"), [(InputError("too many."), InputError), (UnavailableError("full."), UnavailableError)]
)
def test_what_stops_a_worker_stops_the_run_and_a_cluster_of_its_own(tmp_path, ray, monkeypatch, error, kind):
    inputs(tmp_path / "in")
    cluster = ray({"CPU": 1.0}, running=False)
    monkeypatch.setattr(running, "embed_input", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(kind, match=str(error)):
        embed(tmp_path / "in", tmp_path / "ix", Quick(), ray=True)
    assert cluster.events == ["init", "shutdown"]


def test_a_worker_that_keeps_dying_is_named(tmp_path, ray):
    inputs(tmp_path / "in")
    ray({"CPU": 1.0}, death=RayError("died"))
    with pytest.raises(UnavailableError, match="Ray failed"):
        embed(tmp_path / "in", tmp_path / "ix", Quick(), ray=True)


def test_no_inputs_need_no_cluster(tmp_path, ray):
    inputs(tmp_path / "in")
    embed(tmp_path / "in", tmp_path / "ix", Quick())
    cluster = ray({}, running=False)
    assert embed(tmp_path / "in", tmp_path / "ix", Quick(), ray=True).earlier == len(NAMES)
    assert cluster.events == []
