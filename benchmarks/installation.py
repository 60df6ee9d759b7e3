"""What installing and starting hiergeo costs, of several wheels side by side.

    python -m benchmarks.installation --wheel before=A.whl --wheel after=B.whl --links FOLDER --out FILE.json

Each wheel gets a virtual environment that has torch already, from `--links` or the cache of pip. Then rounds alternate
between the wheels: everything but torch is removed and installed again from pip's cache, which the first round fills
and leaves out of the figures; commands run in new processes. `explore` is timed at the end, with its extra installed.
`--rounds 0` finds sizes alone.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import final

LIST = "import importlib.metadata as m; print(*sorted({d.name for d in m.distributions()}), sep='\\n')"
FOLDER = "import sysconfig; print(sysconfig.get_paths()['purelib'])"

COMMANDS = {
    "import torch": ["-c", "import torch"],
    "import hiergeo": ["-c", "import hiergeo"],
    "hiergeo --version": ["-m", "hiergeo", "--version"],
    "hiergeo --help": ["-m", "hiergeo", "--help"],
    "hiergeo info": ["-m", "hiergeo", "info"],
    "hiergeo probe --help": ["-m", "hiergeo", "probe", "--help"],
    "hiergeo demo": ["-m", "hiergeo", "demo", "--no-open", "--html", "demo.html"],
}
"""What is timed, as arguments of Python."""

PATIENCE = 300.0
"""Seconds for the explorer to show its first page."""


@final
@dataclass
class Place:
    """A virtual environment with torch, where one wheel is installed and used.

    Attributes:
        label: of the wheel.
        wheel: the file.
        folder: of the environment.
        bare: names of the distributions that it had before.
        bare_bytes: bytes of its packages then.
        seconds: times by name of what was timed.
    """

    label: str
    wheel: Path
    folder: Path
    bare: frozenset[str]
    bare_bytes: int
    seconds: dict[str, list[float]]

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def run(self, words: Sequence[str]) -> str:
        """Run its Python in its own folder, without the variables of this process that name packages."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [self.python, *words], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout

    def timed(self, name: str, words: Sequence[str]) -> None:
        """Run its Python, and keep how long it took."""
        began = time.perf_counter()
        self.run(words)
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)

    def added(self) -> list[str]:
        """The distributions that are there beside those of torch."""
        return sorted({*self.run(["-c", LIST]).split()} - self.bare)

    def remove(self) -> None:
        """Remove all that was added."""
        if added := self.added():
            self.run(["-m", "pip", "uninstall", "-q", "-y", *added])

    def size(self) -> int:
        """Bytes of its packages."""
        root = Path(self.run(["-c", FOLDER]).strip())
        return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


@final
@dataclass(frozen=True)
class Result:
    """The figures of a wheel.

    Attributes:
        wheel: its label.
        wheel_bytes: its size.
        distributions: what it installs beside torch and what torch needs, itself included.
        installed_bytes: how much that is.
        torch_bytes: how much is there before.
        seconds: minimum, median and maximum by name.
    """

    wheel: str
    wheel_bytes: int
    distributions: list[str]
    installed_bytes: int
    torch_bytes: int
    seconds: dict[str, tuple[float, float, float]]


def made(label: str, wheel: Path, root: Path, torch: Sequence[str], python: str) -> Place:
    """A new environment with torch alone."""
    folder = root / label
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    place = Place(label, wheel, folder, frozenset(), 0, {})
    place.run(["-m", "pip", "install", "-q", *torch, "numpy"])
    place.bare, place.bare_bytes = frozenset(place.run(["-c", LIST]).split()), place.size()
    return place


def install(place: Place, links: Sequence[str], extra: str = "") -> list[str]:
    """The arguments that install the wheel with an extra."""
    wanted = f"hiergeo{extra} @ {place.wheel.resolve().as_uri()}"
    return ["-m", "pip", "install", "-q", "--disable-pip-version-check", *links, wanted]


def first_page(place: Place) -> None:
    """Start the explorer on its demonstration, and keep how long it took to send its page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "hiergeo", "explore", "--demo", "--port", str(port), "--no-open"]
    began = time.perf_counter()
    server = subprocess.Popen(
        [place.python, *words], cwd=place.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        while not answers(f"http://127.0.0.1:{port}/"):
            if server.poll() is not None or time.perf_counter() - began > PATIENCE:
                server.kill()
                raise SystemExit(f"the explorer showed nothing: {server.communicate()[1][-2000:]}")
            time.sleep(0.02)
        place.seconds.setdefault("hiergeo explore --demo, first page", []).append(time.perf_counter() - began)
    finally:
        server.terminate()
        server.communicate()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as page:
            return page.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def rounds(places: Sequence[Place], count: int, turn: Callable[[Place], None]) -> None:
    """Let the places take turns, the first one of each round changing."""
    for number in range(count):
        for place in (*places[number % len(places) :], *places[: number % len(places)]):
            turn(place)


def measure(places: Sequence[Place], links: Sequence[str], count: int) -> Iterator[Result]:
    """Measure everything; one result for each wheel."""
    for place in places:
        place.run(install(place, links))

    def reinstalled(place: Place) -> None:
        place.remove()
        place.timed("pip install, cache warm", install(place, links))

    def started(place: Place) -> None:
        for name, words in COMMANDS.items():
            place.timed(name, words)

    rounds(places, count, reinstalled)
    held = {place.label: (place.added(), place.size() - place.bare_bytes) for place in places}
    if count:
        rounds(places, 1, started)
    for place in places:  # the first use of every file is not that of a warm machine
        place.seconds = {name: times for name, times in place.seconds.items() if name not in COMMANDS}
    rounds(places, count, started)
    if count:
        for place in places:
            place.run(install(place, links, "[serve]"))
    rounds(places, count, first_page)
    for place in places:
        times = {name: (min(each), median(each), max(each)) for name, each in place.seconds.items()}
        yield Result(place.label, place.wheel.stat().st_size, *held[place.label], place.bare_bytes, times)


def table(results: Sequence[Result]) -> str:
    """The results as Markdown: a row for each figure, a column for each wheel; seconds as minimum / median."""
    rows = {
        "": [result.wheel for result in results],
        "---": ["---"] * len(results),
        "wheel, MB": [f"{result.wheel_bytes / 1e6:.1f}" for result in results],
        "installed beside torch, MB": [f"{result.installed_bytes / 1e6:.1f}" for result in results],
        "distributions beside those of torch": [str(len(result.distributions)) for result in results],
    }
    for name in results[0].seconds:
        rows[f"{name}, s"] = ["{:.2f} / {:.2f}".format(*result.seconds[name]) for result in results]
    return "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.installation", description=__doc__)
    parser.add_argument("--wheel", action="append", required=True, metavar="LABEL=FILE", help="may be repeated")
    parser.add_argument("--links", action="append", default=[], metavar="DIR", help="folder of wheels of torch")
    parser.add_argument("--torch", default="torch", help="requirement, such as torch==2.13.0+cpu")
    parser.add_argument("--python", default=sys.executable, help="makes the environments (default: this one)")
    parser.add_argument("--rounds", type=int, default=2, help="of timings; 0: sizes alone (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args(words)
    links = [word for folder in args.links for word in ("--find-links", folder)]
    root = Path(tempfile.mkdtemp(prefix="hiergeo-installation-"))
    try:
        named = (each.partition("=") for each in args.wheel)
        torch = [*links, args.torch]
        places = [made(label, Path(file), root, torch, args.python) for label, _, file in named]
        results = [*measure(places, links, args.rounds)]
    finally:
        shutil.rmtree(root)
    if args.out:
        args.out.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
