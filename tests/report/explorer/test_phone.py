"""The explorer on a phone: what is asked for is in sight at once, and fingers hit what they aim at."""

import pytest

from tests.report import browser_common
from tests.report.explorer.explorer_common import fixtures

pytest.importorskip("starlette")

pytestmark = pytest.mark.slow  # a browser

WIDTH, HEIGHT = 390, 844

SMALL = """const kinds = 'button, select, summary, input:not([type=file]), a[href], [role=tab]';
const target = (each) => each.matches('input') ? (each.closest('label') ?? each) : each;
return [...document.querySelectorAll(kinds)].map(target).filter((each) => {
  const box = each.getBoundingClientRect();
  const seen = each.checkVisibility({visibilityProperty: true}) && box.width > 1 && !each.matches('.skip');
  return seen && (box.height < 43.5 || box.width < 43.5);
}).map((each) => `${each.offsetWidth} x ${each.offsetHeight}: ${each.outerHTML.slice(0, 120)}`)"""
"""What can be pressed and is smaller than a finger."""

FINE = """const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
  const size = parseFloat(getComputedStyle(node).fontSize);
  if (size < 12) found.push([walker.currentNode.textContent.slice(0, 30), size]);
}
return found"""
"""Texts in letters of less than 12 pixels."""

TOP = "return document.querySelector(arguments[0]).getBoundingClientRect().top + scrollY"

collection, files, page = fixtures()


def test_content_begins_near_the_top_and_fingers_hit(page):
    page.open("q=a+trumpet", WIDTH)
    browser_common.resize(page.browser, WIDTH, HEIGHT)
    page.until("return document.querySelector('.disc[data-drawn]') && document.querySelector('.finding')")
    page.rest()
    assert page.script(TOP, ".climb-subject") <= 200
    assert page.script(TOP, ".map-place") <= 420
    assert page.script("return document.querySelector('.map-place').offsetWidth") >= 350
    assert page.script(TOP, ".climb-card") > page.script(TOP, ".map-place") + 350
    assert page.script(SMALL) == []
    assert page.script(FINE) == []
    page.click("#options")
    assert page.script("return document.getElementById('options').getAttribute('aria-expanded')") == "true"
    page.script("document.querySelector('.climb-zoom [aria-controls=tools]').focus()")
    page.press("ENTER")  # the disc may be laid out anew meanwhile, away from a pointer
    page.until("return !document.querySelector('.tools').hidden", seconds=10)
    box = (
        "const box = document.querySelector('.tools').getBoundingClientRect(); return [box.left, box.right, box.bottom]"
    )
    assert page.script(box) == [0, WIDTH, HEIGHT]
    assert page.script(SMALL) == []
    page.click(".tools > .close")
    assert page.script("return document.querySelector('.tools').hidden")
    assert page.size() == (WIDTH, WIDTH)
