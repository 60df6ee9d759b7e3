"""What a caption claims: the things that it tells of, how many and of what sort, and how each is joined to the rest.

A caption is read as a main thing and a row of parts. A part has a link, a verb or a preposition or both, and the thing
that the link leads to, if any: "a brown dog sleeping on a couch" is the thing ``dog`` (brown) and the part ``sleep on``
``couch``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import final

from hiergeo.construction.language.attributes import DEPICTIONS, MANY, PRIVATIVE, value
from hiergeo.construction.language.grammar import LISTS
from hiergeo.construction.language.kinds import KNOWN
from hiergeo.construction.language.lexicon import lexicon
from hiergeo.construction.language.phrases import Analysis, Phrase, parse
from hiergeo.construction.language.tagging import Token
from hiergeo.construction.language.trails import overlap

COLLECTIONS = LISTS["collections"]
SILENT = LISTS["silent"]
QUANTITIES = LISTS["quantities"]
GAZING = LISTS["gazing"]
CAMERAS = LISTS["cameras"]


@final
@dataclass(frozen=True)
class Thing:
    """A thing or several that a caption tells of.

    Attributes:
        noun: singular, lower case; compounds of the lexicon whole, such as ``fire hydrant``.
        qualities: other words of the phrase that say what sort it is.
        number: how many, None where no number is said.
        several: whether the noun stands in the plural.
        quantity: what else is said of how many, such as ``several`` or ``herd``; empty where nothing is.
        denied: whether the caption says that there is none.
        unreal: whether it need not be there: a toy, a painted one, one that is only compared with.
    """

    noun: str
    qualities: frozenset[str] = frozenset()
    number: int | None = None
    several: bool = False
    quantity: str = ""
    denied: bool = False
    unreal: bool = False

    @property
    def privatives(self) -> frozenset[str]:
        """Qualities after which it need not be what the noun says."""
        return self.qualities & PRIVATIVE

    @property
    def unsure(self) -> bool:
        """Whether it need not be there, or not be what the noun says."""
        return self.unreal or bool(self.privatives)


@final
@dataclass(frozen=True)
class Part:
    """Something that is said of what stands before it.

    Attributes:
        verb: its lemma, ``/passive`` behind it in the passive voice; empty without one.
        preposition: words between verb and thing, joined by underscores: ``in_front_of``; may be empty.
        thing: what the link leads to, None for a verb alone.
        manner: adverbs.
        denied: whether the caption says that it is not so.
    """

    verb: str
    preposition: str
    thing: Thing | None
    manner: frozenset[str] = frozenset()
    denied: bool = False


@final
@dataclass(frozen=True)
class Claim:
    """What a caption tells.

    Attributes:
        main: what it is about.
        parts: what is said of that, in order.
    """

    main: Thing
    parts: tuple[Part, ...] = ()

    def things(self) -> list[Thing]:
        """The main thing and those of the parts."""
        return [self.main, *(part.thing for part in self.parts if part.thing is not None)]


@lru_cache(maxsize=65536)
def read(text: str) -> Claim | None:
    """The claim of a caption; None where no noun is found in it."""
    analysis = parse(text)
    start = subject(analysis)
    if start is None:
        return None
    parts: list[Part] = []
    place = start.end
    for phrase in analysis.phrases:
        if phrase.start >= place:
            parts += _parts(analysis.tokens[place : phrase.start], _thing(analysis, phrase))
            place = phrase.end
    parts += _parts(analysis.tokens[place:], None)
    main = _thing(analysis, start)
    if start.start and analysis.tokens[start.start - 1].lower == "of":
        main = _collected(main, analysis.tokens[: start.start - 1])
    return _settled(main, parts)


def subject(analysis: Analysis) -> Phrase | None:
    """The phrase that a caption is about: its main one, or a picture that is a thing itself (a statue)."""
    main = analysis.main
    if main is None:
        return None
    before = [phrase for phrase in analysis.phrases if phrase.end < main.start]
    return next((phrase for phrase in before if analysis.tokens[phrase.head].lemma in DEPICTIONS), main)


def _collected(main: Thing, before: Sequence[Token]) -> Thing:
    """A thing after ``group of``, ``pair of``."""
    last = before[-1].lemma if before else ""
    return _many(main, last, any(each.tag == "NEG" for each in before)) if last in COLLECTIONS else main


def _many(thing: Thing, quantity: str, denied: bool) -> Thing:
    number = 2 if quantity in {"pair", "couple"} else None
    return replace(thing, quantity=quantity, number=number, denied=thing.denied or denied)


def _thing(analysis: Analysis, phrase: Phrase) -> Thing:
    head = analysis.tokens[phrase.head]
    before = [token for token in analysis.tokens[phrase.start : phrase.head] if token.tag != "PUNCT"]
    words = [token.lower for token in before]
    numbers = [number for word in words if (number := value(word)) is not None]
    quantity = " ".join(word for word in words if word in QUANTITIES)
    several = head.lower != head.lemma or quantity in MANY or any(number > 1 for number in numbers)
    noun = phrase.noun
    if noun == "people":
        noun, several = "person", True
    described = list(phrase.modifiers)
    for at in range(len(described)):
        longer = " ".join([*(analysis.tokens[place].lower for place in described[at:]), noun])
        whole = described[at] + len(longer.split()) == phrase.end
        if whole and analysis.tokens[described[at]].tag == "NOUN" and longer in KNOWN:
            noun, described = longer, described[:at]
            break
    single = not several and any(word in {"a", "an"} for word in words)
    qualities = frozenset(analysis.tokens[place].lower for place in described)
    return Thing(
        noun,
        qualities - QUANTITIES,
        numbers[0] if numbers else 1 if single else None,
        several,
        quantity,
        denied=overlap(analysis.negated, phrase.head, phrase.head + 1),
        unreal=not PRIVATIVE.isdisjoint(words) or bool(before and before[-1].lower in PRIVATIVE),
    )


def _parts(words: Sequence[Token], thing: Thing | None) -> list[Part]:
    """The parts that the words between two things make; the last of them leads to `thing`."""
    parts: list[Part] = []
    verb, links, manner, denied, unreal = "", list[str](), set[str](), False, False
    for place, token in enumerate(words):
        word = token.lower
        if token.tag in {"VERB", "PART"} and word not in SILENT:
            if verb or (links and links != ["to"] and links != ["and"]):
                parts.append(Part(verb, "_".join(links), None, frozenset(manner), denied))
                manner, denied = set(), False
            meant = links == ["to"]
            unreal = unreal or meant
            verb, links = ("to " if meant else "") + _voice(token, words[:place]), []
        elif word in LISTS["denials"]:
            denied = True
            if word == "without":
                links.append(word)
        elif (token.tag == "ADV" and not lexicon().is_noun(word) and word.endswith("ly")) or token.tag == "ADJ":
            manner.add(word)
        elif token.tag != "PUNCT" and word not in SILENT:
            links.append(word)
    unreal = unreal or not LISTS["hindered"].isdisjoint(links)
    if thing is not None:
        unreal = unreal or (verb in GAZING and thing.noun in CAMERAS)
        thing = replace(thing, denied=thing.denied or denied, unreal=thing.unreal or unreal)
    if thing is not None or verb or links or manner:
        parts.append(Part(verb, "_".join(links), thing, frozenset(manner), denied))
    return parts


def _voice(token: Token, before: Sequence[Token]) -> str:
    passive = token.tag == "PART" and not token.lower.endswith("ing")
    perfect = any(each.lower in {"has", "have", "had"} for each in before)
    return token.lemma + ("/passive" if passive and not perfect else "")


def _settled(main: Thing, parts: list[Part]) -> Claim:
    """Groups become what they are made of; what is only depicted is unreal."""
    things: list[Thing | None] = [main]
    links: list[Part] = []
    for part in parts:
        last, thing = things[-1], part.thing
        if thing is not None and last is not None and not part.verb and part.preposition == "of":
            if last.noun in DEPICTIONS or last.unreal:
                thing = replace(thing, unreal=True)
            elif last.noun in COLLECTIONS and last.noun not in LISTS["contained"]:
                things[-1] = _many(thing, last.noun, last.denied)
                continue
        elif thing is not None and last is not None and last.noun in DEPICTIONS and part.verb in LISTS["depicting"]:
            thing = replace(thing, unreal=True)
        things.append(thing)
        links.append(part)
    assert things[0] is not None
    return Claim(things[0], tuple(replace(part, thing=thing) for part, thing in zip(links, things[1:], strict=True)))
