"""Which texts and which pictures of two collections are nearly equal."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

import numpy as np

from hiergeo._core.errors import HiergeoError
from hiergeo._core.progress import track
from hiergeo.datasets.pictures import open_rgb

WORD = re.compile(r"\w+")

SIDE = 16
"""Pixels of a side of the grey thumbnail by which pictures are compared."""

BITS = SIDE * SIDE
"""Of a signature: whether a pixel of the thumbnail is darker than its neighbour on the right."""

DIFFERING = 15
"""Most bits in which the signatures of near-equal pictures differ."""

LEVELS = 6.0
"""Most mean difference of the thumbnails of near-equal pictures, grey levels of 255."""

FLAT = 4.0
"""Least standard deviation of a thumbnail, grey levels; flatter pictures have no signature."""


def words(text: str) -> frozenset[str]:
    """The distinct words of a text, whatever their case."""
    return frozenset(WORD.findall(text.casefold()))


@final
class NearTexts:
    """Known texts, of which the one is found whose words are the most alike to those of another text.

    Two texts are as alike as the number of words that they share over the number that either has (Jaccard).

    Args:
        known: m texts.
        similarity: the least one, in (0, 1].
    """

    def __init__(self, known: Sequence[str], similarity: float) -> None:
        self._similarity = similarity
        places: dict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(known):
            for word in words(text):
                places[word].append(place)
        self._places = {word: np.array(each) for word, each in places.items()}
        self._sizes = np.array([len(words(text)) for text in known])

    def nearest(self, text: str) -> tuple[int, float] | None:
        """The place of the known text that is the most alike, the first of equal ones, and how alike it is.

        None if no text is alike enough.
        """
        mine = words(text)
        shared = np.zeros(len(self._sizes), int)
        for word in mine & self._places.keys():
            shared[self._places[word]] += 1
        if not shared.any():
            return None
        alike = shared / (self._sizes + len(mine) - shared)
        place = int(alike.argmax())
        return (place, float(alike[place])) if alike[place] >= self._similarity else None


def thumbnails(files: Sequence[Path], *, progress: bool = False) -> np.ndarray:
    """Small grey pictures of files, squeezed to a square.

    Returns:
        (n, SIDE, SIDE + 1) float32, grey levels in [0, 255]; NaN for a file that is not there or cannot be read.
    """
    found = np.full((len(files), SIDE, SIDE + 1), np.nan, np.float32)
    for place, file in enumerate(track(list(files), "pictures", enabled=progress)):
        if file.is_file():
            try:
                small = open_rgb(file, least=4 * SIDE).convert("L").resize((SIDE + 1, SIDE), resample=4, reducing_gap=3)
            except HiergeoError:
                continue
            found[place] = np.asarray(small, np.float32)
    return found


def near_pictures(thumbs: np.ndarray, known: np.ndarray) -> Iterator[tuple[int, int]]:
    """Every picture that looks like a known one, with the most similar one.

    Two pictures look alike if their signatures differ in at most `DIFFERING` bits and their thumbnails by at most
    `LEVELS` in the mean: scaled, squeezed or compressed anew they still do, cropped ones do not.

    Args:
        thumbs: (n, SIDE, SIDE + 1), as `thumbnails` makes them.
        known: (m, SIDE, SIDE + 1).

    Yields:
        (place in `thumbs`, place in `known`).
    """
    places, signatures = _signatures(known)
    for place, signature in zip(*_signatures(thumbs), strict=True):
        near = places[np.unpackbits(signatures ^ signature, axis=1).sum(1) <= DIFFERING]
        levels = np.abs(known[near] - thumbs[place]).mean((1, 2))
        if len(near) and levels.min() <= LEVELS:
            yield int(place), int(near[levels.argmin()])


def _signatures(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (k,) of the thumbnails that are there and not flat, and their signatures (k, BITS / 8) uint8."""
    usable = np.flatnonzero(np.nan_to_num(thumbs).std((1, 2)) >= FLAT)
    darker = thumbs[usable, :, :-1] < thumbs[usable, :, 1:]
    return usable, np.packbits(darker.reshape(-1, BITS), axis=1)
