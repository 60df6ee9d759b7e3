"""What the query box of the explorer takes, in headless Chromium: photos, captions where no model is, and a token."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
import torch

from hiergeo import search
from hiergeo.report import explorer
from hiergeo.search import background
from tests.report import browser_common
from tests.report.explorer.explorer_common import SCENES, STEPS, Page, explored, fixtures, small_collection

pytest.importorskip("starlette")

pytestmark = pytest.mark.slow  # a browser

collection, files, page = fixtures()

WATCH = """window.sent = [];
const send = window.fetch;
window.fetch = (url, init) => {
  const body = typeof init?.body === 'string' ? JSON.parse(init.body) : {};
  if (body.query?.image) window.sent.push(body.query.image);
  return send(url, init);
}"""
"""Keep the photos that are sent."""

SIZES = """const done = arguments[0];
const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
Promise.all(window.sent.map((photo) => createImageBitmap(new Blob([bytes(photo)])))).then((all) =>
  done(all.map((each) => [each.width, each.height])))"""


REFUSALS = ("/api/search", "/api/places", "status of 401")
"""What the console says of requests that a test has refused."""


@pytest.fixture(autouse=True)
def quiet(page) -> Iterator[None]:
    """No test leaves an error on the console but for refusals."""
    browser_common.logged(page.browser)
    yield
    errors = browser_common.logged(page.browser, "SEVERE")
    assert [message for message in errors if not any(each in message for each in REFUSALS)] == []


def test_a_photo_is_made_small_and_climbed_to(page, tmp_path):
    from PIL import Image
    from selenium.webdriver.common.by import By

    photo, damaged = tmp_path / "photo <b>.jpg", tmp_path / "damaged.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.linear_gradient("L").resize((2000, 1000)).convert("RGB").save(photo, exif=exif)
    damaged.write_bytes(b"no picture")
    page.open("q=a+trumpet")
    page.script(WATCH)
    page.browser.find_element(By.ID, "photo").send_keys(str(photo))
    page.until("return document.querySelector('.climb-subject .preview') && document.querySelector('.climb-card')")
    assert "photo <b>.jpg" in page.texts(".climb-subject")[0]
    sizes = page.browser.execute_async_script(SIZES)
    assert sizes == [[512, 1024]] * len(sizes) != []
    assert page.script(STEPS)
    assert "q" not in page.hash()
    page.script("history.back()")
    page.until("return document.getElementById('query').value")
    page.script("history.forward()")
    page.until("return document.querySelector('.climb-subject .preview') && document.querySelector('.climb-card')")
    page.until("return document.querySelector('.climb-subject .preview').naturalWidth === 512")
    page.browser.find_element(By.ID, "photo").send_keys(str(damaged))
    page.until("return document.querySelector('.climb-ladder .failed')?.textContent.includes('image')")
    assert len(page.texts(".climb-ladder .failed")) == 1, "once, not once a space"


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted(page, way):
    page.open("q=a+trumpet")
    page.give(way, "picture.png")
    page.until("return document.querySelector('.climb-subject .preview') && document.querySelector('.climb-card')")
    assert "picture.png" in page.texts(".climb-subject")[0]


def test_a_file_that_cannot_be_sent_is_refused_before(page):
    page.open("q=a+trumpet")
    page.give("drop", "notes.txt")
    page.until("return !document.querySelector('.ask > .failed').hidden")
    assert "photo" in page.texts(".ask > .failed")[0]
    assert page.script("return document.getElementById('query').value") == "a trumpet"


def test_a_query_far_from_everything_gets_no_ladder_until_it_is_wanted(page, tmp_path, monkeypatch):
    """Half of the items count as far from all others, so that words that tiny does not know are far for sure."""
    monkeypatch.setattr(background, "FAR", 0.5)
    with explored(small_collection(tmp_path / "items", count=2 * SCENES)) as url:
        check_far(Page(page.browser, url))


def check_far(page: Page) -> None:
    lenses = page.asked("collection")["lenses"]
    told = []
    for text in ("qwertyuiop zzzz", "parliament debates tax law", "a trumpet"):
        near = [page.asked("neighbours", lens=lens["key"], q=text, k=1)["hits"][0]["distance"] for lens in lenses]
        by_key = {lens["key"]: distance > lens["reach"]["text"] for lens, distance in zip(lenses, near, strict=True)}
        for key, far in by_key.items():
            page.open(urlencode({"lenses": key, "q": text}))
            assert (page.texts(".climb-sentence") == ["Nothing here is near your query."]) == far
        told.append(any(by_key.values()))
    assert any(told)
    assert not told[-1], "it is an item"
    page.open("q=qwertyuiop+zzzz")
    page.click(".climb-ladder button")
    page.until("return document.querySelector('.climb-card')")
    assert page.script(STEPS) == [hit["id"] for hit in page.steps("0", q="qwertyuiop zzzz")]


def test_a_token_comes_with_the_link_and_leaves_it(page, collection):
    with explored(collection, token="secret-of-a-test") as url:
        guarded = Page(page.browser, url)
        guarded.browser.get(url)
        guarded.until("return document.querySelector('.opening.failed')")
        assert "token" in guarded.texts(".opening.failed")[0]
        photo = len(collection.first) - 1
        guarded.open(f"token=secret-of-a-test&from={photo}")
        assert "token" not in guarded.script("return location.href")
        picture = "document.querySelector('.climb-subject img')"
        guarded.until(f"return {picture}?.naturalWidth")
        assert guarded.script(f"return {picture}.src").startswith("blob:")
        guarded.open("q=an+owl")
        assert guarded.texts(".climb-words") == ["an owl"]


def test_without_a_model_the_box_finds_captions(page, tmp_path):
    generator = torch.Generator().manual_seed(0)
    captions = ["animal", "dog", "small dog", "cat", "a small dog on a sofa"]
    embeddings = torch.randn(5, 6, generator=generator)
    images = [f"{place}.png" for place in range(5)]  # which are nowhere
    search.build(tmp_path / "plain", None, captions, images, embeddings=embeddings)
    with explored(explorer.open_collection([tmp_path / "plain"])) as url:
        plain = Page(page.browser, url)
        plain.open()
        assert plain.script("return document.querySelector('.ask .photo')") is None
        plain.press("/", "DOG")
        plain.until("return document.querySelectorAll('#found [role=option]').length === 3")
        plain.press("ARROW_DOWN", "ARROW_DOWN")
        chosen = plain.texts("#found [aria-selected=true]")[0]
        assert (
            plain.script("return document.getElementById('query').getAttribute('aria-activedescendant')") == "found-1"
        )
        plain.press("ENTER")
        plain.until("return document.querySelector('.climb-subject').textContent.includes(arguments[0])", chosen)
        assert plain.hash()["from"] == str(captions.index(chosen))
        plain.rest()
        assert plain.texts(".climb-words") == [chosen]
        assert plain.script("return document.getElementById('query').value") == ""
        assert any("--images" in notice for notice in plain.texts(".notice"))
        loaded = plain.script("return performance.getEntriesByType('resource').map(({ name }) => name)")
        assert [url for url in loaded if "thumbnail" in url] == []
