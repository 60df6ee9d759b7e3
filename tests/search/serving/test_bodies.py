"""What a body may hold is told before it is parsed, all bodies have a bound, and requests whose end is in doubt."""

import io
import json
import os
import socket
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import urllib3
from PIL import Image

from hiergeo.report.explorer.collection import open_collection
from hiergeo.report.explorer.explorer_app import create_explorer
from hiergeo.search import Index, serving
from tests.search.serving import hostile_requests as attacks
from tests.search.serving.serving_common import PATIENCE, build_index, process, served, until

pytest.importorskip("uvicorn")

SEARCHES = ("/api/children", "/api/parents", "/api/neighbours", "/api/ladder", "/api/count")
SERVED = {"serve": (*SEARCHES, "/api/add"), "explore": ("/api/search", "/api/places")}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build_index(tmp_path_factory.mktemp("bodies") / "index")


@pytest.fixture(scope="module", params=SERVED)
def running(index: Index, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A server, and what it serves."""
    if request.param == "serve":
        app = serving.create_app(index, serving.Settings(writable=True))
    else:
        app = create_explorer(open_collection([index.store.folder]))
    with serving.running(app) as url:
        yield url, request.param


def posted(url: str, body: bytes) -> urllib3.BaseHTTPResponse:
    return urllib3.request("POST", url, body=body, headers={"Content-Type": "application/json"}, timeout=60)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize("mark", [b":", b"[", b"{"])
def test_a_body_that_holds_too_much_is_refused_before_it_is_parsed(running, mark, monkeypatch) -> None:
    url, what = running
    monkeypatch.setattr("starlette.requests.Request.json", lambda _: pytest.fail("it was parsed"))
    for path in SERVED[what]:
        assert attacks.met(port_of(url), attacks.request("POST", path, mark * ((1 << 14) + 1))) == "413", path


def test_the_largest_requests_that_are_allowed_are_within_the_bounds(running) -> None:
    url, what = running
    numbers = torch.randn(64, 64, dtype=torch.float64).tolist()
    for queries in (
        [","] * 64,
        ["[:{," * 60] * 64,
        ["\n" * 4096] * 64,
        numbers,
        [{"embedding": each} for each in numbers],
    ):
        if what == "explore" and not isinstance(queries[0], str):
            assert posted(f"{url}/api/places", json.dumps({"queries": queries}).encode()).status == 200
        elif what == "serve":
            given = json.dumps({"queries": queries, "k": 1}).encode()
            assert posted(f"{url}/api/neighbours", given).status == 200
    if what == "serve":
        rows = torch.nn.functional.normalize(torch.randn(4096, 64)).tolist()
        added = json.dumps({"embeddings": rows, "captions": ['a "quoted", [odd]: caption\n'] * 4096}).encode()
        assert posted(f"{url}/api/add", added).status == 200


def test_all_bodies_together_are_held_up_to_a_sum_of_bytes(index) -> None:
    settings = serving.Settings(limits=serving.Limits(body_bytes=1000, held_bytes=1500))
    head = b"POST /api/count HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    body = b'{"queries": ["a"]}'.ljust(900)
    with served(index, settings) as server:

        def answered(status: int) -> bool:
            return attacks.met(server.port, attacks.request("POST", "/api/count", body)) == str(status)

        with socket.create_connection(("127.0.0.1", server.port)) as waiting:
            waiting.sendall(head + body)
            until(lambda: answered(503))
            assert urllib3.request("GET", f"{server.url}/api/health").status == 200
        until(lambda: answered(200))
        assert all(answered(200) for _ in range(4))
        with socket.create_connection(("127.0.0.1", server.port)) as waiting:
            waiting.sendall(head + body)
            until(lambda: answered(503))


@pytest.mark.slow
@pytest.mark.parametrize("verb", SERVED)
def test_health_is_answered_at_once_while_heavy_bodies_arrive(tmp_path, verb) -> None:
    build_index(tmp_path / "index")
    heavy = attacks.request("POST", "/api/children", b'{"queries": [' + b"[]," * 5_000_000 + b"[]]}")
    with process(verb, tmp_path / "index", cold=True) as (_, url):
        health, waits = urllib3.PoolManager(), list[float]()
        health.request("GET", f"{url}/api/health")
        senders = [threading.Thread(target=attacks.met, args=(port_of(url), heavy)) for _ in range(3)]
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            start = time.monotonic()
            assert health.request("GET", f"{url}/api/health").status == 200
            waits.append(time.monotonic() - start)
    assert max(waits) < 0.2


def test_a_read_only_server_reads_no_addition(index) -> None:
    head = b"POST /api/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with served(index) as server:
        assert server.exchange(head).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    "body", [b"0\r\n\r\n", b"", b"5\r\nhello\r\n0\r\n\r\nGET /api/health HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_a_request_with_two_lengths_is_refused_and_its_connection_closed(index, body) -> None:
    head = b"Host: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    with served(index) as server:
        for line in (b"POST /api/count HTTP/1.1\r\n", b"GET /api/health HTTP/1.1\r\n"):
            answer = server.exchange(line + head + body)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize("requests", [1, 3])
def test_clients_that_end_their_side_get_their_answers(index, close, requests) -> None:
    asked = b"GET /api/count?q=a HTTP/1.1\r\nHost: x\r\n"
    content = (asked + b"\r\n") * (requests - 1) + asked + close + b"\r\n"
    with served(index) as server, socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 200 ") == requests


def test_a_client_that_ends_its_side_waits_for_a_slow_answer(index) -> None:
    with served(index) as server:
        whole, done = server.service.engine.answer, threading.Event()

        def slow(questions):
            assert done.wait(PATIENCE)
            return whole(questions)

        server.service._batcher._answer = slow
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(b"GET /api/count?q=a HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            until(lambda: server.measured("requests_in_flight") == 1)
            done.set()
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells of it")
def test_memory_stays_flat_while_pictures_are_searched(tmp_path) -> None:
    """Decoded two at a time and queued as pixels they leave 600 MB behind, one at a time 75."""
    build_index(tmp_path / "index")
    file = io.BytesIO()
    Image.new("RGB", (5000, 5000), "red").save(file, "JPEG")
    body = json.dumps({"queries": [{"image": b64encode(file.getvalue()).decode()}]}).encode()
    with process("serve", tmp_path / "index", cold=True) as (child, url), ThreadPoolExecutor(4) as pool:

        def resident() -> int:
            pages = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGESIZE") >> 20

        def ask(_: int) -> int:
            return posted(f"{url}/api/count", body).status

        assert ask(0) == 200
        before = resident()
        assert set(pool.map(ask, range(24))) <= {200, 503}
        until(lambda: resident() < before + 200)
