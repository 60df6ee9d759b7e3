"""What a server does when its index changes: durable additions, failures that pass, another index in its place."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
import urllib3

from hiergeo import search
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.geometry import Space
from hiergeo.search import serving
from hiergeo.search.serving import engine
from hiergeo.search.snapshots import writer
from tests.search.serving.serving_common import build_vectors, served

pytest.importorskip("uvicorn")

WRITABLE = serving.Settings(writable=True)


def failing_once(index, monkeypatch) -> list[int]:
    """Lets the next refresh of an index fail; gives the calls."""
    whole = index.store.refresh
    calls: list[int] = []

    def refresh() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise UnavailableError("too many open files")
        whole()

    monkeypatch.setattr(index.store, "refresh", refresh)
    return calls


def test_an_addition_is_stored_once_and_confirmed_though_it_cannot_be_read_back(tmp_path, monkeypatch) -> None:
    index = build_vectors(tmp_path / "index")
    monkeypatch.setattr(engine, "AGAIN", 0.0)
    with served(index, WRITABLE) as running, serving.Client(running.url, retries=2) as client:
        failing_once(index, monkeypatch)
        assert client.add(embeddings=torch.full((1, 6), 0.7)) == 61
        assert len(search.open(tmp_path / "index")) == 61
        assert client.neighbours(torch.full((6,), 0.7), 1).hits[0].id == 60
        assert client.health()["rows"] == 61


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives some answers in turn, and the last one from then on; the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = answers[min(len(asked), len(answers) - 1)]
            asked.append(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("ids", "sent"), [(None, 1), ([900], 3)])
def test_an_addition_without_ids_is_sent_once(ids, sent) -> None:
    with answering((503, {}, b'{"error": "busy"}')) as (url, asked):
        with serving.Client(url, retries=2) as client, pytest.raises(UnavailableError, match="busy"):
            client.add(["a"], ids=ids)
        assert len(asked) == sent


@pytest.mark.parametrize(("status", "error"), [(408, UnavailableError), (500, UnavailableError), (409, InputError)])
def test_who_is_to_blame_for_a_refusal(status, error) -> None:
    with (
        answering((status, {}, b'{"error": "refused"}')) as (url, _),
        serving.Client(url, retries=0) as client,
        pytest.raises(error, match="refused"),
    ):
        client.health()


def test_a_busy_server_is_asked_again_later_and_later(monkeypatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    busy = [(503, after, b"{}") for after in ({}, {}, {"Retry-After": "3"}, {})]
    with answering(*busy, (200, {}, b'{"status": "ok"}')) as (url, _), serving.Client(url, timeout=0.7) as client:
        assert client.health() == {"status": "ok"}
    assert waits == pytest.approx([0.2, 3.0, 0.7])  # as the server says; by itself no longer than one answer may take


def test_the_client_asks_where_and_as_long_as_it_is_told(monkeypatch) -> None:
    asked = []

    def request(pool, method, url, **_) -> None:
        asked.append((method, url, pool.connection_pool_kw["timeout"]))
        raise urllib3.exceptions.ProtocolError

    monkeypatch.setattr("urllib3.PoolManager.request", request)
    with pytest.raises(UnavailableError):
        serving.Client("http://there:81/below/", timeout=0.5).health()
    assert asked == [("GET", "http://there:81/below/api/health", 0.5)]


@pytest.mark.parametrize(
    ("space", "named"),
    [
        (Space("lorentz:-1", False), "geometry"),
        (Space("euclidean", False, min_radius=0.3), "min_radius"),
        (Space("euclidean", torch.ones(6) / 10), "root"),
    ],
)
def test_another_index_in_the_same_place_is_refused(tmp_path, space, named) -> None:
    index = build_vectors(tmp_path / "index")
    before = index.neighbours(torch.ones(6), 3)
    with served(index) as running, serving.Client(running.url) as client:
        assert client.neighbours(torch.ones(6), 3) == before
        shutil.rmtree(tmp_path / "index")
        other = search.build(tmp_path / "index", None, embeddings=torch.eye(6), space=space)
        assert len(other) == 6
        assert client.neighbours(torch.ones(6), 3) == before
        failed = running.service.metrics.registry.get_sample_value("hiergeo_refreshes_total", {"result": "failed"})
        assert failed == 1
    with pytest.raises(InputError, match=named):
        index.refresh()


def test_refusals_tell_clients_no_paths_and_no_processes(tmp_path, caplog) -> None:
    index = build_vectors(tmp_path / "index")
    with served(index, WRITABLE) as running, serving.Client(running.url, retries=0) as client:
        with writer(tmp_path / "index"), pytest.raises(UnavailableError) as held:
            client.add(embeddings=torch.ones(1, 6))
        (tmp_path / "index" / "index.json").write_text("{")
        with pytest.raises(UnavailableError) as damaged:
            client.add(embeddings=torch.ones(1, 6))
        assert len(client.neighbours(torch.ones(6), 2).hits) == 2
    for told in (str(held.value), str(damaged.value)):
        assert str(tmp_path) not in told
        assert "process" not in told
    assert str(tmp_path) in caplog.text
