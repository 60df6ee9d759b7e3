"""Everyday things of one kind that exclude each other: what is a cat is no dog, and a kitchen is no beach.

WordNet's sisters are often rare words or overlap (a pet beside a dog, a guest beside a woman), so the things that
captions tell of most have lists of their own (``things.txt``, ``stuff.txt``). A row has one kind of thing; nouns of a
row can stand for each other in a text, and no two of them are one thing. Other nouns have the lexicon's siblings.
"""

from functools import lru_cache

from hiergeo.construction.language.grammar import LISTS, table_lines
from hiergeo.construction.language.kinds import APART, is_kind, kinds, members, names_above

UNRELATED = (
    *("furniture", "animal", "vehicle", "plant", "building", "fruit", "musical instrument", "clothing", "mountain"),
    *("insect", "book", "tool", "river", "dessert", "jewelry", "forest", "sport", "beverage", "bridge", "toy", "bird"),
    *("island", "flower", "storm", "airplane", "body of water"),
)
"""Words for texts about something else altogether."""

REALMS = (
    "person|animal|couple|family|team|crowd|group|department",
    "plant|food|fruit|vegetable|drink|beverage|dessert",
    "vehicle",
    "building|structure|place|room|road|field|body of water|mountain|river|island|forest|city|bridge|tower",
    "furniture|container|dishware|device|appliance|toy|tool|utensil|equipment|instrument|decoration|light"
    "|sign|signal|luggage|linen|bedding|fixture|board|seat|reading material|clothing|jewelry|book|hydrant",
    "sport|game",
    "weather",
    "body part",
)
"""Kinds of things, those that may overlap in one row; kinds of different rows share no thing."""

ASUNDER = ("person|animal", "clothing|furniture", "clothing|instrument", "furniture|instrument")
"""Kinds of one row that share no thing all the same."""


SPECIES = LISTS["species"]
OVERLAPPING = LISTS["overlapping"]


@lru_cache(maxsize=1)
def _realms() -> dict[str, int]:
    return {kind: realm for realm, kinds in enumerate(REALMS) for kind in kinds.split("|")}


@lru_cache(maxsize=1)
def _rows() -> tuple[tuple[bool, tuple[str, ...], tuple[str, ...]], ...]:
    """(counted, words that can be replaced, words that replace them) of each line of the lists."""
    rows = []
    for counted, name in ((True, "things"), (False, "stuff")):
        for line in table_lines(name):
            key, colon, rest = line.rpartition(":")
            words = tuple(word.strip() for word in rest.split(",") if word.strip())
            if words:
                rows.append((counted, (key,) if colon else words, words))
    return tuple(rows)


@lru_cache(maxsize=1)
def _pairs() -> frozenset[frozenset[str]]:
    """Each two words of the lists that exclude each other."""
    return frozenset(
        frozenset((one, other)) for _, keys, words in _rows() for one in keys for other in words if one != other
    )


@lru_cache(maxsize=1)
def _listed() -> frozenset[str]:
    return frozenset(word for pair in _pairs() for word in pair)


def replacements(noun: str, counted: bool = True) -> tuple[str, ...]:
    """Other things of the kind of `noun`, from the lists; empty for a noun that they lack.

    Args:
        noun: singular, lower case, maybe of several words.
        counted: whether ``a`` or a number may stand before the answers.
    """
    rows = [row for row in _rows() if row[0] is counted and noun in row[1]]
    return tuple(word for word in rows[0][2] if word != noun) if rows else ()


@lru_cache(maxsize=4096)
def listed(kind: str) -> tuple[str, ...]:
    """Nouns of the lists that are of a kind, in their order."""
    words = dict.fromkeys(word for counted, _, row in _rows() if counted for word in row)
    return tuple(word for word in words if word != kind and is_kind(word, kind))


@lru_cache(maxsize=65536)
def _above(noun: str) -> tuple[frozenset[str], frozenset[str]]:
    """Words of the lists and of the realms that say what a noun is."""
    names = names_above(noun)
    return names & (_listed() | _members()), names.intersection(_realms())


@lru_cache(maxsize=1)
def _members() -> frozenset[str]:
    return frozenset(noun for kind in SPECIES for noun in members(kind)) - OVERLAPPING


@lru_cache(maxsize=65536)
def _species(noun: str, kind: str) -> frozenset[str]:
    """What of a kind that has species a noun names."""
    return names_above(noun) & _members() & members(kind)


def _apart(one: str, other: str) -> bool:
    return any((one, kind) in APART for kind in (other, *kinds(other)))


@lru_cache(maxsize=65536)
def unlike(one: str, other: str) -> bool:
    """Whether two nouns are of different realms, such as a board and a slope: one may be on both at once."""
    realms = [{_realms()[kind] for kind in _above(noun)[1]} for noun in (one, other)]
    return realms[0].isdisjoint(realms[1]) and bool(realms[0]) and bool(realms[1])


@lru_cache(maxsize=65536)
def excludes(one: str, other: str) -> bool:
    """Whether no thing is both; symmetric, False where it is not known.

    Args:
        one: noun in the singular, lower case.
        other: likewise.
    """
    if is_kind(one, other) or is_kind(other, one) or _apart(one, other) or _apart(other, one):
        return False
    (these, above), (those, other_above) = _above(one), _above(other)
    if any(frozenset((x, y)) in _pairs() for x in these - those for y in those - these):
        return True
    for kind in SPECIES:
        if _species(one, kind) - those and _species(other, kind) - these:
            return True
    for pair in ASUNDER:
        first, _, second = pair.partition("|")
        if (first in above and second in other_above) or (second in above and first in other_above):
            return not above & other_above
    return unlike(one, other)
