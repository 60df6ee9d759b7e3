"""Which kinds of things the nouns of captions name: a list for the most common ones, the lexicon for all others.

Dictionaries know a plate that is a base in baseball and a hot dog who boasts; the list (``kinds.txt``) says what
captions mean. Nouns
of the list that the lexicon understands as the list does have its kinds too.
"""

from functools import lru_cache

from hiergeo.construction.language.grammar import LISTS, table_lines, table_rows
from hiergeo.construction.language.lexicon import lexicon

VAGUE = LISTS["vague"]

APART = frozenset((noun, kind) for noun, kinds in table_rows("lists", "apart") for kind in kinds.split(", "))
"""Nouns of which the first does not say what the second does, whatever dictionaries hold."""


def _table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for line in table_lines("kinds"):
        kind, _, nouns = line.partition(": ")
        for noun in nouns.split(", "):
            table[noun] = (kind, *(each for each in table.get(noun, ()) if each != kind))
    return table


TABLE = _table()
"""Noun -> kinds of the list, the nearest first."""

KNOWN = frozenset(TABLE) | frozenset(kind for above in TABLE.values() for kind in above)
"""Nouns and kinds of the list."""


@lru_cache(maxsize=1 << 15)
def _closure(noun: str) -> tuple[str, ...]:
    """Kinds of the list above a noun, the nearest first."""
    found: dict[str, None] = {}
    level = TABLE.get(noun, ())
    while level:
        found.update(dict.fromkeys(level))
        level = tuple(above for kind in level for above in TABLE.get(kind, ()) if above not in found)
    return tuple(found)


@lru_cache(maxsize=1 << 15)
def synset_of(noun: str) -> str | None:
    """The sense of the lexicon that captions mean by a noun; None where it has none or only others."""
    known = lexicon()
    listed = _closure(noun)
    sense = known.sense(noun)
    if not listed or sense is None:
        return sense
    for each in (sense, *known.nouns(noun)):
        above = {each, *known.ancestors(each)}
        if any(known.sense(kind) in above for kind in listed if kind != "place"):
            return each
    return None


@lru_cache(maxsize=1 << 15)
def kinds(noun: str) -> tuple[str, ...]:
    """Everyday words for ever more general kinds of what a noun names, the nearest first; maybe none.

    Args:
        noun: singular, lower case, maybe of several words.
    """
    if listed := _closure(noun):
        return listed
    if noun in VAGUE:
        return ()
    found = [kind for kind in lexicon().kinds(noun) if kind in KNOWN and kind not in VAGUE]
    return tuple(dict.fromkeys(each for kind in found for each in (kind, *_closure(kind))))


@lru_cache(maxsize=1 << 16)
def is_kind(noun: str, kind: str) -> bool:
    """Whether every thing that a noun names is of a kind; both singular and in lower case.

    The lexicon's senses of both words have to be those that captions mean.
    """
    if noun == kind or kind in _closure(noun):
        return True
    if (noun, kind) in APART:
        return False
    sense, meant = synset_of(noun), synset_of(kind)
    if sense is None or meant is None:
        return False
    known = lexicon()
    return meant in (sense, *known.ancestors(sense)) or any(
        above == kind or kind in _closure(above) for each in known.ancestors(sense) for above in _names(each)
    )


@lru_cache(maxsize=1 << 15)
def _names(synset: str) -> tuple[str, ...]:
    """Words of the list that mean a synset."""
    return tuple(word for word in lexicon().words(synset) if word in KNOWN and synset_of(word) == synset)


@lru_cache(maxsize=256)
def members(kind: str) -> frozenset[str]:
    """Nouns of the list whose nearest kind is `kind`."""
    return frozenset(noun for noun, above in TABLE.items() if above[0] == kind)


@lru_cache(maxsize=1 << 15)
def names_above(noun: str) -> frozenset[str]:
    """A noun and every word that is known to name a kind of it."""
    found = {noun, *_closure(noun)}
    sense = synset_of(noun)
    if sense is not None:
        known = lexicon()
        for each in (sense, *known.ancestors(sense)):
            for word in known.words(each):
                if synset_of(word) == each and (noun, word) not in APART:
                    found.update((word, *_closure(word)))
    return frozenset(found)
