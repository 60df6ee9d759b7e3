"""The application of the explorer: the routes to a collection, and the page."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from hiergeo._core.records import plain
from hiergeo.report.explorer.answers import written
from hiergeo.report.explorer.collection import Collection
from hiergeo.report.explorer.pages import page_routes
from hiergeo.report.explorer.questions import ItemId
from hiergeo.report.explorer.service import Explorer
from hiergeo.search.requests import KINDS, Kind
from hiergeo.search.serving import Settings
from hiergeo.search.serving.answer_schemas import ABOUT

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.responses import Response
    from starlette.routing import BaseRoute

Done = TypeVar("Done")
Task = Callable[[Any], Coroutine[Any, Any, dict[str, Any]]]

READERS = ThreadPoolExecutor(2, "hiergeo-reader")
"""The threads that read files beside the event loops of all servers of the process."""

JPEG, BYTES = "image/jpeg", "application/octet-stream"

PRIVATE = "private, max-age=300"
"""Who keeps thumbnails: a browser keeps them for five minutes, a proxy never."""

TILE = """The items of one tile of a map, little endian: uint32 count, uint32 0, uint64 ids[count], float32 x[count],
float32 y[count], float32 radius[count], int8 tier[count] (-1 unknown), uint8 kind[count] (0 caption, 1 image)."""

SEARCH = "One query, by any of text, item, embedding and image."


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
        [*page_routes(), *_files(explorer), *_answers(explorer)],
        explorer.settings,
        explorer.metrics,
        explorer.health,
        lifespan=explorer.lifespan,
    )
    app.state.explorer = explorer
    return app


async def _in_thread(task: Callable[[], Done]) -> Done:
    """Run something that takes long beside the event loop, two tasks at a time."""
    return await asyncio.get_running_loop().run_in_executor(READERS, task)


def _answers(explorer: Explorer) -> list["BaseRoute"]:
    """The routes that answer with JSON."""
    from fastapi import Body, Query
    from starlette.requests import Request
    from starlette.responses import Response

    from hiergeo.search.serving.routes import Route, unless_gone

    questions, models = explorer.questions, explorer.questions.models

    def route(path: str, about: str, task: Task, model: str | None = None, method: str = "GET") -> "BaseRoute":
        async def plainly(request: Request) -> Response:
            return _json(await unless_gone(request, task(None)))

        async def modelled(
            request: Request,
            values: Annotated[models.get(model or path), (Query if method == "GET" else Body)()],  # type: ignore[valid-type]  # FastAPI reads it
        ) -> Response:
            return _json(await unless_gone(request, task(values)))

        return Route(method, f"/api/{path}", plainly if model == "" else modelled, about)

    def listed(find: Callable[..., Any], *names: str) -> Task:
        async def items(values: Any) -> dict[str, Any]:
            return {"items": await _in_thread(partial(find, *(getattr(values, name) for name in names)))}

        return items

    def search(kind: Kind) -> Task:
        async def one(values: Any) -> dict[str, Any]:
            return await explorer.answer(values.lens, questions.query(kind, values))

        return one

    async def asked(values: Any) -> dict[str, Any]:
        return await explorer.answer(values.lens, questions.search(values))

    async def drawn(values: Any) -> dict[str, Any]:
        return (await explorer.map(values.lens)).facts()

    async def places(values: Any) -> dict[str, Any]:
        points = await explorer.points(values.lens, questions.places(values))
        at = (await explorer.map(values.lens)).disc.places(points)
        rows = zip(*at.T.tolist(), points.radius.tolist(), strict=True)
        return {"places": [plain(dict(zip(("x", "y", "radius"), row, strict=True))) for row in rows]}

    about = "What is explored: lenses, numbers of items, proposals for a first query."
    containing = "The items of smallest radius, of all or of those whose caption contains a text."
    return [
        *(route(kind, ABOUT[kind], search(kind), "query") for kind in KINDS),
        route("search", SEARCH, asked, method="POST"),
        route("collection", about, lambda _: _in_thread(explorer.facts), ""),
        route("items", "Items by their ids, with their radius in every lens.", listed(explorer.items, "ids")),
        route("find", containing, listed(explorer.find, "lens", "k", "text")),
        route("map", "How the map of a lens is drawn, and which tiles it has.", drawn),
        route("audit", "What the space of a lens is like.", lambda values: explorer.audit(values.lens)),
        route("places", "Where queries lie on a map.", places, method="POST"),
    ]


def _files(explorer: Explorer) -> list["BaseRoute"]:
    """The routes that answer with other files than JSON."""
    from fastapi import Query
    from starlette.requests import Request
    from starlette.responses import Response

    from hiergeo.search.serving.routes import Route, unless_gone

    models = explorer.questions.models

    async def thumbnail(
        item: ItemId,
        values: Annotated[models.get("thumbnail"), Query()],  # type: ignore[valid-type]  # FastAPI reads it
    ) -> Response:
        content = await _in_thread(partial(explorer.picture, item, int(values.side)))
        return Response(content, media_type=JPEG, headers={"Cache-Control": PRIVATE})

    async def column(name: str) -> Response:
        return _json(await _in_thread(partial(explorer.column, name)))

    async def tile(
        request: Request,
        values: Annotated[models.get("tile"), Query()],  # type: ignore[valid-type]  # FastAPI reads it
    ) -> Response:
        return Response(await unless_gone(request, explorer.tile(**dict(values))), media_type=BYTES)

    return [
        Route("GET", "/api/thumbnail/{item}", thumbnail, "A small picture of an item.", media=JPEG),
        Route("GET", "/api/columns/{name:path}", column, "Bins of all items in a column, uint8, 255 without a value."),
        Route("GET", "/api/tile", tile, TILE, media=BYTES),
    ]


def _json(value: dict[str, Any]) -> "Response":
    from starlette.responses import Response

    return Response(written(value), media_type="application/json")
