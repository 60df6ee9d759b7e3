"""The tree, the comparison and the audit of the explorer in headless Chromium, against the index itself."""

import csv

import pytest
import torch

from tests.report import browser_common
from tests.report.explorer.explorer_common import HOSTILE, TITLE, Page, fixtures, verdict

pytest.importorskip("starlette")

pytestmark = pytest.mark.slow  # a browser

EDGES = """return [...document.querySelectorAll(arguments[0] + ' li')].map((each) => [
  each.querySelector('bdi').textContent,
  each.querySelector('.between b').textContent,
  ...[...each.querySelectorAll('.between span')].map((span) => span.textContent.split(' ')[1].replace('−', '-'))])"""
"""Caption, verdict and angle of every edge on one side of the tree."""

STYLES = """const edges = [...document.querySelectorAll('.edges path')];
return [...document.querySelectorAll('.above li, .below li')].map((each, index) => [
  each.querySelector('.between b').textContent[0], getComputedStyle(edges[index]).strokeDasharray !== 'none'])"""
"""Sign of every edge, and whether its line is dashed."""

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


def named(hit: dict, longest: int) -> str:
    """How a list of the page calls an item."""
    return cut(hit["caption"] or f"image {hit['id']}", longest)


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest].rstrip()}…"


def captions(page: Page, side: str) -> list[str]:
    return page.texts(f".{side} li bdi")


def radii(collection) -> dict[int, float]:
    """Radius by id, from the stored rows."""
    store = collection.first.store
    ids = torch.cat([torch.as_tensor(part) for part, _ in store.named()])
    return dict(zip(ids.tolist(), store.fetch(ids).radii[:, 0].tolist(), strict=True))


def item(collection, caption: str) -> int:
    return next(
        int(some[place])
        for some, labels in collection.first.store.named()
        for place, each in enumerate(labels.captions)
        if each == caption
    )


@pytest.mark.parametrize(("lens", "by"), [(0, "margin"), (1, "angle"), (1, "distance")])
def test_edges_of_the_tree_are_those_of_the_index(page, collection, lens, by):
    focus = item(collection, collection.examples[0])
    show(page, f"view=tree&item={focus}&lenses={lens}&by={by}", ".node.current")
    for side, verb in (("above", "parents"), ("below", "children")):
        hits = [hit for hit in page.asked(verb, lens=lens, item=focus, k=9, by=by)["hits"] if hit["id"] != str(focus)]
        told = [[named(hit, 90), verdict(hit, "entailed", "not entailed")] for hit in hits]
        shown = page.script(EDGES, f".{side}")
        assert [[each[0], each[1].partition(",")[0]] for each in shown] == told[:8]
        assert [float(each[2]) for each in shown] == pytest.approx([hit["angle"] for hit in hits[:8]], abs=0.0051)
    drawn = {tuple(each) for each in page.script(STYLES)}
    assert drawn <= {("✓", False), ("✗", True), ("c", False)}


def test_hostile_captions_are_text_and_cut(page, collection):
    for hostile in (HOSTILE[0], HOSTILE[1], HOSTILE[3]):
        show(page, f"view=tree&item={item(collection, hostile)}", ".node.current")
        shown = page.texts(".node.current bdi")[0]
        assert hostile.startswith(shown.removesuffix("…"))
        assert len(shown) <= 281
        if len(hostile) > len(shown):
            page.click(".middle summary")
            assert page.texts(".middle details p") == [hostile]
        wide, room = page.size()
        assert wide == room
    assert page.browser.title == "small scenes · hiergeo explorer"


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
