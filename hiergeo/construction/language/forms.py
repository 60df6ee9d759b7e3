"""Forms of words: what a plural, a tense or a comparison is a form of, and plurals."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from hiergeo._core.errors import unknown_name
from hiergeo.construction.language.grammar import LISTS
from hiergeo.construction.language.lexicon import Lexicon, lexicon, normal

Kind = Literal["noun", "verb", "adjective"]

BE = {"am": "be", "is": "be", "are": "be", "was": "be", "were": "be", "been": "be", "being": "be", "'s": "be"}

ENDINGS: dict[str, tuple[str, ...]] = {
    "noun": ("ies y", "ses s", "xes x", "zes z", "ches ch", "shes sh", "oes o", "men man", "s "),
    "verb": ("ies y", "ied y", "es e", "es ", "s ", "ed e", "ed ", "ing e", "ing "),
    "adjective": ("iest y", "ier y", "er e", "est e", "er ", "est "),
}
"""Regular endings and what they replace, in the order in which they are tried."""

PLURAL_ONLY = LISTS["plural_only"]

IRREGULAR: dict[str, str] = dict(each.split() for each in LISTS["plurals"])
"""Plurals that follow no rule."""

NOT_MEN = ("caiman", "german", "human", "roman", "shaman", "talisman", "ottoman")
"""Nouns in -man that no man is in."""

VOWELS = "aeiou"


@lru_cache(maxsize=1 << 16)
def lemma(word: str, kind: Kind) -> str:
    """The form of a word that dictionaries list: ``wolves`` -> ``wolf``, ``riding`` -> ``ride``, ``bigger`` -> ``big``.

    A word that is not known is returned in lower case, a noun without its regular ending.

    Raises:
        InputError: another kind of word.
    """
    if kind not in ENDINGS:
        raise unknown_name("kind of word", kind, ENDINGS)
    known, word = lexicon(), normal(word)
    if kind == "verb" and word in BE:
        return BE[word]
    if kind == "noun" and (word in PLURAL_ONLY or " " in word):
        head, _, last = word.rpartition(" ")
        return f"{head} {lemma(last, kind)}" if head and not known.is_noun(word) else word
    if word in known.irregular[kind] and _used(known, word, kind) <= _used(known, known.irregular[kind][word], kind):
        return known.irregular[kind][word]
    stems = list(_stems(word, kind))
    found = [stem for stem in stems if _is(known, stem, kind)]
    best = max(found, key=lambda stem: (_used(known, stem, kind), stem + "s" == word), default=word)
    if _is(known, word, kind) and (best == word or _used(known, word, kind) > _used(known, best, kind)):
        return word
    if kind == "noun" and not found and not _is(known, word, kind):
        return word if word.endswith(("us", "is")) else next(iter(stems), word)
    return best


def singular(noun: str) -> str:
    """The singular of a noun; of a singular itself."""
    return lemma(noun, "noun")


def plural(noun: str) -> str:
    """The plural of a noun in the singular: ``dog`` -> ``dogs``; of several words that of its head: ``cups of tea``."""
    word = normal(noun)
    first, preposition, rest = word.partition(" of ")
    if preposition:
        return plural(first) + preposition + rest
    head, space, last = word.rpartition(" ")
    return head + space + _plural(last)


def _plural(word: str) -> str:
    if word in PLURAL_ONLY or not word:
        return word
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("man") and not word.endswith(NOT_MEN):
        return word[:-3] + "men"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def _stems(word: str, kind: str) -> Iterator[str]:
    """What a word may be a regular form of, the likeliest first."""
    if kind == "noun" and word.endswith("ss"):
        return
    for ending, _, instead in (pair.partition(" ") for pair in ENDINGS[kind]):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 1:
            yield stem + instead
            if kind != "noun" and len(stem) > 3 and stem[-1] == stem[-2] and not instead:
                yield stem[:-1]


def _is(known: Lexicon, word: str, kind: str) -> bool:
    return known.is_noun(word) if kind == "noun" else word in known.frequencies[kind]


def _used(known: Lexicon, word: str, kind: str) -> int:
    return known.frequencies[kind].get(word, 0)
