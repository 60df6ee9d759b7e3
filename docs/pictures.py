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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import torch
from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By

from hiergeo.report import explorer
from hiergeo.search import serving

ASSETS = Path(__file__).resolve().parent / "assets"

FRAME = 100
"""Milliseconds of one frame of the animation."""

WIDTH, HEIGHT = 1120, 760
"""Of the screen that the animation shows, in CSS pixels."""

SMALLER = 0.7
"""Scale of the animation against the screen."""

ARGUMENTS = (
    "--headless=new",
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


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
        while calm < 4:
            if time.monotonic() > end:
                raise TimeoutError("the page did not come to rest")
            time.sleep(0.15)
            busy = "return document.getElementById('opening') || document.querySelector('[aria-busy=true]')"
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

    def scroll(self, down: int, steps: int) -> None:
        """Scroll down in some frames."""
        for _ in range(steps):
            self.browser.execute_script("window.scrollBy({top: arguments[0], behavior: 'instant'})", down / steps)
            self.shoot(FRAME)

    def visit(self, tab: str, milliseconds: int) -> None:
        """Go to the top of another view, and stay there for a while."""
        self.browser.execute_script("window.scrollTo({top: 0, behavior: 'instant'})")
        self.click(tab)
        self.shoot(milliseconds)

    def picture(self) -> Image.Image:
        """What the screen shows."""
        return Image.open(io.BytesIO(self.browser.get_screenshot_as_png())).convert("RGB")

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


def stills(lens: Camera, url: str, query: str) -> None:
    """Pictures of the views of the explorer."""
    asked = urlencode({"q": query})
    for name, fragment, scheme in (
        ("explorer-climb", f"lenses=2&{asked}", "light"),
        ("explorer-map", f"view=map&lenses=1,2&{asked}", "light"),
    ):
        lens.open(f"{url}#{fragment}", 1280, 860, scheme)
        save(lens.picture(), ASSETS / f"{name}.webp")


def report(lens: Camera, folder: Path) -> None:
    """The first screen of the page that ``hiergeo demo`` writes."""
    page = folder / "demo.html"
    command = [sys.executable, "-m", "hiergeo", "demo", "--html", str(page), "--no-open"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    lens.open(page.as_uri(), 1280, 860)
    save(lens.picture(), ASSETS / "demo.webp")


def animation(lens: Camera, url: str, query: str) -> None:
    """A walk through the explorer: a question, its climb and the map."""
    lens.frames.clear()
    lens.open(f"{url}#lenses=1,2", WIDTH, HEIGHT)
    lens.shoot(900)
    field = lens.find("#ask input[type=text], #ask input[type=search], #ask textarea")
    field.clear()
    for letter in query:
        field.send_keys(letter)
        lens.shoot(70)
    lens.shoot(300)
    field.send_keys("\n")
    lens.rest()
    lens.shoot(1800)
    lens.scroll(360, 8)
    lens.shoot(1200)
    lens.visit("#tab-map", 1300)
    travel(lens)
    lens.shoot(1000)
    lens.write(ASSETS / "explorer.webp")


def travel(lens: Camera) -> None:
    """Drag the map along an isometry, a few pixels a frame."""
    canvas = lens.find(".view.map canvas", -1)
    pointer = ActionChains(lens.browser, duration=30)
    pointer.move_to_element_with_offset(canvas, 60, 30).click_and_hold().perform()
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
    """Write all pictures into ``docs/assets``."""
    demo = explorer.open_demo(device="cpu")
    app = explorer.create_explorer(demo)
    with serving.running(app) as url, camera() as lens, tempfile.TemporaryDirectory() as folder:
        with urlopen(f"{url}/api/collection", timeout=60) as answer:
            items = torch.tensor([int(each["item"]) for each in json.load(answer)["examples"]])
        opened, typed, *_ = (caption or "" for caption in demo.first.store.labels(items).captions)
        stills(lens, f"{url}/", opened)
        animation(lens, f"{url}/", typed)
        report(lens, Path(folder))


if __name__ == "__main__":
    main()
