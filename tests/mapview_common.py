"""What tests of the map in a browser share: Chromium, a server of the page's files, and a made-up collection."""

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from hiergeo.report import design

PAGE = files("hiergeo.explorer") / "page"
DOUBLE = Path(__file__).with_name("explorer_map_double.js")
SHELL = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>map</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/page/design.css"><link rel="stylesheet" href="/page/explore.css">
<link rel="stylesheet" href="/page/map.css"><main id="main"><section class="view map" id="root"></section></main>"""
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'"
TYPES = {".js": "text/javascript", ".css": "text/css"}
SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.partition("?")[0].removeprefix("/page/")
        if name == "/":
            content = SHELL.encode()
        elif name == "/double.js":
            content = DOUBLE.read_bytes()
        else:
            content = design().encode() if name == "design.css" else (PAGE / name).read_bytes()
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
def chromium(*arguments: str) -> Iterator[Any]:
    """Headless Chromium, which draws in software."""
    pytest.importorskip("selenium", reason="needs selenium: pip install 'hiergeo[test]'")
    from selenium import webdriver

    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--hide-scrollbars", "--no-sandbox", "--disable-dev-shm-usage", *SOFTWARE, *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.set_script_timeout(30)
    try:
        yield started
    finally:
        started.quit()


def resize(browser: Any, width: int, height: int = 900) -> None:
    """Show the page at a width in CSS pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def run(browser: Any, code: str, *arguments: object) -> Any:
    """The value of an asynchronous function body in JavaScript, whose arguments are `given`."""
    script = f"""const given = [...arguments].slice(0, -1), done = arguments[arguments.length - 1];
    (async () => {{ {code} }})().then((value) => done(JSON.stringify(value ?? null)), (error) => done(JSON.stringify({{error: `${{error.stack ?? error}}`}})))"""
    found = json.loads(browser.execute_async_script(script, *arguments))
    if isinstance(found, dict) and "error" in found:
        raise AssertionError(found["error"])
    return found


def until(browser: Any, code: str, *arguments: object, seconds: float = 15) -> Any:
    """The first value of a function body that is true.

    Raises:
        AssertionError: there is none in time.
    """
    end = time.monotonic() + seconds
    while not (found := run(browser, code, *arguments)):
        assert time.monotonic() < end, code
        time.sleep(0.03)
    return found


def opened(browser: Any, address: str, kappas: list[int], count: int = 3000, *, suffix: str = "") -> None:
    """Show the map of a made-up collection, and wait until all of its points are drawn."""
    browser.get("about:blank")
    browser.get(f"{address}{suffix}")
    run(browser, "await (await import('/double.js')).show(document.getElementById('root'), ...given)", kappas, count)
    rested(browser)


def rested(browser: Any) -> None:
    """Wait until every panel has drawn what it wants."""
    until(
        browser,
        """const stages = [...shown.panels.values()].map((panel) => panel.stage);
        return stages.every((stage) => stage && stage.wanted && !stage.frame && stage.count >= stage.wanted)""",
    )


