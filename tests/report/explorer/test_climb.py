"""The climb of the explorer in headless Chromium, every number beside that of the server."""

import re

import pytest
import torch

from hiergeo import search
from hiergeo.report import explorer
from hiergeo.search import background
from tests.report import browser_common
from tests.report.explorer.explorer_common import HOSTILE, MARKED, Page, explored, fixtures, small_collection

pytest.importorskip("starlette")

pytestmark = pytest.mark.slow  # a browser

CARDS = """return [...document.querySelectorAll('.climb-card')].map((card) => [
  card.dataset.id, card.querySelector('bdi').textContent, card.querySelector('.badge').textContent,
  card.querySelector('.truth > :first-child')?.textContent ?? '',
  card.querySelector('.numbers').lastChild.textContent])"""
"""Id, caption, number, mark and numbers of every card."""

AT_ITS_DOT = """const spot = document.querySelector('.map-hovered')?.getBoundingClientRect();
const marks = [...document.querySelectorAll('.map-rung')].filter((mark) => {
  const [first, last = first] = mark.nextElementSibling.textContent.split('–').map(Number);
  return first <= arguments[0] && arguments[0] <= last;
}).map((mark) => mark.getBoundingClientRect());
const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
return spot && marks.length === 1 && Math.hypot(...middle(spot).map((at, axis) => at - middle(marks[0])[axis])) < 16"""
"""Whether what is lit is at the one mark of the step of a number."""

IDS = "return [...document.querySelectorAll(arguments[0])].map((each) => each.dataset.id)"

collection, files, page = fixtures()


def show(page: Page, fragment: str, width: int = 1280) -> None:
    page.open(fragment, width)
    page.until("return document.querySelector('.climb-ladder')?.childElementCount")
    page.rest()


def climbed(page: Page, lens: str, **query: str) -> list[dict]:
    """The steps of a ladder by the server; what is the query itself is none."""
    return [rung for rung in page.asked("ladder", lens=lens, **query)["rungs"] if not rung["hit"]["is_query"]]


@pytest.mark.parametrize("query", ["a trumpet", "an owl above a taxi on a pink background"])
@pytest.mark.parametrize("lens", ["0", "1"])
def test_cards_dots_and_the_sentence_are_those_of_the_ladder(page, lens, query):
    show(page, f"lens={lens}&q={query.replace(' ', '+')}")
    rungs = climbed(page, lens, q=query)
    if len(rungs) > 7:
        assert page.texts(".fold") == [f"+{len(rungs) - 6}"]
        assert len(page.script(CARDS)) == 6
        page.click(".fold button")
    cards = page.script(CARDS)
    assert [card[0] for card in cards] == [rung["hit"]["id"] for rung in rungs]
    assert [card[2] for card in cards] == [str(i) for i in range(len(rungs), 0, -1)]
    for card, rung in zip(cards, rungs, strict=True):
        hit = rung["hit"]
        mark = {True: "✓", False: "✗", None: ""}[rung["holds"]]
        assert card[1:4:2] == [hit["caption"] or f"image {hit['id']}", mark]
        told = [float(value.replace("−", "-")) for value in re.findall(r"[−\d]+\.\d+", card[4])]
        names = ("radius", "angle", "margin", "distance")
        assert told == pytest.approx([hit[name] for name in names], abs=0.0051)
    page.until(MARKED, len(rungs))
    wrong = any(rung["holds"] is False for rung in rungs)
    page.until("return (document.querySelector('.map-rung.wrong') !== null) === arguments[0]", wrong)
    (sentence,) = page.texts(".climb-sentence")
    assert f"{len(rungs)} step" in sentence
    held = [rung["holds"] for rung in rungs]
    assert ("wrong" in sentence, "all true" in sentence) == (False in held, all(held))
    true = [rung["hit"]["caption"] for rung in rungs[::-1] if rung["holds"]]
    assert all(name.strip() in true for name in sentence.lower().partition(":")[0].split(",") if true)


def test_a_card_shows_its_dot_and_chooses_its_item(page):
    show(page, "lens=1&q=a+trumpet")
    rungs = climbed(page, "1", q="a trumpet")
    page.until(MARKED, len(rungs))
    for place in range(len(rungs)):
        page.script("document.querySelectorAll('.climb-card button')[arguments[0]].focus()", place)
        page.until(AT_ITS_DOT, len(rungs) - place)
    page.press("ENTER")
    item = rungs[-1]["hit"]["id"]
    page.until("return document.querySelector('.drawer:not([aria-busy]) .drawer-neighbours li')")
    for kind in ("parents", "children", "neighbours"):
        hits = [hit for hit in page.asked(kind, lens=1, item=item, k=7)["hits"] if not hit["is_query"]]
        shown = page.script(IDS, f".drawer-{kind} li")
        assert shown == [hit["id"] for hit in hits if hit["id"] != item][:6]
        both = {hit["id"] for hit in page.asked(kind, lens=0, item=item, k=7)["hits"]} & set(shown)
        assert page.texts(f".drawer-{kind} .moved") == [f"{len(both)} of {len(shown)} in tiny · flat too"]
    page.press("ESCAPE")
    page.until("return document.querySelector('.drawer').hidden")


def test_an_item_that_another_model_puts_elsewhere_has_its_rank_in_both(tmp_path):
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(40, 6), dim=1) * torch.linspace(0.4, 2, 40)[:, None]
    captions = [f"thing {row}" for row in range(40)]
    for name, embeddings in (("one", rows), ("two", rows.flip(0))):
        search.build(tmp_path / name, None, captions, space="euclidean", embeddings=embeddings)
    collection = explorer.open_collection([tmp_path / "one", tmp_path / "two"], ["euclidean", "lorentz:-1"])
    with explored(collection) as url, browser_common.chromium() as browser:
        page = Page(browser, url)
        show(page, "lens=1&item=9")
        page.until("return document.querySelector('.drawer:not([aria-busy]) .moved')")
        ranks = f"More specific than {50 * 19 / 40:.0f} % of all items; in two · flat, than {50 * 61 / 40:.0f} %."
        assert page.texts(".drawer-item .moved") == [ranks]
        page.script("location.hash = 'lens=0&item=9'")
        page.until(
            "return document.querySelector('.drawer:not([aria-busy]) .moved bdi')?.textContent.startsWith('one')"
        )
        assert page.texts(".drawer-item .moved") == []


def test_photos_hostile_captions_and_nothing_asked(page):
    show(page, "")
    page.press("/", "ESCAPE")
    page.until("return location.hash.indexOf('from=') < 0 && location.hash.indexOf('q=') < 0")
    page.until("return document.querySelectorAll('.climb-card').length === 7")
    roots = [item["id"] for item in page.asked("find", lens=0, k=7)["items"]]
    assert page.script(IDS, ".climb-card") == roots
    page.give("drop", "mine.png")
    page.until("return document.querySelector('.climb-subject img.preview')")
    page.until("return document.querySelector('.climb-sentence').textContent")
    for hostile in HOSTILE[:2]:
        page.script("location.hash = 'q=' + encodeURIComponent(arguments[0])", hostile)
        page.until("return document.querySelector('.climb-words')?.textContent === arguments[0]", hostile)
    assert "broken" not in page.browser.title


def test_of_a_query_far_from_everything_no_way_is_drawn_until_it_is_asked_for(tmp_path, monkeypatch):
    """Half of the items count as far from what is more general."""
    monkeypatch.setattr(background, "FAR", 0.5)
    text = "qwertyuiop zzzz"
    with explored(small_collection(tmp_path / "items")) as url, browser_common.chromium() as browser:
        page = Page(browser, url)
        assert page.asked("ladder", lens="1", q=text)["query"]["far"]
        show(page, f"lens=1&q={text.replace(' ', '+')}")
        page.until("return document.querySelector('.map-query')")
        assert page.script("return document.querySelectorAll('.map-rung, .climb-card, .share').length") == 0
        page.click(".climb-ladder .button")
        steps = len(climbed(page, "1", q=text))
        page.until(MARKED, steps)
        assert f"in {steps} step" in page.texts(".climb-sentence")[0]
