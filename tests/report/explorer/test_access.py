"""The whole explorer without a mouse, on a phone, by light and dark, enlarged, and as axe-core reads it."""

import pytest

from tests.report import browser_common
from tests.report.explorer.explorer_common import Page, fixtures

pytest.importorskip("starlette")

pytestmark = pytest.mark.slow  # a browser

TABBABLE = """const kinds = 'a[href], button, input, select, textarea, summary, [tabindex]';
const reached = (each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility({visibilityProperty: true});
return [...document.querySelectorAll(kinds)]
  .filter((each) => reached(each) && !(each.type === 'radio' && !each.checked) && !window.visited.has(each))
  .map((each) => each.outerHTML.slice(0, 120))"""
"""What the tab key should reach and did not."""

VISIT = """const each = document.activeElement;
if (each === document.body || each === document.documentElement || window.visited.has(each)) return null;
window.visited.add(each);
const outlined = (element) => getComputedStyle(element).outlineStyle !== 'none';
const drawn = each.closest('.switch') && each.matches('input') ? each.nextElementSibling : each;
const box = drawn.getBoundingClientRect();
return [each.outerHTML.slice(0, 120), outlined(drawn), box.width > 0 && box.height > 0]"""
"""The element that has the focus, whether it is outlined, and whether it can be seen; null once it came round."""

OPEN = """document.querySelectorAll('details').forEach((each) => (each.open = true));
document.getElementById('tools').hidden = false"""
"""Open all that is folded."""

SPILT = """return [...document.querySelectorAll('.panel.chart text')].filter((each) => {
  const [text, panel] = [each, each.closest('svg')].map((element) => element.getBoundingClientRect());
  return text.left < panel.left - 1 || text.right > panel.right + 1 || text.bottom > panel.bottom + 1;
}).map((each) => each.textContent)"""
"""Texts of plots that leave their plot."""

FULL = "q=a+trumpet&item=1"
"""A query and an item in focus."""


collection, files, page = fixtures()


def show(page: Page, fragment: str = "", width: int = 1280) -> None:
    page.open(fragment, width)
    settle(page)


def settle(page: Page) -> None:
    """Wait until the page is there and still."""
    page.rest()
    page.until("return document.querySelector('.disc[data-drawn]') && document.querySelector('.finding')")
    page.until("return document.getAnimations().every((each) => each.playState !== 'running')")


def media(page: Page, **features: str) -> None:
    told = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": told})


def focused(page: Page, selector: str) -> bool:
    return page.script("return document.activeElement.matches(arguments[0])", selector)


def tab_to(page: Page, selector: str) -> None:
    """Press the tab key until the focus is on what a selector names."""
    for _ in range(60):
        if focused(page, selector):
            return
        page.press("TAB")
    raise AssertionError(f"the tab key does not reach {selector}")


def test_axe_finds_nothing_and_nothing_is_cut(page):
    show(page)
    for width, scheme in ((1280, "light"), (390, "dark")):
        assert faults(page, width, scheme) == []
    page.script("location.hash = arguments[0]", FULL)
    settle(page)
    page.script(OPEN)
    for width, scheme in ((390, "light"), (1280, "dark")):
        assert faults(page, width, scheme) == []
    browser_common.resize(page.browser, 640)
    assert page.size() == (640, 640)  # a screen of 1280 at twice the size
    media(page)


def faults(page: Page, width: int, scheme: str) -> list[str]:
    """What axe-core finds at a width and in light or dark; before that, nothing is wider than its place."""
    browser_common.resize(page.browser, width)
    media(page, color_scheme=scheme)
    assert page.size() == (width, width)
    assert page.script(SPILT) == []
    return browser_common.violations(page.browser)


def test_the_tab_key_reaches_everything_and_comes_out_again(page):
    show(page, FULL)
    page.script(OPEN)
    page.rest()
    page.script("window.visited = new Set()")
    for _ in range(120):
        page.press("TAB")
        found = page.script(VISIT)
        if found is None:
            break
        assert found[1:] == [True, True], found[0]
    else:
        raise AssertionError("the focus does not leave the page")
    assert page.script(TABBABLE) == []


def test_what_failed_is_asked_again(page):
    show(page, "q=a+trumpet")
    page.script("window.real = fetch; window.fetch = () => Promise.reject(new TypeError('gone'))")
    page.press("/", "an owl", "ENTER")
    page.until("return document.querySelectorAll('.climb-ladder [role=alert] .failed button').length === 1")
    page.click(".climb-spaces label", 1)
    page.until("return document.querySelectorAll('.map-waiting .failed button').length === 1")
    page.script("window.fetch = real")
    page.click(".climb-ladder .failed button")
    page.until(
        "return document.querySelector('.climb-card')?.checkVisibility() && document.querySelector('.map-stage')"
    )
    assert not page.texts(".failed:not([hidden])")


def test_nothing_moves_for_those_who_ask_for_stillness(page):
    show(page, FULL)
    page.press("ESCAPE")
    moving = "return getComputedStyle(document.querySelector('.climb-card')).animationName"
    assert page.script(moving) == "reached"
    media(page, reduced_motion="reduce")
    assert page.script(moving) == "none"
    page.press("/", "an owl", "ENTER")
    page.until("return document.querySelector('.map-rung') && document.querySelector('.climb-card')")
    assert page.script("return document.getAnimations().length") == 0
    media(page)
