"""The files of the explorer's page, its own and those that it shares with report pages, and what a browser may do."""

import hashlib
import re
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING

from hiergeo.report.assets import SAVING, design, script
from hiergeo.search.serving.limits import Refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
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

FOLDER = files("hiergeo.report.explorer") / "page"

SHARED = {"design.css": design, SAVING: lambda: script(SAVING).text}
"""Files that report pages have too."""

INDEX, SCRIPT = "index.html", "main.js"

IMPORT = re.compile(r'^import \{ (.+) \} from "\./(.+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
OTHER = re.compile(r"^\s*(?:import|export)\b|[^{:\s]\s*import\(", re.MULTILINE)
"""What `classic` understands of modules, and what it does not: what follows a brace or a colon is a type."""

OPEN = frozenset({"/", "/page/*"})
"""The paths of the page and its files, which hold no data: a browser sends no token when it opens them."""


def page_files() -> set[str]:
    """The names of the files of the page."""
    return {file.name for file in FOLDER.iterdir() if PurePath(file.name).suffix in KINDS} | {*SHARED}


def page_file(name: str) -> bytes:
    """The bytes of a file; raises Refused, 404, for a name that is not one of the page's."""
    if name not in page_files():
        raise Refused(404, "the page has no such file.")
    return SHARED[name]().encode() if name in SHARED else (FOLDER / name).read_bytes()


def classic() -> tuple[str, set[str]]:
    """All modules of the page as one classic script, since browsers load no modules from a disk; and their names."""
    made: dict[str, str] = {}

    def add(name: str) -> None:
        text = page_file(name).decode()
        for _, needed in IMPORT.findall(text):
            if needed not in made:
                add(needed)
        text = IMPORT.sub(lambda found: f"const {{ {found[1].replace(' as ', ': ')} }} = modules[{found[2]!r}];", text)
        names = ", ".join(name for _, name in EXPORT.findall(text))
        text = EXPORT.sub(r"\1", text)
        assert not OTHER.search(text), f"{name} imports or exports in a way that only a module can"
        made[name] = f"modules[{name!r}] = (() => {{\n{text}return {{ {names} }};\n}})();\n"

    add(SCRIPT)
    return '"use strict";\nconst modules = {};\n' + "".join(made.values()), set(made)


def page_routes() -> list["BaseRoute"]:
    """The routes of the page; a file that the browser has already is answered with 304."""
    from starlette.responses import Response
    from starlette.routing import Route

    async def answer(request: "Request") -> Response:
        name = request.path_params.get("name", INDEX)
        content = page_file(name)
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"Cache-Control": CACHED, "ETag": tag, "Content-Security-Policy": POLICY}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=KINDS[PurePath(name).suffix], headers=headers)

    return [Route("/", answer), Route("/page/{name}", answer)]
