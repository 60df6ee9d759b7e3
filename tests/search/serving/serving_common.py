"""A small index behind a server, in this process and on a real socket."""

import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from hiergeo import search
from hiergeo.datasets import scenes
from hiergeo.search import Index, serving
from tests.tools import warm

SIZE = 150
"""Captions of the small index."""

PATIENCE = 60.0
"""Seconds that a test waits for what must come, however busy the machine is; no verdict depends on them."""


def build_index(folder: Path) -> Index:
    """An index of generated captions by the bundled model."""
    return search.build(folder, "tiny", captions())


def build_vectors(folder: Path, rows: int = 60, dim: int = 6) -> Index:
    """An index of random embeddings of unknown origin around no root."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(rows, dim, generator=generator) * torch.linspace(0.2, 3, rows)[:, None]
    return search.build(folder, None, [f"item {i}" for i in range(rows)], embeddings=embeddings, dtype="float32")


def captions() -> list[str]:
    """Distinct captions of generated scenes."""
    rows = scenes.load("test", count=SIZE).rows
    return list(dict.fromkeys(text for row in rows for text in row.positive))[:SIZE]


@dataclass
class Served:
    """A server in a thread of this process.

    Attributes:
        url: of the server.
        port: of it.
        service: inside it.
    """

    url: str
    port: int
    service: serving.Service

    def measured(self, name: str) -> float:
        """A metric of the server that has no labels."""
        value = self.service.metrics.registry.get_sample_value(f"hiergeo_{name}")
        assert value is not None
        return value

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Let no sweep begin until the block ends."""
        answer, gate = self.service.engine.answer, threading.Event()

        def waiting(questions: Sequence) -> list:
            assert gate.wait(PATIENCE)
            return answer(questions)

        self.service._batcher._answer = waiting
        yield
        gate.set()

    def exchange(self, content: bytes, seconds: float = PATIENCE) -> bytes:
        """Everything that comes back when these bytes are sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(content)
            parts = []
            while part := connection.recv(1 << 16):
                parts.append(part)
        return b"".join(parts)


@contextmanager
def served(index: Index, settings: serving.Settings | None = None) -> Iterator[Served]:
    """Serve an index on loopback within the block."""
    chosen = settings or serving.Settings()
    app = serving.create_app(index, chosen)
    with serving.running(app, chosen.limits) as url:
        until(lambda: app.state.service._batcher)
        yield Served(url, int(url.rpartition(":")[2]), app.state.service)


def browser(index: Index, **settings):
    """A client of the application in this process, which answers errors as a server does."""
    from starlette.testclient import TestClient

    return TestClient(serving.create_app(index, serving.Settings(**settings)), raise_server_exceptions=False)


def png(side: int = 8, mode: str = "RGB") -> bytes:
    """The file of a picture."""
    from PIL import Image

    file = io.BytesIO()
    Image.new(mode, (side, side), "red" if mode == "RGB" else 0).save(file, "PNG")
    return file.getvalue()


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def process(
    verb: str, *arguments: object, cold: bool = False, **environment: str
) -> Iterator[tuple[subprocess.Popen, str]]:
    """A verb that serves, on a free port, and the URL that it prints; killed when the block ends.

    With `cold` the process is not a fork of one that has everything imported.
    """
    line = [sys.executable, "-m", "hiergeo", verb, "--port", "0", *map(str, arguments)]
    around = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    begin = subprocess.Popen if cold else warm.Popen
    with begin(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=around) as child:
        try:
            told = child.stdout.readline()
            found = re.search(r"http://\S+", told)
            assert found, child.stderr.read()
            yield child, found[0]
        finally:
            child.kill()


TOKEN = "a-token-of-enough-letters"
WAYS_TO_SERVE = [((), False, None), (("--open",), True, None), (("--no-open", "--token", TOKEN), False, TOKEN)]
"""Options of a verb that serves a page, whether it opens a browser, and the token that its address carries."""


@dataclass
class Visit:
    """What a verb does that serves a page: the pages that it opens, its port, and the status of one request."""

    opened: list[str]
    port: int = 0
    status: int = 0

    def check(self, printed: str, opens: bool, token: str | None) -> None:
        """The address that is printed last is the one that is opened, with the token that requests need."""
        url = f"http://127.0.0.1:{self.port}" + (f"/#token={token}" if token else "")
        assert printed.split()[-1] == url
        assert self.opened == ([url] if opens else [])
        assert self.status == (401 if token else 200)


def visited(monkeypatch, path: str) -> Visit:
    """Take one request in place of serving, once the verb says that it is ready."""
    from starlette.testclient import TestClient

    visit = Visit([])

    def serve(app, bound, limits):
        visit.port = bound.getsockname()[1]
        visit.status = TestClient(app, base_url=f"http://127.0.0.1:{visit.port}").get(path).status_code

    monkeypatch.setattr(serving, "serve", serve)
    monkeypatch.setattr("webbrowser.open", visit.opened.append)
    return visit
