"""A small collection that is exported: captions, some of them hostile, some with a picture."""

import base64
import csv
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hiergeo import search
from hiergeo.report.explorer import Collection, open_collection

ROWS = 80
SPECS = ("euclidean", "lorentz:-1")

HOSTILE = {
    1: "<img src=x onerror='window.hostile = 1'>",
    2: "\u202eевил\u2066 </bdi></p><script>window.hostile = 1</script>",
    3: "a" * 10_000,
    4: "\r\n{{7*7}} 'quoted' \"double\" \\ \u2028 \U0001f9a9 e\u0301",
}
"""Captions by the number of their item."""

REPEATED = range(60, 70)
"""Items with the captions of others."""


def build(folder: Path) -> Collection:
    """A collection in two geometries; every ninth item has a picture."""
    rng = np.random.default_rng(1)
    (folder / "photos").mkdir(parents=True)
    table = folder / "items.csv"
    with table.open("w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle)
        rows.writerow(["caption", "image"])
        for i in range(ROWS):
            image = folder / "photos" / f"{i}.png" if i % 9 == 0 else ""
            if image:
                Image.fromarray(rng.integers(0, 256, (8, 10, 3), np.uint8)).resize((100, 80)).save(image)
            rows.writerow([HOSTILE.get(i, f"thing {i % 50 if i in REPEATED else i}"), image])
    embeddings = (
        torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(4)) * torch.linspace(0.1, 2, ROWS)[:, None]
    )
    search.build(folder / "things", None, table, embeddings=embeddings)
    return open_collection([folder / "things"], SPECS, images=folder / "photos")


def held(content: bytes) -> bytes:
    """What a file of data hands over."""
    return zlib.decompress(base64.b64decode(content.split(b'"')[1], validate=True))


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by its path there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
