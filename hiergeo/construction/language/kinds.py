"""Kinds of things in captions, and things that exclude each other: by the lists, which say what captions mean, and by
WordNet for all other nouns, where it understands a kind as the lists do."""

from functools import lru_cache

from hiergeo.construction.language.lexicon import lexicon
from hiergeo.construction.language.tables import LISTS, table_lines, table_rows

APART = frozenset((noun, kind) for noun, kinds in table_rows("lists", "apart") for kind in kinds.split(", "))
"""Pairs of nouns of which the first is not a kind of the second, whatever WordNet says."""

REALMS = {kind: realm for realm, kinds in table_rows("lists", "realm") for kind in kinds.split(", ")}
"""Kind of things -> its realm: things of different realms have nothing in common."""

UNRELATED = (
    *("furniture", "animal", "vehicle", "plant", "building", "fruit", "musical instrument", "clothing", "mountain"),
    *("insect", "book", "tool", "river", "dessert", "jewelry", "forest", "sport", "beverage", "bridge", "toy", "bird"),
    *("island", "flower", "storm", "airplane", "body of water"),
)
"""Words for texts about something else altogether."""

SIBLINGS = 6  # other things of a kind that are offered for a noun that the lists lack


def _kinds_table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for line in table_lines("kinds"):
        kind, _, nouns = line.partition(": ")
        for noun in nouns.split(", "):
            table[noun] = (kind, *(other for other in table.get(noun, ()) if other != kind))
    return table


TABLE = _kinds_table()  # noun -> kinds of the list, the nearest first
LISTED = frozenset(TABLE) | frozenset(kind for above in TABLE.values() for kind in above)  # nouns and kinds of the list

ROWS = [
    (name == "things", (key,) if colon else words, words)
    for name in ("things", "stuff")
    for key, colon, rest in (line.rpartition(":") for line in table_lines(name))
    if (words := tuple(word.strip() for word in rest.split(",") if word.strip()))
]
"""(counted, nouns that can be replaced, nouns that replace them) of each line of the lists."""


@lru_cache(maxsize=1 << 15)
def _listed_kinds(noun: str) -> tuple[str, ...]:
    """Kinds of the list above a noun, the nearest first."""
    above: dict[str, None] = {}
    level = TABLE.get(noun, ())
    while level:
        above.update(dict.fromkeys(level))
        level = tuple(kind for below in level for kind in TABLE.get(below, ()) if kind not in above)
    return tuple(above)


@lru_cache(maxsize=1 << 15)
def sense_of(noun: str) -> str | None:
    """The synset that captions mean by a noun; None where WordNet has none of the kinds that the list names."""
    words = lexicon()
    listed = _listed_kinds(noun)
    sense = words.sense(noun)
    if not listed or sense is None:
        return sense
    meant = {words.sense(kind) for kind in listed if kind != "place"}
    options = (sense, *words.senses(noun))
    return next((option for option in options if not meant.isdisjoint((option, *words.ancestors(option)))), None)


@lru_cache(maxsize=1 << 15)
def kinds(noun: str) -> tuple[str, ...]:
    """Everyday words for ever more general kinds of what a noun in the singular names, the nearest first."""
    if listed := _listed_kinds(noun):
        return listed
    sense = sense_of(noun)
    if sense is None or noun in LISTS["vague"]:
        return ()
    above = [kind for synset in lexicon().ancestors(sense) for kind in _listed_words(synset) if kind != noun]
    return tuple(dict.fromkeys(name for kind in above for name in (kind, *_listed_kinds(kind))))


@lru_cache(maxsize=1 << 15)
def _listed_words(synset: str) -> tuple[str, ...]:
    """Words of the list that mean a synset."""
    return tuple(
        word
        for word in lexicon().words(synset)
        if word in LISTED and word not in LISTS["vague"] and sense_of(word) == synset
    )


@lru_cache(maxsize=1 << 16)
def is_kind(noun: str, kind: str) -> bool:
    """Whether every thing that a noun names is of a kind, both in the sense that captions mean."""
    if noun == kind or kind in _listed_kinds(noun):
        return True
    sense, meant = sense_of(noun), sense_of(kind)
    if (noun, kind) in APART or sense is None or meant is None:
        return False
    above = lexicon().ancestors(sense)
    return meant in (sense, *above) or any(
        kind == word or kind in _listed_kinds(word) for synset in above for word in _listed_words(synset)
    )


def is_understood(noun: str) -> bool:
    """Whether the lists or WordNet say what sort of thing a noun names."""
    return bool(kinds(noun)) or noun in LISTED or any(noun in row[1] for row in ROWS)


def related(one: str, other: str) -> bool:
    """Whether one of two nouns names a kind of the other, or the lists say that they overlap."""
    return is_kind(one, other) or is_kind(other, one) or (one, other) in APART or (other, one) in APART


@lru_cache(maxsize=1 << 14)
def alternatives(noun: str, counted: bool = True) -> tuple[str, ...]:
    """Nouns for other things of the kind of a noun, none of which it can be; `counted` by ``a`` or a number."""
    for name in dict.fromkeys((noun, *wider(noun), *kinds(noun))):
        rows = sorted((row for row in ROWS if name in row[1] and row[0] >= counted), key=lambda row: row[0] != counted)
        if options := [other for other in (rows[0][2] if rows else ()) if not related(noun, other)]:
            return tuple(options)
        if (
            name != noun
            and noun not in LISTS["overlapping"]
            and (options := [other for other in _members(name) if not related(noun, other)])
        ):
            return tuple(options[:SIBLINGS])
    return ()


def wider(noun: str) -> tuple[str, ...]:
    """The last word of a noun that the list lacks, if that names its kind: of ``ski pole`` it is ``pole``."""
    last = noun.rpartition(" ")[2]
    return (last,) if noun not in TABLE and last != noun and is_kind(noun, last) else ()


@lru_cache(maxsize=1 << 12)
def _members(kind: str) -> tuple[str, ...]:
    """Nouns of the lists of exclusive words that are of a kind, in their order."""
    words = dict.fromkeys(word for counted, _, row in ROWS if counted for word in row)
    return tuple(word for word in words if word != kind and is_kind(word, kind))


@lru_cache(maxsize=1 << 14)
def unrelated(noun: str) -> tuple[str, ...]:
    """Words of `UNRELATED` for things that have nothing in common with what a noun names."""
    own = _realms(noun)
    return tuple(word for word in UNRELATED if not related(noun, word) and own.isdisjoint(_realms(word)))


def _realms(noun: str) -> frozenset[str]:
    return frozenset(realm for kind, realm in REALMS.items() if is_kind(noun, kind))
