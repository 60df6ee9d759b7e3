"""Tokens of a caption and the class of each: counts of the lexicon weighed by what stands beside a word."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from hiergeo.construction.language import grammar
from hiergeo.construction.language.forms import lemma
from hiergeo.construction.language.lexicon import lexicon

TAGS = ("DET", "ADJ", "NOUN", "VERB", "PART", "ADP", "CONJ", "NUM", "PRON", "ADV", "NEG", "PUNCT", "OTHER")
"""Classes: PART are participles, OTHER is what is not a word, such as emoji."""

TOKEN = re.compile(r"[$€£]?[^\W_](?:[^\W_]|[.'’&\-](?=[^\W_])|(?<=\d)[:,](?=\d)|/(?=\d))*|['’][^\W\d_]+|\S")
"""A word, or a number such as 3:30, $5, f/2.8; or a mark."""

CLITIC = re.compile(r"(?<=\w)(?:n['’]t|['’](?:s|re|ve|ll|d|m))$", re.IGNORECASE)

LONGEST = 40
"""Letters of a word that are looked at; longer ones are not English, and would fill the caches."""

COMPOUND = 1.0
"""How much likelier than another class a noun is that is part of a noun of two words, as a natural logarithm."""


AGREEMENT, DISAGREEMENT = 1.5, 3.0
"""How much likelier a form in -s is after a noun in the singular, and less likely another, as natural logarithms."""

Scores = dict[str, float]


def _scores(kind: str) -> dict[str, Scores]:
    rows = ((name, rest.split(", ")) for name, rest in grammar.table_rows("scores", kind))
    return {name: {tag: float(score) for tag, score in map(str.split, pairs)} for name, pairs in rows}


AFTER, ALSO = _scores("after"), _scores("also")
"""How well the second of two classes stands after the first; open classes that words of closed classes may have too."""


def _closed_classes() -> dict[str, Scores]:
    found: dict[str, Scores] = {}
    for tag, words in (
        ("AUX", grammar.AUXILIARIES),
        ("NUM", grammar.LISTS["numbers"]),
        ("DET", grammar.DETERMINERS),
        ("PRON", grammar.PRONOUNS),
        ("CONJ", grammar.LISTS["conjunctions"] | grammar.SUBORDINATORS),
        ("ADP", grammar.LISTS["prepositions"]),
        ("ADV", grammar.LISTS["adverbs"]),
    ):
        for word in words:
            found.setdefault(word, {})[tag] = 0.0
    for word, scores in ALSO.items():
        found.setdefault(word, {}).update(scores)
    return found | {word: {"NEG": 0.0} for word in grammar.LISTS["negations"]}


CLOSED = _closed_classes()
"""Classes of the words of closed classes."""


@final
@dataclass(frozen=True)
class Token:
    """A word or mark of a caption.

    Attributes:
        text: as it is written.
        lower: in lower case.
        lemma: the form that the lexicon lists.
        tag: its class, of `TAGS`.
        start: offset of its first character in the caption.
        end: offset after its last one.
    """

    text: str
    lower: str
    lemma: str
    tag: str
    start: int
    end: int


def tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a text, tagged; of any text, in time linear in its length."""
    spans = [span for match in TOKEN.finditer(text) for span in _split(text, *match.span())]
    words = [text[start : min(end, start + LONGEST)].lower().replace("’", "'") for start, end in spans]
    shouted = text.isupper()
    options = [
        _classes(word, shouted or not text[start].isupper() or not place or words[place - 1] in ".!?")
        for place, (word, (start, _)) in enumerate(zip(words, spans, strict=True))
    ]
    for place, word in enumerate(words):
        if place and _are_noun(words[place - 1], word):
            for each in (place - 1, place):
                options[each] = options[each] | {"NOUN": max(options[each].values()) + COMPOUND}
        elif word == "'s":
            verb = not place or "PRON" in options[place - 1]
            options[place] = {"AUX": 0.0} if verb else {"DET": 0.0, "AUX": -3.0}
        elif word == "half" and place + 1 < len(words) and "PART" in options[place + 1]:
            options[place] = {"ADV": 0.0}
        elif place and word in grammar.NOUNS_IN_ING and _is_deed(words, options, place):
            options[place] = {"PART": 0.0}
        elif place and "VERB" in options[place] and _is_singular(words[place - 1], options[place - 1]):
            agreement = AGREEMENT if word.endswith("s") else -DISAGREEMENT
            options[place] = options[place] | {"VERB": options[place]["VERB"] + agreement}
    found = []
    for (start, end), word, tag in zip(spans, words, _best(words, options), strict=True):
        found.append(Token(text[start:end], word, _lemma(word, tag), "VERB" if tag == "AUX" else tag, start, end))
    return tuple(found)


def known_words(text: str) -> tuple[int, int]:
    """How many words of a text English has, and how many words there are."""
    words = [word[:LONGEST].lower() for word in TOKEN.findall(text) if word[0].isalpha()]
    return sum(map(_is_english, words)), len(words)


def _split(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """A word and what is written together with it: the dog's, isn't."""
    clitic = CLITIC.search(text, start, end) if end - start < LONGEST else None
    cut = start if clitic is None else clitic.start()
    return [(start, end)] if cut <= start else [(start, cut), (cut, end)]


def _is_deed(words: list[str], options: list[Scores], place: int) -> bool:
    """Whether a noun in -ing is a participle: after a noun and before a determiner, as in kids building a castle."""
    after = words[place + 1] if place + 1 < len(words) else ""
    return _is_noun(options[place - 1]) and "PART" in options[place] and after in grammar.DETERMINERS and after != "'s"


def _is_noun(classes: Scores) -> bool:
    return max(classes, key=classes.__getitem__) == "NOUN"


def _is_singular(word: str, classes: Scores) -> bool:
    """Whether a word is most likely a noun whose verb ends in -s."""
    return _is_noun(classes) and word not in grammar.LISTS["collective"] and lemma(word, "noun") == word


@lru_cache(maxsize=1 << 16)
def _are_noun(first: str, second: str) -> bool:
    """Whether two words are a noun of the lexicon of which neither is an adjective: a teddy bear, a parking meter."""
    if not first.isalpha() or not second.isalpha() or first in grammar.COLOURS or first in CLOSED or second in CLOSED:
        return False
    known, both = lexicon(), f"{first} {lemma(second, 'noun')}"
    if both in grammar.LISTS["together"]:
        return True
    if lemma(first, "adjective") in known.frequencies["adjective"] or not known.is_noun(first):
        return f"{first} {second}" in grammar.NAMED_BY_ADJECTIVE
    return known.is_noun(both)


@lru_cache(maxsize=1 << 16)
def _classes(word: str, plain: bool) -> Scores:
    """Classes that a word in lower case may have -> logarithm of how usual each is; `plain` if it has no capital."""
    if word[0] in "$€£" and len(word) > 1:
        return {"NUM": 0.0}
    if not word[0].isalnum() and word[0] not in "'":
        return {"OTHER": 0.0} if ord(word[0]) > 0x2FFF or word[0] in "#@*^~|" else CLOSED.get(word, {"PUNCT": 0.0})
    if word in CLOSED:
        return CLOSED[word]
    if word[0].isdigit():
        return {"NUM": 0.0}
    if len(word) >= LONGEST or not word.isascii():
        return {"NOUN": 0.0} if word.replace("-", "").isalpha() and ord(word[0]) < 0x250 else {"OTHER": 0.0}
    weights = _open(word) or _guess(word)
    if not plain:
        weights["NOUN"] = weights.get("NOUN", 0.0) + 1.0
    return {tag: math.log(weight) for tag, weight in weights.items()}


def _open(word: str) -> Scores:
    """Open classes of a word of the lexicon -> weight, above 0."""
    known, weights = lexicon(), {}
    noun = lemma(word, "noun")
    if known.is_noun(noun):
        weights["NOUN"] = 1.0 + known.frequencies["noun"].get(noun, 0)
    verb = lemma(word, "verb")
    if verb in known.frequencies["verb"]:
        participle = word.endswith(("ing", "ed", "en", "wn", "rn")) or (verb != word and not word.endswith("s"))
        usual = 0.5 + known.frequencies["verb"][verb]
        if participle and verb != word:
            weights["PART"] = usual
            if not word.endswith("ing"):
                weights["VERB"] = usual * 0.3
        else:
            weights["VERB"] = usual * (1.0 if verb in grammar.LISTS["scene_verbs"] else 0.2)
    adjective = lemma(word, "adjective")
    if adjective in known.frequencies["adjective"]:
        weights["ADJ"] = 0.5 + known.frequencies["adjective"][adjective]
    if word in known.frequencies["adverb"]:
        weights["ADV"] = 0.5 + known.frequencies["adverb"][word]
    if word in grammar.COLOURS:
        weights["ADJ"] = weights.get("ADJ", 1.0) + 10 * weights.get("NOUN", 1.0)
    if word in grammar.NOUNS_IN_ING:
        weights["PART"] = 0.5
    if word in grammar.LISTS["only_adjectives"]:
        return {"ADJ": weights["ADJ"]}
    return weights


def _guess(word: str) -> Scores:
    """Classes of a word that the lexicon lacks, by how it ends."""
    first, hyphen, last = word.rpartition("-")
    if hyphen and first:
        found = _open(last) or _guess(last)
        return {"ADJ": 5.0, "NOUN": 1.0} if "PART" in found or "ADJ" in found else {"NOUN": 2.0, "ADJ": 2.0}
    if word.endswith("ly"):
        return {"ADV": 3.0, "NOUN": 0.3, "ADJ": 1.0}
    if word.endswith("ing"):
        return {"PART": 2.0, "NOUN": 1.0}
    if word.endswith("ed"):
        return {"PART": 2.0, "NOUN": 0.3, "ADJ": 1.0}
    return {"NOUN": 2.0, "ADJ": 0.3, "VERB": 0.1}


def _best(words: list[str], options: list[Scores]) -> list[str]:
    """The likeliest classes of a sequence of words: a Viterbi search over `AFTER`."""
    scores: Scores = {"START": 0.0}
    back: list[dict[str, str]] = []
    for place, option in enumerate(options):
        to = place > 0 and words[place - 1] == "to"
        reached: Scores = {}
        origin: dict[str, str] = {}
        for tag, usual in option.items():
            before = max(scores, key=lambda each: scores[each] + _after("TO" if to else each, tag))
            reached[tag] = scores[before] + _after("TO" if to else before, tag) + usual
            origin[tag] = before
        back.append(origin)
        scores = reached
    tag = max(scores, key=lambda each: scores[each] + _after(each, "END"))
    found = []
    for origin in reversed(back):
        found.append(tag)
        tag = origin[tag]
    return found[::-1]


def _after(before: str, tag: str) -> float:
    return AFTER.get(before, {}).get(tag, 0.0)


def _lemma(word: str, tag: str) -> str:
    if tag == "NOUN":
        return lemma(word, "noun")
    if tag in ("VERB", "PART"):
        return lemma(word, "verb")
    if tag == "AUX":
        return grammar.AUXILIARIES.get(word, "be")
    return lemma(word, "adjective") if tag == "ADJ" else word


@lru_cache(maxsize=1 << 16)
def _is_english(word: str) -> bool:
    return bool(word in CLOSED or _open(word.replace("’", "'").removesuffix("'s")))
