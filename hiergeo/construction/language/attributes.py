"""Everyday attributes that exclude each other: colours, sizes, ages, materials, states, postures, places in space.

An `Axis` holds groups of words. Two words of one group may be said of one thing (``big`` and ``large``); two words of
different groups may not (``big`` and ``small``). A word may lie on several axes: ``old`` excludes ``young`` and
``new``, which do not exclude each other.
"""

from dataclasses import dataclass
from functools import cache
from typing import final

from hiergeo.construction.language.grammar import LISTS, table_rows

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
"""Number words; the index is the value."""

MANY = LISTS["many"]
COLOURS = LISTS["plain_colours"]
PRIVATIVE = LISTS["privative"]
DEPICTIONS = LISTS["depictions"]


@final
@dataclass(frozen=True)
class Axis:
    """One attribute of things.

    Attributes:
        name: such as ``colour``.
        groups: words of one group go together, words of different groups exclude each other. The first word of a group
            is the one that is used in new texts.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]


def _axes(kind: str) -> tuple[Axis, ...]:
    """The axes of a kind in ``axes.txt``, in their order."""
    rows = table_rows("axes", kind)
    return tuple(Axis(name, tuple(tuple(words.split()) for words in groups.split("|"))) for name, groups in rows)


ADJECTIVES = _axes("adjective")
"""Attributes that modifiers name."""

VERBS = _axes("verb")
"""What beings and things do, by the lemma of the verb."""

PLACES = _axes("place")
"""Prepositions, the words of one joined by an underscore."""


@cache
def _index(axes: tuple[Axis, ...]) -> dict[str, tuple[tuple[int, int], ...]]:
    index: dict[str, tuple[tuple[int, int], ...]] = {}
    for number, axis in enumerate(axes):
        for group, words in enumerate(axis.groups):
            for word in words:
                index[word] = (*index.get(word, ()), (number, group))
    return index


def excludes(one: str, other: str, axes: tuple[Axis, ...] = ADJECTIVES) -> bool:
    """Whether two words of some axis cannot be said of one thing at once; symmetric, and never of a word and itself.

    Args:
        one: lower-case adjective, lemma of a verb, or preposition.
        other: likewise.
        axes: `ADJECTIVES`, `VERBS` or `PLACES`.
    """
    index = _index(axes)
    groups = dict(index.get(other, ()))
    shared = [group == groups[number] for number, group in index.get(one, ()) if number in groups]
    return bool(shared) and not any(shared)


def alternatives(word: str, axes: tuple[Axis, ...] = ADJECTIVES) -> tuple[str, ...]:
    """Words that exclude `word`: the first of each other group of its axes, in the order of the lists."""
    found = [
        words[0] for number, group in _index(axes).get(word, ()) for words in axes[number].groups if word not in words
    ]
    return tuple(dict.fromkeys(other for other in found if excludes(word, other, axes)))


def axes_of(word: str, axes: tuple[Axis, ...] = ADJECTIVES) -> frozenset[str]:
    """Names of the axes that a word lies on."""
    return frozenset(axes[number].name for number, _ in _index(axes).get(word, ()))


def value(word: str) -> int | None:
    """The number that a word or numeral says, from 0; None for any other word."""
    if word.isascii() and word.isdigit():
        return int(word) if len(word) <= 9 else None
    return NUMBERS.index(word) if word in NUMBERS else None


def same(one: str, other: str) -> bool:
    """Whether two adjectives say the same, such as ``big`` and ``large``: they share every group of theirs."""
    index = _index(ADJECTIVES)
    return one == other or (one in index and index[one] == index.get(other))
