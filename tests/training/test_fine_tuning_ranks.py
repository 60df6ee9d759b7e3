"""Several processes of one training: what they refuse, and that none outlives another that dies."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.training import processes
from tests.search.serving.port_common import reserved_port
from tests.tools import warm
from tests.training.test_fine_tuning_processes import gloo

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
GOOD = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
CPU = torch.device("cpu")

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
        elif stage == "barrier":
            dist.barrier()
        elif stage == "parted" and not mine:
            print("in", flush=True)
            sys.stdin.readline()
    if mine:
        wait()
except HiergeoError as error:
    sys.exit(f"Error: {error}")
print("done")
"""
"""A training that stops in the victim at a stage of its life; other processes go on to what that stage is about."""

TRAINING = ["train", "re", "-m", "tiny", "-d", "scenes", "--rows", "60"]
TRAINING += ["--set", "learning_rate=1e-4", "--set", "every=4"]


@pytest.fixture
def environment(monkeypatch):
    for name in NAMES:
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


def end(process: subprocess.Popen[str], seconds: float = 300) -> tuple[int, list[str]]:
    """The exit code of a process and its sentences on standard error; libraries write lines of their own."""
    try:
        _, err = process.communicate(timeout=seconds)
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


def test_a_single_process_needs_no_variables(environment):
    assert processes.this_rank() == processes.Rank()
    with processes.joined(CPU):
        assert not dist.is_initialized()
    environment.setenv("RANK", "0")
    environment.setenv("WORLD_SIZE", "1")
    assert processes.this_rank().size == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"RANK": "abc"}, "RANK"),
        ({"RANK": "-1"}, "RANK"),
        ({"RANK": "1.0"}, "RANK"),
        ({"RANK": ""}, "RANK"),
        ({"RANK": "२"}, "RANK"),
        ({"RANK": "1" * 5000}, "RANK"),
        ({"RANK": None}, "RANK"),
        ({"RANK": "2"}, "RANK 2"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE"),
        ({"WORLD_SIZE": str(10**12)}, "WORLD_SIZE"),
        ({"WORLD_SIZE": None}, "WORLD_SIZE"),
        ({"LOCAL_RANK": "x"}, "LOCAL_RANK"),
        ({"MASTER_ADDR": None}, "MASTER_ADDR"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR"),
        ({"MASTER_PORT": None}, "MASTER_PORT"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT"),
        ({"MASTER_PORT": "65536"}, "MASTER_PORT"),
    ],
)
def test_variables_that_say_nothing_are_refused_by_name(change, named, environment, run, tmp_path):
    for name, value in (GOOD | change).items():
        if value is not None:
            environment.setenv(name, value)
    with pytest.raises(InputError, match=named):
        processes.this_rank()
    code, out, err = run("train", "re", "-m", "tiny", "-d", "scenes", "--out", tmp_path / "a")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert not list(tmp_path.iterdir())


@gloo
@pytest.mark.filterwarnings("ignore")
def test_a_port_that_is_taken_is_refused(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name, value in (GOOD | {"RANK": "0", "MASTER_PORT": str(taken.getsockname()[1])}).items():
            environment.setenv(name, value)
        with pytest.raises(UnavailableError, match="another of the 2 processes"), processes.joined(CPU):
            pass


@gloo
@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_whoever_never_comes_is_not_awaited_for_ever(rank, environment):
    environment.setattr(processes, "MEETING", 3.0)
    with reserved_port() as port:
        for name, value in (GOOD | {"RANK": rank, "MASTER_PORT": str(port)}).items():
            environment.setenv(name, value)
        start = time.monotonic()
        with pytest.raises(UnavailableError, match="did not come within 3 seconds"), processes.joined(CPU):
            pass
        assert time.monotonic() - start < 4.5  # torch looks once a second


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (InputError("mine."), InputError),
        (ValueError("a library"), ValueError),
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

    environment.setattr(processes, "_await_listener", lambda: None)
    environment.setattr(dist, "rendezvous", failing)
    with pytest.raises(raised) as caught, processes.joined(CPU):
        pass
    assert type(caught.value) is raised


@pytest.mark.slow
@gloo
@pytest.mark.parametrize(
    ("stage", "victim", "size"),
    [
        *((stage, rank, 2) for stage in ("coming", "connecting", "operation", "barrier") for rank in (0, 1)),
        ("operation", 2, 3),
    ],
)
def test_none_outlives_another_that_dies(stage, victim, size):
    """The victim gets SIGKILL; the survivors end in one sentence, wherever they wait, without a launcher."""
    with reserved_port() as port:
        all_of_them = [started(["-c", SCRIPT, stage, str(victim)], rank, port, size) for rank in range(size)]
        assert all_of_them[victim].stdout.readline() == "here\n"
        all_of_them[victim].send_signal(signal.SIGKILL)
        ends = [end(process) for process in all_of_them]
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
    command = ["-m", "hiergeo", *TRAINING, "--steps", "4000", "--out", str(out)]
    with reserved_port() as port:
        pair = [started(command, rank, port) for rank in range(2)]
        until(out / "checkpoints" / "step-00000008.json", *pair)
        pair[victim].send_signal(signal.SIGKILL)
        code, said = end(pair[1 - victim])
        end(pair[victim])
    assert (code, len(said)) == (2, 1)
    assert "another of the 2 processes" in said[0]
    assert not (out / "config.json").exists()


@pytest.mark.slow
@gloo
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the children of the launcher from /proc")
def test_torchrun_ends_all_with_one(tmp_path):
    out = tmp_path / "a"
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "hiergeo", *TRAINING]
    launcher = opened([*launch, "--steps", "4000", "--out", str(out)])
    until(out / "checkpoints" / "step-00000008.json", launcher)
    workers = [int(pid) for pid in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()]
    os.kill(workers[-1], signal.SIGKILL)
    code, _ = end(launcher)
    assert code != 0
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert not (out / "config.json").exists()
