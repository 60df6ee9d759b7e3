"""The comparison and the audit of the explorer in headless Chromium, against the index itself."""

import csv

import pytest

from tests.report import browser_common
from tests.report.explorer.explorer_common import TITLE, Page, fixtures

pytest.importorskip("starlette")

pytestmark = pytest.mark.slow  # a browser

UNIT = """const panel = document.querySelectorAll('.survey')[1].querySelector('.panel');
const at = (name) => Number(panel.querySelector(name).getAttribute('x1'));
const base = panel.querySelector('.base');
return [at('.mark'), Number(base.getAttribute('x1')), Number(base.getAttribute('x2'))]"""
"""Place of the mark u = 1 in the histogram of the second space, and the ends of the axis."""


collection, files, page = fixtures()


def show(page: Page, fragment: str, ready: str, width: int = 1280) -> None:
    """Open a state of the page, and wait for what a selector names."""
    page.open(fragment, width)
    page.until("return document.querySelector(arguments[0])", ready)
    page.rest()


def test_two_spaces_are_compared_in_a_table_that_is_saved(page, collection, files):
    show(page, "view=compare", ".sorted tbody tr")
    moved = page.asked("moved", a=0, b=1)
    assert page.texts(".moved .lede") == [moved["sentences"][0]]
    assert page.texts(".found-more li") == moved["sentences"][1:]
    assert page.texts(".compare option")[:2] == ["tiny · euclidean", TITLE]
    shown = page.script("return [...document.querySelectorAll('.sorted tr')].map((row) => row.children.length)")
    assert shown == [4] * (1 + len(moved["movers"]))
    assert page.texts(".sorted tbody tr td:nth-child(3)") == [
        f"{mover['shared_neighbours']} of {moved['k']}" for mover in moved["movers"]
    ]
    page.click(".compare .downloads .button")
    with browser_common.saved(files, "items-that-moved-most.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [mover["id"] for mover in moved["movers"]]
    assert [float(row["radius_b"]) for row in rows] == [mover["radius"][1] for mover in moved["movers"]]
    page.click(".sorted .link")
    page.until("return new URLSearchParams(location.hash.slice(1)).get('item')")


def test_the_audit_tells_what_the_survey_found(page, collection, files):
    show(page, "view=audit", ".numbers-table")
    page.until("return document.querySelectorAll('.survey .bars').length >= 6")
    for place, key in enumerate("01"):
        found = page.asked("audit", lens=key)
        told = page.script(
            "return [...document.querySelectorAll('.survey')[arguments[0]].querySelectorAll('.finding')]"
            ".map((each) => [each.dataset.severity, each.textContent])",
            place,
        )
        words = {"fine": "✓ Fine: ", "note": "○ Note: ", "warning": "▲ Warning: "}
        assert told == [[each["severity"], words[each["severity"]] + each["sentence"]] for each in found["findings"]]
    mark, low, high = page.script(UNIT)
    edges = page.asked("audit", lens=1)["radius"]["edges"]
    assert (mark - low) / (high - low) == pytest.approx((1 - edges[0]) / (edges[-1] - edges[0]), abs=0.01)
    page.click(".survey:nth-child(2) .downloads .button", 0)
    with browser_common.saved(files, "radii-in-b-markup-b-model.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = sum(int(row[name]) for row in rows for name in row if name not in ("from", "to"))
    assert counts == sum(tier["items"] for tier in page.asked("audit", lens=1)["tiers"])
