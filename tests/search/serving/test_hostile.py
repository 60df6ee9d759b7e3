"""Hostile requests end in refusals, and the server goes on; `hostile_requests` makes many more of them."""

import os
import random

import pytest

pytest.importorskip("uvicorn")

from hiergeo.search import serving
from tests.search.serving.hostile_requests import PATHS, campaign, met, request
from tests.search.serving.serving_common import build_index, served


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    index = build_index(tmp_path_factory.mktemp("hostile") / "index")
    with served(index, serving.Settings(writable=True)) as server:
        yield server


@pytest.mark.slow
def test_hostile_requests_are_refused_and_the_server_goes_on(running, caplog) -> None:
    counts = campaign(running.port, 400, seed=int(os.environ.get("HIERGEO_SEED", "0")))
    assert counts["200"] > 20
    assert counts["400"] > 100
    assert counts["404"] > 1
    assert not caplog.records
    with serving.Client(running.url) as client:
        assert client.health()["status"] == "ok"
        assert len(client.children("a red square", 3).hits) == 3


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_every_path_knows_its_methods(running, path, method) -> None:
    asks = path.startswith("/api/") and path.removeprefix("/api/") not in ("health", "openapi.json", "add")
    allowed = {"POST"} if path == "/api/add" else {"GET", "POST"} if asks else {"GET"}
    wanted = {"POST": "415", "GET": "400" if asks else "200"}[method] if method in allowed else "405"
    assert met(running.port, request(method, path)) == wanted


def test_hundreds_of_connections_that_drop_leave_nothing_behind(running, caplog) -> None:
    chance = random.Random(1)
    whole = request("POST", "/api/children", b'{"queries": ["a red square"]}')
    for _ in range(300):
        assert met(running.port, whole[: chance.randrange(len(whole))], leaves=True) is None
    assert met(running.port, whole) == "200"
    assert running.measured("requests_in_flight") <= 2
    assert not caplog.records
