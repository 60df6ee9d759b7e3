"""The report of a study in a real browser: headless Chromium, on a phone and on a desk, by light and by dark."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenes_common import HOSTILE, scenes_study

from hiergeo.report import write_study

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


@pytest.fixture(scope="module")
def browser() -> Iterator:
    pytest.importorskip("selenium", reason="needs selenium: pip install 'hiergeo[test]'")
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--hide-scrollbars", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    path: Path = write_study(scenes_study(), tmp_path_factory.mktemp("study") / "study.html", images=2)
    return path.as_uri()


@pytest.fixture(scope="module")
def page(browser, address):
    """The browser with the report open, on a desk."""
    resize(browser, 1280)
    browser.get(address)
    return browser


def resize(browser, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def script(page, code: str, *arguments):
    return page.execute_script(code, *arguments)


def press(page, *keys: str) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    for key in keys:
        ActionChains(page).send_keys(getattr(Keys, key)).perform()


def current(page) -> str:
    return script(page, "return document.querySelector('.facts .current').textContent")


def test_nothing_is_logged_and_nothing_is_asked_of_the_network(page, address):
    assert page.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert address in asked
    assert [url for url in asked if not url.startswith(("data:", "chrome:", "about:")) and url != address] == []
    assert page.title.startswith("Study of tiny on scenes test")


@pytest.mark.parametrize("width", [360, 1280])
def test_no_line_is_wider_than_the_screen(page, width):
    resize(page, width)
    script(page, "document.querySelectorAll('details').forEach((each) => (each.open = true))")
    wide, room = script(page, "const d = document.documentElement; return [d.scrollWidth, d.clientWidth]")
    resize(page, 1280)
    assert (wide, room) == (width, width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable(page, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    paper = script(page, "return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(253, 252, 250)") == (scheme == "light")
    assert script(page, CONTRAST) == []


def test_arrow_keys_walk_the_disk(page):
    script(page, "document.querySelector('.switch input').focus()")
    press(page, "ARROW_RIGHT", "TAB")
    focus = "return [document.activeElement.tagName, document.activeElement.getAttribute('aria-label')]"
    tag, label = script(page, focus)
    assert tag == "svg"
    assert label.startswith(script(page, "return document.querySelector('.switch input:checked + span').textContent"))
    outline = script(page, "return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    start = current(page)
    press(page, "ARROW_DOWN")
    inwards = current(page)
    assert inwards != start
    press(page, "ARROW_UP")
    assert current(page) == start
    press(page, "ARROW_RIGHT")
    assert current(page) != start
    press(page, "ARROW_LEFT")
    assert current(page) == start


def test_pointing_shows_the_caption_and_the_image(page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    mark = script(
        page,
        """const marks = [...document.querySelectorAll('.view:not([hidden]) .points .tier3')];
        const far = marks.find((mark) => mark.dataset.chain === arguments[0]);
        far.scrollIntoView({block: 'center'}); return far""",
        script(
            page,
            "return String([...document.querySelectorAll('#chains > li')].findIndex((li) => "
            "li.textContent.includes(arguments[0])))",
            HOSTILE,
        ),
    )
    ActionChains(page).move_to_element(mark).perform()
    assert HOSTILE in page.find_element(By.CSS_SELECTOR, ".facts").text
    assert "r = " in current(page)
    assert script(page, "return document.querySelector('.facts img').naturalWidth") > 50
    assert len(page.find_elements(By.CSS_SELECTOR, ".view:not([hidden]) .lit .link")) == 2
    assert page.title.startswith("Study")  # the caption's script did not run


def test_one_space_is_shown_at_a_time_and_all_of_them_on_paper(page):
    visible = "return [...document.querySelectorAll('.view')].map((view) => view.checkVisibility())"
    script(page, "document.querySelectorAll('.switch input')[2].click()")
    assert script(page, visible) == [False, False, True]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert script(page, visible) == [True, True, True]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    printed = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert printed["data"].startswith("JVBERi")


def test_without_its_script_the_page_shows_every_space(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(address)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    shown = "return [...document.querySelectorAll('.view, .switch, .told')].map((part) => part.checkVisibility())"
    assert browser.execute_script(shown).count(True) == 3
