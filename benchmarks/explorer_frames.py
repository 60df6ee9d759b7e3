"""Frame times of the explorer's map: ``python -m benchmarks.explorer_frames [--rows N] [--seconds N]``.

Headless Chromium without a GPU opens the map of an index of random embeddings, served by `hiergeo explore`. WebGL is
done in software by SwiftShader, on the processor that the server and the page share. A script in the page then drags
the map along a circle and turns the wheel in and out, through the events that a mouse sends. Frame times are intervals
between animation frames; a task is one of the page's main thread that the browser reports as long, above 50 ms. The arm
"empty page" is what the browser does without a map; "at rest" is the map while finer tiles are added and then nothing
happens. The last column is the processor time of all processes of the browser for each frame, which depends less than
the others on what else the machine does.

Rasterisation of the page itself is by the processor, as Chromium does it where there is no GPU; `--gpu-raster` has
SwiftShader do this too, which takes longer.
"""

import argparse
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.load import server
from hiergeo import Space, search

DIM = 16
BLOCK = 100_000
TICKS = os.sysconf("SC_CLK_TCK")
DRAWN = "document.querySelector('.map-panel')?.dataset.drawn"
HEAD = f"{'arm':<12} {'frames':>7} {'median':>8} {'p95':>8} {'max':>8} {'longest task':>14} {'processor':>11}"

MEASURE = """
const [seconds, what] = [arguments[0], arguments[1]], done = arguments[arguments.length - 1];
const stage = document.querySelector('.map-stage'), frames = [], tasks = [0];
const observer = new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => tasks.push(duration)));
observer.observe({ entryTypes: ['longtask'] });
const box = stage?.getBoundingClientRect();
const mouse = { bubbles: true, pointerId: 1, pointerType: 'mouse', button: 0 };
const send = (kind, x, y) =>
  stage.dispatchEvent(new PointerEvent(kind, { ...mouse, clientX: box.left + x, clientY: box.top + y }));
const acts = {
  rest: () => {},
  drag: (t) =>
    send('pointermove', box.width * (0.5 + 0.3 * Math.cos(2 * t)), box.height * (0.5 + 0.3 * Math.sin(2 * t))),
  wheel: (t) => stage.dispatchEvent(new WheelEvent('wheel', { cancelable: true, deltaY: 30 * (t % 4 < 2 ? -1 : 1),
    clientX: box.left + 0.6 * box.width, clientY: box.top + 0.35 * box.height })),
};
let start, last;
if (what === 'drag') send('pointerdown', 0.8 * box.width, 0.5 * box.height);
requestAnimationFrame(function step(now) {
  start ??= now;
  if (last !== undefined) frames.push(now - last);
  last = now;
  acts[what]((now - start) / 1000);
  if (now - start < 1000 * seconds) return requestAnimationFrame(step);
  if (what === 'drag') send('pointerup', 0.8 * box.width, 0.5 * box.height);
  observer.disconnect();
  done([frames, Math.max(...tasks)]);
});
"""
"""Measures frames for some seconds while the map is at rest, dragged, or magnified."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer_frames", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each arm")
    parser.add_argument("--folder", type=Path, help="of the index, built if it is not there; default: a temporary one")
    parser.add_argument("--gpu-raster", action="store_true")
    parser.add_argument("--picture", type=Path, help="where to save what the browser shows of all items (PNG)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder or Path(place) / "index"
        if not (folder / "index.json").exists():
            build(folder, asked.rows)
        with server("explore", str(folder)) as served, browser(asked.gpu_raster) as page:
            report(page, served.url, asked)


def build(folder: Path, rows: int) -> None:
    """An index of random embeddings (rows, DIM): clusters at radii that grow with how fine they are."""
    named = (f"point {i}" for i in range(rows))
    search.build(folder, None, named, embeddings=blocks(rows), space=Space("lorentz:-1", torch.zeros(DIM)))


def blocks(rows: int) -> Iterator[Tensor]:
    """Random embeddings, a block at a time."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(60, DIM)) * (8.0 ** -(np.arange(DIM) / DIM))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        depth = random.integers(1, 5, size)
        near = (
            centres[random.integers(0, len(centres), size)] + random.normal(size=(size, DIM)) * (0.5 / depth)[:, None]
        )
        near /= np.linalg.norm(near, axis=1, keepdims=True)
        radius = depth + 0.25 * random.normal(size=size)
        yield torch.from_numpy((near * radius.clip(0.05)[:, None]).astype(np.float32))


@contextlib.contextmanager
def browser(gpu_raster: bool) -> Iterator[Any]:
    """Headless Chromium that draws in software."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
    arguments += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--window-size=1280,1000"]
    arguments += [] if gpu_raster else ["--disable-gpu-rasterization"]
    for argument in arguments:
        options.add_argument(argument)
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    started.set_script_timeout(600)
    try:
        yield started
    finally:
        started.quit()


def report(page: Any, url: str, asked: argparse.Namespace) -> None:
    """Measure and print all arms."""
    raster = "SwiftShader" if asked.gpu_raster else "the processor"
    version = page.capabilities["browserVersion"]
    print(f"Chromium {version}, headless, 1280 x 1000; WebGL by SwiftShader, the page rasterised by {raster}.")
    print(f"{asked.rows:,} items; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.\n\n{HEAD}", flush=True)
    arm(page, "empty page", min(3.0, asked.seconds), "rest")
    page.get(f"{url}/#view=map")
    until(page, "return Boolean(document.querySelector('.map-stage'))")
    arm(page, "opening", asked.seconds, "rest")
    until(page, f"return Boolean({DRAWN})")
    drawn = page.execute_script(f"return {DRAWN}")
    if asked.picture:
        page.save_screenshot(str(asked.picture))
    for name, what in (("pan", "drag"), ("zoom", "wheel"), ("at rest", "rest")):
        arm(page, name, asked.seconds, what)
    print(f"\nDrawn at rest: {int(drawn):,} points. Load at the end: {os.getloadavg()[0]:.1f}.")


def until(page: Any, code: str) -> None:
    """Wait for a script to give true."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 600, poll_frequency=0.2).until(lambda driver: driver.execute_script(code))


def arm(page: Any, name: str, seconds: float, what: str) -> None:
    """Measure one arm and print what its frames took, in milliseconds."""
    before = processor(page.service.process.pid)
    frames, task = page.execute_async_script(MEASURE, seconds, what)
    used = 1000 * (processor(page.service.process.pid) - before) / len(frames)
    median, p95, most = np.percentile(frames, [50, 95, 100])
    longest = f"{task:>11.0f} ms" if task else f"{'none':>14}"
    row = f"{name:<12} {len(frames):>7} {median:>5.0f} ms {p95:>5.0f} ms {most:>5.0f} ms {longest} {used:>8.0f} ms"
    print(row, flush=True)


def processor(root: int) -> float:
    """Seconds of processor time that a process and all below it have used."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            place = int(stat.parent.name)
            parents[place], spent[place] = int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS

    def below(process: int) -> bool:
        return process == root or (process in parents and below(parents[process]))

    return sum(time for process, time in spent.items() if below(process))


if __name__ == "__main__":
    main()
