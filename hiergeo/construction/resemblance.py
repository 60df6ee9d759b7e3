"""Which texts and which pictures of two collections are nearly equal, without comparing every one with every other."""

import math
import re
from collections import Counter, defaultdict
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

BLOCK = 256
"""Pictures that are compared with all known ones at a time."""

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

    Two texts are as alike as the number of words that they share over the number that either has (Jaccard). Two sets
    that alike share at least one of their rarest words, by which candidates are found; each candidate is then counted.

    Args:
        known: m texts.
        similarity: the least one, in (0, 1].

    Source: Chaudhuri, Ganti and Kaushik, A Primitive Operator for Similarity Joins in Data Cleaning (ICDE 2006).
    """

    def __init__(self, known: Sequence[str], similarity: float) -> None:
        self._similarity = similarity
        self._known = list(map(words, known))
        self._frequency = Counter(word for each in self._known for word in each)
        self._index: dict[str, list[int]] = defaultdict(list)
        for place, each in enumerate(self._known):
            for word in _rarest(each, self._frequency, similarity):
                self._index[word].append(place)

    def nearest(self, text: str) -> tuple[int, float] | None:
        """The place of the known text that is the most alike, the first of equal ones, and how alike it is.

        None if no text is alike enough.
        """
        mine, least = words(text), self._similarity
        rarest = _rarest(mine, self._frequency, least)
        best = max(
            (
                (len(mine & self._known[other]) / len(mine | self._known[other]), -other)
                for other in {other for word in rarest for other in self._index.get(word, ())}
                if least * len(mine) <= len(self._known[other]) <= len(mine) / least
            ),
            default=(0.0, 0),
        )
        return (-best[1], best[0]) if best[0] >= least else None


def _rarest(found: frozenset[str], frequency: Counter[str], similarity: float) -> list[str]:
    """So many of the rarest words that two sets as similar as asked for share one of them."""
    count = len(found) - math.ceil(similarity * len(found) - 1e-9) + 1
    return sorted(found, key=lambda word: (frequency[word], word))[:count] if found else []


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
    (mine, bits), (theirs, known_bits) = _signatures(thumbs), _signatures(known)
    for start in range(0, len(mine) if len(theirs) else 0, BLOCK):
        differing = (BITS - bits[start : start + BLOCK] @ known_bits.T) / 2
        for place, row in zip(mine[start : start + BLOCK].tolist(), differing <= DIFFERING, strict=True):
            candidates = theirs[row]
            levels = np.abs(known[candidates] - thumbs[place]).mean((1, 2))
            if (levels <= LEVELS).any():
                yield place, int(candidates[levels.argmin()])


def _signatures(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (u,) of the thumbnails that are there and not flat, and their signatures (u, BITS) float32 of 1 and -1."""
    usable = np.flatnonzero(np.nan_to_num(thumbs).std((1, 2)) >= FLAT)
    darker = thumbs[usable, :, :-1] < thumbs[usable, :, 1:]
    return usable, np.where(darker.reshape(-1, BITS), 1, -1).astype(np.float32)
