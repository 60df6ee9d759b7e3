"""What tests of the disc in a browser share: Chromium, a server of the page's files, and a made-up collection."""

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hiergeo.report.explorer.pages import page_file
from tests.report.browser_common import ARGUMENTS, chromium, logged, resize

DOUBLE = Path(__file__).with_name("explorer_map_double.js")
SHEETS = "".join(f'<link rel="stylesheet" href="/page/{name}.css">' for name in ("design", "explore", "views", "map"))
SHELL = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>map</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">{SHEETS}
<script src="/page/savefiles.js"></script>
<main id="main"><h1>Disc</h1><section id="root"></section></main>"""
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'"
TYPES = {".js": "text/javascript", ".css": "text/css"}
STAGE = "const stage = shown.stage, camera = stage.camera;"
"""What a script of a test begins with: the stage, and its camera."""

SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.partition("?")[0].removeprefix("/page/")
        if name == "/":
            content = SHELL.encode()
        elif name == "/double.js":
            content = DOUBLE.read_bytes()
        else:
            content = page_file(name)
        self.send_response(200)
        self.send_header("Content-Type", TYPES.get(Path(name).suffix, "text/html"))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving_files() -> Iterator[str]:
    """The address of a server of the page's files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@contextlib.contextmanager
def drawing(*arguments: str) -> Iterator[Any]:
    """Headless Chromium that draws in software, WebGL by SwiftShader."""
    with chromium(arguments=(*ARGUMENTS, *SOFTWARE, *arguments)) as started:
        started.set_script_timeout(60)
        yield started


def run(browser: Any, code: str, *arguments: object) -> Any:
    """The value of an asynchronous function body in JavaScript, whose arguments are `given`."""
    script = f"""const given = [...arguments].slice(0, -1), done = arguments[arguments.length - 1];
    (async () => {{ {code} }})().then((value) => done(JSON.stringify(value ?? null)),
      (error) => done(JSON.stringify({{error: `${{error.stack ?? error}}`}})))"""
    found = json.loads(browser.execute_async_script(script, *arguments))
    if isinstance(found, dict) and "error" in found:
        raise AssertionError(found["error"])
    return found


def until(browser: Any, code: str, *arguments: object, seconds: float = 60) -> Any:
    """The first value of a function body that is true.

    Raises:
        AssertionError: there is none in time.
    """
    end = time.monotonic() + seconds
    while not (found := run(browser, code, *arguments)):
        assert time.monotonic() < end, code
        time.sleep(0.03)
    return found


def opened(browser: Any, address: str, count: int = 3000, *, spaces: int = 1, suffix: str = "") -> None:
    """Show the disc of a made-up collection of some spaces, and wait until all of its points are drawn."""
    browser.get("about:blank")
    browser.get(f"{address}{suffix}")
    run(
        browser,
        "await (await import('/double.js')).show(document.getElementById('root'), ...given)",
        [*range(spaces)],
        count,
    )
    rested(browser)


def rested(browser: Any) -> None:
    """Wait until the stage has drawn what it wants."""
    until(browser, "const { stage } = shown; return stage?.wanted && !stage.frame && stage.count >= stage.wanted")


def stage_of(browser: Any) -> Any:
    return browser.find_element("css selector", ".map-stage")


def corner(browser: Any) -> tuple[float, float]:
    """Where the left upper corner of the stage is in the window."""
    box = browser.execute_script("return arguments[0].getBoundingClientRect()", stage_of(browser))
    return box["x"], box["y"]


def mouse(browser: Any, kind: str, x: float, y: float, **more: object) -> None:
    """One event of the mouse at a pixel of the stage."""
    left, top = corner(browser)
    event = {"type": kind, "x": left + x, "y": top + y, "button": "left", "clickCount": 1, **more}
    if kind in ("mouseMoved", "mouseWheel"):
        event["button"] = "left" if more.get("buttons") else "none"
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def drag(browser: Any, way: list[tuple[float, float]]) -> None:
    mouse(browser, "mouseMoved", *way[0])
    mouse(browser, "mousePressed", *way[0])
    for x, y in way[1:]:
        mouse(browser, "mouseMoved", x, y, buttons=1)
    mouse(browser, "mouseReleased", *way[-1])


def click(browser: Any, x: float, y: float) -> None:
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        mouse(browser, kind, x, y)


def press(browser: Any, keys: str) -> None:
    browser.execute_script("arguments[0].focus()", stage_of(browser))
    for key in keys:
        event = {"key": key, "text": key} if len(key) == 1 else {"key": key}
        browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", **event})
        browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", "key": key})


def lone_point(browser: Any) -> list:
    """The id and the pixel of a point well within the stage, far from every other."""
    return run(
        browser,
        f"""{STAGE} const points = app.source.maps[stage.lens.key].points.map(({{ id, x, y }}) => [String(id),
          ...camera.onScreen([x, y])]);
        const free = ([id, x, y]) => Math.hypot(x - camera.width / 2,
          y - camera.height / 2) < 0.4 * camera.width && !points.some(([other, u,
          v]) => other !== id && Math.hypot(u - x, v - y) < 7);
        return points.find(free);""",
    )


def saved(browser: Any, suffix: str) -> bytes:
    found = until(
        browser,
        """const file = told.saved.find(({ name }) => name.endsWith(given[0])); if (!file) return null;
        const bytes = new Uint8Array(await new Blob([file.content]).arrayBuffer()); let text = '';
        for (const byte of bytes) text += String.fromCharCode(byte);
        return btoa(text)""",
        suffix,
    )
    return base64.b64decode(found)


def touch(browser: Any, kind: str, *places: tuple[float, float]) -> None:
    left, top = corner(browser)
    points = [{"x": left + x, "y": top + y, "id": i} for i, (x, y) in enumerate(places)]
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def _address() -> Iterator[str]:
    with serving_files() as served:
        yield served


def _browser() -> Iterator[Any]:
    with drawing() as started:
        yield started


def _desk(browser: Any) -> Iterator[Any]:
    resize(browser, 1280)
    logged(browser)
    yield browser
    assert logged(browser, "SEVERE") == []


def fixtures() -> tuple[Any, Any, Any]:
    """Fixtures of a test module: the address of the page, a browser, and the browser at the width of a desk, on whose
    console no test may leave an error.
    """
    module = pytest.fixture(scope="module")
    return module(_address), module(_browser), pytest.fixture(_desk)
