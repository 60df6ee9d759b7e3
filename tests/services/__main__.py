"""Run the tests of services, a Milvus server among them: ``python -m tests.services [arguments of pytest]``.

The server listens on all interfaces, so that it runs in a network namespace of its own, with the tests beside it. Where
the system gives none, and where HIERGEO_MILVUS_URI names a server, none is started.
"""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

NEEDED = ("milvus_lite", "mteb", "pymilvus", "ray")
APART = ("unshare", "--user", "--map-root-user", "--net")
WITHIN = "HIERGEO_TESTS_APART"

PORT = 19530
SECONDS = 120
"""How long the server may take to start."""

UP, FLAGS = 0x1, 0x8914  # IFF_UP, SIOCSIFFLAGS


def main(*arguments: str) -> int:
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        print(f"{', '.join(absent)} cannot be imported: pip install 'hiergeo[test-services]'")
        return 2
    if WITHIN in os.environ:
        loopback()
        with server() as uri:
            return pytest(arguments, HIERGEO_MILVUS_URI=uri)
    if "HIERGEO_MILVUS_URI" in os.environ:
        return pytest(arguments)
    if find_spec("milvus") is None or not apart():
        print("No Milvus server is started: the package milvus or network namespaces (unshare) are missing here.")
        return pytest(arguments)
    words = [*APART, sys.executable, "-m", "tests.services", *arguments]
    return subprocess.run(words, env={**os.environ, WITHIN: "1"}).returncode


def pytest(arguments: tuple[str, ...], **settings: str) -> int:
    """A run with a temporary folder of its own: two runs that clear pytest's common one at a time break each other."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        words = [sys.executable, "-m", "pytest", str(Path(__file__).parent), "--basetemp", f"{folder}/run", *arguments]
        return subprocess.run(words, env={**os.environ, **settings}).returncode


def apart() -> bool:
    return shutil.which(APART[0]) is not None and not subprocess.run([*APART, "true"], capture_output=True).returncode


def loopback() -> None:
    """Switch on the only interface of a new network namespace."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, FLAGS, struct.pack("16sh14x", b"lo", UP))


@contextmanager
def server() -> Iterator[str]:
    """The address of a Milvus server with an empty folder, which ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        words = [str(Path(sys.executable).parent / "milvus-server"), "--data", folder]
        running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            uri = f"http://127.0.0.1:{PORT}"
            answering(uri, running)
            yield uri
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def answering(uri: str, running: "subprocess.Popen[bytes]") -> None:
    """Wait until the server answers."""
    from pymilvus import MilvusClient, MilvusException

    last, start = "", time.monotonic()
    while time.monotonic() < start + SECONDS and running.poll() is None:
        try:
            MilvusClient(uri=uri, timeout=5).list_collections()
        except MilvusException as error:
            last = str(error)
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"the Milvus server does not answer: {last or 'it ended'}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
