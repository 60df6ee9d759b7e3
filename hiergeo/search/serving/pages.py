"""Files of the pages of a server: their types, their hashes, and what a browser may do with them."""

import hashlib
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

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


def file_response(request: "Request", name: str, content: bytes) -> "Response":
    """The response with a file of a page; 304 where the browser has it already."""
    from starlette.responses import Response

    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Cache-Control": CACHED, "ETag": tag, "Content-Security-Policy": POLICY}
    known = request.headers.get("if-none-match", "")
    if tag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=KINDS[PurePath(name).suffix], headers=headers)
