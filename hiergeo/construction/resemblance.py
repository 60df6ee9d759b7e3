"""Which texts of two collections are nearly equal, without comparing every one with every other."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import final

WORD = re.compile(r"\w+")


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
