"""The application of a review: the page, the chains, and what is decided on them."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache, lru_cache, partial
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import ListOf, Misfit, OrNull, Record, Schema, Text, Whole, parse_json
from hiergeo._version import __version__
from hiergeo.datasets.pictures import small_jpeg
from hiergeo.report import design
from hiergeo.report.explorer import pages as shared
from hiergeo.report.review.desk import REASONS, STATES, UNDECIDED, Desk, StaleError, described
from hiergeo.report.review.export import export, summary
from hiergeo.search.serving.application import Said, application, check_installed
from hiergeo.search.serving.limits import Refused, Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.pages import KINDS, file_response
from hiergeo.search.serving.protection import body_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

INDEX = "index.html"

SHARED = ("theme.js", "dom.js")
"""Scripts that the explorer has too."""

DESIGN = "design.css"

SIDE = 768
"""Longest side of pictures, pixels."""

KEPT = 64
"""Pictures that are kept."""

PRIVATE = "private, max-age=300"

ASKED: dict[str, Record] = {
    "decide": Record({"row": Whole(0), "version": Text(), "reviewer": Text(), "kind": Text()}, {"reason": Text()}),
    "edit": Record(
        {"row": Whole(0), "version": Text(), "reviewer": Text(), "positive": ListOf(Text())},
        {"negative": OrNull(ListOf(Text()))},
    ),
    "undo": Record({"reviewer": Text()}),
    "export": Record(),
}
"""What the body of each POST has to be."""


def create_review(desk: Desk, settings: Settings | None = None) -> "Starlette":
    """The application by which people check chains in a browser; `app.state.desk` is the desk.

    Args:
        desk: the chains, from `hiergeo.report.review.open_desk`.
        settings: of the server; its open paths are those of the page.

    Raises:
        UnavailableError: starlette or prometheus-client is not installed.
    """
    check_installed()
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    served = replace(settings or Settings(), open_paths=frozenset({"/", "/page/*"}))
    pictures = lru_cache(KEPT)(lambda path, _: small_jpeg(path, SIDE))

    async def page(request: "Request") -> "Response":
        name = request.path_params.get("name", INDEX)
        return file_response(request, name, content(name))

    async def overview(request: "Request") -> "Response":
        return JSONResponse(await run_in_threadpool(overview_of, desk, request.query_params.get("reviewer", "")))

    async def row(request: "Request") -> "Response":
        return JSONResponse(await run_in_threadpool(described, desk, _row(request)))

    async def picture(request: "Request") -> "Response":
        path = desk.picture(_row(request))
        if path is None:
            raise Refused(404, "there is no picture of this row.")
        try:
            held = await run_in_threadpool(pictures, path, path.stat().st_mtime_ns)
        except (InputError, OSError) as error:
            raise Refused(404, "the picture of this row cannot be read: its file is damaged.") from error
        return Response(held, media_type="image/jpeg", headers={"Cache-Control": PRIVATE})

    def posted(name: str) -> "Callable[[Request], Awaitable[Response]]":
        async def answer(request: "Request") -> "Response":
            check_origin(request)
            values = read_body(await body_of(request, served.limits), ASKED[name])
            try:
                return JSONResponse(await run_in_threadpool(ANSWERS[name], desk, values))
            except StaleError as error:
                raise Refused(409, str(error), "version") from error

        return answer

    @asynccontextmanager
    async def lifespan(_: "Starlette") -> "AsyncIterator[None]":
        yield

    routes = [
        Route("/", page),
        Route("/page/{name}", page),
        Route("/api/review", overview),
        Route("/api/row/{row}", row),
        Route("/api/picture/{row}", picture),
        *(Route(f"/api/{name}", posted(name), methods=["POST"]) for name in ASKED),
    ]
    app = application(routes, served, Metrics(), Said(partial(_health, desk), _document), lifespan)
    app.state.desk = desk
    return app


def overview_of(desk: Desk, reviewer: str) -> dict[str, Any]:
    """What the page shows around the rows: their states, their places by doubt, counts, reviewers and their agreement.

    Args:
        desk: the chains.
        reviewer: whose verdicts ``mine`` holds, as places in `STATES`.
    """
    undecided = STATES.index(UNDECIDED)
    found = summary(desk)
    standings = desk.standings()
    return {
        "folder": desk.folder.resolve().name,
        "split": desk.split,
        "tiers": len(desk.rows[0].positive),
        "negatives": all(row.negative is not None for row in desk.rows),
        "scored": any(any(side) for side in desk.scores),
        "states": [STATES.index(each.state) for each in standings],
        "mine": [
            STATES.index(each.verdicts[reviewer].kind) if reviewer in each.verdicts else undecided for each in standings
        ],
        "edited": [row for row, each in enumerate(standings) if each.edited],
        "doubts": desk.doubts(),
        "counts": desk.counts(),
        "reasons": list(REASONS),
        "disputed": found.disputed,
        "reviewers": found.reviewers,
        "agreement": [each.as_dict() for each in found.agreement],
        "mended": desk.journal.mended,
    }


def _decide(desk: Desk, values: dict[str, Any]) -> dict[str, Any]:
    desk.decide(**values)
    return {"row": described(desk, values["row"]), "counts": desk.counts(), "warnings": []}


def _edit(desk: Desk, values: dict[str, Any]) -> dict[str, Any]:
    _, warnings = desk.edit(**{"negative": None, **values})
    return {"row": described(desk, values["row"]), "counts": desk.counts(), "warnings": warnings}


def _undo(desk: Desk, values: dict[str, Any]) -> dict[str, Any]:
    gone = desk.undo(**values)
    row = None if gone is None else described(desk, gone.row)
    return {"row": row, "undone": None if gone is None else gone.kind, "counts": desk.counts(), "warnings": []}


def _export(desk: Desk, _: dict[str, Any]) -> dict[str, Any]:
    return export(desk).as_dict()


ANSWERS = {"decide": _decide, "edit": _edit, "undo": _undo, "export": _export}


def check_origin(request: "Request") -> None:
    """Refuse what a page of another site can send: other types of bodies, and requests that name another origin.

    Raises:
        Refused: 415 or 403.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "the body must be application/json.", "Content-Type")
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Refused(403, "the request comes from a page of another server.", "Origin")


def read_body(content: bytes, schema: Schema) -> dict[str, Any]:
    """The object in the body of a request. Raises Refused: 400."""
    try:
        values = parse_json(content)
        schema.check(values, "")
    except (Misfit, ValueError) as error:
        raise Refused(400, f"the body cannot be used: {error}.") from error
    found: dict[str, Any] = values
    return found


@cache
def names() -> frozenset[str]:
    """Of the files of the page."""
    found = (each.name for each in (files("hiergeo.report.review") / "page").iterdir() if each.is_file())
    return frozenset(name for name in found if PurePath(name).suffix in KINDS) | {DESIGN, *SHARED}


def content(name: str) -> bytes:
    """The bytes of a file of the page. Raises Refused, 404, for a name that is none of theirs."""
    if name not in names():
        raise Refused(404, "the page has no such file.")
    if name == DESIGN:
        return design().encode()
    if name in SHARED:
        return shared.content(name)
    return (files("hiergeo.report.review") / "page" / name).read_bytes()


def _row(request: "Request") -> int:
    told = request.path_params["row"]
    if not (told.isascii() and told.isdigit() and len(told) < 10):
        raise Refused(404, "a row is a number from 0.")
    return int(told)


def _health(desk: Desk) -> dict[str, Any]:
    return {"status": "ok", "version": __version__, "rows": len(desk.rows)}


def _document() -> dict[str, Any]:
    """The interface in short, OpenAPI 3.1."""
    got = {"/api/review": "What is reviewed.", "/api/row/{row}": "A row.", "/api/picture/{row}": "Its picture, JPEG."}
    told: dict[str, Any] = {path: {"get": _operation(words)} for path, words in got.items()}
    told |= {f"/api/{name}": {"post": _operation(f"{name.capitalize()}; the body is JSON.")} for name in ASKED}
    return {"openapi": "3.1.0", "info": {"title": "hiergeo chains review", "version": __version__}, "paths": told}


def _operation(words: str) -> dict[str, Any]:
    return {"summary": words, "responses": {"200": {"description": "Done."}}}
