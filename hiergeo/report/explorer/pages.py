"""The files of the explorer's page, its own and those that it shares with report pages, and what a browser may do."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING, final

from hiergeo.report.assets import SAVING, design, script
from hiergeo.search.serving.limits import Refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Suffixes of the files of a page, and their types."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What a page may load: nothing but what its own server sends, and no script or style within the page."""

CACHED = "no-cache"
"""Browsers keep the files and ask whether they have changed, so that an upgrade of the package is seen at once."""


INDEX = "index.html"

OPEN = frozenset({"/", "/page/*"})
"""The paths of a page and its files, which hold no data: a browser sends no token when it opens them."""


@final
class Page:
    """The files of a page: a fixed list.

    Args:
        package: which has them in its folder ``page``.
        shared: the contents of files that the page shares with others, by their names.
    """

    def __init__(self, package: str, shared: Mapping[str, Callable[[], bytes]]) -> None:
        self._package, self._shared = package, shared

    @cached_property
    def names(self) -> frozenset[str]:
        """Of the files."""
        found = (each.name for each in self._folder.iterdir() if each.is_file())
        return frozenset(name for name in found if PurePath(name).suffix in KINDS) | {*self._shared}

    def content(self, name: str) -> bytes:
        """The bytes of a file; raises Refused, 404, for a name that is not one of theirs."""
        if name not in self.names:
            raise Refused(404, "the page has no such file.")
        return self._shared[name]() if name in self._shared else (self._folder / name).read_bytes()

    def routes(self) -> list["BaseRoute"]:
        """Those of the page; a file that the browser has already is answered with 304."""
        from starlette.responses import Response
        from starlette.routing import Route

        async def answer(request: "Request") -> Response:
            name = request.path_params.get("name", INDEX)
            content = self.content(name)
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            headers = {"Cache-Control": CACHED, "ETag": tag, "Content-Security-Policy": POLICY}
            known = request.headers.get("if-none-match", "")
            if tag in (each.strip().removeprefix("W/") for each in known.split(",")):
                return Response(status_code=304, headers=headers)
            return Response(content, media_type=KINDS[PurePath(name).suffix], headers=headers)

        return [Route("/", answer), Route("/page/{name}", answer)]

    @property
    def _folder(self) -> Traversable:
        return files(self._package) / "page"


PAGE = Page(
    "hiergeo.report.explorer",
    {"design.css": lambda: design().encode(), SAVING: lambda: script(SAVING).text.encode()},
)
