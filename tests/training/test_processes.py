"""Several processes of one training: they train as one, and none outlives another that dies."""

import os
import signal
import socket
import subprocess
import sys
import time
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
        if mine and stage != "parted":
            wait()
        elif stage == "operation":
            dist.all_reduce(torch.ones(3))
        elif stage == "parted" and not mine:
            print("in", flush=True)
            sys.stdin.readline()
    if mine:
        wait()
except HiergeoError as error:
    sys.exit(f"Error: {error}")
"""
"""A training that stops in the victim at a stage of its life; other processes go on to what that stage is about."""

TRAINING = ["-m", "hiergeo", "train", "re", "-m", "tiny", "-d", "scenes", "--rows", "60", "--set", "steps=4000"]
TRAINING += ["--set", "learning_rate=1e-4", "--set", "every=4"]


@pytest.fixture
def environment(monkeypatch):
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def opened(command: list[str], **values: object) -> subprocess.Popen[str]:
    return warm.Popen(
        [sys.executable, *command],
        env={**os.environ, **{name: str(value) for name, value in values.items()}, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def started(command: list[str], rank: int, port: int, size: int = 2) -> subprocess.Popen[str]:
    """A process that no launcher watches."""
    return opened(command, RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=size, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)


def end(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """The exit code of a process and its sentences on standard error; libraries write lines of their own."""
    try:
        _, err = process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode, [line for line in err.splitlines() if line.startswith("Error: ")]


def until(path: Path, *running: subprocess.Popen[str]) -> None:
    """Wait for a file that running processes write."""
    deadline = time.monotonic() + 300
    while not path.exists():
        assert all(process.poll() is None for process in running)
        assert time.monotonic() < deadline
        time.sleep(0.05)


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


@gloo
@pytest.mark.filterwarnings("ignore")
def test_a_port_that_is_taken_is_refused(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name, value in (GOOD | {"RANK": "0", "MASTER_PORT": str(taken.getsockname()[1])}).items():
            environment.setenv(name, value)
        with pytest.raises(UnavailableError, match="another of the 2 processes"), processes.joined(CPU):
            pass


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


@pytest.mark.slow
@gloo
@pytest.mark.parametrize("victim", [0, 1])
def test_one_that_is_done_may_end_before_the_others(victim):
    """The other works on until the first one is dead and it was told to go on."""
    with reserved_port() as port:
        pair = [started(["-c", SCRIPT, "parted", str(victim)], rank, port) for rank in range(2)]
        assert pair[victim].stdout.readline() == "here\n"
        assert pair[1 - victim].stdout.readline() == "in\n"
        pair[victim].send_signal(signal.SIGKILL)
        end(pair[victim])
        pair[1 - victim].stdin.write("\n")
        assert end(pair[1 - victim]) == (0, [])


@pytest.mark.slow
@gloo
@pytest.mark.parametrize("victim", [0, 1])
def test_a_training_of_two_ends_with_either(victim, tmp_path):
    out = tmp_path / "a"
    with reserved_port() as port:
        pair = [started([*TRAINING, "--out", str(out)], rank, port) for rank in range(2)]
        until(path_of(out / "checkpoints", 8), *pair)
        pair[victim].send_signal(signal.SIGKILL)
        code, said = end(pair[1 - victim])
        end(pair[victim])
    assert (code, len(said)) == (2, 1)
    assert "another of the 2 processes" in said[0]
    assert not (out / "config.json").exists()
