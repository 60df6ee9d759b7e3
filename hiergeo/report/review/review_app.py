"""The application of a review: the page, the chains, and what is decided on them."""

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from hiergeo._core.errors import InputError
from hiergeo._core.version import __version__
from hiergeo.datasets.pictures import small_jpeg
from hiergeo.evaluation.findings.exports import plain
from hiergeo.report import design
from hiergeo.report.explorer.pages import PAGE as EXPLORER
from hiergeo.report.review.desk import REASONS, STATES, UNDECIDED, Desk, StaleError, described
from hiergeo.report.review.export import export, summary
from hiergeo.search.serving.limits import Refused, Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.pages import OPEN, Page
from hiergeo.search.serving.requests import Strict, Whole

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

PAGE = Page(
    "hiergeo.report.review",
    {"design.css": lambda: design().encode()}
    | {name: partial(EXPLORER.content, name) for name in ("theme.js", "dom.js")},
)

SIDE = 768
"""Longest side of pictures, pixels."""

KEPT = 64
"""Pictures that are kept."""

PRIVATE = "private, max-age=300"

Row = Annotated[Whole, Field(ge=0, lt=10**9)]
"""The place of a row."""


class Reviewer(Strict):
    """Whose verdicts are told apart."""

    reviewer: str = ""


class Decide(Strict):
    """A verdict on a row."""

    row: Row
    version: str
    reviewer: str
    kind: str
    reason: str = ""

    def answer(self, desk: Desk) -> dict[str, Any]:
        """Keep it."""
        desk.decide(self.row, self.version, self.reviewer, self.kind, self.reason)
        return {"row": described(desk, self.row), "counts": desk.counts(), "warnings": []}


class NewTexts(Strict):
    """Other texts of a row."""

    row: Row
    version: str
    reviewer: str
    positive: list[str]
    negative: list[str] | None = None

    def answer(self, desk: Desk) -> dict[str, Any]:
        """Keep them."""
        _, warnings = desk.edit(self.row, self.version, self.reviewer, self.positive, self.negative)
        return {"row": described(desk, self.row), "counts": desk.counts(), "warnings": warnings}


class Undo(Strict):
    """The last decision of a reviewer."""

    reviewer: str

    def answer(self, desk: Desk) -> dict[str, Any]:
        """Take it back."""
        gone = desk.undo(self.reviewer)
        row = None if gone is None else described(desk, gone.row)
        return {"row": row, "undone": None if gone is None else gone.kind, "counts": desk.counts(), "warnings": []}


class Export(Strict):
    """The accepted chains as files."""

    def answer(self, desk: Desk) -> dict[str, Any]:
        """Write them."""
        return export(desk).as_dict()


def create_review(desk: Desk, settings: Settings | None = None) -> "FastAPI":
    """The application by which people check chains in a browser; `app.state.desk` is the desk.

    Args:
        desk: the chains, from `hiergeo.report.review.open_desk`.
        settings: of the server; its open paths are those of the page.

    Raises:
        UnavailableError: fastapi or prometheus-client is not installed.
    """
    served, metrics = replace(settings or Settings(), open_paths=OPEN), Metrics()
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, Response

    from hiergeo.search.serving.application import application
    from hiergeo.search.serving.routes import StrictRoute

    pictures = lru_cache(KEPT)(lambda path, _: small_jpeg(path, SIDE))

    async def overview(request: "Request", values: Reviewer) -> "Response":
        return JSONResponse(await run_in_threadpool(_overview_of, desk, values.reviewer))

    async def row_of(request: "Request", row: int) -> "Response":
        return JSONResponse(await run_in_threadpool(described, desk, row))

    async def picture(request: "Request", row: int) -> "Response":
        path = desk.picture(row)
        if path is None:
            raise Refused(404, "there is no picture of this row.")
        try:
            content = await run_in_threadpool(pictures, path, path.stat().st_mtime_ns)
        except (InputError, OSError) as error:
            raise Refused(404, "the picture of this row cannot be read: its file is damaged.") from error
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": PRIVATE})

    async def posted(request: "Request", values: Decide | NewTexts | Undo | Export) -> "Response":
        _check_origin(request)
        try:
            return JSONResponse(await run_in_threadpool(values.answer, desk))
        except StaleError as error:
            raise Refused(409, str(error), "version") from error

    named = {"row": Row}
    routes = [
        *PAGE.routes(),
        StrictRoute("GET", "/api/review", overview, "What is reviewed.", model=Reviewer),
        StrictRoute("GET", "/api/row/{row}", row_of, "A row.", named=named),
        StrictRoute("GET", "/api/picture/{row}", picture, "Its picture.", named=named, media="image/jpeg"),
        *(
            StrictRoute("POST", f"/api/{verb}", posted, str(model.__doc__), model=model)
            for verb, model in {"decide": Decide, "edit": NewTexts, "undo": Undo, "export": Export}.items()
        ),
    ]

    def health() -> dict[str, Any]:
        return {"status": "ok", "version": __version__, "rows": len(desk.rows)}

    app = application("hiergeo chains review", routes, served, metrics, health)
    app.state.desk = desk
    return app


def _overview_of(desk: Desk, reviewer: str) -> dict[str, Any]:
    """What the page shows around the rows; ``mine`` are the verdicts of the reviewer, as places in `STATES`."""
    undecided = STATES.index(UNDECIDED)
    reviewed = summary(desk)
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
        "disputed": reviewed.disputed,
        "reviewers": reviewed.reviewers,
        "agreement": plain(reviewed.agreement),
        "mended": desk.journal.mended,
    }


def _check_origin(request: "Request") -> None:
    """Refuse (403) what a page of another site sends: a request that names another origin."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Refused(403, "the request comes from a page of another server.", "Origin")
