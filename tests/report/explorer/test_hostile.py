"""Hostile requests to the explorer end in refusals, and hostile collections are shown as what they are."""

import base64
import io
import json
import os
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette")

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hiergeo.report.explorer import pages
from tests.report.explorer.explorer_served import browser, collected
from tests.search.serving.hostile_requests import NUMBERS, SPECS, TEXTS

VERBS = ("children", "parents", "neighbours", "ladder", "count")
POSTED = ("search", "places")
GOT = (*VERBS, "collection", "items", "find", "map", "tile", "audit", "health", "openapi.json")
IDS = (
    *["0", "79", "80", "-1", "007", "٣", "１", "1e3", "0x1", "1,2", ","],
    "9" * 19,
    str(2**63),
    "9" * 400,
    "",
    " 1",
    "1" + "0" * 18,
)
FAR = (0, 1, -1, 0.5, 1e-300, 1e100, 1e101, 1e308, float("nan"), float("inf"), -float("inf"), True, None, "0")

SETTINGS = settings(max_examples=60)

words = st.sampled_from((*TEXTS, *map(str, NUMBERS), *SPECS, *IDS, "0,1", "margin")) | st.text(max_size=20)
names = st.sampled_from(
    (*["lens", "q", "item", "k", "by", "steps", "ids", "text", "level", "x", "y", "a", "b", "side", "token"], "x" * 300)
)
values = st.recursive(
    st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from((*TEXTS, *IDS)) | st.sampled_from(FAR),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(("text", "item", "embedding", "image", "x")), inner, max_size=2)
    ),
    max_leaves=6,
)
queries = (
    st.fixed_dictionaries({"item": st.sampled_from(IDS)})
    | st.fixed_dictionaries({"embedding": st.lists(st.sampled_from(FAR), max_size=7)})
    | values
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(VERBS) | values,
        "queries": st.lists(queries, max_size=4) | values,
        "lens": st.sampled_from(("0", "2", "3", 0, None)) | values,
        "query": queries,
        "k": values,
        "by": values,
        "steps": values,
        "extra": values,
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def http(folder):
    with browser(collected(folder / "index")) as client:
        yield client


def harmless(response, folder: Path):
    """Assert that a response is one that the interface knows, and tells nothing about the machine."""
    assert response.status_code < 500 or response.status_code in (503, 504), response.text[:300]
    told = response.content
    for secret in (str(folder), "site-packages", "Traceback", 'File "', "/hiergeo/", os.path.expanduser("~/")):
        assert secret.encode() not in told or secret.encode() in str(response.request.url).encode(), told[:300]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    if response.status_code >= 400:
        error = response.json()
        assert error.keys() == {"error", "field"}
        assert "\n" not in error["error"]
        assert len(error["error"]) < 2000
    return response


@SETTINGS
@given(st.sampled_from(GOT), st.lists(st.tuples(names, words), max_size=4))
def test_query_strings(http, folder, name, pairs) -> None:
    held = [(key, value.encode("utf-8", "surrogatepass")) for key, value in pairs]
    harmless(http.get(f"/api/{name}", params=held), folder)


@SETTINGS
@given(st.sampled_from(POSTED), bodies)
def test_bodies(http, folder, name, body) -> None:
    raw = json.dumps(body).encode()
    harmless(http.post(f"/api/{name}", content=raw, headers={"Content-Type": "application/json"}), folder)


@SETTINGS
@given(
    st.sampled_from(VERBS),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    st.booleans(),
    st.dictionaries(names, words, max_size=2),
)
def test_broken_images(http, folder, verb, damage, cut, fields) -> None:
    held = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(held, "PNG")
    content = bytearray(held.getvalue())
    for place, value in damage:
        content[place % len(content)] = value
    image = base64.b64encode(content[: len(content) // 2] if cut else content).decode()
    asked = json.dumps({"kind": verb, "lens": "0", **fields, "query": {"image": image}}).encode()
    harmless(http.post("/api/search", content=asked, headers={"Content-Type": "application/json"}), folder)


@pytest.mark.parametrize("size", [(8000, 8000), (1, 60_000), (60_000, 1)])
def test_an_image_that_decompresses_to_gigabytes_is_refused_at_once(http, folder, size) -> None:
    held = io.BytesIO()
    Image.new("1", size).save(held, "PNG")
    start = time.process_time()
    body = {"kind": "ladder", "query": {"image": base64.b64encode(held.getvalue()).decode()}}
    answer = harmless(http.post("/api/search", json=body), folder)
    assert answer.status_code in (400, 413, 422)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/..%2fapp.py",
        "/page/%2e%2e/app.py",
        "/page/%2e%2e%2fapp.py",
        "/page/..%5capp.py",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/main.js%00.css",
        "/page/main.js/",
        "/page/",
        "/page",
        "/page/MAIN.JS",
        "/page/__init__.py",
        "/page/" + "a" * 5000,
        "/page/%ff%fe",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/api/thumbnail/..%2f..%2fetc%2fpasswd",
        "/api/thumbnail/%2fetc%2fpasswd",
        "/api/thumbnail/../../etc/passwd",
        *(f"/api/thumbnail/{item}" for item in IDS if item and item not in ("0", "79")),
    ],
)
def test_no_file_but_those_of_the_page(http, folder, path) -> None:
    answer = harmless(http.get(path), folder)
    assert answer.status_code in (400, 404)
    assert b"root:" not in answer.content


def test_the_files_of_the_page_are_a_fixed_list(http) -> None:
    inside = {path.name for path in Path(pages.__file__).parent.joinpath("page").iterdir() if path.is_file()}
    for name in inside | {"design.css", "savefiles.js"}:
        assert http.get(f"/page/{name}").status_code == 200, name
