"""Everyday attributes that exclude each other: colours, sizes, ages, materials, states, postures, places in space.

An axis has groups of words. Two words of one group may be said of one thing (``big`` and ``large``); two words of
different groups may not (``big`` and ``small``). A word may lie on several axes: ``old`` excludes ``young`` and
``new``, which do not exclude each other.
"""

from typing import final

from hiergeo.construction.language.grammar import LISTS, table_rows

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
"""Number words; the index is the value."""

MANY = LISTS["many"]
COLOURS = LISTS["plain_colours"]
PRIVATIVE = LISTS["privative"]
DEPICTIONS = LISTS["depictions"]


@final
class Axes:
    """Attributes of one kind of lines in ``axes.txt``: axis, such as ``colour`` -> its groups of words.

    The first word of a group is used in new texts.
    """

    def __init__(self, kind: str) -> None:
        rows = ((name, groups.split("|")) for name, groups in table_rows("axes", kind))
        self.groups = {name: [words.split() for words in groups] for name, groups in rows}
        self._of: dict[str, dict[str, list[str]]] = {}
        for name, groups in self.groups.items():
            for words in groups:
                for word in words:
                    self._of.setdefault(word, {})[name] = words

    def excludes(self, one: str, other: str) -> bool:
        """Whether two words of some axis cannot be said of one thing at once; symmetric, never of a word and itself."""
        theirs = self._of.get(other, {})
        shared = [words is theirs[name] for name, words in self._of.get(one, {}).items() if name in theirs]
        return bool(shared) and not any(shared)

    def alternatives(self, word: str) -> tuple[str, ...]:
        """Words that exclude `word`: the first of each other group of its axes, in the order of the lists."""
        found = [words[0] for name in self._of.get(word, ()) for words in self.groups[name] if word not in words]
        return tuple(dict.fromkeys(other for other in found if self.excludes(word, other)))

    def axes_of(self, word: str) -> frozenset[str]:
        """Names of the axes that a word lies on."""
        return frozenset(self._of.get(word, ()))

    def same(self, one: str, other: str) -> bool:
        """Whether two words say the same, such as ``big`` and ``large``: they share every group of theirs."""
        return one == other or (one in self._of and self._of[one] == self._of.get(other))


ADJECTIVES = Axes("adjective")
"""Attributes that modifiers name."""

VERBS = Axes("verb")
"""What beings and things do, by the lemma of the verb."""

PLACES = Axes("place")
"""Prepositions, the words of one joined by an underscore."""


def value(word: str) -> int | None:
    """The number that a word or numeral says, from 0; None for any other word."""
    if word.isascii() and word.isdigit():
        return int(word) if len(word) <= 9 else None
    return NUMBERS.index(word) if word in NUMBERS else None
