"""What one request may cost, what it must hold, and what an application around the service may do with it."""

import base64
import contextlib
import dataclasses
import io
import json
import socket
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.search import Index, serving
from hiergeo.search.serving.limits import Limits, Refused, Settings
from tests.search.serving.serving_common import PATIENCE, browser, build_index, png, served, until

pytest.importorskip("uvicorn")

TOKEN = "0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("seconds", [None, 3])
def test_a_refusal_says_when_to_ask_again(seconds: int | None) -> None:
    from hiergeo.search.serving.protection import error_response

    headers = error_response(Refused(503, "busy.", retry_after=seconds)).headers
    assert headers.get("Retry-After") == (None if seconds is None else str(seconds))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build_index(tmp_path_factory.mktemp("limits") / "index")


def test_the_pixels_of_all_images_of_a_request_are_limited_before_one_is_decoded(index, monkeypatch) -> None:
    image = {"image": base64.b64encode(png(64, "1")).decode()}
    limits = dataclasses.replace(Limits(), image_pixels=3 * 64 * 64)
    with browser(index, limits=limits) as http:
        assert http.post("/api/count", json={"queries": [image] * 3}).status_code == 200
        monkeypatch.setattr("PIL.Image.Image.convert", lambda *_: pytest.fail("an image was decoded"))
        refused = http.post("/api/count", json={"queries": [image] * 4})
    assert (refused.status_code, refused.json()["field"]) == (413, "queries")


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 413)])
def test_a_body_may_be_as_long_as_the_limit_says_whether_or_not_its_length_is_declared(
    index, declared, size, status
) -> None:
    body = json.dumps({"queries": ["a"]}).encode().ljust(size)
    content = body if declared else iter([body[:60], body[60:]])
    limits = dataclasses.replace(Limits(), body_bytes=100)
    with browser(index, limits=limits) as http:
        response = http.post("/api/count", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == status


def test_every_answer_tells_browsers_to_keep_and_frame_nothing(index) -> None:
    with browser(index, token=TOKEN) as http:
        answers = [http.get(path, headers=BEARER) for path in ("/api/count?q=a", "/api/health", "/nowhere", "/metrics")]
        answers += [http.get("/api/count?q=a"), http.post("/api/count", content=b"{")]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy.split("; "))


def test_a_picture_of_hundreds_of_thousands_of_chunks_is_refused_soon(index) -> None:
    whole = png(64)
    chunk = struct.pack(">I", 0) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))
    content = whole[:33] + chunk * 650_000 + whole[33:]
    body = {"queries": [{"image": base64.b64encode(content).decode()}]}
    with browser(index) as http:
        start = time.process_time()
        response = http.post("/api/count", json=body)
        assert response.status_code == 400
        assert time.process_time() - start < 2.5


@pytest.mark.parametrize(
    ("given", "status", "field"),
    [
        ({"captions": ["a"], "ids": [(1 << 62) + 1]}, 422, "ids[0]"),
        ({"captions": ["a"] * 4097}, 422, "captions"),
        ({"captions": [" \n"]}, 400, "captions[0]"),
        ({"captions": ["a", None]}, 400, None),
        ({"captions": ["a"], "embeddings": [[1.0, 2.0]]}, 400, "embeddings[0]"),
        ({"embeddings": [[3.4e38] * 64]}, 400, "embeddings[0]"),
        ({"captions": ["a", "b"], "ids": [1]}, 400, None),
    ],
)
def test_additions_that_do_not_fit_are_refused_by_the_field(index, given, status, field) -> None:
    with browser(index, writable=True) as http:
        response = http.post("/api/add", json=given)
    assert (response.status_code, response.json()["field"]) == (status, field), response.text


def test_health_answers_while_as_many_requests_as_may_be_are_in_flight(index) -> None:
    limits = dataclasses.replace(Limits(), in_flight=1)
    head = (
        b"POST /api/count HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )
    with (
        served(index, Settings(limits=limits)) as running,
        serving.Client(running.url, retries=0) as client,
        socket.create_connection(("127.0.0.1", running.port)) as slow,
    ):
        slow.sendall(head)
        until(lambda: running.measured("requests_in_flight") == 1)
        assert client.health()["status"] == "ok"
        with pytest.raises(UnavailableError, match="too many requests"):
            client.count("a")


def test_questions_of_clients_that_have_gone_are_not_answered(index) -> None:
    """Gone as one is whose process was killed: the end of its side alone says no such thing."""
    with served(index, Settings(batch=1)) as running:
        whole, answered, gate = running.service.engine.answer, [], threading.Event()

        def held_up(questions):
            answered.extend(request.query for question in questions for request in question)
            assert gate.wait(PATIENCE)
            return whole(questions)

        running.service._batcher._answer = held_up
        with contextlib.ExitStack() as clients:
            for place in range(10):
                caller = clients.enter_context(socket.create_connection(("127.0.0.1", running.port)))
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                caller.sendall(f"GET /api/count?q=x{place} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            until(lambda: len(answered) == 1 and running.measured("queue_queries") == 9)
        until(lambda: running.measured("requests_in_flight") == 0)
        gate.set()
        with serving.Client(running.url) as client:
            client.count("y")
        assert len(answered) == 2
        assert answered[1] == "y"


def test_an_application_around_it_enters_its_lifespan(index) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    app = serving.create_app(index, Settings(token=TOKEN))
    with TestClient(Starlette(routes=[Mount("/h", app)])) as http:
        assert http.get("/h/api/health").json() == {"status": "ok"}
        assert http.get("/h/metrics").status_code == 401
        refused = http.get("/h/api/count?q=a", headers=BEARER)
        assert (refused.status_code, "lifespan" in refused.json()["error"]) == (503, True)
        text = http.get("/h/metrics", headers=BEARER).text
        assert 'route="/api/health",status="200"} 1.0' in text

    @contextlib.asynccontextmanager
    async def lifespan(_):
        async with app.state.service.lifespan(app):
            yield

    with TestClient(Starlette(routes=[Mount("/h", app)], lifespan=lifespan)) as http:
        assert http.get("/h/api/count?q=a", headers=BEARER).status_code == 200


def test_the_document_names_every_refusal_and_describes_health_and_additions(index) -> None:
    with browser(index, writable=True) as http:
        document, health = http.get("/api/openapi.json").json(), http.get("/api/health").json()
        added = http.post("/api/add", json={"captions": ["a new shape"]}).json()
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert all("default" in each["responses"] for each in operations)
    for path, method, told in (("/api/health", "get", health), ("/api/add", "post", added)):
        answer = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]
        name = answer["schema"]["$ref"].rpartition("/")[2]
        assert set(document["components"]["schemas"][name]["properties"]) == set(told)


def test_the_client_sends_pictures_as_the_index_sees_them_and_names_what_it_cannot_send(index) -> None:
    from PIL import Image

    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20], pixels[:, :10] = 255, (255, 0, 0)
    exif, held = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(held, "JPEG", exif=exif)
    with served(index, Settings(writable=True)) as running, serving.Client(running.url) as client:
        for picture in (Image.open(held), Image.new("CMYK", (32, 32)), Image.new("HSV", (32, 32), (9, 200, 90))):
            ours, theirs = client.neighbours(picture, 3), index.neighbours(picture, 3)
            assert [hit.id for hit in ours.hits] == [hit.id for hit in theirs.hits]
            assert ours.radius == pytest.approx(theirs.radius, abs=1e-5)
        assert len(client.neighbours("a", np.int64(3)).hits) == 3
        odd: list[Any] = [5, None, [0.1, 0.2], torch.zeros(1, 2, 64), Image.new("F", (8, 8)), Path("nowhere.png")]
        for query in odd:
            with pytest.raises(InputError):
                client.neighbours(query, 1)
        for call in (
            lambda: client.neighbours("a", cast(Any, 2.5)),
            lambda: client.count("a", geometry=cast(Any, object())),
            lambda: client.add("abc"),
            lambda: client.add(["a"], embeddings=cast(Any, object())),
            lambda: client.add(["a"], ids=cast(Any, [0.5])),
        ):
            with pytest.raises(InputError):
                call()
        row = index.encoder.model.encode_text(["a new star"]).numpy()
        assert client.add(["a new star"], embeddings=row) == len(index)


@pytest.mark.parametrize("verb", ["children", "parents", "neighbours", "ladder"])
def test_a_store_that_is_none_is_refused(index, verb) -> None:
    with pytest.raises(InputError, match="store"):
        getattr(index, verb)("a", store=3)
