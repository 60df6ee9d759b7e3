"""The application of the explorer: the routes to a collection, and the page."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo._core.records import plain
from hiergeo.geometry.space import By
from hiergeo.report.explorer.answer_writer import written
from hiergeo.report.explorer.collection import Collection
from hiergeo.report.explorer.pages import PAGE
from hiergeo.report.explorer.questions import ItemId, QueryName
from hiergeo.report.explorer.service import Explorer
from hiergeo.search.requests import KINDS, Kind
from hiergeo.search.serving import Settings
from hiergeo.search.serving.answer_schemas import ABOUT, NUMBERS, TRUST, Number, list_of, schema
from hiergeo.search.serving.limits import Refused

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.responses import Response
    from starlette.routing import BaseRoute

Task = Callable[[Any], Coroutine[Any, Any, dict[str, Any]]]

JPEG, BYTES = "image/jpeg", "application/octet-stream"

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
    explorer = Explorer(collection, settings or Settings())
    from hiergeo.search.serving.application import application

    app = application(
        "hiergeo explorer",
        [*PAGE.routes(), *_files(explorer), *_searches(explorer), *_others(explorer)],
        explorer.settings,
        explorer.metrics,
        explorer.health,
        Health,
        explorer.lifespan,
    )
    app.state.explorer = explorer
    return app


def _searches(explorer: Explorer) -> list["BaseRoute"]:
    """What answers searches: a GET one query, a POST several."""
    from fastapi import Body
    from fastapi import Query as Parameters
    from starlette.requests import Request
    from starlette.responses import Response

    from hiergeo.search.serving.routes import Route, unless_gone

    questions = explorer.questions

    def routes(kind: Kind) -> list["BaseRoute"]:
        async def one(request: Request, values: Annotated[questions.one, Parameters()]) -> Response:  # type: ignore[name-defined]  # FastAPI reads it
            (answer,) = await unless_gone(request, explorer.ask(questions.of_one(kind, values)))
            return _json(written(answer))

        async def several(request: Request, values: Annotated[questions.several, Body()]) -> Response:  # type: ignore[name-defined]  # FastAPI reads it
            answers = await unless_gone(request, explorer.ask(questions.of_several(kind, values)))
            return _json(written({"answers": answers}))

        about, path, answer = ABOUT[kind], f"/api/{kind}", ANSWERS[kind]
        listed = schema(f"{kind}_answers", answers=list_of(answer))
        return [
            Route("GET", path, one, about, answer=answer),
            Route("POST", path, several, f"{about} Several queries.", answer=listed),
        ]

    return [route for kind in KINDS for route in routes(kind)]


def _files(explorer: Explorer) -> list["BaseRoute"]:
    """What answers with other files than JSON."""
    from fastapi import Query as Parameters
    from starlette.requests import Request
    from starlette.responses import Response

    from hiergeo.search.serving.routes import Route, run_in_thread, unless_gone

    models = explorer.questions.models

    async def thumbnail(
        item: ItemId,
        values: Annotated[models.get("thumbnail"), Parameters()],  # type: ignore[valid-type]  # FastAPI reads it
    ) -> Response:
        content = await run_in_thread(partial(explorer.picture, item, int(values.side)))
        return Response(content, media_type=JPEG, headers={"Cache-Control": PRIVATE})

    async def tile(
        request: Request,
        values: Annotated[models.get("tile"), Parameters()],  # type: ignore[valid-type]  # FastAPI reads it
    ) -> Response:
        whole = await unless_gone(request, explorer.map(values.lens))
        if values.version not in (None, whole.version):
            raise Refused(409, "the items have changed, and the map with them: ask for /api/map again.", "version")
        try:
            content = whole.tile(values.level, values.x, values.y)
        except InputError as error:
            raise Refused(404, str(error), "level") from error
        return Response(content, media_type=BYTES)

    return [
        Route("GET", "/api/thumbnail/{item}", thumbnail, "A small picture of an item.", media=JPEG),
        Route("GET", "/api/tile", tile, TILE, media=BYTES),
    ]


def _others(explorer: Explorer) -> list["BaseRoute"]:
    """What answers requests that are not searches with JSON."""
    from fastapi import Body
    from fastapi import Query as Parameters
    from starlette.requests import Request
    from starlette.responses import Response

    from hiergeo.search.serving.routes import Route, run_in_thread, unless_gone

    questions, models = explorer.questions, explorer.questions.models

    async def drawn(values: Any) -> dict[str, Any]:
        return (await explorer.map(values.lens)).facts()

    async def ladders(values: Any) -> dict[str, Any]:
        return await explorer.ladders(questions.of_ladders(values))

    async def places(values: Any) -> dict[str, Any]:
        points = await explorer.points(values.lens, questions.of_places(values))
        placed = (await explorer.map(values.lens)).places(points)
        rows = zip(*placed.T.tolist(), points.radius.tolist(), strict=True)
        return {"places": [dict(zip(("x", "y", "radius"), map(plain, each), strict=True)) for each in rows]}

    async def select(values: Any) -> dict[str, Any]:
        drawn = await explorer.map(values.lens)
        polygon = np.array(values.polygon, np.float64)
        return await run_in_thread(partial(explorer.selected, drawn, values.lens, polygon))

    def items(find: Callable[..., Any], *names: str) -> Task:
        async def found(values: Any) -> dict[str, Any]:
            return {"items": await run_in_thread(partial(find, *(getattr(values, name) for name in names)))}

        return found

    def route(name: str, about: str, task: Task, answer: Any = dict[str, Any], method: str = "GET") -> "BaseRoute":
        async def plainly(request: Request) -> Response:
            return _json(written(await unless_gone(request, task(None))))

        async def asked(
            request: Request,
            values: Annotated[models.get(name), (Parameters if method == "GET" else Body)()],  # type: ignore[valid-type]  # FastAPI reads it
        ) -> Response:
            return _json(written(await unless_gone(request, task(values))))

        return Route(method, f"/api/{name}", asked if name in models else plainly, about, answer=answer)

    about = "What is explored: lenses, numbers of items, proposals for a first query."
    seen, found = items(explorer.items, "ids"), items(explorer.find, "text", "k")
    return [
        route("collection", about, lambda _: run_in_thread(explorer.described)),
        route("items", "Items by their ids, with their radius in every lens.", seen, SeenItems),
        route("roots", "The items of smallest radius.", items(explorer.roots, "lens", "k"), Items),
        route("find", "The items of smallest radius whose caption contains a text.", found, Items),
        route("map", "How the map of a lens is drawn, and which tiles it has.", drawn),
        route("moved", "What differs between two lenses.", lambda given: explorer.moved(**dict(given))),
        route("audit", "What the space of a lens is like.", lambda given: explorer.audit(given.lens)),
        route("ladders", "The ladders of one query through several lenses.", ladders, Ladders, "POST"),
        route("places", "Where queries lie on a map.", places, Placements, "POST"),
        route("select", "The items within a polygon on a map.", select, Selected, "POST"),
    ]


def _json(content: bytes) -> "Response":
    from starlette.responses import Response

    return Response(content, media_type="application/json")


ITEM: dict[str, Any] = {"id": str, "caption": str | None, "image": bool, "tier": int | None}

Hit = schema("Hit", **ITEM, **NUMBERS, is_query=bool, entails=bool | None, rank=Number)
Query = schema("Asked", kind=QueryName, radius=Number, far=bool | None)
Change = schema("Change", **{"from": Number, "to": Number, "hit": Hit, "adds": list_of(str)})
Hits = schema("Hits", query=Query, by=By, hits=list_of(Hit), **TRUST)
Rungs: Any = schema("Rungs", query=Query, by=By, rungs=list_of(Change), **TRUST)
ANSWERS: dict[str, Any] = {
    **dict.fromkeys(("children", "parents", "neighbours"), Hits),
    "ladder": Rungs,
    "count": schema("Count", query=Query, count=int),
}
"""The answer to one query of each verb."""

Failed: Any = schema("Failed", error=str, field=str | None)
Ladders = schema("Ladders", ladders=dict[str, Rungs | Failed], equal=list_of(list_of(str)))
Placed = list_of(schema("Placed", **ITEM, radius=Number))
Seen = list_of(schema("Seen", **ITEM, radius=dict[str, Number]))
Place = schema("Place", x=Number, y=Number, radius=Number)

Items = schema("Items", items=Placed)
SeenItems = schema("SeenItems", items=Seen)
Placements = schema("Placements", places=list_of(Place))
Selected = schema("Selected", count=int, items=Placed)
Health = schema("Health", status=str, version=str, items=int, lenses=int, uptime=float)
