"""The files of the page: a fixed list, each with its type, its hash, and what the browser may do with it."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING

from hiergeo.report.assets import SAVING, design, script
from hiergeo.serving.limits import Refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

INDEX = "index.html"

DESIGN = "design.css"
"""The style sheet that report pages share."""

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Suffixes of the files of the page, and their types."""

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
"""What the page may load: nothing but what its own server sends, and no script or style within the page."""

CACHED = "no-cache"
"""Browsers keep the files and ask whether they have changed, so that an upgrade of the package is seen at once."""


@cache
def names() -> frozenset[str]:
    """Of the files of the page."""
    found = (each.name for each in (files("hiergeo.explorer") / "page").iterdir() if each.is_file())
    return frozenset(name for name in found if PurePath(name).suffix in KINDS) | {DESIGN, SAVING}


def page_files() -> dict[str, bytes]:
    """The files below ``page/``, by their names: scripts and style sheets."""
    return {name: content(name) for name in sorted(names()) if name != INDEX}


def page_html() -> str:
    """The page itself."""
    return content(INDEX).decode()


def content(name: str) -> bytes:
    """The bytes of a file of the page.

    Raises:
        Refused: 404 for a name that is none of theirs.
    """
    if name not in names():
        raise Refused(404, "the page has no such file.")
    if name == DESIGN:
        return design().encode()
    if name == SAVING:
        return script(SAVING).text.encode()
    return (files("hiergeo.explorer") / "page" / name).read_bytes()


def page_file(request: "Request", name: str) -> "Response":
    """The response with a file of the page; 304 where the browser has it already."""
    from starlette.responses import Response

    raw = content(name)
    tag = f'"{hashlib.sha256(raw).hexdigest()[:32]}"'
    headers = {"Cache-Control": CACHED, "ETag": tag, "Content-Security-Policy": POLICY}
    known = request.headers.get("if-none-match", "")
    if tag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(raw, media_type=KINDS[PurePath(name).suffix], headers=headers)
