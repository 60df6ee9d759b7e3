"""The server as a process: it starts, refuses, finishes what is in flight, and loses nothing that it confirmed."""

import contextlib
import dataclasses
import gc
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from hiergeo import search
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.search import serving
from tests.search.serving.serving_common import PATIENCE, build_vectors, process, served, until

pytest.importorskip("uvicorn")


@pytest.mark.slow
def test_a_server_starts_answers_and_stops_on_sigterm(tmp_path) -> None:
    build_vectors(tmp_path / "index")
    with process("serve", tmp_path / "index") as (child, url), serving.Client(url) as client:
        assert client.health()["rows"] == 60
        assert len(client.children(torch.ones(6), 3).hits) == 3
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0
        assert child.stderr.read().splitlines() == [  # and not what libraries say of objects that were not freed
            "Loading the model and measuring the items ...",
            "Note: the index does not say which model embedded it: queries must be embeddings.",
        ]


@pytest.mark.slow
def test_nothing_that_was_confirmed_is_lost_when_the_server_is_killed(tmp_path) -> None:
    build_vectors(tmp_path / "index")
    confirmed: list[int] = []

    def add(client: serving.Client, start: int) -> None:
        for item in range(start, start + 10_000):
            try:
                client.add([f"new {item}"], embeddings=torch.full((1, 6), 1.0 + item / 1e5), ids=[item])
            except UnavailableError:
                return
            confirmed.append(item)

    with (
        process("serve", tmp_path / "index", "--writable") as (child, url),
        ThreadPoolExecutor(3) as pool,
        serving.Client(url, retries=0) as client,
    ):
        for writer in range(3):
            pool.submit(add, client, 100_000 * (writer + 1))
        until(lambda: len(confirmed) >= 25)
        child.send_signal(signal.SIGKILL)
        child.wait(PATIENCE)
        pool.shutdown(wait=True)
    index = search.open(tmp_path / "index")
    rows = index.store.fetch(torch.tensor(confirmed))
    assert rows.ids.tolist() == confirmed
    assert index.store.labels(rows.ids).captions == [f"new {item}" for item in confirmed]
    assert len(index) in range(60 + len(confirmed), 60 + len(confirmed) + 4)


def test_requests_in_flight_are_finished_when_the_server_stops(tmp_path) -> None:
    index = build_vectors(tmp_path / "index")
    real, begun, stopping = index.search, threading.Event(), threading.Event()

    def held_up(requests):
        begun.set()
        assert stopping.wait(PATIENCE)
        return real(requests)

    def refuses(port: int) -> bool:
        """Whether the server accepts no more connections, as one that is being stopped."""
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except ConnectionError:
            return True
        return False

    def let_go(port: int) -> None:
        until(lambda: refuses(port))
        stopping.set()

    with ThreadPoolExecutor(2) as pool:
        with served(index) as running, serving.Client(running.url, retries=0) as client:
            index.search = held_up  # type: ignore[method-assign]  # of this one index
            asked = pool.submit(client.count, torch.ones(6))
            assert begun.wait(PATIENCE)
            released = pool.submit(let_go, running.port)
        released.result()
        assert isinstance(asked.result(PATIENCE), int)


def test_changes_by_other_processes_are_served_and_damage_is_not(tmp_path) -> None:
    index = build_vectors(tmp_path / "index")
    with served(index) as running, serving.Client(running.url) as client:
        assert client.neighbours(torch.full((6,), 9.0), 1).rows == 60
        other = search.open(tmp_path / "index")
        space = other.space
        other.store.add(search.Rows.of(torch.tensor([777]), torch.full((1, 6), 9.0), space, torch.float32))
        answer = client.neighbours(torch.full((6,), 9.0), 1)
        assert (answer.rows, answer.hits[0].id) == (61, 777)
        manifest = tmp_path / "index" / "index.json"
        manifest.write_text(manifest.read_text()[:-40])
        assert client.neighbours(torch.full((6,), 9.0), 1) == answer
        assert client.health()["rows"] == 61


@pytest.mark.parametrize("ids", [[70, 71], ["SKU70", "071"]], ids=["numbers", "texts"])
def test_items_that_are_added_are_found_and_repeated_ids_refused(tmp_path, ids) -> None:
    index = build_vectors(tmp_path / "index")
    new = torch.full((2, 6), 4.0) + torch.arange(2)[:, None]
    with served(index, serving.Settings(writable=True)) as running, serving.Client(running.url) as client:
        assert client.add(["four", None], embeddings=new, ids=ids) == 62
        hit = client.neighbours(new[0], 1).hits[0]
        assert (hit.id, hit.caption, hit.distance) == (ids[0], "four", 0)
        assert client.add(embeddings=new + 7) == 64
        with pytest.raises(InputError, match=str(ids[0])):
            client.add(["again"], embeddings=new[:1], ids=ids[:1])
        with pytest.raises(InputError, match="captions"):
            client.add(["one", "two"], embeddings=new[:1])
        with pytest.raises(InputError, match="embeddings"):
            client.add(["a text"])
        assert client.health()["rows"] == len(search.open(tmp_path / "index")) == 64
    with (
        served(index) as running,
        serving.Client(running.url) as client,
        pytest.raises(InputError, match="--writable"),
    ):
        client.add(embeddings=new + 20)


def test_an_empty_index_is_served_and_says_so(tmp_path) -> None:
    index = build_vectors(tmp_path / "index", rows=3)
    index.delete([0, 1, 2])
    with served(index, serving.Settings(writable=True)) as running, serving.Client(running.url) as client:
        running.service.engine.warm_up()
        assert client.health()["rows"] == 0
        with pytest.raises(InputError, match="empty"):
            client.children(torch.ones(6))
        assert client.add(["the first"], embeddings=torch.ones(1, 6)) == 1
        assert client.children(torch.ones(6)).hits[0].caption == "the first"


HEAD = b"POST /api/count HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"


def test_clients_that_say_too_little_are_given_up(tmp_path) -> None:
    """The server waits long enough for a whole head to arrive from a busy machine, and all clients wait at once."""
    index = build_vectors(tmp_path / "index")
    limits = dataclasses.replace(serving.Limits(), read_seconds=2.0)
    sent = (
        b"",
        b"GET /api/health HTTP/1.1\r\nHost:",
        HEAD + b'{"queries"',
        b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\nGET /api",
    )
    with served(index, serving.Settings(limits=limits)) as running, ThreadPoolExecutor(len(sent)) as pool:
        nothing, part, body, second = pool.map(running.exchange, sent)
    assert (nothing, part) == (b"", b"")
    assert body.startswith(b"HTTP/1.1 408 ")
    assert second.count(b"HTTP/1.1") == 1


def test_connections_beyond_the_limit_are_refused_until_others_close(tmp_path) -> None:
    index = build_vectors(tmp_path / "index")
    limits = dataclasses.replace(serving.Limits(), read_seconds=PATIENCE, connections=20)
    ask = b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with served(index, serving.Settings(limits=limits)) as running:
        with contextlib.ExitStack() as clients:
            for _ in range(20):
                clients.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            assert running.exchange(b"") == b""
        until(lambda: running.exchange(ask).startswith(b"HTTP/1.1 200 "))


def test_clients_that_take_no_answer_are_given_up(tmp_path) -> None:
    """Many requests on one connection, whose answers are more than the buffers of the system hold."""
    index = build_vectors(tmp_path / "index")
    limits = dataclasses.replace(serving.Limits(), read_seconds=2.0)
    ask = b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with served(index, serving.Settings(limits=limits)) as running:
        with socket.create_connection(("127.0.0.1", running.port)) as idle:
            with contextlib.suppress(ConnectionError):
                for _ in range(4000):
                    idle.sendall(ask)
            until(lambda: running.measured("requests_in_flight") == 0)
        assert running.exchange(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


def test_serving_changes_nothing_of_the_process(tmp_path) -> None:
    index = build_vectors(tmp_path / "index")
    thresholds, frozen, handlers = gc.get_threshold(), gc.get_freeze_count(), signal.getsignal(signal.SIGTERM)
    with serving.bind("127.0.0.1", 0) as bound, ThreadPoolExecutor(1) as pool:

        def stop() -> None:
            with serving.Client(f"http://127.0.0.1:{bound.getsockname()[1]}") as client:
                client.health()
            signal.raise_signal(signal.SIGTERM)

        stopped = pool.submit(stop)
        serving.serve(serving.create_app(index), bound, serving.Limits())
        stopped.result()
    assert (gc.get_threshold(), gc.get_freeze_count()) == (thresholds, frozen)
    assert signal.getsignal(signal.SIGTERM) is handlers
