"""Small pictures of many items: the more there are, the smaller they are.

A file of pictures holds up to `CHUNK` of them: their number and the end of each as uint32, little endian, then their
bytes, each a WebP image.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.report.explorer.thumbnails import SIDES, Thumbnails

CHUNK = 128
"""Pictures in one file."""

SIZES = ((500, 192, 80), (2_000, 160, 60), (5_000, 96, 60), (10_000, 64, 60), (50_000, 40, 30))
"""Pictures at most, their longest side in pixels, and quality of WebP: 5 to 20 MB in all."""


@dataclass(frozen=True)
class Album:
    """Small pictures.

    Attributes:
        numbers: of the pictures of items, by their ids; items of one file share a picture, the others have none.
        pictures: their bytes.
        side: longest side, pixels.
        quality: of WebP, in [0, 100].
    """

    numbers: dict[int, int]
    pictures: tuple[bytes, ...]
    side: int
    quality: int

    def files(self) -> Iterator[bytes]:
        """The files that hold them."""
        for start in range(0, len(self.pictures), CHUNK):
            some = self.pictures[start : start + CHUNK]
            head = np.array([len(some), *accumulate(map(len, some))], "<u4")
            yield head.tobytes() + b"".join(some)


def album(thumbnails: Thumbnails, ids: Sequence[int]) -> Album:
    """The pictures of some items; those whose picture may not be shown or cannot be read are left out."""
    shown: dict[Path, list[int]] = {}
    for item in ids:
        path = thumbnails.path(item)
        if path is not None:
            shown.setdefault(path, []).append(item)
    side, quality = next(size for most, *size in SIZES if len(shown) <= most)
    numbers: dict[int, int] = {}
    pictures: list[bytes] = []
    for group in shown.values():
        with suppress(InputError):
            pictures.append(_small(thumbnails.jpeg(group[0], SIDES[-1]), side, quality))
            numbers |= dict.fromkeys(group, len(pictures) - 1)
    return Album(numbers, tuple(pictures), side, quality)


def _small(jpeg: bytes, side: int, quality: int) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.thumbnail((side, side), reducing_gap=2.0)
        picture.convert("RGB").save(written, "WEBP", quality=quality, method=4)
    return written.getvalue()
