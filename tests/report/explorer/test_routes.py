"""The other routes of the explorer: items, roots, maps, selections, comparisons, photos and pictures."""

import asyncio
import base64
import io
import struct
import threading
from functools import partial

import numpy as np
import pytest

from hiergeo import search
from hiergeo.report import explorer
from hiergeo.report.explorer.answer_writer import equal_ladders
from hiergeo.report.explorer.service import Prepared
from tests.report.explorer.explorer_served import ROWS, browser, build_items, fixtures
from tests.search.serving.serving_common import PATIENCE

pytest.importorskip("starlette")

collection, http, points = fixtures()


def test_items_and_roots_and_found_captions_have_their_radii(http, points) -> None:
    radius = np.linalg.norm(points, axis=1)
    told = http.get("/api/items?ids=7,3,79").json()["items"]
    assert [(each["id"], each["caption"], each["image"]) for each in told] == [
        (str(item), f"item {item}", False) for item in (7, 3, 79)
    ]
    for each in told:
        assert list(each["radius"]) == ["0", "1", "2"]
        np.testing.assert_allclose(list(each["radius"].values()), radius[int(each["id"])], atol=1e-6)
    roots = http.get("/api/roots?lens=1&k=9").json()["items"]
    assert [int(each["id"]) for each in roots] == radius.argsort()[:9].tolist()
    np.testing.assert_allclose([each["radius"] for each in roots], np.sort(radius)[:9], atol=1e-6)
    found = http.get("/api/find", params={"text": "ITEM 1", "k": 50}).json()["items"]
    wanted = [item for item in radius.argsort() if str(item).startswith("1")]
    assert [int(each["id"]) for each in found] == wanted
    assert http.get("/api/find?text=nothing").json()["items"] == []
    assert http.get("/api/items?ids=3,80").status_code == 404


def test_tiles_hold_every_item_once_where_it_belongs(http, points) -> None:
    told = http.get("/api/map?lens=1").json()
    assert (told["kappa"], told["count"]) == (-1, ROWS)
    ids, z, radii = [], [], []
    for level, x, y, count in told["tiles"]:
        raw = http.get("/api/tile", params={"lens": "1", "level": level, "x": x, "y": y}).content
        assert struct.unpack("<II", raw[:8]) == (count, 0)
        ids += np.frombuffer(raw, "<u8", count, 8).tolist()
        floats = np.frombuffer(raw, "<f4", 3 * count, 8 + 8 * count).reshape(3, count)
        z += np.hypot(floats[0], floats[1]).tolist()
        radii += floats[2].tolist()
        assert len(raw) == 8 + 22 * count
    assert sorted(ids) == list(range(ROWS))
    np.testing.assert_allclose(radii, np.linalg.norm(points[ids], axis=1), atol=1e-6)
    np.testing.assert_allclose(z, np.tanh(np.array(radii) / 2), atol=1e-6)
    assert http.get("/api/tile?lens=1&level=30&x=0&y=0").status_code == 404


def test_places_and_selections_are_those_of_the_map(http) -> None:
    body = {"lens": "1", "queries": [{"item": str(item)} for item in range(40)]}
    places = http.post("/api/places", json=body).json()["places"]
    corners = [[-0.3, -0.4], [0.5, -0.4], [0.5, 0.2], [-0.3, 0.2]]
    told = http.post("/api/select", json={"lens": "1", "polygon": corners}).json()
    assert told["count"] == len(told["items"])
    inside = {item for item, at in enumerate(places) if -0.3 <= at["x"] <= 0.5 and -0.4 <= at["y"] <= 0.2}
    assert {int(each["id"]) for each in told["items"]} & set(range(40)) == inside
    radii = [each["radius"] for each in told["items"]]
    assert radii == sorted(radii)


def test_what_moved_is_told(http) -> None:
    told = http.get("/api/moved?a=0&b=1&k=5&count=7").json()
    assert told["items"] == ROWS
    assert told["radius"]["spearman"] == 1.0
    assert 0 < told["neighbours"]["overlap"] <= 1
    assert len(told["movers"]) <= 7


def test_the_space_is_audited(http, points) -> None:
    told = http.get("/api/audit?lens=1").json()
    assert told["numbers"]["items"] == ROWS
    assert sum(told["radius"]["counts"]) == ROWS
    np.testing.assert_allclose(told["radius"]["quantiles"][50], np.median(np.linalg.norm(points, axis=1)), atol=1e-6)
    assert told["findings"]


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("places", {"queries": [[1, 2]]}, 400, "queries[0].embedding"),
        ("places", {"queries": ["a text"]}, 400, None),
        ("select", {"polygon": [[0, 0], [1, 1]]}, 422, "polygon"),
        ("select", {"polygon": [[0, 0], [1, 1], [1, "2"]]}, 400, "polygon[2][1]"),
        ("select", {"polygon": [[0, 0]] * 600}, 422, "polygon"),
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
        ("roots?k=0", 400, "k"),
        ("find", 400, "text"),
        ("tile?lens=0&level=0&x=0", 400, "y"),
        ("tile?lens=0&level=0&x=0&y=9999999999999999", 422, "y"),
        ("moved?a=0", 400, "b"),
        ("moved?a=0&b=7", 400, "b"),
        ("moved?a=0&b=1&k=0", 400, "k"),
        ("thumbnail/1?side=65", 400, "side"),
        ("thumbnail/x", 400, "item"),
        ("thumbnail/1", 404, "item"),
        ("thumbnail/999", 404, "item"),
    ],
)
def test_query_strings_that_do_not_fit_are_refused_by_the_field(http, path, status, field) -> None:
    response = http.get(f"/api/{path}")
    assert (response.status_code, response.json()["field"]) == (status, field)


def png(colour: str, side: int = 40) -> bytes:
    from PIL import Image

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
        asked = {"lens": "1", "k": 1, "queries": [{"image": base64.b64encode(png("red", 300)).decode()}]}
        (answer,) = http.post("/api/neighbours", json=asked).json()["answers"]
        assert answer["query"]["kind"] == "image"
        assert (answer["hits"][0]["id"], answer["hits"][0]["image"]) == ("3", True)
        assert answer["hits"][0]["distance"] < 1e-3
        shown = http.get("/api/thumbnail/3?side=192")
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
        assert max(picture_size(shown.content)) == 192
        broken = http.get("/api/thumbnail/4")
        assert broken.status_code == 404
        assert "photos" not in broken.text
        assert http.get("/api/thumbnail/0").status_code == 404
        whole = "".join(
            http.get(f"/api/{path}").text for path in ("collection", "items?ids=3,4", "roots", "find?text=a")
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
        assert "2" not in {each["id"] for each in after(2, "roots?k=80")["items"]}
        assert "3" not in {each["id"] for each in after(3, "find?text=item&k=80")["items"]}
        tile = f"/api/tile?level=0&x=0&y=0&version={http.get('/api/map').json()['version']}"
        assert http.get(tile).status_code == 200
        drawn = after(4, "map")
        assert drawn["count"] == ROWS - 5
        assert (http.get(tile).status_code, http.get(tile).json()["field"]) == (409, "version")
        assert http.get(f"{tile.partition('&version')[0]}&version={drawn['version']}").status_code == 200
        assert after(5, "ladder?item=5")["field"] == "item"
        assert http.get("/api/ladder?item=5").status_code == 404
        assert after(6, "items?ids=6")["items"][0]["radius"]["0"] is None
        (held,) = http.get("/api/items?ids=6").json()["items"]
        assert (held["caption"], held["radius"]["1"] is None) == ("item 6", False)
        assert {"0", "1", "2"} <= {each["id"] for each in http.get("/api/roots?lens=1&k=80").json()["items"]}
        assert http.get("/api/neighbours?lens=1&item=6&k=1").json()["hits"][0]["id"] == "6"
        assert http.post("/api/places", json={"queries": [{"item": "6"}]}).status_code == 404


def test_who_asks_for_the_same_waits_for_one_of_it() -> None:
    async def scene() -> list[str]:
        prepared, going = Prepared(PATIENCE), threading.Event()
        made: list[str] = []
        first = asyncio.ensure_future(prepared.get("first", lambda: going.wait(PATIENCE)))
        await asyncio.sleep(0)
        some = [asyncio.ensure_future(prepared.get(key, partial(made.append, key))) for key in ("a", "b", "b")]
        await asyncio.sleep(0)
        going.set()
        await asyncio.gather(first, *some, prepared.get("a", partial(made.append, "again")))
        prepared.close()
        return made

    assert asyncio.run(scene()) == ["a", "b"]


def picture_size(content: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as opened:
        return opened.size


def test_ladders_of_several_lenses_come_together_and_one_that_fails_leaves_the_others(tmp_path) -> None:
    captions = ["a shape", "a red shape", "a big red shape"]
    index = search.build(tmp_path / "known", "tiny", captions)
    assert index.space.root is not None
    rows = index.encoder.model.encode_text(captions) - index.space.root
    search.build(tmp_path / "plain", None, captions, embeddings=rows)
    collection = explorer.open_collection([tmp_path / "known", tmp_path / "plain"], ["euclidean", "poincare:-1"])
    with browser(collection) as http:
        keys = ["0", "1", "2", "3"]
        told = http.post("/api/ladders", json={"lenses": keys, "query": {"text": "a red shape"}}).json()
        assert [sorted(told["ladders"][key]) for key in "23"] == [["error", "field"]] * 2
        assert told["ladders"]["0"] == http.get("/api/ladder?lens=0&q=a+red+shape").json()
        assert sorted(told["equal"]) == [["0", "1"], ["2"], ["3"]] or sorted(told["equal"])[0] == ["0"]
        told = http.post("/api/ladders", json={"lenses": keys, "query": {"item": "2"}}).json()
        assert all(told["ladders"][key]["rungs"][-1]["hit"]["is_query"] for key in keys)
        for body, status, field in (
            ({"lenses": ["2", "3"], "query": "a red shape"}, 400, None),
            ({"lenses": ["0", "9"], "query": "a"}, 400, "lenses[1]"),
            ({"lenses": [], "query": "a"}, 422, "lenses"),
            ({"lenses": ["0"], "query": {"image": base64.b64encode(b"no picture").decode()}}, 400, "query.image"),
            ({"lenses": ["0", "1"], "query": {"item": "7"}}, 404, "item"),
        ):
            response = http.post("/api/ladders", json=body)
            assert (response.status_code, response.json()["field"]) == (status, field), response.text


def test_ladders_are_equal_only_if_they_show_the_same() -> None:
    hit = {"id": "3", "radius": 0.5, "is_query": False, "entails": True, "margin": 0.1}
    query = {"kind": "text", "radius": 1.0, "far": False}

    def ladder(query: dict = query, **changed) -> dict:
        return {"query": query, "rungs": [{"hit": hit | changed}]}

    ladders = {
        "0": ladder(),
        "1": ladder(margin=0.2),
        "2": ladder(entails=False),
        "3": ladder(radius=0.6),
        "4": ladder(id="4"),
        "5": ladder(query | {"far": True}),
        "6": {"error": "no.", "field": None},
        "7": {"error": "no.", "field": None},
    }
    assert equal_ladders(ladders) == [["0", "1"], ["2"], ["3"], ["4"], ["5"], ["6"], ["7"]]
