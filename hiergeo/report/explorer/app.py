"""The application of the explorer: the routes to a collection, and the page."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import create_model

from hiergeo._core import extras
from hiergeo._core.errors import InputError
from hiergeo.report.explorer import schemas
from hiergeo.report.explorer.answers import finite, written
from hiergeo.report.explorer.collection import Collection
from hiergeo.report.explorer.pages import PAGE
from hiergeo.report.explorer.questions import ItemId
from hiergeo.report.explorer.service import Explorer
from hiergeo.search.serving import Settings
from hiergeo.search.serving.limits import Refused
from hiergeo.search.serving.requests import VERBS, Verb

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

Endpoint = Callable[..., Awaitable["Response"]]

PRIVATE = "private, max-age=300"
"""Of thumbnails: a browser keeps them for five minutes, a proxy never."""

TILE = """The items of one tile of a map, little endian: uint32 count, uint32 0, uint64 ids[count], float32 x[count],
float32 y[count], float32 radius[count], int8 tier[count] (-1 unknown), uint8 kind[count] (0 caption, 1 image)."""


def create_explorer(collection: Collection, settings: Settings | None = None) -> "FastAPI":
    """The application that lets a browser explore a collection; `app.state.explorer` is its `Explorer`.

    Args:
        collection: that is explored.
        settings: of the server; its open paths are those of the page, and nothing can be added.

    Raises:
        UnavailableError: fastapi or prometheus-client is not installed.
    """
    extras.require("fastapi", "a server")
    from starlette.responses import Response

    from hiergeo.search.serving.application import application
    from hiergeo.search.serving.routes import StrictRoute, run_in_thread

    explorer = Explorer(collection, settings or Settings())
    questions = explorer.questions

    async def thumbnail(request: "Request", item: int, values: Any) -> "Response":
        content = await run_in_thread(partial(explorer.picture, item, int(values.side)))
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": PRIVATE})

    picture = StrictRoute(
        "GET",
        "/api/thumbnail/{item}",
        thumbnail,
        "A small picture of an item.",
        model=questions.thumbnail,
        media="image/jpeg",
        named={"item": ItemId},
    )
    routes = [*PAGE.routes(), picture]
    routes += [route for verb in VERBS for route in _asked(explorer, verb)]
    routes += [*_got(explorer), *_posted(explorer)]
    app = application(
        "hiergeo explorer",
        routes,
        explorer.settings,
        explorer.metrics,
        explorer.health,
        schemas.Health,
        explorer.lifespan,
    )
    app.state.explorer = explorer
    return app


def _asked(explorer: Explorer, verb: Verb) -> list["BaseRoute"]:
    """What answers one kind of search: a GET one query, a POST several."""
    from hiergeo.search.serving.routes import StrictRoute, run_in_thread, unless_gone

    async def one(request: "Request", values: Any) -> "Response":
        asked = explorer.questions.of_one(verb, values)
        return _json(await unless_gone(request, explorer.answered(asked, values.model_dump_json())))

    async def several(request: "Request", values: Any) -> "Response":
        asked = await run_in_thread(partial(explorer.questions.of_several, verb, values))
        given = await unless_gone(request, explorer.ask(asked))
        pairs = zip(asked.question.queries, given, strict=True)
        return _written({"answers": [explorer.answers.answer(query, each) for query, each in pairs]})

    about, path, told, questions = VERBS[verb][0], f"/api/{verb}", schemas.TOLD[verb], explorer.questions
    listed = create_model(f"{verb}_answers", answers=(list[told], ...))
    return [
        StrictRoute("GET", path, one, about, model=questions.asked, told=told),
        StrictRoute(
            "POST", path, several, f"{about} Several queries.", model=questions.several, told=listed, forms=True
        ),
    ]


def _got(explorer: Explorer) -> list["BaseRoute"]:
    """What answers the GETs that are no searches."""
    from starlette.responses import Response

    from hiergeo.search.serving.routes import StrictRoute, run_in_thread, unless_gone

    lens = explorer.questions.lens

    async def collection(request: "Request") -> "Response":
        return _written(await run_in_thread(explorer.described))

    async def items(request: "Request", values: Any) -> "Response":
        ids = torch.tensor(values.ids, dtype=torch.int64)
        return _written({"items": await run_in_thread(partial(explorer.items, ids))})

    async def roots(request: "Request", values: Any) -> "Response":
        return _written({"items": await run_in_thread(partial(explorer.roots, lens(values), values.k))})

    async def find(request: "Request", values: Any) -> "Response":
        return _written({"items": await run_in_thread(partial(explorer.find, values.text, values.k))})

    async def drawn(request: "Request", values: Any) -> "Response":
        return _written((await unless_gone(request, explorer.map(lens(values)))).facts())

    async def tile(request: "Request", values: Any) -> "Response":
        whole = await unless_gone(request, explorer.map(lens(values)))
        if values.version not in (None, whole.version):
            raise Refused(409, "the items have changed, and the map with them: ask for /api/map again.", "version")
        try:
            content = whole.tile(values.level, values.x, values.y)
        except InputError as error:
            raise Refused(404, str(error), "level") from error
        return Response(content, media_type="application/octet-stream")

    async def moved(request: "Request", values: Any) -> "Response":
        a, b = (explorer.collection.lens(key) for key in (values.a, values.b))
        return _written(await unless_gone(request, explorer.moved(a, b, values.k, values.count)))

    async def audit(request: "Request", values: Any) -> "Response":
        return _written(await unless_gone(request, explorer.audit(lens(values))))

    told: list[tuple[str, Endpoint, str, dict[str, Any]]] = [
        ("collection", collection, "What is explored: lenses, numbers of items, proposals for a first query.", {}),
        ("items", items, "Items by their ids, with their radius in every lens.", {"told": schemas.SeenItems}),
        ("roots", roots, "The items of smallest radius.", {"told": schemas.Items}),
        ("find", find, "The items of smallest radius whose caption contains a text.", {"told": schemas.Items}),
        ("map", drawn, "How the map of a lens is drawn, and which tiles it has.", {}),
        ("tile", tile, TILE, {"media": "application/octet-stream"}),
        ("moved", moved, "What differs between two lenses.", {}),
        ("audit", audit, "What the space of a lens is like.", {}),
    ]
    got = explorer.questions.got
    return [
        StrictRoute("GET", f"/api/{name}", answer, about, model=got.get(name), **more)
        for name, answer, about, more in told
    ]


def _posted(explorer: Explorer) -> list["BaseRoute"]:
    """What answers the POSTs that are no searches."""
    from hiergeo.search.serving.routes import StrictRoute, run_in_thread, unless_gone

    questions = explorer.questions

    async def pairs(request: "Request", values: Any) -> "Response":
        given = await run_in_thread(partial(questions.of_pairs, values))
        return _written({"pairs": await unless_gone(request, explorer.pairs(questions.lens(values), given))})

    async def places(request: "Request", values: Any) -> "Response":
        queries, lens = await run_in_thread(partial(questions.of_places, values)), questions.lens(values)
        points = await unless_gone(request, explorer.points(lens, queries))
        placed = (await unless_gone(request, explorer.map(lens))).places(points)
        told = zip(placed.tolist(), points.radius.tolist(), strict=True)
        return _written(
            {"places": [{"x": finite(x), "y": finite(y), "radius": finite(radius)} for (x, y), radius in told]}
        )

    async def select(request: "Request", values: Any) -> "Response":
        lens, polygon = questions.lens(values), np.array(values.polygon, np.float64)
        drawn = await unless_gone(request, explorer.map(lens))
        return _written(await run_in_thread(partial(explorer.selected, drawn, lens, polygon)))

    told: list[tuple[str, Endpoint, str, Any]] = [
        ("pairs", pairs, "Margin, angle and distance of pairs of queries.", schemas.Pairs),
        ("places", places, "Where queries lie on a map.", schemas.Places),
        ("select", select, "The items within a polygon on a map, smallest radius first.", schemas.Selected),
    ]
    return [
        StrictRoute("POST", f"/api/{name}", answer, about, model=questions.posted[name], told=model)
        for name, answer, about, model in told
    ]


def _written(value: Any) -> "Response":
    return _json(written(value))


def _json(content: bytes) -> "Response":
    from starlette.responses import Response

    return Response(content, media_type="application/json")
