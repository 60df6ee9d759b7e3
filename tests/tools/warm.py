"""Processes that begin with everything imported: forks of one parent that has torch, open_clip and hiergeo.

To import those takes a process five seconds. `Popen` and `run` are used as those of `subprocess` are, for commands of
Python with ``-m`` or ``-c``; what is tested must not be how a process begins. The processes are children of the one
that asks for them, have the environment, folder and streams that they are given, and end as any other does; what
modules read from the environment when they are imported is that of the parent. Where the system is not Linux they are
ordinary ones.
"""

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

IMPORTED = (
    *("torch.distributed", "accelerate", "open_clip", "hiergeo.cli.app", "hiergeo.training"),
    *("hiergeo.report", "hiergeo.search", "hiergeo.construction", "hiergeo.adapters.tiny"),
)
ENVIRONMENT = dict(os.environ)
"""That of the parent, before any test changes it."""

FORKS = sys.platform == "linux"
LOCK = threading.Lock()
"""Held by whoever asks for a process: requests share a channel, and orphans come to the whole process."""

SET_CHILD_SUBREAPER = 36
"""An option of prctl: whether a process becomes the parent of the orphans among its descendants."""


class Popen(subprocess.Popen[Any]):
    """`subprocess.Popen` of a command of Python, whose process is a fork of the parent that has all imported."""

    if FORKS:

        def _execute_child(
            self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell, *rest
        ) -> None:
            pipes = rest[:6]
            streams = [given if given != -1 else number for number, given in enumerate((pipes[0], *pipes[3:6:2]))]
            executable, *words = map(os.fspath, args)
            if executable != sys.executable or shell or preexec_fn or pass_fds or rest[11]:  # a new session
                raise ValueError("only plain commands of this Python can be forked")
            self.pid = _forked(words, os.fspath(cwd or os.getcwd()), dict(os.environ if env is None else env), streams)
            self._child_created = True
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # of the class above


def run(command: list[str], timeout: float = 600, **options: Any) -> "subprocess.CompletedProcess[Any]":
    """`subprocess.run` of a command of Python with what it prints, whose process is a `Popen` of this module."""
    with Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def ranks(work: Callable[..., object], count: int, *arguments: object) -> None:
    """Call a function of a module in so many processes at a time, with its rank and further arguments.

    Neighbours hash strings differently, so that work shared by the order of a set shows.
    """
    code = f"import json, sys; from {work.__module__} import {work.__name__} as work; work(*json.loads(sys.argv[1]))"
    group = [
        Popen(
            [sys.executable, "-c", code, json.dumps([rank, *arguments])],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": str(rank % 2)},
        )
        for rank in range(count)
    ]
    try:
        said = [process.communicate(timeout=300)[1] for process in group]
    finally:
        for process in group:
            process.kill()
    assert not any(process.returncode for process in group), said


def _forked(words: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> int:
    """The number of a new child of this process."""
    prctl = ctypes.CDLL(None).prctl
    request = json.dumps([words, folder, environment]).encode()
    with LOCK:
        channel = _parent(environment.get("PYTHONHASHSEED", "0"))
        prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(channel, [len(request).to_bytes(4, "big")], streams)
            channel.sendall(request)
            return int.from_bytes(_received(channel, 4), "big")
        finally:
            prctl(SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@functools.cache
def _parent(seed: str) -> socket.socket:
    """The channel to the parent whose strings hash by this seed; it ends with this process."""
    mine, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.tools.warm", str(theirs.fileno())]
    process = subprocess.Popen(
        command,
        env=ENVIRONMENT | {"PYTHONHASHSEED": seed},
        cwd=Path(__file__).parents[2],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    theirs.close()

    @atexit.register
    def end() -> None:
        mine.close()
        process.wait()

    return mine


def _received(channel: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        part = channel.recv(count - len(content))
        if not part:
            raise EOFError("the parent of warm processes is gone")
        content += part
    return content


def _serve(channel: socket.socket) -> list[str] | None:
    """Fork for every request; gives the words of a child's command there, None in the parent in the end."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    while True:
        size, streams, *_ = socket.recv_fds(channel, 4, 3)
        if not size:
            return None
        words, folder, environment = json.loads(_received(channel, int.from_bytes(size, "big")))
        ours, theirs = os.pipe()
        between = os.fork()
        if not between:
            child = os.fork()
            if not child:
                channel.close()
                _become(folder, environment, streams, [ours, theirs])
                return list(words)
            os.write(theirs, child.to_bytes(4, "big"))
            os._exit(0)
        os.close(theirs)
        number = os.read(ours, 4)
        os.waitpid(between, 0)
        for each in (ours, *streams):
            os.close(each)
        channel.sendall(number)


def _become(folder: str, environment: dict[str, str], streams: list[int], closed: list[int]) -> None:
    """Make this process what a new one would be."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for each in {*streams, *closed} - {0, 1, 2}:
        os.close(each)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - they stay open
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115 - it stays open
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    np.random.seed()  # noqa: NPY002 - the global state is what children share
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [folder, *filter(None, paths), *(path for path in sys.path[1:] if path not in paths)]


def _main(channel: socket.socket) -> None:
    words = _serve(channel)
    if words is None:
        os._exit(0)
    code = 1
    try:
        _run(*words)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:  # what an interpreter does at its end, but for taking apart three thousand modules
        threading._shutdown()  # type: ignore[attr-defined]  # no public name
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _run(kind: str, what: str, *rest: str) -> None:
    if kind == "-m":
        sys.argv = [what, *rest]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *rest]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
