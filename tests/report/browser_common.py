"""What tests in a real browser share: headless Chromium, sizes and colours, contrast, and the rules of axe-core."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ARGUMENTS = ("--headless=new", "--hide-scrollbars", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")

CONTRAST = """
const parse = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
const linear = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const behind = (node) => {
  for (let each = node; each; each = each.parentElement) {
    const colour = parse(getComputedStyle(each).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || node.closest("script, style, [aria-hidden]")) continue;
  if (!node.checkVisibility()) continue;
  const style = getComputedStyle(node);
  const ink = parse(node.closest("svg") ? style.fill : style.color);
  const [a, b] = [light(ink), light(behind(node))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) bad.push([walker.currentNode.textContent.trim().slice(0, 30), ratio.toFixed(2)]);
}
return bad;
"""
"""Texts whose contrast with what is behind them is below 4.5, with the ratio."""

RULES = """
const done = arguments[0];
const told = ({id, nodes}) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160))}`;
axe.run(document, {resultTypes: ["violations"]}).then(
  ({violations}) => done(violations.map(told)),
  (error) => done([String(error)]),
);
"""


@contextmanager
def chromium(downloads: Path | None = None, arguments: Sequence[str] = ARGUMENTS) -> Iterator:
    """Headless Chromium that keeps its logs, and saves what pages download in a folder; skips where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install 'hiergeo[test]'")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        if downloads is not None:
            allowed = {"behavior": "allow", "downloadPath": str(downloads)}
            started.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
        yield started
    finally:
        started.quit()


def resize(browser, width: int, height: int = 800) -> None:
    """The size of the screen; below 600 it is a phone."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def colours(browser, scheme: str) -> None:
    """The scheme that the system asks for: light or dark."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def requests(browser) -> list[str]:
    """Addresses asked for since the last call, but for data and the browser's own."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    return [url for url in asked if not url.startswith(("data:", "chrome:", "about:", "blob:"))]


def logged(browser, *levels: str) -> list[str]:
    """Messages on the console since the last call, of some levels or of all; tests that read them call it first."""
    entries = browser.get_log("browser")
    return [entry["message"] for entry in entries if not levels or entry["level"] in levels]


def violations(browser) -> list[str]:
    """What axe-core finds wrong with the page, as rules and the elements that break them."""
    axe = pytest.importorskip("axe_core_python", reason="needs axe-core: pip install 'hiergeo[test]'")
    source = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    if not browser.execute_script("return Boolean(window.axe)"):
        browser.execute_script(source)
    return browser.execute_async_script(RULES)


def saved(folder: Path, name: str, seconds: float = 60) -> Path:
    """A file that the browser is saving, once it is whole."""
    path, end = folder / name, time.monotonic() + seconds
    while time.monotonic() < end:
        if path.is_file() and not list(folder.glob("*.crdownload")):
            return path
        time.sleep(0.02)
    raise AssertionError(f"{name} was not saved; there are {sorted(each.name for each in folder.iterdir())}")
