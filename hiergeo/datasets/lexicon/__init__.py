"""The lexicon that comes with hiergeo: nouns of WordNet 3.0, what is above them, and the words of other classes.

Made by ``benchmarks/lexicon.py``; the licence of WordNet is beside it. Words are in lower case, and those of several
parts have spaces: ``teddy bear``. Synsets are named as elsewhere by the first word, ``n`` and the number of its sense:
``teddy_bear.n.01``. Names of places and people are left out.
"""

import lzma
from enum import Enum
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import final

from hiergeo._core.errors import UnavailableError

RESOURCE = Path(__file__).parent / "wordnet.txt.xz"

OFFSETS = Path(__file__).parent / "offsets.txt.xz"
"""For each noun synset how far it stands behind the one before it in WordNet's own file: its wnid is that place."""

SEPARATOR = "\n\f\n"
"""What is between two sections."""


class Section(Enum):
    """Parts of the file, in order; each is lines."""

    WORDS = "words of each noun synset, separated by commas"
    SENSES = "for each word of a synset number of its sense if above 1, and after a colon its count if above 0"
    PARENTS = "for each synset how many lines before it its hypernyms are"
    VERBS = "verb and count, separated by a space"
    ADVERBS = "adverb and count"
    ADJECTIVES = "adjective and count"
    NOUN_FORMS = "irregular plural and its singular"
    VERB_FORMS = "irregular form and its verb"
    ADJECTIVE_FORMS = "irregular form and its adjective"


@lru_cache(maxsize=1)
def read(path: Path = RESOURCE) -> dict[Section, list[str]]:
    """The sections of a file, read once.

    Raises:
        UnavailableError: it is missing or damaged.
    """
    try:
        return dict(zip(Section, (part.split("\n") for part in _text(path).split(SEPARATOR)), strict=True))
    except ValueError as error:
        raise _damaged(path, error) from error


def _text(path: Path) -> str:
    try:
        return lzma.decompress(path.read_bytes()).decode("ascii").removesuffix("\n")
    except (OSError, ValueError, EOFError, lzma.LZMAError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UnavailableError:
    return UnavailableError(f"the lexicon {path} cannot be read ({error}): install hiergeo anew.")


@final
class Nouns:
    """Synsets of nouns and how they are related.

    Args:
        sections: those of a file.

    Attributes:
        senses: word -> its synsets, the most frequent sense first.
        words: synset -> its words, in WordNet's order.
        parents: synset -> its hypernyms, in WordNet's order.
        counts: (word, synset) -> how often the word was tagged with it; missing where never.
    """

    def __init__(self, sections: dict[Section, list[str]]) -> None:
        self.words: dict[str, tuple[str, ...]] = {}
        self.counts: dict[tuple[str, str], int] = {}
        self.senses: dict[str, tuple[str, ...]] = {}
        ranks: dict[tuple[str, str], int] = {}
        alone: list[tuple[str]] = []
        for line, senses in zip(sections[Section.WORDS], sections[Section.SENSES], strict=True):
            numbers = senses.split(",")
            name = f"{line.partition(',')[0]}.n.{numbers[0].partition(':')[0] or '1':0>2}"
            alone.append((name,))
            self.words[name] = words = tuple(line.replace("_", " ").split(","))
            for word, number in zip(words, numbers, strict=True):
                self.senses[word] = self.senses[word] + alone[-1] if word in self.senses else alone[-1]
                if number:
                    rank, _, count = number.partition(":")
                    ranks[word, name] = int(rank or 1)
                    if count:
                        self.counts[word, name] = int(count)
        for word, names in self.senses.items():
            if len(names) > 1:
                by_rank = sorted((ranks.get((word, name), 1), index) for index, name in enumerate(names))
                self.senses[word] = tuple(names[index] for _, index in by_rank)
        self.parents: dict[str, tuple[str, ...]] = {}
        for at, (name, line) in enumerate(zip(self.words, sections[Section.PARENTS], strict=True)):
            steps = line.split(",") if line else []
            self.parents[name] = sum((alone[at - int(step)] for step in steps), start=())


@lru_cache(maxsize=1)
def nouns() -> Nouns:
    """The bundled nouns, read once.

    Raises:
        UnavailableError: the file is missing or damaged.
    """
    return Nouns(read())


def wnids() -> dict[str, str]:
    """The bundled synsets by wnid, such as ``n02084071`` -> ``dog.n.01``.

    Raises:
        UnavailableError: the file is missing or damaged.
    """
    offsets = accumulate(map(int, _text(OFFSETS).split("\n")))
    return {f"n{offset:08}": name for offset, name in zip(offsets, nouns().parents, strict=True)}
