"""The explorer over HTTP: its numbers agree with the formulas, the page is safe, refusals name what is wrong."""

import asyncio
import base64
import io
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hiergeo import search
from hiergeo.report import explorer
from hiergeo.report.explorer import build_map, service
from hiergeo.report.explorer.pages import page_files
from hiergeo.search import serving
from tests.report.explorer.explorer_served import GEOMETRIES, ROWS, Law, browser, build_items, fixtures
from tests.search.serving.serving_common import PATIENCE, until

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


def test_bodies_and_query_strings_ask_the_same(http) -> None:
    for kind in ("ladder", "children", "count"):
        for key in "201":
            settings = {"lens": key, "k": 4, "steps": 12}
            posted = http.post("/api/search", json={"kind": kind, "query": {"item": "9"}, **settings})
            assert posted.json() == http.get(f"/api/{kind}", params={"item": "9", **settings}).json()


def test_counts_agree_with_the_formula_in_float64(http, lens, points) -> None:
    margins = lens[1].pairs(points, points)["margin"]
    assert np.abs(margins[~np.eye(ROWS, dtype=bool)]).min() > 1e-5
    np.fill_diagonal(margins, 1)
    for item in range(0, ROWS, 4):
        told = http.get("/api/count", params={"lens": lens[0], "item": str(item)}).json()
        assert told["count"] == (margins[item] >= 0).sum()


def test_an_embedding_is_a_query(http, points) -> None:
    for query in ({"embedding": points[9].tolist()}, points[9].tolist()):
        body = {"kind": "neighbours", "lens": "1", "query": query, "k": 1}
        answer = http.post("/api/search", json=body).json()
        assert (answer["hits"][0]["id"], answer["query"]["kind"]) == ("9", "embedding")


def test_the_collection_says_what_there_is(http) -> None:
    told = http.get("/api/collection").json()
    assert (told["items"], told["captions"], told["images"], told["tiers"]) == (ROWS, ROWS, 0, None)
    assert [lens["geometry"] for lens in told["lenses"]] == list(GEOMETRIES)
    assert [lens["curvature"] for lens in told["lenses"]] == [0.0, -1.0, 0.1]
    assert all(lens["embeds"] == {"text": False, "image": False} for lens in told["lenses"])
    assert 1 <= len(told["examples"]) <= 6
    asked = [http.get("/api/ladder", params={"item": each["item"]}) for each in told["examples"]]
    assert all(answer.json()["rungs"] for answer in asked)


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("item=80", 404, "item"),
        (f"item={'9' * 513}", 400, "item"),
        ("item=+", 400, "item"),
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
    assert {"index.html", "main.js", "design.css"} <= page_files()
    for name in page_files():
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


def test_items_and_roots_and_found_captions_have_their_radii(http, points) -> None:
    radius = np.linalg.norm(points, axis=1)
    told = http.get("/api/items?ids=7,3,79").json()["items"]
    assert [(each["id"], each["caption"], each["image"]) for each in told] == [
        (str(item), f"item {item}", False) for item in (7, 3, 79)
    ]
    for each in told:
        assert list(each["radius"]) == ["0", "1", "2"]
        np.testing.assert_allclose(list(each["radius"].values()), radius[int(each["id"])], atol=1e-6)
    roots = http.get("/api/find?lens=1&k=9").json()["items"]
    assert [int(each["id"]) for each in roots] == radius.argsort()[:9].tolist()
    np.testing.assert_allclose([each["radius"] for each in roots], np.sort(radius)[:9], atol=1e-6)
    found = http.get("/api/find", params={"text": "ITEM 1", "k": 50}).json()["items"]
    wanted = [item for item in radius.argsort() if str(item).startswith("1")]
    assert [int(each["id"]) for each in found] == wanted
    assert http.get("/api/find?text=nothing").json()["items"] == []
    assert http.get("/api/items?ids=3,80").status_code == 404


def test_places_are_those_of_the_map(http) -> None:
    body = {"lens": "1", "queries": [{"item": str(item)} for item in range(40)]}
    places = http.post("/api/places", json=body).json()["places"]
    content = http.get("/api/tile?lens=1&level=0&x=0&y=0").content
    ids, floats = np.frombuffer(content, "<u8", ROWS, 8), np.frombuffer(content, "<f4", 3 * ROWS, 8 + 8 * ROWS)
    drawn = {int(item): at for item, *at in zip(ids, *floats.reshape(3, ROWS), strict=True)}
    told = [[place["x"], place["y"], place["radius"]] for place in places]
    np.testing.assert_allclose(told, [drawn[item] for item in range(40)], atol=1e-6)


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("search", {"kind": "ladder", "lens": "9", "query": "a"}, 400, "lens"),
        ("search", {"kind": "cousins", "query": "a"}, 400, "kind"),
        ("search", {"kind": "ladder", "query": {"image": "bm8="}}, 400, "query.image"),
        ("search", {"kind": "ladder", "query": {"item": "80"}}, 404, "item"),
        ("search", {"kind": "children", "query": [1, 2]}, 400, "query.embedding"),
        ("places", {"queries": [[1, 2]]}, 400, "queries[0].embedding"),
        ("places", {"queries": ["a text"]}, 400, None),
    ],
)
def test_bodies_that_do_not_fit_are_refused_by_the_field(http, path, body, status, field) -> None:
    response = http.post(f"/api/{path}", json=body)
    assert (response.status_code, response.json()["field"]) == (status, field)


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("items", 400, "ids"),
        ("items?ids=", 400, "ids"),
        ("items?ids=1,,2", 400, "ids"),
        (f"items?ids={','.join(map(str, range(257)))}", 422, "ids"),
        ("find?k=0", 400, "k"),
        ("tile?lens=0&level=0&x=0", 400, "y"),
        ("tile?lens=0&level=0&x=0&y=9999999999999999", 400, "y"),
        ("tile?lens=1&level=20&x=0&y=0", 404, "level"),
        ("thumbnail/1?side=65", 400, "side"),
        ("thumbnail/x", 404, "item"),
        ("thumbnail/1", 404, "item"),
        ("thumbnail/999", 404, "item"),
    ],
)
def test_query_strings_that_do_not_fit_are_refused_by_the_field(http, path, status, field) -> None:
    response = http.get(f"/api/{path}")
    assert (response.status_code, response.json()["field"]) == (status, field)


def png(colour: str, side: int = 40) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(held, "PNG")
    return held.getvalue()


def test_photos_are_queries_and_pictures_are_shown_small(tmp_path) -> None:
    """By the bundled model, over captions and a picture; the file of another one is broken."""
    photos = tmp_path / "photos"
    photos.mkdir()
    paths = [photos / "red.png", photos / "broken.png"]
    paths[0].write_bytes(png("red", 300))
    paths[1].write_bytes(png("blue"))
    index = search.build(tmp_path / "index", "tiny", ["a red shape", "a blue shape", "a shape"])
    index.add(images=paths)
    paths[1].write_bytes(png("blue")[:40])
    collection = explorer.open_collection([tmp_path / "index"], ["euclidean", "lorentz:-1"], images=photos)
    with browser(collection) as http:
        told = http.get("/api/collection").json()
        assert (told["captions"], told["images"]) == (3, 2)
        assert told["lenses"][0]["embeds"] == {"text": True, "image": True}
        query = {"image": base64.b64encode(png("red", 300)).decode()}
        answer = http.post("/api/search", json={"kind": "neighbours", "lens": "1", "k": 1, "query": query}).json()
        assert answer["query"]["kind"] == "image"
        assert (answer["hits"][0]["id"], answer["hits"][0]["image"]) == ("3", True)
        assert answer["hits"][0]["distance"] < 1e-3
        shown = http.get("/api/thumbnail/3?side=192")
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
        with Image.open(io.BytesIO(shown.content)) as opened:
            assert max(opened.size) == 192
        broken = http.get("/api/thumbnail/4")
        assert broken.status_code == 404
        assert "photos" not in broken.text
        assert http.get("/api/thumbnail/0").status_code == 404
        whole = "".join(
            http.get(f"/api/{path}").text for path in ("collection", "items?ids=3,4", "find", "find?text=a")
        )
        assert "photos" not in whole
        assert str(tmp_path) not in whole


def test_changes_by_another_process_show_in_every_next_answer(tmp_path) -> None:
    """Each answer is the first after an item was deleted from the first of two indexes; the second still holds all."""
    other = build_items(tmp_path / "one")
    build_items(tmp_path / "two")
    collection = explorer.open_collection([tmp_path / "one", tmp_path / "two"])
    with browser(collection) as http:

        def after(item: int, path: str) -> dict:
            http.get("/api/health")
            other.delete([item])
            return http.get(f"/api/{path}").json()

        assert after(0, "health")["items"] == ROWS - 1
        assert after(1, "collection")["items"] == ROWS - 2
        assert "2" not in {each["id"] for each in after(2, "find?k=80")["items"]}
        assert "3" not in {each["id"] for each in after(3, "find?text=item&k=80")["items"]}
        tile = f"/api/tile?level=0&x=0&y=0&version={http.get('/api/map').json()['version']}"
        assert http.get(tile).status_code == 200
        drawn = after(4, "map")
        assert drawn["count"] == ROWS - 5
        assert (http.get(tile).status_code, http.get(tile).json()["field"]) == (409, "version")
        assert http.get(f"{tile.partition('&version')[0]}&version={drawn['version']}").status_code == 200
        assert after(5, "ladder?item=5")["field"] == "item"
        assert http.get("/api/ladder?item=5").status_code == 404
        assert after(6, "items?ids=6")["field"] == "item"
        assert {"0", "1", "2"} <= {each["id"] for each in http.get("/api/find?lens=1&k=80").json()["items"]}
        assert http.get("/api/neighbours?lens=1&item=6&k=1").json()["hits"][0]["id"] == "6"
        assert http.post("/api/places", json={"queries": [{"item": "6"}]}).status_code == 404


def test_who_asks_for_the_same_waits_for_one_of_it(collection, monkeypatch) -> None:
    made, going = [], threading.Event()

    def built(lens, tiers):
        made.append(lens.key)
        if made.count(lens.key) == 1 and lens.key == "1":
            raise OSError("the disk is gone")
        assert going.wait(PATIENCE)
        return build_map(lens, tiers)

    monkeypatch.setattr(service, "build_map", built)
    told = explorer.create_explorer(collection).state.explorer

    async def scene() -> list[Any]:
        async with told.lifespan(None):
            with pytest.raises(OSError, match="gone"):
                await told.map(collection.lenses[1])
            asked = [asyncio.ensure_future(told.map(collection.lenses[key])) for key in (0, 1, 1, 2)]
            await asyncio.sleep(0.05)
            going.set()
            return [*await asyncio.gather(*asked), await told.map(collection.lenses[1])]

    maps = asyncio.run(scene())
    assert sorted(made) == ["0", "1", "1", "2"]
    assert maps[1] is maps[2] is maps[4] is not maps[0]


def test_what_takes_longer_than_a_request_waits_goes_on_meanwhile(collection, monkeypatch) -> None:
    going, made = threading.Event(), []

    def slow(lens, tiers):
        assert going.wait(PATIENCE)
        made.append(lens.key)
        return build_map(lens, tiers)

    monkeypatch.setattr(service, "build_map", slow)
    limits = serving.Limits(answer_seconds=0.1)
    with browser(collection, limits=limits) as http:
        response = http.get("/api/map")
        assert (response.status_code, response.headers["retry-after"]) == (503, "2")
        going.set()
        until(lambda: http.get("/api/map").status_code == 200)
    assert made == ["0"]


def test_a_lens_that_fails_leaves_the_others(tmp_path) -> None:
    captions = ["a shape", "a red shape", "a big red shape"]
    index = search.build(tmp_path / "known", "tiny", captions)
    assert index.space.root is not None
    rows = index.encoder.model.encode_text(captions) - index.space.root
    search.build(tmp_path / "plain", None, captions, embeddings=rows)
    collection = explorer.open_collection([tmp_path / "known", tmp_path / "plain"], ["euclidean", "poincare:-1"])
    with browser(collection) as http:
        for key in "0123":
            text = http.get("/api/ladder", params={"lens": key, "q": "a red shape"})
            assert (text.status_code, text.json().get("field")) == ((200, None) if key in "01" else (400, None))
            item = http.get("/api/ladder", params={"lens": key, "item": "2"}).json()
            assert item["rungs"][-1]["hit"]["is_query"]


def test_ids_that_are_texts_name_items_and_are_found_by_columns(tmp_path) -> None:
    ids, captions = ["SKU1", "00017", "x"], ["an animal", "a dog", "a bird"]
    search.build(tmp_path / "index", "tiny", captions, ids=ids)
    (tmp_path / "t.csv").write_text("sku,year\nx,1\nSKU1,2\n00017,3\n")
    with browser(explorer.open_collection([tmp_path / "index"], columns=tmp_path / "t.csv")) as http:
        hits = http.get("/api/neighbours", params={"item": "00017", "k": 3}).json()["hits"]
        assert {hit["name"]: hit["caption"] for hit in hits} == dict(zip(ids, captions, strict=True))
        (first,) = http.get("/api/items", params={"ids": hits[0]["id"]}).json()["items"]
        assert (first["id"], first["name"], first["caption"]) == (hits[0]["id"], "00017", "a dog")
        column = http.get("/api/columns/year").json()
        (facts,) = (one for one in http.get("/api/collection").json()["columns"] if one["name"] == "year")
        bins = dict(zip(column["ids"], base64.b64decode(column["bins"]), strict=True))
        years = {hit["name"]: facts["edges"][bins[hit["id"]]] + 0.5 for hit in hits}
        assert years == {"x": 1, "SKU1": 2, "00017": 3}
