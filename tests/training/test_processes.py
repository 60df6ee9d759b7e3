"""Several processes of one training: they train as one, and none outlives another that dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.training import processes
from hiergeo.training.checkpoints import load, path_of
from hiergeo.training.processes import is_writer, local
from tests.search.serving.port_common import reserved_port
from tests.tools import warm
from tests.training.tower_common import curve, tuned, weights

STEPS: dict[str, Any] = {"steps": 3, "every": 3, "accumulate": 2}
GOOD = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
CPU = torch.device("cpu")

gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="needs torch.distributed with gloo")

SCRIPT = """
import signal, sys
import torch, torch.distributed as dist
from hiergeo._core.errors import HiergeoError
from hiergeo.training import processes

stage, victim = sys.argv[1], int(sys.argv[2])
processes.MEETING = 5.0 if stage in ("coming", "connecting") else 300.0
mine = processes.this_rank().rank == victim

def wait():
    print("here", flush=True)
    signal.pause()

try:
    if mine and stage == "coming":
        wait()
    if mine and stage == "connecting":
        dist.init_process_group = lambda *_, **__: wait()
    with processes.joined(torch.device("cpu")):
        if mine:
            wait()
        dist.all_reduce(torch.ones(3))
except HiergeoError as error:
    sys.exit(f"Error: {error}")
"""
"""A training that stops in the victim at a stage of its life; other processes go on to what that stage is about."""


@pytest.fixture
def environment(monkeypatch):
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def started(command: list[str], rank: int, port: int, size: int) -> subprocess.Popen[str]:
    """A process that no launcher watches."""
    values = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in values.items()}}
    line = [sys.executable, *command]
    return warm.Popen(line, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """The exit code of a process and its sentences on standard error; libraries write lines of their own."""
    try:
        _, err = process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode, [line for line in err.splitlines() if line.startswith("Error: ")]


def work(rank: int, ranks: int, port: int, out: str) -> None:
    """One rank, as torchrun starts it; the others' folder must stay empty."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    written = Path(out) if is_writer() else Path(out).with_name("none")
    if rank:
        written.mkdir()
        (written / "checkpoints").symlink_to(Path(out) / "checkpoints")
    tuned(written, **STEPS)
    if rank:
        assert [path.name for path in written.iterdir()] == ["checkpoints"]


@pytest.mark.slow
@gloo
def test_two_processes_give_the_losses_and_the_gradients_of_one(tmp_path):
    with reserved_port() as port:
        warm.ranks(work, 2, 2, port, str(tmp_path / "two"))
    tuned(tmp_path / "one", **STEPS)
    one, two = curve(tmp_path / "one"), curve(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        assert two[name][0] == pytest.approx(one[name][0], abs=1e-6)
        np.testing.assert_allclose(two[name], one[name], atol=2e-4)
    moments = [load(path_of(tmp_path / name / "checkpoints", 3)).tensors for name in ("one", "two")]
    names = [name for name in moments[0] if name.startswith("exp_avg/")]
    largest = max(float(moments[0][name].abs().max()) for name in names)
    for name in names:
        torch.testing.assert_close(moments[1][name], moments[0][name], rtol=0, atol=1e-3 * largest)
    assert weights(tmp_path / "one").keys() == weights(tmp_path / "two").keys()


def test_a_batch_that_does_not_part_evenly_is_refused(tmp_path, environment):
    for name, value in (GOOD | {"WORLD_SIZE": "3"}).items():
        environment.setenv(name, value)
    with pytest.raises(InputError, match="a batch of 8 does not part evenly among 3 processes"):
        tuned(tmp_path / "a")


def test_a_process_runs_on_its_own_gpu_where_only_cuda_is_named(environment):
    assert (local("cuda"), local("cpu"), is_writer(), processes.this_rank().size) == ("cuda", "cpu", True, 1)
    for name, value in GOOD.items():
        environment.setenv(name, value)
    assert (local("cuda"), local("cuda:3"), local("cpu"), is_writer()) == ("cuda:1", "cuda:3", "cpu", False)


@pytest.mark.parametrize(
    "change",
    [
        {"RANK": "1.0"},
        {"RANK": None},
        {"RANK": "2"},
        {"RANK": "-1"},
        {"WORLD_SIZE": "two"},
        {"WORLD_SIZE": None},
        {"LOCAL_RANK": "x"},
        {"MASTER_ADDR": None},
        {"MASTER_PORT": "http"},
    ],
    ids=str,
)
def test_variables_that_describe_no_process_are_refused(change, environment, run, tmp_path):
    for name, value in (GOOD | change).items():
        if value is not None:
            environment.setenv(name, value)
    code, out, err = run("train", "re", "-m", "tiny", "-d", "scenes", "--out", tmp_path / "a")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "torchrun" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (InputError("mine."), InputError),
        (RuntimeError("[gloo] connection closed"), UnavailableError),
        (dist.DistNetworkError("reset by peer"), UnavailableError),
        (RuntimeError("out of memory"), RuntimeError),
    ],
)
def test_errors_of_libraries_are_those_of_a_dead_process_where_one_is_dead(error, raised, environment):
    for name, value in GOOD.items():
        environment.setenv(name, value)

    def failing(*_: object, **__: object) -> None:
        raise error

    environment.setattr(dist, "rendezvous", failing)
    with pytest.raises(raised) as caught, processes.joined(CPU):
        pass
    assert type(caught.value) is raised


@pytest.mark.slow
@gloo
@pytest.mark.parametrize(
    ("stage", "victim", "size"),
    [
        *((stage, rank, 2) for stage in ("coming", "connecting", "operation") for rank in (0, 1)),
        ("operation", 2, 3),
    ],
)
def test_none_outlives_another_that_dies(stage, victim, size):
    """The victim gets SIGKILL; the survivors end in one sentence, wherever they wait, without a launcher."""
    with reserved_port() as port:
        group = [started(["-c", SCRIPT, stage, str(victim)], rank, port, size) for rank in range(size)]
        assert group[victim].stdout.readline() == "here\n"
        group[victim].send_signal(signal.SIGKILL)
        ends = [end(process) for process in group]
    for rank, (code, said) in enumerate(ends):
        if rank != victim:
            assert (code, len(said)) == (1, 1)
            assert f"another of the {size} processes" in said[0]
