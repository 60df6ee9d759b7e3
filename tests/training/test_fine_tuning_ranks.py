"""Processes of one training started by hand: what they refuse, and that none outlives another that dies."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.training.re import ranks
from tests.search.serving.port_common import reserved_port
from tests.training.test_fine_tuning_processes import gloo

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
GOOD = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}

SCRIPT = """
import signal, socket, sys, threading
import torch, torch.distributed as dist
from hiergeo._core.errors import HiergeoError
from hiergeo.training.re import ranks

stage, victim = sys.argv[1], int(sys.argv[2])
ranks.MEETING, ranks.GRACE = 2.0 if stage == "coming" else 300.0, 1.0
mine = ranks.place().rank == victim
true = ranks.Peers.store

def wait():
    print("here", flush=True)
    signal.pause()

def store(self):
    if mine and stage == "met":
        wait()
    if mine and stage == "told":
        with socket.create_server(("", 0)) as nobody:
            port = nobody.getsockname()[1]
        self._tell(1, self.lines[1], port)
        wait()
    return true(self)

ranks.Peers.store = store
try:
    if mine and stage == "coming":
        wait()
    with ranks.joined("cpu"):
        if mine and stage != "parted":
            wait()
        elif stage == "operation":
            dist.all_reduce(torch.ones(3))
        elif stage == "library":
            dist.distributed_c10d._get_default_store().wait(["a key that nobody sets"])
        elif stage == "parted" and not mine:
            for watch in (each for each in threading.enumerate() if each.name == "hiergeo-ranks"):
                watch.join()  # it ends with the word that the other is done
            sys.stdin.readline()
        elif stage == "busy":
            signal.pause()
    if mine:
        wait()
except HiergeoError as error:
    sys.exit(f"Error: {error}")
print("done")
"""
"""A training that stops in the victim at a stage of its life; other processes go on to what that stage is about."""


@pytest.fixture
def environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def started(command: list[str], rank: int, port: int, size: int = 2) -> subprocess.Popen[str]:
    values = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **{name: str(value) for name, value in values.items()}, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], seconds: float = 300) -> tuple[int, list[str]]:
    """The exit code of a process and the lines of its standard error."""
    try:
        _, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, err.splitlines()


def test_a_single_process_needs_no_variables(environment):
    assert ranks.place() == ranks.Place()
    environment.setenv("RANK", "0")
    environment.setenv("WORLD_SIZE", "1")
    assert ranks.place().size == 1


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
        ranks.place()
    code, out, err = run("train", "re", "-m", "tiny", "-d", "scenes", "--out", tmp_path / "a")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["no machine", "a..b", "x" * 300, "\udcff"])
def test_an_address_of_no_machine_is_refused(address, environment):
    for name, value in (GOOD | {"MASTER_ADDR": address}).items():
        environment.setenv(name, value)
    with pytest.raises(InputError, match="MASTER_ADDR"), ranks.joined("cpu"):
        pass


def test_a_port_that_is_taken_is_refused(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name, value in (GOOD | {"RANK": "0", "MASTER_PORT": str(taken.getsockname()[1])}).items():
            environment.setenv(name, value)
        with pytest.raises(InputError, match="MASTER_PORT"), ranks.joined("cpu"):
            pass


def test_whoever_never_comes_is_named(environment):
    environment.setattr(ranks, "MEETING", 0.5)
    for rank, missing in (("0", "1"), ("1", "process 0")):
        with reserved_port() as port:
            for name, value in (GOOD | {"RANK": rank, "MASTER_PORT": str(port)}).items():
                environment.setenv(name, value)
            with pytest.raises(UnavailableError, match=missing), ranks.joined("cpu"):
                pass


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        (ranks.HELLO.pack(ranks.MARK, 1, 3), "WORLD_SIZE=3"),
        (b"GET / HTTP/1.1\r\nHost: example\r\n\r\n", "did not come"),
        (b"", "did not come"),
    ],
)
def test_a_stranger_at_the_port_is_no_process_of_the_training(hello, said, environment):
    """The stranger calls while process 0 opens its door, so that it is always the first one there."""
    create, strangers = socket.create_server, []

    def opened(address: tuple[str, int], **options: object) -> socket.socket:
        door = create(address, **options)
        strangers.append(socket.create_connection(("127.0.0.1", address[1])))
        strangers[0].sendall(hello)
        return door

    environment.setattr(socket, "create_server", opened)
    environment.setattr(ranks, "MEETING", 0.5)
    environment.setattr(ranks, "PATIENCE", 0.2 if not hello else 60.0)
    with reserved_port() as port:
        for name, value in (GOOD | {"RANK": "0", "MASTER_PORT": str(port)}).items():
            environment.setenv(name, value)
        with pytest.raises((InputError, UnavailableError), match=said), ranks.joined("cpu"):
            pass
    with strangers[0] as line, suppress(ConnectionResetError):
        assert line.recv(1) == b""


@pytest.fixture
def pair(monkeypatch):
    """Two processes of one training, with a line between them, as far as one process can play both."""
    monkeypatch.setattr(ranks, "GRACE", 600.0)  # whoever learns that the other is gone would end the tests
    ends = socket.socketpair()
    peers = [ranks.Peers(ranks.Place(rank, 2, rank, "there", 1), {1 - rank: line}) for rank, line in enumerate(ends)]
    yield peers
    for each in peers:
        each.close()


def test_the_end_of_a_process_is_news_to_the_other_and_its_leave_is_not(pair):
    first, second = pair
    first._begin_to_watch()
    second.close()
    assert first.lost(60)
    assert first.gone == 1
    assert first.sentence().startswith("process 1 of 2 processes at there:1 ended")


def test_a_process_that_is_done_may_go(pair):
    first, second = pair
    first._begin_to_watch()
    second.part()
    second.close()
    first._watch.join(60)
    assert not first._watch.is_alive()
    assert (first.lost(0), first.gone) == (False, None)


def test_the_name_of_a_dead_process_is_passed_on(pair):
    first, second = pair
    second._begin_to_watch()
    first._tell_all(7)
    assert second.lost(60)
    assert second.gone == 7


def test_a_word_to_a_process_that_is_gone_says_which(pair):
    first, second = pair
    second.close()
    first.lines[1].close()
    with pytest.raises(UnavailableError, match="process 1 of"):
        first._tell(1, first.lines[1], 5)


@pytest.mark.parametrize(
    ("error", "gone", "raised"),
    [
        (InputError("mine."), True, InputError),
        (ValueError("a library"), False, ValueError),
        (ValueError("a library"), True, UnavailableError),
        (RuntimeError("[gloo] connection closed"), False, UnavailableError),
        (RuntimeError("out of memory"), False, RuntimeError),
    ],
)
def test_errors_of_libraries_are_those_of_a_dead_process_where_one_is_dead(pair, monkeypatch, error, gone, raised):
    monkeypatch.setattr(ranks, "VERDICT", 0)
    first, _ = pair
    if gone:
        first.gone = 1
        first._lost.set()
    with pytest.raises(raised) as caught, ranks._broken_off(first.here, first):
        raise error
    assert type(caught.value) is raised


def test_words_come_whole_or_not_at_all():
    sent = iter([ranks.WORD.pack(-5)[:1], ranks.WORD.pack(-5)[1:3], ranks.WORD.pack(-5)[3:], b"\0\0", b""])
    line = SimpleNamespace(recv=lambda size: next(sent))
    assert ranks._word(line) == -5
    assert ranks._word(line) is None
    assert list(sent) == []


def test_one_process_joins_nobody(environment):
    with ranks.joined("cpu"):
        assert not ranks.dist.is_initialized()


@pytest.mark.slow
@gloo
@pytest.mark.parametrize(
    ("stage", "victim"),
    [*((stage, rank) for stage in ("coming", "met", "operation", "library", "busy") for rank in (0, 1)), ("told", 0)],
)
def test_none_outlives_another_that_dies(stage, victim):
    """The victim gets SIGKILL; the survivor ends in one sentence that names it, wherever it waits.

    Inside torch's store, which process 0 holds, torch writes a trace of its own before.
    """
    command = ["-c", SCRIPT, stage, str(victim)]
    with reserved_port() as port:
        pair = [started(command, rank, port) for rank in range(2)]
        assert pair[victim].stdout.readline() == "here\n"
        pair[victim].send_signal(signal.SIGKILL)
        code, said = end(pair[1 - victim])
        end(pair[victim])
    assert code not in (0, -signal.SIGKILL)
    assert len(said) == 1 or (victim == 0 and stage != "coming")
    assert f"process {victim}" in said[-1] or f": {victim};" in said[-1]


@pytest.mark.slow
@gloo
@pytest.mark.parametrize("victim", [0, 1])
def test_one_that_is_done_may_end_before_the_others(victim):
    """The other works on until the first one is dead and it was told to go on."""
    with reserved_port() as port:
        pair = [started(["-c", SCRIPT, "parted", str(victim)], rank, port) for rank in range(2)]
        assert pair[victim].stdout.readline() == "here\n"
        pair[victim].send_signal(signal.SIGKILL)
        end(pair[victim])
        pair[1 - victim].stdin.write("\n")
        assert end(pair[1 - victim]) == (0, [])


@pytest.mark.slow
@gloo
def test_of_three_all_end_with_the_name_of_the_one_that_died():
    with reserved_port() as port:
        three = [started(["-c", SCRIPT, "library", "2"], rank, port, size=3) for rank in range(3)]
        assert three[2].stdout.readline() == "here\n"
        three[2].send_signal(signal.SIGKILL)
        ends = [end(survivor) for survivor in three[:2]]
        end(three[2])
    for code, said in ends:
        assert (code, len(said)) == (ranks.EXIT, 1)
        assert "process 2" in said[0]


@pytest.mark.slow
@gloo
@pytest.mark.parametrize("victim", [0, 1])
def test_a_training_of_two_ends_with_either(victim, tmp_path):
    out = tmp_path / "a"
    words = ["-m", "tiny", "-d", "scenes", "--rows", "60", "--lr", "1e-4", "--every", "4"]
    command = ["-m", "hiergeo", "train", "re", *words, "--out", str(out)]
    newest = out / "checkpoints" / "step-00000008.json"
    with reserved_port() as port:
        pair = [started([*command, "--steps", "4000"], rank, port) for rank in range(2)]
        deadline = time.monotonic() + 300
        while not newest.exists():
            assert pair[0].poll() is None is pair[1].poll()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        pair[victim].send_signal(signal.SIGKILL)
        code, said = end(pair[1 - victim])
        end(pair[victim])
    assert (code, len(said)) == (2, 1)
    assert f"process {victim}" in said[0]
    assert not Path(out / "config.json").exists()
