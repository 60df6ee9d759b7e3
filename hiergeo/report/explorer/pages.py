"""The files of the page: a fixed list, of the explorer itself and those that it shares with report pages."""

from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING

from hiergeo.report.assets import SAVING, design, script
from hiergeo.search.serving.limits import Refused
from hiergeo.search.serving.pages import KINDS, file_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

INDEX = "index.html"

DESIGN = "design.css"
"""The style sheet that report pages share."""


@cache
def names() -> frozenset[str]:
    """Of the files of the page."""
    found = (each.name for each in (files("hiergeo.report.explorer") / "page").iterdir() if each.is_file())
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
    return (files("hiergeo.report.explorer") / "page" / name).read_bytes()


def page_file(request: "Request", name: str) -> "Response":
    """The response with a file of the page; 304 where the browser has it already."""
    return file_response(request, name, content(name))
