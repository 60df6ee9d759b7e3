"""The tree, the comparison and the audit of the explorer in headless Chromium, against the index itself."""

import csv

import pytest
import torch
from PIL import Image

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


def test_the_walk_goes_down_up_and_back(page, collection):
    show(page, f"view=tree&item={item(collection, collection.hierarchy.rows[0].positive[0])}", ".node.current")
    start = page.texts(".node.current bdi")[0]
    down = captions(page, "below")[0]
    page.click(".below .node")
    page.until("return document.querySelector('.node.current bdi').textContent === arguments[0]", down)
    assert page.texts(".crumbs li") == ["Root", cut(start, 40), cut(down, 40)]
    page.browser.back()
    page.until("return document.querySelector('.node.current bdi').textContent === arguments[0]", start)
    assert page.texts(".crumbs li") == ["Root", cut(start, 40)]
    page.click(".crumbs button")
    page.until("return document.querySelector('.below h2').textContent === 'Most general items'")
    order = sorted(radii(collection).items(), key=lambda each: (each[1], each[0]))
    shown = page.texts(".below .radius")
    assert [float(text.split()[-1]) for text in shown] == [pytest.approx(radius, abs=0.006) for _, radius in order[:8]]
    assert "item" not in page.hash()


def test_more_items_come_and_the_edges_are_saved(page, collection, files):
    focus = item(collection, collection.hierarchy.rows[0].positive[0])
    show(page, f"view=tree&item={focus}", ".node.current")
    page.click(".below > .button")
    page.until("return document.querySelectorAll('.below li').length === 16")
    page.click(".tree .downloads .button")
    with browser_common.saved(files, "edges-of-the-tree.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    below = [row for row in rows if row["general_id"] == str(focus)]
    hits = [hit for hit in page.asked("children", lens=0, item=focus, k=17)["hits"] if hit["id"] != str(focus)][:16]
    assert [row["specific_id"] for row in below] == [hit["id"] for hit in hits]
    assert [float(row["margin_rad"]) for row in below] == pytest.approx([hit["margin"] for hit in hits])
    verdicts = {None: "", True: "true", False: "false"}
    assert [row["entailed"] for row in below] == [verdicts[hit["entails"]] for hit in hits]
    assert [float(row["rank_among_pairs"]) for row in below] == [hit["rank"] for hit in hits]
    assert {row["specific_id"] for row in rows if row["general_id"] != str(focus)} == {str(focus)}


def test_a_text_and_its_item_stand_in_the_middle_alike(page, collection):
    text = collection.examples[0]
    show(page, f"view=tree&q={text.replace(' ', '+')}", ".node.current")
    assert page.texts(".middle h2") == ["Your query"]
    assert page.texts(".node.current bdi") == [text]
    assert text not in captions(page, "above") + captions(page, "below")
    count = page.asked("count", lens=0, q=text)["count"]
    told = page.until("return document.querySelector('.held').textContent")
    assert told == f"Its cone holds {count - 1} of {len(collection.first):,} items.", "the caption itself is counted"


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


def test_a_plot_is_saved_as_a_picture(page, files):
    show(page, "view=audit&lenses=1", ".survey .bars")
    page.click(".survey .downloads .button", 2)
    picture = Image.open(browser_common.saved(files, "radii-in-b-markup-b-model.png")).convert("RGB")
    width = page.script("return document.querySelector('.survey .panel').getBoundingClientRect().width")
    assert picture.width == pytest.approx(2 * width, abs=2)
    assert width == page.script("return document.querySelector('.survey .panel').viewBox.baseVal.width"), "stretched"
    colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert len(colours) > 20
    page.click(".survey .downloads .button", 1)
    drawn = browser_common.saved(files, "radii-in-b-markup-b-model.svg").read_text(encoding="utf-8")
    assert "geodesic units" in drawn
    assert "var(" not in drawn
    assert "<script" not in drawn


def test_what_was_asked_for_last_is_kept(page):
    page.open("q=a+ring")
    held = page.browser.execute_async_script(
        """const done = arguments[0];
        import('/page/source.js').then(async ({ Kept, takeToken }) => {
          const dropped = [];
          const kept = new Kept(2, (made) => dropped.push(made));
          const ask = (name) => kept.once(name, () => name);
          await Promise.all(['a', 'b', 'a', 'c'].map(ask));
          await kept.once('d', () => Promise.reject(new Error('no'))).catch(() => {});
          await new Promise((rest) => setTimeout(rest));
          const page = { location: new URL('http://x/#token=secret'), history: { replaceState() {} },
            get sessionStorage() { throw new DOMException('denied', 'SecurityError'); } };
          done([dropped, [...kept.held.keys()], takeToken(page)]);
        })"""
    )
    assert held == [["b", "a"], ["c"], "secret"]


def test_a_query_too_long_for_a_link_comes_back_by_the_history(page):
    long = "a ring " + "and a star " * 200
    value = "return document.getElementById('query').value"
    show(page, "q=a+star", ".stage")
    page.script(
        "const box = document.getElementById('query'); box.value = arguments[0]; box.form.requestSubmit()", long
    )
    page.until("return history.state?.text")
    assert "q" not in page.hash()
    page.script("history.pushState = () => { throw new DOMException('too many', 'SecurityError'); }")
    page.click("#tab-tree")  # refused by the history, shown all the same
    page.until("return !document.getElementById('panel-tree').hidden")
    page.script("delete history.pushState")
    page.browser.refresh()
    page.rest()
    assert page.script(value) == long.strip()
