"""What words mean in captions: their senses, the kinds of things they name, and which word is of which class."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import final

from hiergeo.construction.language.grammar import LISTS, table_rows, word_set
from hiergeo.datasets.lexicon import Nouns, Section, nouns, read

CONCRETE = {synset: float(share) for synset, share in table_rows("everyday", "concrete")}
"""Synset -> how likely a caption means what is below it, relative to physical things; the least counts."""

ABSTRACT = 0.05
"""The same for all that is below none of them."""

USUAL = dict(table_rows("everyday", "usual"))
"""Nouns whose most frequent concrete sense in print is not the one that they have in captions -> that one."""

ALSO = {synset: tuple(senses.split()) for synset, senses in table_rows("everyday", "also")}
"""Synset -> what it is in captions besides what WordNet says."""

EXCEPT = {synset: word_set(senses) for synset, senses in table_rows("everyday", "except")}
"""Synset -> hypernyms that mislead: nobody calls a car a container."""


FEWEST = 3
"""Times that words for kinds besides `EVERYDAY` were tagged at least."""


def normal(word: str) -> str:
    """A word as the lexicon spells it: lower case, single spaces."""
    return " ".join(word.lower().replace("_", " ").split())


@final
class Lexicon:
    """Words and senses of English, as far as captions need them.

    Words may be given in any case, nouns in the singular; words that are not known have no senses.

    Args:
        nouns: and how they are related.
        sections: the words of other classes.
    """

    def __init__(self, nouns: Nouns, sections: dict[Section, list[str]]) -> None:
        self._nouns = nouns
        self._sections = sections

    def nouns(self, lemma: str) -> tuple[str, ...]:
        """Synsets of a noun, the most frequent first, such as ``dog.n.01``; without names of places and people."""
        return self._nouns.senses.get(normal(lemma), ())

    def parents(self, synset: str) -> tuple[str, ...]:
        """Direct hypernyms, in WordNet's order; of an unknown synset none."""
        return self._nouns.parents.get(synset, ())

    def ancestors(self, synset: str) -> tuple[str, ...]:
        """Every synset above one, the nearest first."""
        return _above(self._nouns, synset, None)

    def children(self, synset: str) -> tuple[str, ...]:
        """Direct hyponyms."""
        return self._children.get(synset, ())

    def words(self, synset: str) -> tuple[str, ...]:
        """Words of a synset, the most frequent first."""
        words = self._nouns.words.get(synset, ())
        return tuple(sorted(words, key=lambda word: -self._nouns.counts.get((word, synset), 0)))

    def count(self, synset: str) -> int:
        """How often words were tagged with a synset."""
        return sum(self._nouns.counts.get((word, synset), 0) for word in self._nouns.words.get(synset, ()))

    def sense(self, lemma: str) -> str | None:
        """The synset that captions mean by a noun, a concrete and frequent one; None for a word that is no noun."""
        senses, word = self.nouns(lemma), normal(lemma)
        if len(senses) < 2:
            return senses[0] if senses else None
        if word in USUAL:
            return USUAL[word]

        def likely(place: int) -> float:
            sense = senses[place]
            return (self._nouns.counts.get((word, sense), 0) + 1 / (1 + place)) * self._concrete(sense)

        return senses[max(range(len(senses)), key=likely)]

    def kinds(self, lemma_or_synset: str) -> tuple[str, ...]:
        """Everyday words for ever more general kinds of a thing, the nearest first: of a dog ``animal``."""
        synset = self._meant(lemma_or_synset)
        if synset is None:
            return ()
        own = set(self.words(synset))
        last = "" if synset == lemma_or_synset else normal(lemma_or_synset).rpartition(" ")[2]
        above = sorted(self._kinds(synset), key=lambda each: -len(self._kinds(each)))
        found = (self._everyday(each, last) for each in above)
        return tuple(dict.fromkeys(word for word in found if word and word not in own))

    def is_a(self, lemma: str, kind: str) -> bool:
        """Whether a thing that a noun, or a synset, names in captions is of the kind that another one names."""
        synset = self._meant(lemma)
        kinds = {kind} if kind in self._nouns.parents else set(self.nouns(kind))
        return synset is not None and (synset in kinds or not kinds.isdisjoint(self._kinds(synset)))

    def siblings(self, synset: str) -> tuple[str, ...]:
        """Everyday words for other things directly below the hypernyms of a synset, the most frequent first."""
        beside = dict.fromkeys(each for parent in self.parents(synset) for each in self.children(parent))
        common = [each for each in beside if each != synset and self.count(each)]
        return tuple(self.words(each)[0] for each in sorted(common, key=lambda each: -self.count(each)))

    def is_noun(self, word: str) -> bool:
        """Whether a word is the singular of a noun."""
        return normal(word) in self._nouns.senses

    @cached_property
    def frequencies(self) -> dict[str, dict[str, int]]:
        """Class -> word -> how often it was tagged: nouns that were, and all verbs, adjectives and adverbs of one word.

        Classes are ``noun``, ``verb``, ``adjective`` and ``adverb``; verbs stand in the infinitive.
        """
        nouns: dict[str, int] = {}
        for (word, _), count in self._nouns.counts.items():
            nouns[word] = nouns.get(word, 0) + count
        sections = (("verb", Section.VERBS), ("adjective", Section.ADJECTIVES), ("adverb", Section.ADVERBS))
        lines = {name: (line.partition(" ") for line in self._sections[section]) for name, section in sections}
        return {"noun": nouns} | {name: {word: int(n or 0) for word, _, n in each} for name, each in lines.items()}

    @cached_property
    def irregular(self) -> dict[str, dict[str, str]]:
        """``noun``, ``verb``, ``adjective`` -> irregular form -> lemma."""
        sections = (Section.NOUN_FORMS, Section.VERB_FORMS, Section.ADJECTIVE_FORMS)
        pairs = (dict(line.split(" ", 1) for line in self._sections[section]) for section in sections)
        return dict(zip(("noun", "verb", "adjective"), pairs, strict=True))

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        below: dict[str, list[str]] = {}
        for synset, parents in self._nouns.parents.items():
            for parent in parents:
                below.setdefault(parent, []).append(synset)
        return {synset: tuple(found) for synset, found in below.items()}

    def _meant(self, lemma_or_synset: str) -> str | None:
        return lemma_or_synset if lemma_or_synset in self._nouns.parents else self.sense(lemma_or_synset)

    def _kinds(self, synset: str) -> tuple[str, ...]:
        """Synsets above one as captions see it: `ancestors` with `ALSO` and without `EXCEPT`."""
        return _above(self._nouns, synset, _in_captions)

    def _everyday(self, synset: str, last: str) -> str | None:
        """The word for a kind: one that is frequent, or the last one of the noun that is asked about."""
        words = self.words(synset)
        if last in words:
            return last
        common = self._nouns.counts.get((words[0], synset), 0) and self.frequencies["noun"][words[0]] >= FEWEST
        chosen = next((word for word in words if word in LISTS["everyday"]), words[0] if common else None)
        return None if chosen in LISTS["technical"] else chosen

    def _concrete(self, synset: str) -> float:
        return min(
            (CONCRETE[above] for above in (synset, *self.ancestors(synset)) if above in CONCRETE), default=ABSTRACT
        )


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The lexicon that comes with hiergeo, read once: 80,000 nouns of several words, 9,000 verbs, 21,000 adjectives.

    Raises:
        UnavailableError: its file is missing or damaged.
    """
    return Lexicon(nouns(), read())


def _in_captions(nouns: Nouns, synset: str) -> tuple[str, ...]:
    left_out = EXCEPT.get(synset, frozenset())
    return (*(parent for parent in nouns.parents[synset] if parent not in left_out), *ALSO.get(synset, ()))


@lru_cache(maxsize=1 << 16)
def _above(nouns: Nouns, synset: str, parents: Callable[[Nouns, str], tuple[str, ...]] | None) -> tuple[str, ...]:
    """What is reached by `parents`, or else by WordNet's, the nearest first; of an unknown synset nothing."""
    found: dict[str, None] = {}
    level: tuple[str, ...] = (synset,) if synset in nouns.parents else ()
    while level:
        reached = (above for each in level for above in (parents(nouns, each) if parents else nouns.parents[each]))
        level = tuple(above for above in dict.fromkeys(reached) if above not in found)
        found.update(dict.fromkeys(level))
    return tuple(found)
