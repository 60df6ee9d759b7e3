"""Words and marks of a caption and the class of each: counts of the lexicon weighed by what stands beside a word.

Scores are natural logarithms.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import final

from hiergeo.construction.language.lexicon import WordClass, lexicon
from hiergeo.construction.language.tables import LISTS, PERSONS, table_rows

TOKEN = re.compile(r"[$€£]?[^\W_](?:[^\W_]|[.&\-](?=[^\W_])|(?<=\d)[:,](?=\d)|/(?=\d))*|['’][^\W\d_]+|\S")
"""A word, a number such as 3:30, $5, f/2.8, what follows an apostrophe, or a mark."""

LONGEST = 40  # letters of a word that are looked at, which bounds the caches; longer words are not English
ENGLISH = 0.6  # share of its words that English has, from which a text is taken for English

COMPOUND, AGREEMENT, DISAGREEMENT = 1.0, 1.5, -3.0
"""How much likelier are: a noun that is part of one of two words; after a singular a form in -s, and another one."""

CLASSES: dict[str, WordClass] = {"NOUN": "noun", "VERB": "verb", "PART": "verb", "AUX": "verb", "ADJ": "adjective"}
"""Tag -> class of words that are inflected."""

Scores = dict[str, float]


def _scores(kind: str) -> dict[str, Scores]:
    rows = ((name, rest.split(", ")) for name, rest in table_rows("scores", kind))
    return {name: {tag: float(score) for tag, score in map(str.split, pairs)} for name, pairs in rows}


AFTER = _scores("after")  # how well the second of two classes stands after the first


def _closed_classes() -> dict[str, Scores]:
    classes: dict[str, Scores] = {}
    for tag, words in (
        ("AUX", LISTS["auxiliaries"]),
        ("NUM", LISTS["numbers"]),
        ("DET", LISTS["determiners"]),
        ("PRON", LISTS["impersonal"] | set(PERSONS)),
        ("CONJ", LISTS["conjunctions"] | LISTS["subordinators"]),
        ("ADP", LISTS["prepositions"]),
        ("ADV", LISTS["adverbs"]),
    ):
        for word in words:
            classes.setdefault(word, {})[tag] = 0.0
    for word, scores in _scores("also").items():
        classes.setdefault(word, {}).update(scores)
    return classes | {word: {"NEG": 0.0} for word in LISTS["negations"]}


CLOSED = _closed_classes()  # words of closed classes -> classes that they may have


@final
@dataclass(frozen=True)
class Token:
    """A word or mark of a caption: as it is written, in lower case, as the lexicon lists it, its class and offsets.

    Classes are DET, ADJ, NOUN, VERB, PART (a participle), ADP, CONJ, NUM, PRON, ADV, NEG, PUNCT, and OTHER for what is
    not a word, such as emoji.
    """

    text: str
    lower: str
    lemma: str
    tag: str
    start: int
    end: int


def tokenized(text: str) -> tuple[Token, ...]:
    """The tokens of a text, tagged; of any text, in time linear in its length."""
    spans = [match.span() for match in TOKEN.finditer(text)]
    words = [text[start : min(end, start + LONGEST)].lower().replace("’", "'") for start, end in spans]
    options = [
        _classes(word, text[start].isupper() and index > 0 and words[index - 1] not in ".!?")
        for index, (word, (start, _)) in enumerate(zip(words, spans, strict=True))
    ]
    for index, (before, word) in enumerate(pairwise(words), 1):
        likeliest = max(options[index - 1], key=options[index - 1].__getitem__)
        if _are_noun(before, word):
            for part in (index - 1, index):
                options[part] = options[part] | {"NOUN": max(options[part].values()) + COMPOUND}
        elif word == "'s":
            options[index] = {"AUX": 0.0} if "PRON" in options[index - 1] else {"DET": 0.0, "AUX": -3.0}
        elif word in LISTS["nouns_in_ing"] and words[index + 1 : index + 2] in (["a"], ["an"], ["the"]):
            options[index] = {"PART": 0.0}  # kids building a castle
        elif "VERB" in options[index] and likeliest == "NOUN" and lexicon().lemma(before, "noun") == before:
            agreement = AGREEMENT if word.endswith("s") else DISAGREEMENT  # with a singular
            options[index] = options[index] | {"VERB": options[index]["VERB"] + agreement}
    tokens = []
    for (start, end), word, tag in zip(spans, words, _best(words, options), strict=True):
        lemma = lexicon().lemma(word, CLASSES[tag]) if tag in CLASSES else word
        tokens.append(Token(text[start:end], word, lemma, "VERB" if tag == "AUX" else tag, start, end))
    return tuple(tokens)


def looks_english(text: str) -> bool:
    """Whether a text has words, and most of them are English."""
    words = [word[:LONGEST].lower() for word in TOKEN.findall(text) if word[0].isalpha()]
    return bool(words) and sum(map(_is_english, words)) >= ENGLISH * len(words)


@lru_cache(maxsize=1 << 16)
def _are_noun(first: str, second: str) -> bool:
    """Whether two words are a noun of the lexicon of which neither is an adjective: a teddy bear, a parking meter."""
    if not first.isalpha() or not second.isalpha() or first in LISTS["colours"] or first in CLOSED or second in CLOSED:
        return False
    words = lexicon()
    is_adjective = words.lemma(first, "adjective") in words.frequencies["adjective"]
    return not is_adjective and words.is_noun(first) and words.is_noun(f"{first} {words.lemma(second, 'noun')}")


@lru_cache(maxsize=1 << 16)
def _classes(word: str, has_capital: bool) -> Scores:
    """Classes that a word in lower case may have -> logarithm of how usual each is."""
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
    if has_capital:
        weights["NOUN"] = weights.get("NOUN", 0.0) + 1.0
    return {tag: math.log(weight) for tag, weight in weights.items()}


def _open(word: str) -> Scores:
    """Open classes of a word of the lexicon -> weight, above 0."""
    english, weights = lexicon(), {}
    noun = english.lemma(word, "noun")
    if english.is_noun(noun):
        weights["NOUN"] = 1.0 + english.frequencies["noun"].get(noun, 0)
    verb = english.lemma(word, "verb")
    if verb in english.frequencies["verb"]:
        participle = word.endswith(("ing", "ed", "en", "wn", "rn")) or (verb != word and not word.endswith("s"))
        usual = 0.5 + english.frequencies["verb"][verb]
        if participle and verb != word:
            weights["PART"] = usual
            if not word.endswith("ing"):
                weights["VERB"] = usual * 0.3
        else:
            weights["VERB"] = usual * (1.0 if verb in LISTS["scene_verbs"] else 0.2)
    adjective = english.lemma(word, "adjective")
    if adjective in english.frequencies["adjective"]:
        weights["ADJ"] = 1.5 + english.frequencies["adjective"][adjective]
    if word in english.frequencies["adverb"]:
        weights["ADV"] = 0.5 + english.frequencies["adverb"][word]
    if word in LISTS["colours"]:
        weights["ADJ"] = weights.get("ADJ", 1.0) + 10 * weights.get("NOUN", 1.0)
    if word in LISTS["nouns_in_ing"]:
        weights["PART"] = 0.5
    return weights


def _guess(word: str) -> Scores:
    """Classes of a word that the lexicon lacks, by how it ends."""
    if word.endswith(("ing", "ed")):
        return {"PART": 2.0, "NOUN": 1.0, "ADJ": 1.0}
    return {"ADV": 3.0, "ADJ": 1.0} if word.endswith("ly") else {"NOUN": 2.0, "ADJ": 2.0 if "-" in word else 0.3}


def _best(words: list[str], options: list[Scores]) -> list[str]:
    """The likeliest classes of a sequence of words: a Viterbi search over `AFTER`."""
    scores: Scores = {"START": 0.0}
    origins: list[dict[str, str]] = []
    for index, classes in enumerate(options):
        after_to = index > 0 and words[index - 1] == "to"
        step = {
            tag: {before: score + _after("TO" if after_to else before, tag) for before, score in scores.items()}
            for tag in classes
        }
        origins.append({tag: max(paths, key=paths.__getitem__) for tag, paths in step.items()})
        scores = {tag: paths[origins[-1][tag]] + classes[tag] for tag, paths in step.items()}
    tags = [max(scores, key=lambda tag: scores[tag] + _after(tag, "END"))]
    for origin in reversed(origins):
        tags.append(origin[tags[-1]])
    return tags[-2::-1]


def _after(before: str, tag: str) -> float:
    return AFTER.get(before, {}).get(tag, 0.0)


@lru_cache(maxsize=1 << 16)
def _is_english(word: str) -> bool:
    return word in CLOSED or bool(_open(word))
