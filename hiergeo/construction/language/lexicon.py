"""The words of English as captions use them: forms, senses by WordNet, which ``everyday.txt`` corrects, and kinds."""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Literal, final

from hiergeo.construction.language.tables import LISTS, table_rows
from hiergeo.datasets.lexicon import Nouns, Section, nouns, read

WordClass = Literal["noun", "verb", "adjective"]

CONCRETE = {synset: float(share) for synset, share in table_rows("everyday", "concrete")}
"""Synset -> how likely a caption means what is below it, relative to physical things; the smallest applies, and
`ABSTRACT` below none of them."""

ABSTRACT = 0.05

USUAL = dict(table_rows("everyday", "usual"))
"""Nouns whose most frequent concrete sense in print is not the one that they have in captions -> that one."""

ALSO = {synset: tuple(senses.split()) for synset, senses in table_rows("everyday", "also")}
"""Synset -> hypernyms that WordNet lacks."""

EXCEPT = {synset: frozenset(senses.split()) for synset, senses in table_rows("everyday", "except")}
"""Synset -> hypernyms that mislead: nobody calls a car a container."""

ENDINGS: dict[str, tuple[str, ...]] = {
    "noun": ("ies y", "ses s", "xes x", "zes z", "ches ch", "shes sh", "oes o", "men man", "s "),
    "verb": ("ies y", "ied y", "es e", "es ", "s ", "ed e", "ed ", "ing e", "ing "),
    "adjective": ("iest y", "ier y", "er e", "est e", "er ", "est "),
}
"""Regular endings and what they replace, in the order in which they are tried."""

IRREGULAR: dict[str, str] = dict(pair.split() for pair in LISTS["plurals"])  # singular -> plural that follows no rule


@final
class Lexicon:
    """Words and senses of English; nouns are given in the singular, in lower case, and may have several words."""

    def __init__(self, nouns: Nouns, sections: dict[Section, list[str]]) -> None:
        self._nouns, self._sections = nouns, sections

    def senses(self, noun: str) -> tuple[str, ...]:
        """Synsets of a noun, such as ``dog.n.01``, the most frequent first; empty for an unknown word."""
        return self._nouns.senses.get(noun, ())

    def words(self, synset: str) -> tuple[str, ...]:
        """Words of a synset; empty for an unknown one."""
        return self._nouns.words.get(synset, ())

    def is_noun(self, word: str) -> bool:
        """Whether a word is the singular of a noun."""
        return word in self._nouns.senses

    @lru_cache(maxsize=1 << 16)  # noqa: B019 (there is one lexicon)
    def ancestors(self, synset: str) -> tuple[str, ...]:
        """Every synset above one, the nearest first, by WordNet as `ALSO` and `EXCEPT` correct it."""
        above: dict[str, None] = {}
        level: tuple[str, ...] = (synset,)
        while level:
            parents = (
                parent
                for child in level
                for parent in (*self._nouns.parents.get(child, ()), *ALSO.get(child, ()))
                if parent not in EXCEPT.get(child, ())
            )
            level = tuple(parent for parent in dict.fromkeys(parents) if parent not in above)
            above.update(dict.fromkeys(level))
        return tuple(above)

    def sense(self, noun: str) -> str | None:
        """The synset that captions mean by a noun, a concrete and frequent one; None for an unknown word."""
        senses = self.senses(noun)
        if len(senses) < 2:
            return senses[0] if senses else None
        if noun in USUAL:
            return USUAL[noun]

        def likelihood(rank: int) -> float:
            lineage = (senses[rank], *self.ancestors(senses[rank]))
            concrete = min((CONCRETE[synset] for synset in lineage if synset in CONCRETE), default=ABSTRACT)
            return (self._nouns.counts.get((noun, senses[rank]), 0) + 1 / (1 + rank)) * concrete

        return senses[max(range(len(senses)), key=likelihood)]

    def is_a(self, noun: str, kind: str) -> bool:
        """Whether what captions mean by a noun is, in some sense of `kind`, of that kind."""
        sense = self.sense(noun)
        return sense is not None and not {sense, *self.ancestors(sense)}.isdisjoint(self.senses(kind))

    @cached_property
    def frequencies(self) -> dict[str, dict[str, int]]:
        """``noun``, ``verb``, ``adjective``, ``adverb`` -> word -> how often it was tagged; verbs in the infinitive."""
        counts: dict[str, int] = {}
        for (word, _), count in self._nouns.counts.items():
            counts[word] = counts.get(word, 0) + count
        sections = (("verb", Section.VERBS), ("adjective", Section.ADJECTIVES), ("adverb", Section.ADVERBS))
        lines = {name: (line.partition(" ") for line in self._sections[section]) for name, section in sections}
        return {"noun": counts} | {name: {word: int(n or 0) for word, _, n in rows} for name, rows in lines.items()}

    @cached_property
    def irregular(self) -> dict[str, dict[str, str]]:
        """``noun``, ``verb``, ``adjective`` -> irregular form -> lemma."""
        sections = (Section.NOUN_FORMS, Section.VERB_FORMS, Section.ADJECTIVE_FORMS)
        pairs = (dict(line.split(" ", 1) for line in self._sections[section]) for section in sections)
        return dict(zip(("noun", "verb", "adjective"), pairs, strict=True))

    @lru_cache(maxsize=1 << 16)  # noqa: B019 (there is one lexicon)
    def lemma(self, word: str, word_class: WordClass) -> str:
        """The dictionary form of a word in lower case: ``wolves`` -> ``wolf``; of a word that is unknown itself."""
        if word_class == "noun" and word in LISTS["plural_only"]:
            return word
        counts = self.frequencies[word_class]
        form = self.irregular[word_class].get(word)
        if form is not None and counts.get(word, 0) <= counts.get(form, 0):
            return form
        stems = list(_stems(word, word_class))
        is_word = self.is_noun if word_class == "noun" else counts.__contains__
        options = [stem for stem in stems if is_word(stem)]
        best = max(options, key=lambda stem: (counts.get(stem, 0), stem + "s" == word), default=word)
        if is_word(word):
            return word if counts.get(word, 0) > counts.get(best, 0) else best
        if word_class == "noun" and not options:
            return word if word.endswith(("us", "is")) else next(iter(stems), word)
        return best


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The lexicon that comes with hiergeo, read once; raises UnavailableError if its file is missing or damaged."""
    return Lexicon(nouns(), read())


def plural(noun: str) -> str:
    """The plural of a noun: ``dog`` -> ``dogs``, ``fire truck`` -> ``fire trucks``."""
    head, space, word = noun.rpartition(" ")
    if word in LISTS["plural_only"] or word in IRREGULAR:
        return head + space + IRREGULAR.get(word, word)
    if word.endswith("man") and not word.endswith(("caiman", "german", "human", "roman", "shaman")):
        return head + space + word[:-3] + "men"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return head + space + word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return head + space + word[:-1] + "ies"
    return head + space + word + "s"


def _stems(word: str, word_class: str) -> Iterator[str]:
    """What a word may be a regular form of, the likeliest first."""
    if word_class == "noun" and word.endswith("ss"):
        return
    for ending, _, instead in (pair.partition(" ") for pair in ENDINGS[word_class]):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 1:
            yield stem + instead
            if word_class != "noun" and len(stem) > 3 and stem[-1] == stem[-2] and not instead:
                yield stem[:-1]
