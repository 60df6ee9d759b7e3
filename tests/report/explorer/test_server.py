"""The explorer over HTTP: ladders and cones agree with the formulas, the page is safe, refusals name what is wrong."""

import numpy as np
import pytest

from hiergeo.report.explorer.pages import PAGE
from tests.report.explorer.explorer_served import GEOMETRIES, ROWS, Law, browser, fixtures

pytest.importorskip("starlette")

collection, http, points = fixtures()


@pytest.fixture(params=enumerate(GEOMETRIES), ids=GEOMETRIES)
def lens(request, points) -> tuple[str, Law]:
    key, spec = request.param
    return str(key), Law(points, {"euclidean": 0.0, "lorentz:-1": -1.0, "sphere:0.1": 0.1}[spec])


@pytest.mark.parametrize("item", [0, 31, 79])
def test_children_and_parents_agree_with_the_formula_in_float64(http, lens, points, item) -> None:
    key, law = lens
    for verb in ("children", "parents"):
        beyond = law.radius > law.radius[item] if verb == "children" else law.radius < law.radius[item]
        hits = http.get(f"/api/{verb}", params={"lens": key, "item": str(item), "k": ROWS}).json()["hits"]
        numbers = law.pairs(points[[item]], points) if verb == "children" else law.pairs(points, points[[item]])
        for name in ("margin", "angle", "distance"):
            wanted = numbers[name].ravel()
            found = {int(hit["id"]): hit[name] for hit in hits}
            np.testing.assert_allclose([found[int(i)] for i in np.flatnonzero(beyond)], wanted[beyond], atol=2e-5)
        margins = [hit["margin"] for hit in hits]
        assert margins == sorted(margins, reverse=True)
        assert len({hit["id"] for hit in hits}) == len(hits) == beyond.sum()


def test_an_item_finds_itself_at_distance_zero(http, lens) -> None:
    for item in range(0, ROWS, 7):
        (hit,) = http.get("/api/neighbours", params={"lens": lens[0], "item": str(item), "k": 1}).json()["hits"]
        assert (hit["id"], hit["distance"]) == (str(item), 0.0)


def test_ladders_agree_with_the_formula_in_float64(http, lens, points) -> None:
    key, law = lens
    for item in (5, 40, 79):
        told = http.get("/api/ladder", params={"lens": key, "item": str(item), "steps": 25}).json()
        steps = np.linspace(law.radius.min(), law.radius.max(), 25)
        distance = law.pairs(points[[item]], points)["distance"][0]
        nearest = [int(np.where(law.radius <= step + 1e-6, distance, np.inf).argmin()) for step in steps]
        wanted = [at for at, place in enumerate(nearest) if at == 0 or nearest[at - 1] != place]
        assert [int(rung["hit"]["id"]) for rung in told["rungs"]] == [nearest[at] for at in wanted]
        np.testing.assert_allclose([rung["from"] for rung in told["rungs"]], steps[wanted], atol=1e-5)
        last = [*(at - 1 for at in wanted[1:]), 24]
        np.testing.assert_allclose([rung["to"] for rung in told["rungs"]], steps[last], atol=1e-5)


def test_several_queries_get_the_answers_of_each(http, lens) -> None:
    for verb in ("ladder", "children"):
        settings, queries = {"lens": lens[0], "k": 4, "steps": 12}, [{"item": str(item)} for item in (9, 44, 2)]
        told = http.post(f"/api/{verb}", json={**settings, "queries": queries}).json()["answers"]
        alone = [http.get(f"/api/{verb}", params={**settings, **each}).json() for each in queries]
        assert told == alone


def test_counts_agree_with_the_formula_in_float64(http, lens, points) -> None:
    margins = lens[1].pairs(points, points)["margin"]
    assert np.abs(margins[~np.eye(ROWS, dtype=bool)]).min() > 1e-5
    np.fill_diagonal(margins, 1)
    body = {"lens": lens[0], "queries": [{"item": str(item)} for item in range(0, ROWS, 2)]}
    told = http.post("/api/count", json=body).json()["answers"]
    assert [each["count"] for each in told] == (margins[::2] >= 0).sum(axis=1).tolist()


def test_an_embedding_is_a_query(http, points) -> None:
    body = {"lens": "1", "queries": [{"embedding": points[9].tolist()}, points[9].tolist()], "k": 1}
    first, second = http.post("/api/neighbours", json=body).json()["answers"]
    assert first == second
    assert first["hits"][0]["id"] == "9"
    assert first["query"]["kind"] == "embedding"


def test_the_collection_says_what_there_is(http) -> None:
    told = http.get("/api/collection").json()
    assert (told["items"], told["captions"], told["images"], told["tiers"]) == (ROWS, ROWS, 0, None)
    assert [lens["geometry"] for lens in told["lenses"]] == list(GEOMETRIES)
    assert [lens["curvature"] for lens in told["lenses"]] == [0.0, -1.0, 0.1]
    assert all(lens["embeds"] == {"text": False, "image": False} for lens in told["lenses"])
    assert 1 <= len(told["examples"]) <= 6
    assert all(http.get("/api/ladder", params=each).status_code == 200 for each in told["examples"])


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("item=80", 404, "item"),
        ("item=99999999999999999999", 400, "item"),
        ("item=-1", 400, "item"),
        ("item=1&q=a", 400, "q"),
        ("", 400, "q"),
        ("item=1&lens=9", 400, "lens"),
        ("item=1&k=0", 400, "k"),
        ("item=1&k=2000", 422, "k"),
        ("item=1&by=size", 400, "by"),
        ("item=1&geometry=euclidean", 400, "geometry"),
        ("q=a", 400, None),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(http, query, status, field) -> None:
    for verb in ("ladder", "children"):
        response = http.get(f"/api/{verb}?{query}")
        assert (response.status_code, response.json()["field"]) == (status, field)


def test_files_of_the_page_have_types_policies_and_tags(http) -> None:
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
    assert {"index.html", "main.js", "design.css"} <= PAGE.names
    for name in PAGE.names:
        response = http.get(f"/page/{name}")
        assert response.headers["content-type"].split(";")[0] == kinds[name[name.rindex(".") :]]
        assert "script-src 'self'" in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-content-type-options"] == "nosniff"
        again = http.get(f"/page/{name}", headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert http.get("/").content == http.get("/page/index.html").content
    policy = dict(part.split(" ", 1) for part in http.get("/").headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert not any("unsafe" in value or "*" in value for value in policy.values())


def test_the_page_is_open_and_the_collection_is_not(collection) -> None:
    token = "a token of some length"
    with browser(collection, token=token.replace(" ", "-")) as client:
        assert client.get("/").status_code == client.get("/page/main.js").status_code == 200
        assert client.get("/api/health").json() == {"status": "ok"}
        closed = ["/api/collection", "/api/ladder?item=1", "/api/thumbnail/1", "/metrics", "/api/openapi.json"]
        assert [client.get(path).status_code for path in closed] == [401] * len(closed)
        headers = {"Authorization": f"Bearer {token.replace(' ', '-')}"}
        assert client.get("/api/ladder?item=1", headers=headers).status_code == 200


def test_the_document_describes_what_is_answered(http) -> None:
    document = http.get("/api/openapi.json").json()
    for verb in ("ladder", "children", "parents", "neighbours", "count"):
        schema = document["paths"][f"/api/{verb}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        told = http.get(f"/api/{verb}?item=3").json()
        assert set(told) == set(schema["properties"]) == set(schema["required"])
