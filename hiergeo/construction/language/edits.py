"""Texts that differ from a caption in one thing that excludes it: another animal, another colour, another place.

An edit says which words it replaces; articles and the number of nouns are adapted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from hiergeo.construction.language import things
from hiergeo.construction.language.attributes import ADJECTIVES, COLOURS, MANY, NUMBERS, PLACES, PRIVATIVE, VERBS, value
from hiergeo.construction.language.forms import plural
from hiergeo.construction.language.grammar import BOUND, LISTS, table_rows, word_set
from hiergeo.construction.language.kinds import is_kind, kinds, synset_of
from hiergeo.construction.language.lexicon import lexicon
from hiergeo.construction.language.phrases import Analysis, Phrase
from hiergeo.construction.language.tagging import Token
from hiergeo.construction.language.trails import overlap

MOTIONS = LISTS["motions"]

VOWEL_SOUNDS = ("a", "e", "i", "o", "u")

CONSONANT_EXCEPTIONS = ("uni", "use", "one", "eu", "ut")
"""Beginnings with a vowel that are spoken with a consonant."""

BOTH_WAYS = {word: above.split() for above, words in table_rows("lists", "both_ways") for word in words.split()}
"""Preposition -> kinds that its opposite can stand before: under a table, but not under a beach."""

AREAS, SURFACES = LISTS["areas"], LISTS["surfaces"]

UNFIT = {"on": AREAS, "in": SURFACES, "inside": SURFACES, "down": AREAS, "up": AREAS, "onto": AREAS, "into": SURFACES}
"""Preposition -> nouns that it does not go with."""


GOING = MOTIONS - {"jump"} | {"drive", "come", "fly", "step", "climb", "go", "ride"}
"""Verbs of what goes into a place or out of it."""

UNFIT_AFTER = {"his": LISTS["women"], "he": LISTS["women"], "her": LISTS["men"], "she": LISTS["men"]}
"""Pronoun -> persons that it does not stand for."""


SET_PHRASES = {adjective: word_set(nouns) for adjective, nouns in table_rows("lists", "set_phrase")}
"""Adjective -> nouns with which it says something of its own."""

SIBLINGS = 6
"""So many of a noun's siblings in the lexicon are tried where the lists have none."""


@final
@dataclass(frozen=True)
class Edit:
    """A replacement of words.

    Attributes:
        kind: ``noun``, ``being`` (an animal for a person, in texts of one phrase), ``quality``, ``number``, ``verb``,
            ``place`` or ``denial``.
        start: first token that is replaced.
        end: one past the last.
        words: what stands there instead.
    """

    kind: str
    start: int
    end: int
    words: tuple[str, ...]


def edits(analysis: Analysis) -> Iterator[Edit]:
    """Every edit of a caption, from its beginning to its end; none inside a denial or a name."""
    return (edit for edit in _edits(analysis) if not overlap(analysis.names, edit.start, edit.end))


def _edits(analysis: Analysis) -> Iterator[Edit]:
    for phrase in analysis.phrases:
        if not overlap(analysis.negated, phrase.start, phrase.end):
            yield from _nouns(analysis, phrase)
            yield from _qualities(analysis.tokens, phrase)
            yield from _numbers(analysis.tokens, phrase)
    inside = {place for phrase in analysis.phrases for place in range(phrase.start, phrase.end)}
    for place, token in enumerate(analysis.tokens):
        if place not in inside and not overlap(analysis.negated, place, place + 1):
            yield from _verbs(analysis, place, token)
            yield from _places(analysis, place)


def applied(analysis: Analysis, edit: Edit) -> str:
    """The text after an edit, with ``a`` or ``an`` before it as it is spoken; all else stays as it is written."""
    before = analysis.caption[: analysis.tokens[edit.start].start]
    behind = analysis.caption[analysis.tokens[edit.end - 1].end :]
    words = " ".join(edit.words)
    replaced = analysis.tokens[edit.start].text
    if replaced[:1].isupper():
        words = words.upper() if len(replaced) > 1 and replaced.isupper() else words[:1].upper() + words[1:]
    if last := re.search(r"(?<!\S)(a)n?(?=\s+$)", before, re.IGNORECASE):
        before = before[: last.end(1)] + article(words)[1:] + before[last.end() :]
    return before + words + behind


def spoken(text: str) -> str:
    """A text with ``a`` and ``an`` as the words behind them ask for."""
    return re.sub(
        "(?<![^ ])(a)n?(?= ([^ ]*))", lambda found: found[1] + article(found[2])[1:], text, flags=re.IGNORECASE
    )


def article(word: str) -> str:
    """The indefinite article before a word."""
    low = word.lower()
    return "an" if (low.startswith(VOWEL_SOUNDS) and not low.startswith(CONSONANT_EXCEPTIONS)) or low == "hour" else "a"


def gerund(verb: str) -> str:
    """The form in -ing: ``sit`` gives ``sitting``."""
    if verb in LISTS["doubled"]:
        return verb + verb[-1] + "ing"
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    return (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"


def _nouns(analysis: Analysis, phrase: Phrase) -> Iterator[Edit]:
    """Other things of the kind, in the number of the noun."""
    tokens = analysis.tokens
    head = tokens[phrase.head]
    if head.tag != "NOUN" or any(token.lower in PRIVATIVE for token in tokens[phrase.start : phrase.end]):
        return
    start = phrase.end - len(phrase.noun.split())
    while start > phrase.start and tokens[start - 1].tag == "NOUN" and not overlap(analysis.names, start - 1, start):
        start -= 1
    longer = (" ".join([*(t.lower for t in tokens[at : phrase.head]), head.lemma]) for at in range(start, phrase.head))
    nouns = dict.fromkeys((*longer, phrase.noun, head.lemma))
    before = {token.lower for token in tokens[phrase.start : phrase.head]}
    if before & LISTS["ranks"]:
        return
    several = (
        head.lower != head.lemma
        or head.lower == "people"
        or bool(before & MANY)
        or any((value(word) or 0) > 1 for word in before)
        or (head.lower in LISTS["unchanged"] and before.isdisjoint({"one", "single"}) and _is_herd(tokens, phrase))
    )
    counted = several or any(token.tag in {"DET", "NUM"} for token in tokens[phrase.start : phrase.head])
    after = (each.start for each in analysis.phrases if each.start >= phrase.end and is_kind(each.noun, "person"))
    reach = next(after, len(tokens))
    *_, last = nouns
    for noun in nouns:
        others = things.replacements(noun, counted) or things.replacements(noun, not counted)
        if not others and noun == last:
            others = tuple(other for each in nouns for other in _siblings(each))[:SIBLINGS]
        for other in others:
            odd = is_kind(noun, "person") and not is_kind(other, "person")
            if not (
                other in UNFIT.get(tokens[phrase.start - 1].lower if phrase.start else "", ())
                or any(other in UNFIT_AFTER.get(token.lower, ()) for token in tokens[phrase.end : reach])
                or (odd and (phrase.start or phrase.end < len(tokens)))
                or (before & LISTS["aged"] and is_kind(noun, "child") != is_kind(other, "child"))
            ):
                words = tuple((plural(other) if several else other).split())
                yield Edit("being" if odd else "noun", start, phrase.head + 1, words)
        if others:
            return


def _is_herd(tokens: tuple[Token, ...], phrase: Phrase) -> bool:
    """Whether a noun without a plural means several: it has no determiner, or is of a herd."""
    before = [token.lemma for token in tokens[max(0, phrase.start - 2) : phrase.start]]
    bare = not any(token.tag == "DET" for token in tokens[phrase.start : phrase.head])
    return bare and (before[1:] != ["of"] or before[0] in LISTS["herds"])


def _siblings(noun: str) -> list[str]:
    """Things of its kind for a noun that the lists lack: listed ones, then what the lexicon has beside it."""
    for kind in kinds(noun):
        found = [other for other in things.listed(kind) if things.excludes(noun, other)]
        if found:
            return found[:SIBLINGS]
    if is_kind(noun, "person"):
        return ["dog", "horse"]
    sense = synset_of(noun)
    beside = () if sense is None else lexicon().siblings(sense)
    alike = [word for word in beside if any(is_kind(word, kind) for kind in kinds(noun))]
    return [other for other in alike if things.excludes(noun, other)][:SIBLINGS]


def _qualities(tokens: tuple[Token, ...], phrase: Phrase) -> Iterator[Edit]:
    """Qualities that exclude those of the noun."""
    words = [tokens[at].lower for at in range(phrase.start, phrase.end - len(phrase.noun.split()))]
    several = sum(word in COLOURS for word in words) > 1
    for at, word in enumerate(words):
        nuance = word in {"light", "dark", "bright", "deep"} and any(after in COLOURS for after in words[at + 1 :])
        if nuance or (several and word in COLOURS):
            continue
        for other in ADJECTIVES.alternatives(word):
            if _fits(word, other, phrase.noun):
                yield Edit("quality", phrase.start + at, phrase.start + at + 1, (other,))


def _fits(word: str, other: str, noun: str) -> bool:
    """Whether a noun can have both a quality of it and the one that replaces it."""
    person, animal = is_kind(noun, "person"), is_kind(noun, "animal")
    if noun in SET_PHRASES.get(word, ()) or other == "colorless":
        return False
    if other == "closed":
        return noun in LISTS["opening"]
    if word in COLOURS:
        return other in LISTS["coats"] or not animal
    axes = ADJECTIVES.axes_of(word) & ADJECTIVES.axes_of(other)
    if "age of beings" in axes:
        return person or animal
    if "age of things" in axes:
        return not (person or animal)
    if "size" in axes:
        return not person
    return "weight" not in axes or not is_kind(noun, "weather")


def _numbers(tokens: tuple[Token, ...], phrase: Phrase) -> Iterator[Edit]:
    """Other numbers of several things."""
    for at in range(phrase.start, phrase.head):
        number = value(tokens[at].lower)
        if number is not None and 2 <= number <= 9:
            for other in (number + 1, number + 2):
                yield Edit("number", at, at + 1, (NUMBERS[other],))


def _verbs(analysis: Analysis, place: int, token: Token) -> Iterator[Edit]:
    """Postures and deeds that exclude the verb's, in its form."""
    if token.tag not in {"VERB", "PART"} or (token.tag == "PART" and not token.lower.endswith("ing")):
        return
    others = VERBS.alternatives(token.lemma)
    if VERBS.axes_of(token.lemma) & LISTS["bodily"]:
        doer = next((phrase for phrase in reversed(analysis.phrases) if phrase.end <= place), None)
        direct = any(phrase.start == place + 1 for phrase in analysis.phrases)
        if direct or doer is None or not (is_kind(doer.noun, "person") or is_kind(doer.noun, "animal")):
            return
        after = analysis.tokens[place + 1].lower if place + 1 < len(analysis.tokens) else ""
        others = tuple(
            other for other in others if other not in LISTS["rare"] and (after not in LISTS["ways"] or other in MOTIONS)
        )
    if token.lower.endswith("ing"):
        others = tuple(map(gerund, others))
    elif token.lower != token.lemma:
        others = tuple(map(_third, others)) if token.lower.endswith("s") else ()
    yield from (Edit("verb", place, place + 1, (other,)) for other in others)


def _third(verb: str) -> str:
    """The third person: ``fly`` gives ``flies``."""
    if verb.endswith("y") and verb[-2] not in VOWEL_SOUNDS:
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")


def _places(analysis: Analysis, place: int) -> Iterator[Edit]:
    """Prepositions that exclude the one that begins here, where the noun behind it allows both."""
    tokens = analysis.tokens
    for length in (3, 2, 1):
        words = "_".join(token.lower for token in tokens[place : place + length])
        others = PLACES.alternatives(words)
        if not others:
            continue
        after = next((phrase for phrase in analysis.phrases if phrase.start == place + length), None)
        bound = words == "with" and place and tokens[place - 1].lemma in BOUND
        if after is None or words == "by" or bound:
            return
        noun = tokens[after.head].lemma
        wanted = BOTH_WAYS.get(words, ())
        if wanted and not any(is_kind(noun, kind) for kind in wanted):
            return
        before = next((token for token in reversed(tokens[:place]) if token.tag not in {"ADV", "ADJ"}), None)
        if words == "into" and (before is None or before.lemma not in GOING):
            return
        needed = before is not None and before.tag == "PART" and not before.lower.endswith("ing")
        for other in others:
            if other == "without" and (needed or tokens[after.start].lower in LISTS["possessives"]):
                continue
            yield Edit("denial" if other == "without" else "place", place, place + length, tuple(other.split("_")))
        return
