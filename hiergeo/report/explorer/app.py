"""The application of the explorer: the routes to a collection, and the page."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from hiergeo._core.errors import InputError
from hiergeo.report.explorer import pages
from hiergeo.report.explorer.answers import finite, written
from hiergeo.report.explorer.collection import Collection
from hiergeo.report.explorer.openapi import document
from hiergeo.report.explorer.service import Explorer
from hiergeo.search.serving import Settings
from hiergeo.search.serving.application import Said, application, check_installed, unless_gone
from hiergeo.search.serving.limits import Refused
from hiergeo.search.serving.protection import body_of
from hiergeo.search.serving.requests import VERBS, Verb

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

Endpoint = Callable[["Request"], Awaitable["Response"]]

PRIVATE = "private, max-age=300"
"""Of thumbnails: a browser keeps them for five minutes, a proxy never."""


def create_explorer(collection: Collection, settings: Settings | None = None) -> "Starlette":
    """The application that lets a browser explore a collection; `app.state.explorer` is its `Explorer`.

    Args:
        collection: that is explored.
        settings: of the server; its open paths are those of the page, and nothing can be added.

    Raises:
        UnavailableError: starlette or prometheus-client is not installed.
    """
    check_installed()
    from starlette.responses import Response
    from starlette.routing import Route

    explorer = Explorer(collection, settings or Settings())

    async def thumbnail(request: "Request") -> "Response":
        item, side = explorer.questions.of_thumbnail(request.path_params["item"], request.scope["query_string"])
        held = await explorer.beside(partial(explorer.picture, item, side))
        return Response(held, media_type="image/jpeg", headers={"Cache-Control": PRIVATE})

    async def page(request: "Request") -> "Response":
        return pages.page_file(request, request.path_params.get("name", pages.INDEX))

    routes = [
        Route("/", page),
        Route("/page/{name}", page),
        Route("/api/thumbnail/{item}", thumbnail),
        *(Route(f"/api/{verb}", _asked(explorer, verb), methods=["GET", "POST"]) for verb in VERBS),
        *(Route(f"/api/{name}", endpoint) for name, endpoint in _got(explorer).items()),
        *(Route(f"/api/{name}", endpoint, methods=["POST"]) for name, endpoint in _posted(explorer).items()),
    ]
    said = Said(explorer.health, partial(document, explorer.questions, explorer.settings))
    app = application(routes, explorer.settings, explorer.metrics, said, explorer.lifespan)
    app.state.explorer = explorer
    return app


def _asked(explorer: Explorer, verb: Verb) -> Endpoint:
    """What answers one kind of search: a GET one query, a POST several."""

    async def answer(request: "Request") -> "Response":
        if request.method == "POST":
            content = await body_of(request, explorer.settings.limits)
            kind = request.headers.get("content-type", "")
            asked = await explorer.beside(partial(explorer.questions.of_body, verb, kind, content))
            given = await unless_gone(request, explorer.ask(asked))
            pairs = zip(asked.question.queries, given, strict=True)
            return _written({"answers": [explorer.answers.answer(query, each) for query, each in pairs]})
        return _json(await unless_gone(request, explorer.answered(verb, request.scope["query_string"])))

    return answer


def _got(explorer: Explorer) -> dict[str, Endpoint]:
    """What answers the GETs that are no searches, by name."""
    from starlette.responses import Response

    def values(request: "Request", name: str) -> dict[str, Any]:
        return explorer.questions.of_get(name, request.scope["query_string"])

    async def collection(_: "Request") -> "Response":
        return _written(await explorer.beside(explorer.described))

    async def items(request: "Request") -> "Response":
        ids = torch.tensor(values(request, "items")["ids"], dtype=torch.int64)
        return _written({"items": await explorer.beside(partial(explorer.items, ids))})

    async def roots(request: "Request") -> "Response":
        found = values(request, "roots")
        return _written({"items": await explorer.beside(partial(explorer.roots, **found))})

    async def find(request: "Request") -> "Response":
        found = values(request, "find")
        return _written({"items": await explorer.beside(partial(explorer.find, **found))})

    async def drawn(request: "Request") -> "Response":
        lens = values(request, "map")["lens"]
        return _written((await unless_gone(request, explorer.map(lens))).facts())

    async def tile(request: "Request") -> "Response":
        found = values(request, "tile")
        whole, version = await unless_gone(request, explorer.map(found.pop("lens"))), found.pop("version")
        if version not in (None, whole.version):
            raise Refused(409, "the items have changed, and the map with them: ask for /api/map again.", "version")
        try:
            return Response(whole.tile(**found), media_type="application/octet-stream")
        except InputError as error:
            raise Refused(404, str(error), "level") from error

    async def moved(request: "Request") -> "Response":
        found = values(request, "moved")
        return _written(await unless_gone(request, explorer.moved(**found)))

    async def audit(request: "Request") -> "Response":
        lens = values(request, "audit")["lens"]
        return _written(await unless_gone(request, explorer.audit(lens)))

    return {
        "audit": audit,
        "collection": collection,
        "items": items,
        "roots": roots,
        "find": find,
        "map": drawn,
        "tile": tile,
        "moved": moved,
    }


def _posted(explorer: Explorer) -> dict[str, Endpoint]:
    """What answers the POSTs that are no searches, by name."""

    async def read(request: "Request", reader: Callable[[str, bytes], Any]) -> Any:
        content = await body_of(request, explorer.settings.limits)
        return await explorer.beside(partial(reader, request.headers.get("content-type", ""), content))

    async def pairs(request: "Request") -> "Response":
        lens, given = await read(request, explorer.questions.of_pairs)
        return _written({"pairs": await unless_gone(request, explorer.pairs(lens, given))})

    async def places(request: "Request") -> "Response":
        lens, queries = await read(request, explorer.questions.of_places)
        points = await unless_gone(request, explorer.points(lens, queries))
        placed = (await unless_gone(request, explorer.map(lens))).places(points)
        told = zip(placed.tolist(), points.radius.tolist(), strict=True)
        return _written(
            {"places": [{"x": finite(x), "y": finite(y), "radius": finite(radius)} for (x, y), radius in told]}
        )

    async def select(request: "Request") -> "Response":
        lens, polygon = await read(request, explorer.questions.of_select)
        drawn = await unless_gone(request, explorer.map(lens))
        return _written(await explorer.beside(partial(explorer.selected, drawn, lens, polygon)))

    return {"pairs": pairs, "places": places, "select": select}


def _written(value: Any) -> "Response":
    return _json(written(value))


def _json(content: bytes) -> "Response":
    from starlette.responses import Response

    return Response(content, media_type="application/json")
