"""The HTTP service gives the answers of its index, to GET, POST and its client, within its limits."""

import base64
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.search import Index, serving
from tests.search.serving.port_common import reserved_port
from tests.search.serving.serving_common import browser, build_index, build_vectors, png, served, until
from tests.search.stores_common import register

pytest.importorskip("starlette")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build_index(tmp_path_factory.mktemp("served") / "index")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build_vectors(tmp_path_factory.mktemp("vectors") / "index")


@pytest.fixture(scope="module")
def server(index):
    with served(index) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with serving.Client(server.url) as client:
        yield client


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("children", {"k": 5, "by": "angle", "low": 0.1}),
        ("children", {"k": 3, "strict": True, "distinct": False, "min_radius": 0.3}),
        ("parents", {"k": 5, "by": "distance", "space": "lorentz:-1"}),
        ("neighbours", {"k": 3, "high": 1.0}),
        ("ladder", {"thresholds": 7}),
        ("ladder", {"steps": 4, "space": "lorentz:-1"}),
        ("count", {"space": "lorentz:-1"}),
        ("count", {"within": 0.7}),
    ],
)
def test_answers_are_those_of_the_index(client, index, kind, options) -> None:
    texts = ["a red square", "", "two circles"]
    ours, theirs = getattr(client, kind)(texts, **options), getattr(index, kind)(texts, **options)
    if kind == "count":
        assert ours == theirs
        return
    for one, other in zip(ours, theirs, strict=True):  # texts embedded in another batch differ in their last digits
        assert [hit.id for hit in one.hits] == [hit.id for hit in other.hits]
        mine, wanted = (
            [(hit.radius, hit.margin, hit.angle, hit.distance) for hit in answer.hits] for answer in (one, other)
        )
        np.testing.assert_allclose(mine, wanted, atol=2e-3)


def test_items_are_excluded_over_http_as_they_are_in_python(server, client, index) -> None:
    first, *rest = index.children("a red square", 3).hits
    left = client.children("a red square", 2, exclude=[first.id]).hits
    assert [hit.id for hit in left] == [hit.id for hit in rest]
    with browser(index) as http:
        hits = http.get(f"/api/children?q=a+red+square&k=1&exclude={first.id}&exclude={rest[0].id}").json()["hits"]
        assert [hit["id"] for hit in hits] == [rest[1].id]
        assert http.get("/api/children?q=a&exclude=+").json()["field"] == "exclude[0]"


def test_a_get_gives_one_answer_and_a_post_a_list(server, index) -> None:
    with browser(index) as http:
        one = http.get("/api/children", params={"q": "a red square", "k": 2}).json()
        several = http.post(
            "/api/children", json={"queries": ["a red square", {"text": "a red square"}], "k": 2}
        ).json()
    assert several["answers"] == [one, one]
    assert one == index.children("a red square", 2).as_dict()


def test_images_come_in_base64_and_through_the_client(client, index, tmp_path) -> None:
    from PIL import Image

    path = tmp_path / "red.png"
    path.write_bytes(png())
    wanted = index.children(path, 3)
    with browser(index) as http:
        plain = http.post("/api/children", json=asking(png(), k=3))
    assert plain.json()["answers"] == [wanted.as_dict()]
    assert client.children(path, 3) == client.children(Image.open(path), 3) == wanted


def asking(image: bytes, **settings: int) -> dict:
    return {"queries": [{"image": base64.b64encode(image).decode()}], **settings}


def test_a_text_is_never_a_path(client, index, tmp_path, monkeypatch) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(png())
    asked = client.neighbours(str(path), 1)
    assert asked == index.neighbours(index.encoder.model.encode_text([str(path)])[0], 1)
    assert asked != index.neighbours(path, 1)


def test_queries_that_arrive_together_share_a_sweep(index) -> None:
    with served(index) as running, serving.Client(running.url) as client, ThreadPoolExecutor(9) as pool:
        with running.held_up():
            first = pool.submit(client.count, "a red square")
            until(lambda: running.measured("requests_in_flight") == 1 and running.measured("queue_queries") == 0)
            asked = [pool.submit(client.children, "a red square", k) for k in range(1, 9)]
            until(lambda: running.measured("queue_queries") == 8)
        assert [len(each.result().hits) for each in asked] == list(range(1, 9))
        assert first.result() == index.count("a red square")
        assert (running.measured("batch_queries_sum"), running.measured("batch_queries_count")) == (9, 2)


def test_a_question_that_the_engine_refuses_spoils_no_other(vectors) -> None:
    queries = [torch.ones(6) if place != 3 else "a text that no model embeds" for place in range(6)]
    with served(vectors) as running, serving.Client(running.url) as client, ThreadPoolExecutor(7) as pool:
        with running.held_up():
            pool.submit(client.count, torch.ones(6))
            until(lambda: running.measured("requests_in_flight") == 1 and running.measured("queue_queries") == 0)
            asked = [pool.submit(client.children, query, 2) for query in queries]
            until(lambda: running.measured("queue_queries") == 6)
        failed = [place for place, each in enumerate(asked) if isinstance(each.exception(), InputError)]
        assert all(len(each.result().hits) == 2 for place, each in enumerate(asked) if place != 3)
    assert failed == [3]


def test_health_and_metrics_tell_what_is_served(client, server, index) -> None:
    facts = client.health()
    assert (facts["status"], facts["rows"], facts["model"], facts["dim"]) == ("ok", len(index), "tiny", 64)
    assert facts["geometry"] == "euclidean"
    client.count("x")
    with pytest.raises(InputError):
        client.children("x", 0)
    with browser(index) as http:
        http.get("/api/count", params={"q": "x"})
        http.get("/nowhere")
        text = http.get("/metrics").text
    assert 'hiergeo_requests_total{method="GET",route="/api/count",status="200"} 1.0' in text
    assert 'hiergeo_requests_total{method="GET",route="other",status="404"} 1.0' in text
    assert f"hiergeo_index_rows {float(len(index))}" in text


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/api/children?q=a&k=0", 400, "k"),
        ("/api/children?q=a&k=1025", 422, "k"),
        ("/api/children?q=a&k=-99999999999999999999", 400, "k"),
        ("/api/children?q=a&k=1e3", 400, "k"),
        ("/api/children?q=a&by=cosine", 400, "by"),
        ("/api/children?k=3", 400, "q"),
        ("/api/children?q=a&colour=red", 400, "colour"),
        ("/api/neighbours?q=a&low=2&high=1", 400, None),
        ("/api/neighbours?q=a&store=faiss:flat", 400, "store"),
        ("/api/neighbours?q=a&by=margin", 400, "by"),
        ("/api/ladder?q=a&steps=100000", 422, "steps"),
        ("/api/ladder?q=a&steps=100001", 422, "steps"),
        ("/api/count?q=a&geometry=cube", 400, "geometry"),
        ("/api/count?q=a&geometry=product:lorentz:-1x2,euclidean:x2", 400, "geometry"),
        ("/api/count?q=a&geometry=lorentz:nan", 400, "geometry"),
        (f"/api/count?q={'a' * 5000}", 422, "q"),
        ("/api/nothing", 404, None),
        ("/api/../../etc/passwd", 404, None),
    ],
)
def test_bad_parameters_are_named(index, path, status, field) -> None:
    with browser(index) as http:
        response = http.get(path)
    assert (response.status_code, response.json()["field"]) == (status, field)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    ("content", "kind", "status", "field"),
    [
        (b"{", "application/json", 400, None),
        (b"[1]", "application/json", 400, None),
        (b"\xff", "application/json", 400, None),
        (b"[" * 100_000, "application/json", 413, None),
        (b"[" * 1000, "application/json", 400, None),
        (b'{"queries": []}', "application/json", 422, "queries"),
        (b'{"queries": ["\\ud800"]}', "application/json", 400, "queries[0].text"),
        (b'{"queries": [7]}', "application/json", 400, "queries[0]"),
        (b'{"queries": [[1, 2]]}', "application/json", 400, "queries[0].embedding"),
        (b'{"queries": [{"text": "a", "embedding": []}]}', "application/json", 400, "queries[0]"),
        (b'{"queries": [{"image": "AAAA"}]}', "application/json", 400, "queries[0].image"),
        (b'{"queries": [{"image": "?"}]}', "application/json", 400, "queries[0].image"),
        (b'{"queries": ["a"], "k": true}', "application/json", 400, "k"),
        (b'{"queries": ["a"], "k": 1.5}', "application/json", 400, "k"),
        (b'{"queries": ["a"]}', "text/plain", 415, None),
        (json.dumps({"queries": ["a"] * 65}).encode(), "application/json", 422, "queries"),
        (json.dumps({"queries": ["a"] * 17, "k": 1024}).encode(), "application/json", 422, "k"),
        (json.dumps({"queries": [[float("nan")] * 64]}).encode(), "application/json", 400, "queries[0].embedding[0]"),
        (json.dumps({"queries": [[1e300] * 64]}).encode(), "application/json", 400, "queries[0].embedding"),
        (b"--XX--", "multipart/form-data; boundary=XX", 415, None),
        (b" " * ((1 << 24) + 1), "application/json", 413, None),
    ],
)
def test_bad_bodies_are_refused(index, content, kind, status, field) -> None:
    with browser(index) as http:
        response = http.post("/api/children", content=content, headers={"Content-Type": kind})
    assert (response.status_code, response.json()["field"]) == (status, field), response.text


@pytest.mark.slow
def test_a_refusal_is_short_whatever_was_sent(index) -> None:
    with browser(index) as http:
        for body in (
            {"queries": ["a"], "x" * 10**6: 1},
            {"queries": ["a"], "k": "y" * 10**6},
            {"queries": [[0] * 10**6]},
        ):
            told = http.post("/api/children", json=body).json()
            assert len(told["error"]) < 2000
            assert len(told["field"]) <= 60


def test_the_document_holds_the_bounds_that_requests_are_checked_against(index) -> None:
    limits = dataclasses.replace(serving.Limits(), queries=3)
    with browser(index, limits=limits) as http:
        document = http.get("/api/openapi.json").json()
    asked = document["paths"]["/api/children"]
    bounds = {each["name"]: each["schema"] for each in asked["get"]["parameters"]}
    assert (bounds["k"]["minimum"], bounds["k"]["maximum"], bounds["k"]["default"]) == (1, 1024, 10)
    assert set(asked["post"]["requestBody"]["content"]) == {"application/json"}
    name = asked["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    body = document["components"]["schemas"][name]
    assert body["properties"]["queries"]["maxItems"] == 3
    assert body["additionalProperties"] is False


def test_large_images_are_refused_before_they_are_decoded(index) -> None:
    limits = dataclasses.replace(serving.Limits(), image_pixels=100, image_bytes=1000)
    with browser(index, limits=limits) as http:
        assert http.post("/api/children", json=asking(png(11))).status_code == 413
        assert http.post("/api/children", json=asking(png() + bytes(1000))).status_code == 413


def test_the_token_opens_everything_and_only_health_is_open(index) -> None:
    token = "0123456789abcdef"
    with browser(index, token=token) as http:
        assert http.get("/api/health").json() == {"status": "ok"}
        for header in ({}, {"Authorization": f"Bearer {token}x"}, {"Authorization": token}):
            refused = http.get("/api/count?q=a", headers=header)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert http.get("/metrics", headers=header).status_code == 401
        for scheme, status in (("Basic", 401), ("Token", 401), ("bearer", 200)):
            header = {"Authorization": f"{scheme} {token}"}
            assert http.get("/api/count?q=a", headers=header).status_code == status
        passed = {"Authorization": f"Bearer {token}"}
        assert http.get("/api/count?q=a", headers=passed).status_code == 200
        assert http.get("/api/health", headers=passed).json()["rows"] == len(index)
    with served(index, serving.Settings(token=token)) as running:
        with serving.Client(running.url, token) as client:
            assert client.count("") == len(index)
        with serving.Client(running.url, "another token...") as client, pytest.raises(InputError, match="token"):
            client.count("")
    assert token not in repr(serving.Settings(token=token))


def test_a_foreign_host_is_refused(index) -> None:
    with browser(index, hosts=frozenset({"localhost"})) as http:
        assert http.get("/api/health", headers={"Host": "evil.example"}).status_code == 400
        assert http.get("/api/health", headers={"Host": "LOCALHOST:8080"}).status_code == 200


def test_an_index_of_unknown_origin_takes_embeddings_alone(vectors) -> None:
    with browser(vectors) as http:
        assert http.get("/api/children?q=a").status_code == 400
        assert http.post("/api/children", json={"queries": [[1.0] * 6]}).status_code == 200


def test_the_client_names_what_it_cannot_reach() -> None:
    with reserved_port() as port, pytest.raises(UnavailableError, match=str(port)):
        serving.Client(f"http://127.0.0.1:{port}").health()
    with pytest.raises(InputError):
        serving.Client("ftp://here")
    with pytest.raises(InputError):
        serving.Client("http://here:port")


def test_a_store_is_searched_where_one_is_named(vectors, monkeypatch) -> None:
    register(monkeypatch)
    vectors.push("listed:")
    with browser(vectors, store="listed:") as http:
        answer = http.post("/api/children", json={"queries": [[1.0] * 6], "k": 5}).json()["answers"][0]
    wanted = vectors.children(torch.ones(6), 5)
    assert [hit["id"] for hit in answer["hits"]] == [hit.id for hit in wanted.hits]
    assert answer["guarantee"] == "approximate"
