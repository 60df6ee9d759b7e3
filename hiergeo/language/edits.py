"""Texts that differ from a caption in one thing that excludes it: another animal, another colour, another place.

An edit says which words it replaces; articles and the number of nouns are adapted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from hiergeo.language import attributes, things
from hiergeo.language.attributes import COLOURS, MANY, NUMBERS, PLACES, PRIVATIVE, VERBS, word_set
from hiergeo.language.grammar import BOUND
from hiergeo.language.kinds import is_kind, kinds, synset_of
from hiergeo.language.lexicon import lexicon
from hiergeo.language.phrases import Analysis, Phrase
from hiergeo.language.tagging import Token
from hiergeo.language.words import plural

BODILY = frozenset({"posture", "waking", "face"})
"""Axes of verbs of persons and animals, without object."""

RARE = frozenset({"swim", "fly", "crawl", "kneel"})
"""Postures that only some beings take; not used in new texts."""

WAYS = word_set("into onto through down up over toward towards across around off along out away past from to")
"""Words after verbs of motion."""

MOTIONS = frozenset({"walk", "run", "jump"})
"""Verbs of motion among the postures."""

OPENING = word_set(
    "door window box umbrella book suitcase refrigerator fridge oven drawer mouth gate laptop microwave eye"
)
"""Nouns of things that are open or closed."""

COATS = frozenset({"black", "white", "brown", "gray"})
"""Colours of animals."""

DOUBLED = word_set("sit run jog swim nap stop drop shut")
"""Verbs whose last consonant is doubled before -ing."""

VOWEL_SOUNDS = ("a", "e", "i", "o", "u")

CONSONANT_EXCEPTIONS = ("uni", "use", "one", "eu", "ut")
"""Beginnings with a vowel that are spoken with a consonant."""

BOTH_WAYS = {
    "in": ("room", "building", "vehicle"),
    "within": ("room", "building"),
    "on": ("furniture", "bridge"),
    "under": ("furniture", "bridge"),
    "beneath": ("furniture", "bridge"),
    "underneath": ("furniture", "bridge"),
    "below": ("furniture", "bridge"),
    "over": ("furniture", "bridge"),
    "above": ("furniture", "bridge"),
    "up": ("road", "hill", "stairway", "slope", "street"),
    "down": ("road", "hill", "stairway", "slope", "street"),
}
"""Preposition -> kinds that its opposite can stand before: under a table, but not under a beach."""

AREAS = word_set(
    "forest desert river lake kitchen garden cave valley city village museum library tunnel meadow church ocean zoo "
    "room bathroom bedroom office garage classroom hallway castle factory barn supermarket hospital stadium sand mud"
)
"""Places in which, but not on which, one is."""

SURFACES = word_set("sidewalk roof rooftop floor bridge hill mountain table shelf bench road counter bed lawn trail")
"""Places on which, but not in which, one is."""

UNFIT = {"on": AREAS, "in": SURFACES, "inside": SURFACES, "down": AREAS, "up": AREAS, "onto": AREAS, "into": SURFACES}
"""Preposition -> nouns that it does not go with."""

SIBLINGS = 6
"""So many of a noun's siblings in the lexicon are tried where the lists have none."""


@final
@dataclass(frozen=True)
class Edit:
    """A replacement of words.

    Attributes:
        kind: ``noun``, ``being`` (an animal or a robot for a person), ``quality``, ``number``, ``verb``, ``place`` or
            ``denial``.
        start: first token that is replaced.
        end: one past the last.
        words: what stands there instead.
    """

    kind: str
    start: int
    end: int
    words: tuple[str, ...]


def edits(analysis: Analysis) -> Iterator[Edit]:
    """Every edit of a caption, from its beginning to its end; none inside a denial."""
    for phrase in analysis.phrases:
        if _free(analysis, phrase.start, phrase.end):
            yield from _nouns(analysis.tokens, phrase)
            yield from _qualities(analysis.tokens, phrase)
            yield from _numbers(analysis.tokens, phrase)
    inside = {place for phrase in analysis.phrases for place in range(phrase.start, phrase.end)}
    for place, token in enumerate(analysis.tokens):
        if place not in inside and _free(analysis, place, place + 1):
            yield from _verbs(analysis, place, token)
            yield from _places(analysis, place)


def applied(analysis: Analysis, edit: Edit) -> str:
    """The text after an edit, with ``a`` or ``an`` before it as it is spoken; all else stays as it is written."""
    before = analysis.caption[: analysis.tokens[edit.start].start]
    behind = analysis.caption[analysis.tokens[edit.end - 1].end :]
    words = " ".join(edit.words)
    if analysis.tokens[edit.start].text[:1].isupper() and edit.start == 0:
        words = words[:1].upper() + words[1:]
    last = before.split()[-1:]
    if last and last[0].lower() in {"a", "an"} and before[-1:].isspace():
        begin = before.rindex(last[0])
        before = before[:begin] + last[0][0] + article(words)[1:] + before[begin + len(last[0]) :]
    return before + words + behind


def spoken(text: str) -> str:
    """A text with ``a`` and ``an`` as the words behind them ask for."""
    words = text.split(" ")
    for place, word in enumerate(words[:-1]):
        if word.lower() in {"a", "an"}:
            words[place] = word[0] + article(words[place + 1])[1:]
    return " ".join(words)


def article(word: str) -> str:
    """The indefinite article before a word."""
    low = word.lower()
    return "an" if (low.startswith(VOWEL_SOUNDS) and not low.startswith(CONSONANT_EXCEPTIONS)) or low == "hour" else "a"


def gerund(verb: str) -> str:
    """The form in -ing: ``sit`` gives ``sitting``."""
    if verb in DOUBLED:
        return verb + verb[-1] + "ing"
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    return (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"


def _free(analysis: Analysis, start: int, end: int) -> bool:
    return not any(low < end and start < high for low, high in analysis.negated)


def _nouns(tokens: tuple[Token, ...], phrase: Phrase) -> Iterator[Edit]:
    """Other things of the kind, in the number of the noun."""
    head = tokens[phrase.head]
    if head.tag != "NOUN" or any(token.lower in PRIVATIVE for token in tokens[phrase.start : phrase.end]):
        return
    start = phrase.end - len(phrase.noun.split())
    while start > phrase.start and tokens[start - 1].tag == "NOUN":
        start -= 1
    nouns = dict.fromkeys(
        [
            *(" ".join([*(t.lower for t in tokens[at : phrase.head]), head.lemma]) for at in range(start, phrase.head)),
            phrase.noun,
            head.lemma,
        ]
    )
    before = {token.lower for token in tokens[phrase.start : phrase.head]}
    several = head.lower != head.lemma or head.lower == "people" or bool(before & MANY)
    several = several or any((attributes.value(word) or 0) > 1 for word in before)
    counted = several or any(token.tag in {"DET", "NUM"} for token in tokens[phrase.start : phrase.head])
    *_, last = nouns
    for noun in nouns:
        others = things.replacements(noun, counted) or things.replacements(noun, not counted)
        if not others and noun == last:
            others = tuple(other for each in nouns for other in _siblings(each))[:SIBLINGS]
        for other in others:
            if other in UNFIT.get(tokens[phrase.start - 1].lower if phrase.start else "", ()):
                continue
            odd = is_kind(noun, "person") and not is_kind(other, "person")
            words = tuple((plural(other) if several else other).split())
            yield Edit("being" if odd else "noun", start, phrase.head + 1, words)
        if others:
            return


def _siblings(noun: str) -> list[str]:
    """Things of its kind for a noun that the lists lack: listed ones, then what the lexicon has beside it."""
    for kind in kinds(noun):
        found = [other for other in things.listed(kind) if things.excludes(noun, other)]
        if found:
            return found[:SIBLINGS]
    if is_kind(noun, "person"):
        return ["dog", "horse", "robot"]
    sense = synset_of(noun)
    beside = () if sense is None else lexicon().siblings(sense)
    alike = [word for word in beside if any(is_kind(word, kind) for kind in kinds(noun))]
    return [other for other in alike if things.excludes(noun, other)][:SIBLINGS]


def _qualities(tokens: tuple[Token, ...], phrase: Phrase) -> Iterator[Edit]:
    """Qualities that exclude those of the noun."""
    words = [tokens[at].lower for at in range(phrase.start, phrase.head)]
    several = sum(word in COLOURS for word in words) > 1
    for at, word in enumerate(words):
        nuance = word in {"light", "dark", "bright", "deep"} and any(after in COLOURS for after in words[at + 1 :])
        name = (
            at > 0
            and tokens[phrase.start + at].text[:1].isupper()
            and not all(token.text.isupper() for token in tokens[:3])
        )
        if nuance or name or (several and word in COLOURS):
            continue
        for other in attributes.alternatives(word):
            if other == "closed" and phrase.noun not in OPENING:
                continue
            if word == "little" and is_kind(phrase.noun, "person"):
                continue
            if word in COLOURS and other not in COATS and is_kind(phrase.noun, "animal"):
                continue
            yield Edit("quality", phrase.start + at, phrase.start + at + 1, (other,))


def _numbers(tokens: tuple[Token, ...], phrase: Phrase) -> Iterator[Edit]:
    """Other numbers of several things."""
    for at in range(phrase.start, phrase.head):
        number = attributes.value(tokens[at].lower)
        if number is not None and 2 <= number <= 9:
            for other in (number + 1, number + 2):
                yield Edit("number", at, at + 1, (NUMBERS[other],))


def _verbs(analysis: Analysis, place: int, token: Token) -> Iterator[Edit]:
    """Postures and deeds that exclude the verb's, in its form."""
    if token.tag not in {"VERB", "PART"} or (token.tag == "PART" and not token.lower.endswith("ing")):
        return
    others = attributes.alternatives(token.lemma, VERBS)
    if attributes.axes_of(token.lemma, VERBS) & BODILY:
        doer = next((phrase for phrase in reversed(analysis.phrases) if phrase.end <= place), None)
        direct = any(phrase.start == place + 1 for phrase in analysis.phrases)
        if direct or doer is None or not (is_kind(doer.noun, "person") or is_kind(doer.noun, "animal")):
            return
        after = analysis.tokens[place + 1].lower if place + 1 < len(analysis.tokens) else ""
        others = tuple(other for other in others if other not in RARE and (after not in WAYS or other in MOTIONS))
    for other in others:
        if token.lower.endswith("ing"):
            yield Edit("verb", place, place + 1, (gerund(other),))
        elif token.lower == token.lemma:
            yield Edit("verb", place, place + 1, (other,))
        elif token.lower.endswith("s"):
            yield Edit("verb", place, place + 1, (_third(other),))


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
        others = attributes.alternatives(words, PLACES)
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
        for other in others:
            yield Edit("denial" if other == "without" else "place", place, place + length, tuple(other.split("_")))
        return
