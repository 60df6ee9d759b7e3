"""A page without a server, written: ``python -m benchmarks.explorer_export [--items N] [--out FILE]``.

MiniLM captions of HierarCaps, each with a picture of its own, a crop of one of the 1,000 images, are exported in two
geometries by `hiergeo explore --export` in a process of its own.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from benchmarks.commands import spend
from benchmarks.serving import minilm
from hiergeo import search
from hiergeo.datasets import data_home

SIDE = 192
"""Pixels of a crop."""

GEOMETRIES = ("euclidean", "lorentz:-1")


def crops(folder: Path, count: int) -> Iterator[Path]:
    """Pictures that differ: every image of HierarCaps from the middle, then from ever other corners."""
    images = sorted((data_home() / "hierarcaps" / "images").glob("*.jpg"))
    for number in range(count):
        turn, place = divmod(number, len(images))
        path = folder / f"{number:06d}.jpg"
        with Image.open(images[place]) as image:
            room = min(image.size) - SIDE
            left, top = (room * (turn % 4) // 3, room * (turn // 4 % 4) // 3)
            image.convert("RGB").crop((left, top, left + SIDE, top + SIDE)).save(path, quality=90)
        yield path


def parts(folder: Path) -> Counter[str]:
    """Bytes of the parts of an exported page."""
    found: Counter[str] = Counter()
    for path in folder.rglob("*"):
        if path.is_file():
            found["/".join(path.relative_to(folder).parts[:-1]) or "."] += path.stat().st_size
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer_export", description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the lines there as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        model, texts, embeddings = minilm()
        images = list(crops(folder / "pictures", asked.items))
        count = asked.items
        search.build(folder / "index", model, texts[:count], images, embeddings=embeddings[:count])
        geometries = [word for spec in GEOMETRIES for word in ("-g", spec)]
        options = ["explore", str(folder / "index"), "--images", str(folder / "pictures"), *geometries]
        took = spend([*options, "--export", str(folder / "page")])
        lines = [
            f"{count:,} captions with {count:,} pictures in {len(GEOMETRIES)} geometries: {took.seconds:.0f} seconds, "
            f"{took.processor_seconds:.0f} of the processor, {took.peak / 1e9:.2f} GB of memory at its highest.",
            took.printed.strip(),
            *(f"{size / 1e6:.2f} MB {part}" for part, size in parts(folder / "page").most_common(12)),
        ]
        print("\n".join(lines))
        if asked.out:
            asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
