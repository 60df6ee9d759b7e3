"""The things of scenes: what they are called, what is above them, and their pictures.

``things.csv`` is written by hand: word, middle kind, top kind, synset of WordNet, the character whose picture it has,
its colour where the picture has one clear colour, and whether training never sees it. ``things.webp`` is made of it by
``benchmarks/things_atlas.py``; the licences are in ``NOTICE``.
"""

import csv
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from hiergeo.datasets.hyperlex import WordPair

if TYPE_CHECKING:
    from PIL.Image import Image

TABLE, ATLAS = (Path(__file__).parent / f"things.{suffix}" for suffix in ("csv", "webp"))

TILE, COLUMNS = 80, 17
"""Width and height of a picture in the atlas, pixels, and pictures in one row of it."""

ROOT, NOTHING = "thing", "nothing"
"""What is above every top kind, and what is true of no scene."""

MASS = frozenset(["food", "corn", "broccoli", "bread", "sushi", "rice", "grapes", "cherries", "jeans", "shorts"]).union(
    ["scissors", "chopsticks", "maracas", "eyeglasses", "sunglasses", "headphones", NOTHING]
)
"""Nouns that take no article."""


@final
@dataclass(frozen=True)
class Thing:
    """One row of the table; `index` is its place among all, which is that of its picture in the atlas."""

    index: int
    word: str
    middle: str
    top: str
    synset: str
    colour: str
    unseen: bool

    @property
    def line(self) -> tuple[str, str, str, str]:
        """What it is called, from general to specific."""
        return ROOT, self.top, self.middle, self.word


@cache
def things() -> tuple[Thing, ...]:
    """All things, those of one kind side by side."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return tuple(
            Thing(index, row["word"], row["middle"], row["top"], row["synset"], row["colour"], bool(row["split"]))
            for index, row in enumerate(csv.DictReader(lines))
        )


@cache
def of_noun() -> MappingProxyType[str, tuple[Thing, ...]]:
    """Every noun of the world, and the things that it is true of."""
    nouns: dict[str, tuple[Thing, ...]] = {NOTHING: ()}
    for thing in things():
        for noun in thing.line:
            nouns[noun] = (*nouns.get(noun, ()), thing)
    return MappingProxyType(nouns)


def edges() -> tuple[tuple[str, str], ...]:
    """The tree of things, pairs (child, parent): words below middle kinds below top kinds below `ROOT`."""
    lines = (thing.line for thing in things())
    return tuple(dict.fromkeys((low, high) for line in lines for high, low in pairwise(line)))


def with_article(noun: str, adjectives: str = "") -> str:
    """A noun phrase behind its article, where it takes one: ``an owl``, ``a small owl``, ``grapes``."""
    words = f"{adjectives} {noun}".strip()
    return words if noun in MASS else f"{'an' if words.startswith(('a', 'e', 'i', 'o', 'u', 'hour')) else 'a'} {words}"


def plural(noun: str) -> str:
    """A noun of two or more: ``birds``, ``pieces of clothing``, ``boxes``, ``aircraft``."""
    head, of, rest = noun.partition(" of ")
    if head == "aircraft":
        return head
    if head.endswith("y") and head[-2] not in "aeiou":
        head = f"{head[:-1]}ies"
    else:
        head += "es" if head.endswith(("s", "x", "sh", "ch")) else "s"
    return f"{head}{of}{rest}"


def word_pairs() -> tuple[WordPair, ...]:
    """Pairs of nouns scored by their relation in the tree rather than by people.

    10 for a noun and its parent, 9 for a word and its top kind, 3 for the reverse of these; and for each noun one
    sibling, scored 1, and one noun that is unrelated, scored 0.
    """
    parent = dict(edges())
    below: dict[str, list[str]] = {}
    for low, high in parent.items():
        below.setdefault(high, []).append(low)
    pairs = []
    for at, (noun, high) in enumerate(parent.items()):
        if high == ROOT:
            continue
        siblings = below[high]
        sibling = siblings[(siblings.index(noun) + 1) % len(siblings)]
        other = things()[(7 * at) % len(things())]
        line = [above for above in (high, parent[high]) if above != ROOT]
        for up, above in enumerate(line, 1):
            pairs += [(noun, above, f"hyp-{up}", 11.0 - up), (above, noun, f"r-hyp-{up}", 3.0)]
        if sibling != noun:
            pairs.append((noun, sibling, "cohyp", 1.0))
        if other.top not in (noun, *line):
            pairs.append((noun, other.word, "no-rel", 0.0))
    return tuple(WordPair(with_article(x), with_article(y), "N", relation, score) for x, y, relation, score in pairs)


@cache
def picture_of(index: int) -> "Image":
    """The picture of a thing, RGBA, at most `TILE` wide and high."""
    left, top = TILE * (index % COLUMNS), TILE * (index // COLUMNS)
    tile = _atlas().crop((left, top, left + TILE, top + TILE))
    return tile.crop(tile.getbbox())


@cache
def _atlas() -> "Image":
    from PIL import Image

    with Image.open(ATLAS) as atlas:
        return atlas.convert("RGBA")
