"""A small collection of scenes behind the explorer, and the page as tests use it: keys, pointers, what it shows."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from hiergeo import search
from hiergeo.datasets import scenes
from hiergeo.report import explorer
from hiergeo.search import serving
from tests.report import browser_common

SCENES, PICTURES = 24, 10

LONG = ("a very long caption " * 500).strip()

HOSTILE = (
    "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script> & \"quotes\"",
    "\u202egnihtyreve esrever\u202c a caption that turns the text \u2067 around it",
    LONG,
    "w" * 10_000,
    '=HYPERLINK("http://127.0.0.1:9/","formula")',
)
"""Captions with markup, with controls of direction, of 10,000 characters with and without spaces, and a formula."""

GIVE = """const [way, name] = arguments;
const canvas = document.createElement('canvas');
canvas.width = canvas.height = 40;
canvas.toBlob((blob) => {
  const given = new DataTransfer();
  const [content, type] = name.endsWith('png') ? [blob, blob.type] : ['words', 'text/plain'];
  const file = new File([content], name, {type});
  given.items.add(file);
  const how = {bubbles: true, cancelable: true, dataTransfer: given, clipboardData: given};
  document.body.dispatchEvent(way === 'drop' ? new DragEvent('drop', how) : new ClipboardEvent('paste', how));
});"""
"""Drop or paste a file; its name says whether it is a picture."""

STEPS = """document.querySelector('.fold button')?.click();
return [...document.querySelectorAll('.climb-card')].map((card) => card.dataset.id)"""
"""Ids of the steps of the ladder that is shown, with those that were folded."""

MARKED = """const texts = [...document.querySelectorAll('.map-rung-number')].map((each) => each.textContent);
return Math.max(0, ...texts.flatMap((text) => text.split('–').map(Number))) === arguments[0]"""
"""Whether so many steps are marked on the disc."""

TITLE = "<b>markup</b> \u202emodel"


def small_collection(folder: Path, hostile: Sequence[str] = (), count: int = SCENES) -> explorer.Collection:
    """Captions of a few scenes in two geometries, and the pictures of the first `PICTURES` scenes, which come last.

    Args:
        folder: a new one.
        hostile: more captions; the second lens has a hostile title if there are any.
        count: scenes.
    """
    hierarchy = scenes.load("test", count=count)
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    paths = [pictures / f"scene-{image.image_id}.png" for image in hierarchy.images[:PICTURES]]
    for image, path in zip(hierarchy.images, paths, strict=False):
        image.open().resize((48, 48)).save(path)
    captions = list(dict.fromkeys(caption for row in hierarchy.rows for caption in row.positive))
    index = search.build(folder / "scenes", "tiny", [*captions, *hostile])
    index.add(images=paths)
    geometries = ("euclidean", "lorentz:-1")
    lenses = [
        explorer.Lens(str(place), f"tiny · {spec}", "scenes", index, index.chosen(spec))
        for place, spec in enumerate(geometries)
    ]
    if hostile:
        lenses[1] = replace(lenses[1], title=TITLE)
    return explorer.Collection(
        "small scenes",
        tuple(lenses),
        explorer.Tiers(hierarchy),
        hierarchy,
        explorer.Thumbnails([index], pictures),
    )


@contextmanager
def explored(collection: explorer.Collection, **settings: Any) -> Iterator[str]:
    """The address of the explorer of a collection, with a slash at its end, within the block."""
    chosen = serving.Settings(**settings)
    with serving.running(explorer.create_explorer(collection, chosen), chosen.limits) as url:
        yield f"{url}/"


@dataclass
class Page:
    """The explorer in a browser.

    Attributes:
        browser: of selenium.
        url: of the explorer.
    """

    browser: Any
    url: str

    def open(self, fragment: str = "", width: int = 1280) -> None:
        """Load the page anew with some state in its hash, and wait for its view."""
        browser_common.resize(self.browser, width)
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}#{fragment}" if fragment else self.url)
        self.rest()

    def rest(self) -> None:
        """Wait until the page is built and nothing in it is busy."""
        self.until("return !document.getElementById('opening') && !document.querySelector('[aria-busy]')")
        self.until("return document.querySelector('.climb-ladder')?.childElementCount")

    def script(self, code: str, *arguments: Any) -> Any:
        """The value of the body of a function."""
        return self.browser.execute_script(code, *arguments)

    def until(self, code: str, *arguments: Any, seconds: float = 60) -> Any:
        """The first value of the body of a function that is true."""
        end = time.monotonic() + seconds
        while not (found := self.script(code, *arguments)):
            assert time.monotonic() < end, code
            time.sleep(0.02)
        return found

    def press(self, *keys: str) -> None:
        """Press keys: names of selenium's `Keys`, or text."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            ActionChains(self.browser).send_keys(getattr(Keys, key, key)).perform()

    def click(self, selector: str, place: int = 0) -> None:
        """Click what a selector finds, by the mouse."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.by import By

        found = self.browser.find_elements(By.CSS_SELECTOR, selector)[place]
        self.script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found)
        ActionChains(self.browser).move_to_element(found).click().perform()

    def texts(self, selector: str) -> list[str]:
        """Texts of the elements that a selector finds, as they are in the document."""
        found = "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)"
        return self.script(found, selector)

    def hash(self) -> dict[str, str]:
        """The state in the URL."""
        return self.script("return Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")

    def size(self) -> tuple[int, int]:
        """Widths of the document and of the screen."""
        wide, room = self.script("const d = document.documentElement; return [d.scrollWidth, innerWidth]")
        return wide, room

    def give(self, way: str, name: str) -> None:
        """Drop or paste a file, as `way` says; its name says whether it is a picture."""
        self.script(GIVE, way, name)

    def asked(self, path: str, **parameters: Any) -> Any:
        """An answer of the server, without the code of the page."""
        with urlopen(f"{self.url}api/{path}?{urlencode(parameters)}", timeout=60) as answer:
            return json.load(answer)

    def steps(self, lens: str, **query: str) -> list[dict[str, Any]]:
        """The items of a ladder but for the query itself, from the server."""
        return [
            rung["hit"] for rung in self.asked("ladder", lens=lens, **query)["rungs"] if not rung["hit"]["is_query"]
        ]


def fixtures() -> tuple[Any, Any, Any]:
    """Fixtures of a test module: a small hostile collection, the folder where the browser saves files, and the page."""
    module = pytest.fixture(scope="module")
    return module(_collection), module(_files), module(_page)


def _collection(tmp_path_factory):
    return small_collection(tmp_path_factory.mktemp("small") / "items", HOSTILE)


def _files(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def _page(collection, files):
    with explored(collection) as url, browser_common.chromium(files) as browser:
        yield Page(browser, url)
