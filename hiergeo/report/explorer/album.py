"""Small pictures of many items within a number of bytes: their side and quality shrink until all of them fit.

A file of pictures holds up to `CHUNK` of them: their number and the end of each as uint32, little endian, then their
bytes, each a WebP image.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.report.explorer.thumbnails import SIDES, Thumbnails

CHUNK = 128
"""Pictures in one file."""

TRIED = 64
"""Pictures by which a size and quality are judged before all are made."""

SIZES = (
    (192, 80),
    (192, 60),
    (160, 60),
    (128, 60),
    (128, 45),
    (96, 60),
    (96, 40),
    (64, 60),
    (64, 40),
    (48, 40),
    (40, 30),
    (32, 20),
)
"""Longest side in pixels and quality of WebP, from best to smallest."""


@dataclass(frozen=True)
class Album:
    """Pictures that fit.

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

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return sum(map(len, self.pictures))

    def files(self) -> Iterator[bytes]:
        """The files that hold them."""
        for start in range(0, len(self.pictures), CHUNK):
            some = self.pictures[start : start + CHUNK]
            head = np.array([len(some), *accumulate(map(len, some))], "<u4")
            yield head.tobytes() + b"".join(some)


def album(thumbnails: Thumbnails, ids: Sequence[int], room: int) -> Album:
    """The pictures of some items in the best size in which they fit into so many bytes.

    Items whose picture may not be shown or cannot be read are left out. A few pictures, spread evenly, tell which size
    is tried first; the smallest is taken even where it does not fit.
    """
    shown: dict[Path, list[int]] = {}
    for item in ids:
        path = thumbnails.path(item)
        if path is not None:
            shown.setdefault(path, []).append(item)
    groups = list(shown.values())
    spread = [groups[at] for at in sorted({len(groups) * i // TRIED for i in range(TRIED)})] if groups else []
    probed = [jpeg for _, jpeg in _large(thumbnails, spread)]
    share = len(groups) / max(len(spread), 1)
    for side, quality in SIZES[:-1]:
        if sum(len(_small(jpeg, side, quality)) for jpeg in probed) * share <= room:
            pictures = _album(thumbnails, groups, side, quality)
            if pictures.size <= room:
                return pictures
    return _album(thumbnails, groups, *SIZES[-1])


def _album(thumbnails: Thumbnails, groups: Sequence[list[int]], side: int, quality: int) -> Album:
    """The pictures of groups of items, in one size."""
    numbers: dict[int, int] = {}
    pictures: list[bytes] = []
    for group, jpeg in _large(thumbnails, groups):
        numbers |= dict.fromkeys(group, len(pictures))
        pictures.append(_small(jpeg, side, quality))
    return Album(numbers, tuple(pictures), side, quality)


def _large(thumbnails: Thumbnails, groups: Sequence[list[int]]) -> Iterator[tuple[list[int], bytes]]:
    """The groups whose picture can be read, each with it as a large JPEG."""
    for group in groups:
        try:
            yield group, thumbnails.jpeg(group[0], SIDES[-1])
        except InputError:
            continue


def _small(jpeg: bytes, side: int, quality: int) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.thumbnail((side, side), reducing_gap=2.0)
        picture.convert("RGB").save(written, "WEBP", quality=quality, method=4)
    return written.getvalue()
