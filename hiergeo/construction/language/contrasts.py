"""Texts that differ from a caption in one thing that excludes it: another noun of the kind, attribute or number."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from hiergeo.construction.language.kinds import alternatives, is_kind
from hiergeo.construction.language.ladder import with_articles
from hiergeo.construction.language.lexicon import plural
from hiergeo.construction.language.phrases import Analysis, Phrase
from hiergeo.construction.language.tables import LISTS, NUMBERS, table_rows, value

AXES = {name: [words.split() for words in groups.split("|")] for name, groups in table_rows("axes", "adjective")}
"""Axis, such as ``colour`` -> its groups of words. Words of one group go together, those of two exclude each other."""

UNFIT = {"on": "areas", "in": "surfaces", "inside": "surfaces", "into": "surfaces", "onto": "areas", "down": "areas"}
"""Preposition -> list of the nouns that it does not go with."""


@final
@dataclass(frozen=True)
class Contrast:
    """Words instead of the tokens from `start` to before `end`; odd ones, such as an animal in the place of a person,
    are only good where there are no others."""

    start: int
    end: int
    words: str
    is_odd: bool = False


def contrasts(analysis: Analysis) -> Iterator[Contrast]:
    """Every contrast of a caption, from its beginning to its end; none inside a denial or a name."""
    for phrase in analysis.phrases:
        if not analysis.is_fixed(phrase):
            if _is_only_one(analysis, phrase):
                yield from _nouns(analysis, phrase)
            if analysis.tokens[phrase.head].lemma not in LISTS["views"]:
                yield from _attributes(analysis, phrase)
                yield from _numbers(analysis, phrase)


def applied(analysis: Analysis, contrast: Contrast) -> str:
    """The text after a replacement; articles are adapted, all else stays as it is written."""
    tokens = analysis.tokens
    before, behind = analysis.caption[: tokens[contrast.start].start], analysis.caption[tokens[contrast.end - 1].end :]
    replaced, words = tokens[contrast.start].text, contrast.words
    if replaced[:1].isupper():
        words = words.upper() if len(replaced) > 1 and replaced.isupper() else words[:1].upper() + words[1:]
    if article := re.search(r"(?<!\S)an?\s+$", before, re.IGNORECASE):
        before, words = before[: article.start()], with_articles(article[0] + words)
    return before + words + behind


def _is_only_one(analysis: Analysis, phrase: Phrase) -> bool:
    """Whether no other thing can stand in the place of a phrase's: what a rider rides, but not what is near."""
    tokens, main = analysis.tokens, analysis.main
    if main is None or phrase.start <= main.start:
        return phrase == main
    link = tokens[phrase.start - 1]
    if any(is_kind(phrase.noun, kind) for kind in ("clothing", "jewelry")):
        return False
    if link.tag in ("VERB", "PART"):
        return link.lemma not in LISTS["shared_verbs"]
    return link.tag == "ADP" and link.lower not in LISTS["shared"]


def _nouns(analysis: Analysis, phrase: Phrase) -> Iterator[Contrast]:
    """Other things of the kind, in the number of the noun."""
    tokens = analysis.tokens
    head = tokens[phrase.head]
    before = {token.lower for token in tokens[phrase.start : phrase.head]}
    if head.tag != "NOUN" or before & (LISTS["privative"] | LISTS["ranks"]):
        return
    has_article = any(token.tag in ("DET", "NUM") for token in tokens[phrase.start : phrase.head])
    several = (
        head.lower != head.lemma
        or head.lower == "people"
        or bool(before & LISTS["many"])
        or any((value(word) or 0) > 1 for word in before)
        or (head.lower in LISTS["unchanged"] and not has_article)
    )
    start = phrase.end - len(phrase.noun.split())
    while start > phrase.start and tokens[start - 1].tag == "NOUN":
        start -= 1
    link = tokens[phrase.start - 1].lower if phrase.start else ""
    unfit = LISTS[UNFIT[link]] if link in UNFIT else frozenset()
    is_person, is_child = (is_kind(phrase.noun, kind) for kind in ("person", "child"))
    for other in alternatives(phrase.noun, several or has_article):
        is_odd = is_person and not is_kind(other, "person")
        is_wrong_age = bool(before & LISTS["aged"]) and not is_odd and is_kind(other, "child") != is_child
        if not is_wrong_age and other not in unfit:
            yield Contrast(start, phrase.head + 1, plural(other) if several else other, is_odd)


def _attributes(analysis: Analysis, phrase: Phrase) -> Iterator[Contrast]:
    """Attributes that exclude those of the noun."""
    described = analysis.tokens[phrase.start : phrase.end - len(phrase.noun.split())]
    words = [token.lower if not index or token.text.islower() else "" for index, token in enumerate(described)]
    colours = [word for word in (*words, phrase.noun) if word in LISTS["colours"]]
    for index, word in enumerate(words):
        is_shade = word in ("light", "dark", "bright", "deep") and bool(colours)
        if is_shade or (word in colours and len(colours) > 1):
            continue
        for other in _opposites(word, phrase.noun):
            yield Contrast(phrase.start + index, phrase.start + index + 1, other)


def _opposites(word: str, noun: str) -> Iterator[str]:
    """The first word of every other group of the axes that a word lies on, where the noun can have it."""
    is_person, is_animal = is_kind(noun, "person"), is_kind(noun, "animal")
    for axis, groups in AXES.items():
        if (
            not any(word in words for words in groups)
            or (axis == "age of things" and (is_person or is_animal))
            or (axis == "age of beings" and not is_animal and (not is_person or is_kind(noun, "child")))
            or (axis == "size" and is_person)
        ):
            continue
        for words in groups:
            if word not in words and (axis != "colour" or not is_animal or words[0] in LISTS["coats"]):
                yield words[0]


def _numbers(analysis: Analysis, phrase: Phrase) -> Iterator[Contrast]:
    """Other numbers of several things."""
    for index in range(phrase.start, phrase.head):
        number = value(analysis.tokens[index].lower)
        if number is not None and 2 <= number <= 9:
            for other in (number + 1, number + 2):
                yield Contrast(index, index + 1, NUMBERS[other])
