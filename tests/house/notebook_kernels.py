"""Kernels that are forked from one process that has imported torch, open_clip and hiergeo already.

Those imports take five seconds, more than most notebooks. Each kernel has a process and a namespace of its own, and no
network.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

HEAVY = ("hiergeo", "open_clip", "matplotlib.pyplot", "ipykernel.kernelapp")

CLIENT = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect(sys.argv[1])
    line.sendall(json.dumps([sys.argv[2], os.getcwd(), dict(os.environ)]).encode() + b"\\n")
    line.recv(1)
"""
"""Asks for a kernel and lives as long as it does; if it is killed, the kernel ends."""


@contextmanager
def warm(folder: Path, variables: Mapping[str, str]) -> Iterator[list[str]]:
    """The command that starts a kernel, ``{connection_file}`` left open, while the process lives that forks them."""
    address = str(folder / "kernels")
    server = subprocess.Popen([sys.executable, __file__, address], env=variables, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n", "the process that forks kernels did not start"
        yield [sys.executable, "-S", "-c", CLIENT, address, "{connection_file}"]
    finally:
        server.kill()
        server.communicate()


def refuse(*_: object, **__: object) -> NoReturn:
    """In place of every call of `socket` that leads outside."""
    raise OSError("notebooks of the documentation run without a network")


def serve(address: str) -> None:
    """Fork a kernel for everybody who connects, until killed."""
    for name in HEAVY:
        __import__(name)
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        print("ready", flush=True)
        while True:
            line, _ = door.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                door.close()
                run_kernel(line)
            line.close()


def run_kernel(line: socket.socket) -> None:
    """Be a kernel until it is shut down or the other end of the line closes."""
    from ipykernel.kernelapp import IPKernelApp

    file, folder, variables = json.loads(line.makefile().readline())
    os.chdir(folder)
    os.environ.update(variables)
    os.environ.pop("JPY_PARENT_PID", None)  # of the process that asked, which is no parent
    socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse  # type: ignore[method-assign]  # no notebook reaches the network
    threading.Thread(target=lambda: (line.recv(1), os._exit(0)), daemon=True).start()
    IPKernelApp.launch_instance(argv=["-f", file])
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
