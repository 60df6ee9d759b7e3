"""Everyday things of one kind that exclude each other: a cat is not a dog, and a kitchen is not a beach.

WordNet's sisters are often rare words or overlap (a pet beside a dog, a guest beside a woman), so the things that
captions tell of most have lists of their own (``things.txt``, ``stuff.txt``). A row has one kind of thing; nouns of a
row can stand for each other in a text, and no two of them are one thing. Other nouns have the lexicon's siblings.
"""

from functools import lru_cache

from hiergeo.construction.language.grammar import LISTS, table_lines, table_rows
from hiergeo.construction.language.kinds import APART, is_kind, kinds, members, names_above

UNRELATED = (
    *("furniture", "animal", "vehicle", "plant", "building", "fruit", "musical instrument", "clothing", "mountain"),
    *("insect", "book", "tool", "river", "dessert", "jewelry", "forest", "sport", "beverage", "bridge", "toy", "bird"),
    *("island", "flower", "storm", "airplane", "body of water"),
)
"""Words for texts about something else altogether."""

REALMS = {kind: realm for realm, kinds in table_rows("lists", "realm") for kind in kinds.split(", ")}
"""Kind of things -> its realm: kinds of different realms share no thing."""

ASUNDER = (("person", "animal"), ("clothing", "furniture"), ("clothing", "instrument"), ("furniture", "instrument"))
"""Kinds of one realm that share no thing all the same."""

SPECIES = LISTS["species"]

MEMBERS = frozenset(noun for kind in SPECIES for noun in members(kind)) - LISTS["overlapping"]
"""Nouns of `SPECIES`, each of which names a thing of its own."""

ROWS = [
    (counted, (key,) if colon else words, words)
    for counted, name in ((True, "things"), (False, "stuff"))
    for key, colon, rest in (line.rpartition(":") for line in table_lines(name))
    if (words := tuple(word.strip() for word in rest.split(",") if word.strip()))
]
"""(counted, words that can be replaced, words that replace them) of each line of the lists."""

PAIRS = {frozenset((one, other)) for _, keys, words in ROWS for one in keys for other in words if one != other}
"""Each two words of the lists that exclude each other."""

LISTED = frozenset[str]().union(*PAIRS)


def replacements(noun: str, counted: bool = True) -> tuple[str, ...]:
    """Other things of the kind of `noun`, from the lists; empty for a noun that they lack.

    Args:
        noun: singular, lower case, maybe of several words.
        counted: whether ``a`` or a number may stand before the answers.
    """
    rows = [row for row in ROWS if row[0] is counted and noun in row[1]]
    return tuple(word for word in rows[0][2] if word != noun) if rows else ()


@lru_cache(maxsize=4096)
def listed(kind: str) -> tuple[str, ...]:
    """Nouns of the lists that are of a kind, in their order."""
    words = dict.fromkeys(word for counted, _, row in ROWS if counted for word in row)
    return tuple(word for word in words if word != kind and is_kind(word, kind))


@lru_cache(maxsize=65536)
def _above(noun: str) -> tuple[frozenset[str], frozenset[str]]:
    """Words of the lists and of the realms that say what a noun is."""
    names = names_above(noun)
    return names & (LISTED | MEMBERS), names.intersection(REALMS)


@lru_cache(maxsize=65536)
def _species(noun: str, kind: str) -> frozenset[str]:
    """What of a kind that has species a noun names."""
    return names_above(noun) & MEMBERS & members(kind)


def _apart(one: str, other: str) -> bool:
    return any((one, kind) in APART for kind in (other, *kinds(other)))


@lru_cache(maxsize=65536)
def unlike(one: str, other: str) -> bool:
    """Whether two nouns are of different realms, such as a board and a slope: one may be on both at once."""
    realms = [{REALMS[kind] for kind in _above(noun)[1]} for noun in (one, other)]
    return realms[0].isdisjoint(realms[1]) and bool(realms[0]) and bool(realms[1])


@lru_cache(maxsize=65536)
def excludes(one: str, other: str) -> bool:
    """Whether no thing is what either of two nouns, in the singular, names; symmetric, False where it is not known."""
    if is_kind(one, other) or is_kind(other, one) or _apart(one, other) or _apart(other, one):
        return False
    (these, above), (those, other_above) = _above(one), _above(other)
    if any(frozenset((x, y)) in PAIRS for x in these - those for y in those - these):
        return True
    if any(_species(one, kind) - those and _species(other, kind) - these for kind in SPECIES):
        return True
    for first, second in ASUNDER:
        if (first in above and second in other_above) or (second in above and first in other_above):
            return not above & other_above
    return unlike(one, other)
