"""The exported page in headless Chromium, from a disk and below a path of a web server: its answers are the API's."""

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

pytest.importorskip("selenium")

from hiergeo._core.text import shortened
from hiergeo.datasets import Hierarchy, Row
from hiergeo.report.explorer import Tiers, export_page
from hiergeo.report.explorer.export import CAPTION, DIGITS
from hiergeo.report.explorer.mapping import build_map
from tests.report import browser_common
from tests.report.explorer.explorer_common import Page
from tests.report.explorer.explorer_exported import HOSTILE, ROWS, build
from tests.report.explorer.explorer_served import browser as client_of
from tests.report.test_browser import browser

pytestmark = pytest.mark.slow  # a browser

__all__ = ["browser"]

ASKED = [0, 9, 41, ROWS - 1]

ASK = """
const done = arguments[arguments.length - 1];
const plain = (_, each) => {
  if (typeof each === "bigint") return String(each);
  return ArrayBuffer.isView(each) ? [...each] : each;
};
const told = (value) => done(JSON.stringify(value, plain));
(async () => {
  const source = new modules["static.js"].StaticSource(new URL(".", document.baseURI).href);
  await source.collection();
  CODE
})().then((value) => told({ value }), (error) => told({ error: error.message }));
"""


@dataclass
class Site:
    """An exported page on a server, and the live answers of the same collection."""

    url: str
    folder: Path
    collection: object
    live: object
    statuses: list[tuple[str, int]] = field(default_factory=list)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("static")
    chains = (
        ("The thing 0!", "thing 9", "thing 41"),
        ("thing", f"thing {ROWS - 1}", "it"),
        ("thing 9", "a thing, 3", "x"),
    )
    known = Hierarchy("things", "test", tuple(Row(at, chain) for at, chain in enumerate(chains)))
    collection = replace(build(folder / "data"), tiers=Tiers(known))
    export_page(collection, folder / "web" / "me" / "space")
    statuses: list[tuple[str, int]] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-") -> None:
            statuses.append((self.path, int(code)))

    handler = functools.partial(Handler, directory=str(folder / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, client_of(collection) as live:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/me/space/"
        yield Site(url, folder / "web" / "me" / "space", collection, live, statuses)
        server.shutdown()


@pytest.fixture(scope="module", params=["server", "disk"])
def page(browser, site, request) -> Page:
    browser.set_script_timeout(60)
    opened = Page(browser, site.url if request.param == "server" else (site.folder / "index.html").as_uri())
    opened.open("from=9")
    return opened


def asked(page: Page, code: str):
    """What a piece of code that uses `source` gives."""
    answer = run(page, code)
    assert "value" in answer, answer
    return answer["value"]


def run(page: Page, code: str) -> dict:
    return json.loads(page.browser.execute_async_script(ASK.replace("CODE", code)))


def same(static, live, rel: float = 3e-7) -> None:
    """Assert that two JSON values are equal, numbers up to a relative error, by default that of float32."""
    if isinstance(live, float):
        assert static == pytest.approx(live, rel=rel, abs=3e-7)
    elif isinstance(live, list):
        assert len(static) == len(live)
        for one, other in zip(static, live, strict=True):
            same(one, other, rel)
    elif isinstance(live, dict):
        assert static.keys() >= live.keys()
        for name, value in live.items():
            same(static[name], value, rel)
    elif isinstance(live, str):
        assert static == shortened(live, CAPTION)
    else:
        assert static == live


@pytest.mark.parametrize("verb", ["ladder", "children", "parents", "neighbours"])
@pytest.mark.parametrize("lens", ["0", "1"])
def test_answers_about_items_are_those_of_the_api(page, site, verb, lens) -> None:
    code = f"return Promise.all({ASKED}.map((id) => source.ask('{verb}', '{lens}', {{item: String(id)}}, {{k: 10}})))"
    for item, static in zip(ASKED, asked(page, code), strict=True):
        live = site.live.get(f"/api/{verb}?lens={lens}&item={item}").json()
        same(static, live, rel=0.5 * 10 ** (1 - DIGITS))
        if verb == "ladder":  # of item 0 the chains, which hold another spelling, say nothing
            assert any(rung["holds"] is False for rung in live["rungs"]) == (item != 0)


def test_counts_are_those_of_the_api(page, site) -> None:
    count = asked(page, "return source.ask('count', '1', {item: '41'})")
    assert count["count"] == site.live.get("/api/count?lens=1&item=41").json()["count"]


def test_tiles_and_places_are_those_of_the_map(page, site) -> None:
    for lens in site.collection.lenses:
        drawn = build_map(lens, site.collection.tiers)
        facts = asked(page, f"return source.map('{lens.key}')")
        same(facts, drawn.facts())
        level, x, y, count = facts["tiles"][0]
        tile = asked(
            page,
            f"return source.bytes('lens-{lens.key}/tiles/{level}-{x}-{y}.bin').then((held) => new Uint8Array(held))",
        )
        assert bytes(tile) == drawn.tile(level, x, y)
        assert count == ROWS
        (place,) = asked(page, f"return source.places('{lens.key}', [{{item: '41'}}])")
        assert [place["x"], place["y"]] == pytest.approx([drawn.x[drawn.ids == 41][0], drawn.y[drawn.ids == 41][0]])


def test_captions_are_found_and_pictures_shown(page, site) -> None:
    found = asked(page, "return source.find('0', 50, 'THING 5')")
    assert {each["caption"] for each in found} == {"thing 5", *(f"thing 5{i}" for i in range(10))}
    radii = [each["radius"] for each in found]
    assert radii == sorted(radii)
    chosen = asked(page, "return source.ask('ladder', '0', {text: ' Thing 41'})")
    assert chosen["query"]["caption"] == "thing 41"
    size = """
        const image = new Image();
        image.src = await source.thumbnail("9", 64);
        await image.decode();
        return [image.naturalWidth, image.naturalHeight];
    """
    assert asked(page, size) == [100, 80]
    for code, named in (
        ("source.thumbnail('10', 64)", "picture"),
        ("source.ask('ladder', '0', {text: 'nowhere to be found'})", "caption"),
        ("source.ask('ladder', '0', {item: '5000'})", "item"),
        ("source.ask('children', '0', {item: '5'}, {by: 'angle'})", "margin"),
        ("source.ask('ladder', '../0', {item: '5'})", "space"),
        ("source.ask('ladder', '0', {photo: new Blob([])})", "photos"),
    ):
        assert named in run(page, f"return {code}")["error"]


@pytest.mark.parametrize(
    ("code", "path", "name"),
    [
        ("source.items(['7', '3', '9'])", "items?ids=7,3,9", "items"),
        ("source.find('1', 12)", "find?lens=1&k=12", "items"),
        ("source.find('1', 7, 'Thing 4')", "find?lens=1&text=Thing%204&k=7", "items"),
        ("source.find('0', 7, 'E\u0301')", "find?text=E%CC%81&k=7", "items"),
        ("source.audit('1')", "audit?lens=1", None),
    ],
)
def test_what_is_no_search_is_that_of_the_api(page, site, code, path, name) -> None:
    live = site.live.get(f"/api/{path}")
    assert live.status_code == 200
    static, told = asked(page, f"return {code}"), live.json() if name is None else live.json()[name]
    assert told
    same(static, told)


def test_the_page_works_and_asks_nobody_else(page, site) -> None:
    browser_common.logged(page.browser), browser_common.requests(page.browser)
    site.statuses.clear()
    page.open("from=9")
    page.until("return document.querySelector('.disc[data-drawn]')")
    page.until("return document.querySelector('.climb-subject img')?.naturalWidth === 100")
    assert "thing 9" in page.texts("#main")[0]
    page.click(".climb-card button")
    page.until("return document.querySelector('.drawer .full')?.textContent")
    page.press("/", "thing 41", "ENTER")
    page.until("return document.querySelector('.climb-words')?.textContent === 'thing 41'")
    page.click("[aria-controls=tools]")
    page.click(".column .values button")
    page.until("return /of 80 items pass/.test(document.querySelector('p.help [role=status]')?.textContent)")
    page.rest()
    assert page.hash().keys() == {"from", "where"}
    page.script("history.back()")
    page.until("return !location.hash.includes('where')")
    assert page.script("return window.hostile") is None
    shown = "return [...document.querySelectorAll('.failed')].filter((each) => each.checkVisibility()).length"
    assert page.script(shown) == 0
    told = [entry for entry in page.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert not [entry["message"] for entry in told if entry["source"] != "rendering"]  # of drawing without a GPU
    urls = browser_common.requests(page.browser)
    assert urls
    assert not [url for url in urls if not url.startswith(page.url.removesuffix("index.html"))]
    assert {status for _, status in site.statuses} <= {200, 304}


def test_a_file_that_is_not_there_is_told(page) -> None:
    assert "data/gone.bin.js" in run(page, "return source.bytes('gone.bin')")["error"]


def test_what_is_hostile_in_captions_is_text(page) -> None:
    captions = [each["caption"] for each in asked(page, "return source.items(['1', '2', '3', '4'])")]
    assert captions[:2] + captions[3:] == [HOSTILE[1], HOSTILE[2], HOSTILE[4]]
    assert len(captions[2]) == 500
    page.open("from=2")
    page.until("return document.querySelector('.climb-card')")
    assert page.script("return window.hostile") is None
    assert page.texts(".failed:not([hidden])") == []
