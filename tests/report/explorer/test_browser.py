"""The shell and the ladders of the explorer in headless Chromium: queries, state, hostile captions, sizes, files."""

import csv
import io
import struct
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from hiergeo.report import explorer
from tests.report import browser_common
from tests.report.explorer.explorer_common import HOSTILE, PICTURES, STEPS, Page, explored, small_collection

pytest.importorskip("starlette")

pytestmark = pytest.mark.slow  # a browser

POINTED = "new PointerEvent('pointerover', {bubbles: true})"


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    small = small_collection(tmp_path_factory.mktemp("small") / "items", HOSTILE)
    third = explorer.Lens("2", "third", "scenes", small.first, small.first.chosen("sphere:0.1"))
    return replace(small, lenses=(*small.lenses, third))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def page(collection, files) -> Iterator[Page]:
    with explored(collection) as url, browser_common.chromium(files) as browser:
        yield Page(browser, url)


@pytest.fixture(autouse=True)
def logged(page) -> Iterator[None]:
    """No test leaves an error on the console, but for those of files that it blocks itself."""
    browser_common.logged(page.browser)
    yield
    assert [message for message in browser_common.logged(page.browser, "SEVERE") if "/page/" not in message] == []


def test_a_text_is_asked_by_keys_alone(page):
    page.open()
    page.press("/", "a trumpet", "ENTER")
    page.until("return document.querySelector('.climb-words')?.textContent === 'a trumpet'")
    page.rest()
    assert page.hash()["q"] == "a trumpet"
    hits = page.steps("0", q="a trumpet")
    assert page.script(STEPS) == [hit["id"] for hit in hits]
    assert "step" in page.texts("#live")[0]
    page.press("ESCAPE")
    page.until("return !document.querySelector('.climb-subject').childElementCount")
    assert "q" not in page.hash()


def test_a_step_is_chosen_and_climbed_from(page):
    page.open(urlencode({"q": "a wind instrument"}))
    hits = page.steps("0", q="a wind instrument")
    last = hits[-1]
    page.click(".climb-card button", len(page.texts(".climb-card")) - 1)
    page.until("return document.querySelector('.drawer .full')?.textContent === arguments[0]", last["caption"])
    assert page.hash()["item"] == last["id"]
    page.click(".drawer-item .button")
    page.until("return document.querySelector('.climb-words').textContent === arguments[0]", last["caption"])
    page.rest()
    assert page.hash()["from"] == last["id"]
    assert page.script(STEPS) == [hit["id"] for hit in page.steps("0", item=last["id"])]
    page.script("history.back()")
    page.until("return document.getElementById('query').value === 'a wind instrument'")
    page.script("history.forward()")
    page.until("return document.getElementById('query').value === ''")


@pytest.mark.parametrize(
    "broken",
    [
        "q=",
        "lens=9&where=[3]&colour=&zoom=-1&at=a,b&turn=NaN",
        "where=%7B%22a%22%3A%5B-1%5D%7D&colour=nothing",
        "%E0%A4%A&&&===",
        "item=1e9&from=-1&against=0",
        "q=%00",
    ],
)
def test_broken_state_falls_back_to_the_defaults(page, broken):
    page.open(broken)
    assert page.script("return document.querySelector('.climb-spaces :checked').value") == "0"
    page.until("return document.querySelector('.disc[data-drawn]')")
    page.until("return document.querySelector('.climb-card')")


def test_state_goes_through_the_url_and_back(page):
    page.open("q=a+trumpet&lens=1&colour=kind&at=0.25,-0.5&turn=1.5&zoom=2&where={%22a%22:[1]}")
    page.script("document.querySelector('.examples button').click()")
    page.until("return document.getElementById('query').value !== 'a trumpet'")
    kept = page.hash()
    assert kept.pop("from") == page.asked("collection")["examples"][0]["item"]
    wanted = {"lens": "1", "colour": "kind", "turn": "1.5", "zoom": "2"}
    assert kept == wanted | {"at": "0.25,-0.5", "where": '{"a":[1]}'}
    page.script("history.back()")
    page.until("return document.getElementById('query').value === 'a trumpet'")


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_hostile_captions_are_text_and_no_line_is_wider_than_the_screen(page, collection, width):
    page.open("q=a+trumpet", width)
    for word in ("onerror", "esrever", "very long", "wwww", "HYPERLINK"):
        (found,) = page.asked("find", text=word, k=1)["items"]
        caption, item = found["caption"], found["id"]
        assert caption in HOSTILE
        page.script("location.hash = arguments[0]", f"from={item}&item={item}")
        page.until("return document.querySelector('.drawer .full')?.textContent === arguments[0]", caption)
        assert page.size() == (width, width)
        assert page.browser.title == "small scenes · hiergeo explorer"
    assert page.script("return document.querySelectorAll('main b b, main script, img[src=x]').length") == 0


def test_a_cut_caption_is_shown_whole_on_focus(page):
    item = page.asked("find", text="very long", k=1)["items"][0]["id"]
    page.open(f"q=a+trumpet&item={item}")
    near = page.asked("neighbours", lens=0, item=item, k=2)["hits"][1]["id"]
    page.script("location.hash = arguments[0]", f"q=a+trumpet&item={near}")
    page.until(f"return document.querySelector('.drawer li[data-id=\"{item}\"]:has(.cut)')")
    page.script(f"document.querySelector('.drawer li[data-id=\"{item}\"]:has(.cut) button').focus()")
    assert len(page.texts("#tip:not([hidden])")[0]) > 1000
    hidden = "return document.getElementById('tip').hidden"
    page.script(f"document.querySelector('h1').dispatchEvent({POINTED})")
    assert not page.script(hidden), "the pointer rests elsewhere"
    page.script("document.activeElement.blur()")
    assert page.script(hidden)


def test_the_ladder_is_saved_as_a_table_and_as_a_card_with_the_photo(page, files):
    last = page.asked("collection")["items"]
    ladders = {item: page.steps("0", item=item) for item in range(last - PICTURES, last)}
    pictured = max(ladders, key=lambda item: sum(hit["image"] for hit in ladders[item]))
    page.open(f"from={pictured}")
    page.until("return [...document.querySelectorAll('.climb img')].every((image) => image.naturalWidth)")
    for kind in range(3):
        page.click(".share .downloads .button", kind)
    name = f"ladder-image-{pictured}"
    table = browser_common.saved(files, f"{name}.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    hits = [rung["hit"] for rung in page.asked("ladder", lens=0, item=pictured)["rungs"]]
    assert [row["id"] for row in rows] == [hit["id"] for hit in hits]
    assert [row["margin"] and float(row["margin"]) for row in rows] == [
        "" if hit["is_query"] else hit["margin"] for hit in hits
    ]
    drawing = browser_common.saved(files, f"{name}.svg").read_text(encoding="utf-8")
    assert drawing.count("<circle") == min(7, len(hits) - 1) - (len(hits) - 1 > 7)
    steps = [hit for hit in hits if not hit["is_query"]]
    shown = steps if len(steps) <= 7 else [*steps[:3], *steps[-3:]]
    assert drawing.count('href="data:image/png') == 1 + sum(hit["image"] for hit in shown)
    png = browser_common.saved(files, f"{name}.png").read_bytes()
    assert struct.unpack(">II", png[16:24]) == (1200, 630)
