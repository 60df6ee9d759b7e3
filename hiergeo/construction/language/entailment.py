"""What follows from a caption: natural logic over the things that it tells of.

A caption claims that its things are there, of the sort and in the number that it says, and joined as it says. One
caption entails another if each claim of the other is found among its own, with a more general noun, fewer qualities and
fewer parts allowed. Two captions contradict each other if they can be laid beside each other and differ in something
that excludes: the kind of a thing, a quality, a number, a posture, a place, a denial. Captions are taken as titles of
one picture: bare "dog" and "cat" contradict each other, although a picture may show both. Whatever cannot be decided
so is neutral.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Literal

from hiergeo.construction.language import things
from hiergeo.construction.language.attributes import ADJECTIVES, COLOURS, PLACES, VERBS
from hiergeo.construction.language.claims import Claim, Part, Thing, read
from hiergeo.construction.language.grammar import LISTS
from hiergeo.construction.language.kinds import is_kind

VERSION = 2
"""Raised whenever the same two captions may get another answer."""

Relation = Literal["entailment", "neutral", "contradiction"]

RELATIVE = LISTS["relative"]
STATIC = LISTS["static"]
LOCATIVE = LISTS["locative"]

PLACE_KINDS = ("place", "room", "building", "structure", "location", "body of water", "field", "furniture", "road")
"""What a scene takes place in or on."""

OUTFITS = LISTS["outfits"]


def relation(premise: str, hypothesis: str) -> Relation:
    """What a caption says of another.

    Args:
        premise: a caption, taken to be true.
        hypothesis: another.

    Returns:
        ``entailment`` if the hypothesis is true of every picture that the premise is true of; ``contradiction`` if they
        are not true of one picture, which is symmetric; else ``neutral``, also where a text is not understood.
    """
    if _plain(premise) == _plain(hypothesis):
        return "entailment"
    one, other = read(premise), read(hypothesis)
    return "neutral" if one is None or other is None else _relation(one, other)


@lru_cache(maxsize=65536)
def _relation(premise: Claim, hypothesis: Claim) -> Relation:
    if _entails(premise, hypothesis):
        return "entailment"
    if not _entails(hypothesis, premise) and _contradict(premise, hypothesis):
        return "contradiction"
    return "neutral"


def _plain(text: str) -> str:
    return " ".join(text.lower().replace(".", " ").split())


def _thing_entails(one: Thing, other: Thing) -> bool:
    """Whether a thing of a caption is one that another caption tells of."""
    if one.denied != other.denied:
        return False
    if one.denied:
        one, other = other, one
    if other.noun == one.quantity or (other.noun == "toy" and one.qualities & LISTS["toys"]):
        return not other.qualities
    if one.privatives - other.qualities or (one.unreal and one.noun != other.noun):
        return False
    if not is_kind(one.noun, other.noun):
        return False
    colours = one.qualities & COLOURS
    if len(colours) > 1 and other.qualities & COLOURS not in (frozenset(), colours):
        return False
    if not all(_has(one, quality, other.noun) for quality in other.qualities):
        return False
    if other.several and not (one.several or (one.number or 0) > 1):
        return False
    if other.number is not None and other.number != one.number:
        return other.number == 1 and one.number is None and not one.several and not one.quantity
    return not other.quantity or other.quantity == one.quantity


def _has(thing: Thing, quality: str, noun: str) -> bool:
    """Whether a thing that is called `noun` has a quality."""
    if noun != thing.noun and ADJECTIVES.axes_of(quality) & RELATIVE:
        return False
    return any(ADJECTIVES.same(quality, own) for own in thing.qualities)


def _entails(premise: Claim, hypothesis: Claim) -> bool:
    """Whether each claim of the hypothesis is found in the premise."""
    if _thing_entails(premise.main, hypothesis.main) and _parts_entail(premise.parts, hypothesis.parts):
        return True
    return any(_parts_entail(run, hypothesis.parts, starts) for run, starts in _runs(premise.parts, hypothesis.main))


def _runs(parts: tuple[Part, ...], wanted: Thing) -> Iterator[tuple[tuple[Part, ...], set[int]]]:
    """Each longest row of ``of`` parts, which are said of what stands before, and where it follows a wanted thing."""
    begin, starts = 0, set[int]()
    for place, part in enumerate(parts):
        if part.verb or part.preposition != "of":
            if starts:
                yield parts[begin:place], starts
            begin, starts = place + 1, set()
        thing = part.thing
        if thing is not None and not (thing.denied or thing.unreal or part.denied) and _thing_entails(thing, wanted):
            starts.add(place + 1 - begin)
    if starts:
        yield parts[begin:], starts


def _parts_entail(own: tuple[Part, ...], wanted: tuple[Part, ...], starts: Collection[int] = (0,)) -> bool:
    """Whether the wanted parts are among a caption's own, from given places on, in order and of the same things."""
    firsts = _firsts(own)
    for part in wanted:
        found: set[int] = set()
        latest = -1
        for place, candidate in enumerate(own):
            if place in starts:
                latest = place
            if latest >= firsts[place] and _part_entails(candidate, part):
                found.add(place if part.thing is None and candidate.thing is not None else place + 1)
        if not found:
            return False
        starts = found
    return True


def _firsts(own: tuple[Part, ...]) -> list[int]:
    """For each part the first place after which only such parts stand before it that it may be joined across.

    A part says of the main thing what it says, although others stand before it, unless these are denials, or things
    that it may be said of: beings for a verb, any thing for a preposition that leads to no scene.
    """
    firsts = []
    denial = thing = being = 0
    for place, part in enumerate(own):
        if part.verb and not part.verb.endswith("/passive"):
            firsts.append(max(denial, being))
        elif part.preposition in LOCATIVE and part.thing is not None and _is_scene(part.thing.noun):
            firsts.append(denial)
        else:
            firsts.append(max(denial, thing))
        if part.denied or (part.thing is not None and (part.thing.denied or part.thing.unreal)):
            denial = place + 1
        elif part.thing is not None:
            thing = place + 1
            if is_kind(part.thing.noun, "person") or is_kind(part.thing.noun, "animal"):
                being = place + 1
    return firsts


def _part_entails(one: Part, other: Part) -> bool:
    if one == other:
        return True
    if one.denied != other.denied or not other.manner <= one.manner or (one.denied and one != other):
        return False
    static = one.verb.split("/")[0] in STATIC and not other.verb and one.preposition in LOCATIVE
    if one.verb != other.verb and not static:
        return False
    if other.thing is None:
        return other.preposition in {"", one.preposition} and bool(other.verb)
    return one.thing is not None and one.preposition == other.preposition and _thing_entails(one.thing, other.thing)


@lru_cache(maxsize=65536)
def _is_scene(noun: str) -> bool:
    return any(is_kind(noun, kind) for kind in PLACE_KINDS)


def _related(one: Thing, other: Thing) -> bool:
    """Whether one of two nouns names a kind of the other."""
    return is_kind(one.noun, other.noun) or is_kind(other.noun, one.noun)


def _contradict(one: Claim, other: Claim) -> bool:
    """Whether two claims exclude each other, neither of which entails the other; symmetric."""
    first, second = one.main, other.main
    if first.denied or second.denied:
        return first.denied != second.denied and _denies(one, other)
    if first.unsure or second.unsure:
        return False
    if things.excludes(first.noun, second.noun):
        return (not (one.parts and other.parts) and not _mentions(one, other)) or _alike(one.parts, other.parts)
    if not _related(first, second):
        return False
    if _things_clash(first, second) or (_numbers_clash(first, second) and not _more_of_them(one, other)):
        return True
    return _parts_clash(one.parts, other.parts) or _missing(one, other) or _missing(other, one)


def _denies(one: Claim, other: Claim) -> bool:
    denied, claim = (one, other) if one.main.denied else (other, one)
    return not denied.parts and any(_thing_entails(thing, _affirmed(denied.main)) for thing in _there(claim))


def _there(claim: Claim) -> Iterator[Thing]:
    """The things of which a caption says that they are there."""
    return (thing for thing in claim.things() if not (thing.denied or thing.unreal))


def _affirmed(thing: Thing) -> Thing:
    """A thing of that sort, in any number."""
    return Thing(thing.noun, thing.qualities)


def _mentions(one: Claim, other: Claim) -> bool:
    """Whether one tells, beside its main thing, of what the other is about."""
    return any(
        _related(thing, about.main) for claim, about in ((one, other), (other, one)) for thing in claim.things()[1:]
    )


def _things_clash(one: Thing, other: Thing) -> bool:
    """Whether two things of comparable nouns cannot be the same: a quality excludes."""
    return any(
        ADJECTIVES.excludes(quality, against)
        and not _rivals(quality, one.qualities)
        and not _rivals(against, other.qualities)
        and (one.noun == other.noun or not ADJECTIVES.axes_of(quality) & ADJECTIVES.axes_of(against) & RELATIVE)
        for quality in one.qualities - other.qualities
        for against in other.qualities - one.qualities
    )


def _numbers_clash(one: Thing, other: Thing) -> bool:
    return one.number is not None and other.number is not None and one.number != other.number


def _more_of_them(one: Claim, other: Claim) -> bool:
    """Whether one tells, beside its main thing, of more such things as the other counts: they add up."""
    return any(
        is_kind(thing.noun, claim.main.noun)
        for claim, more in ((one, other), (other, one))
        for thing in more.things()[1:]
    )


def _rivals(quality: str, qualities: Iterable[str]) -> bool:
    """Whether a thing has several qualities of one axis, such as two colours."""
    return any(quality != each and ADJECTIVES.axes_of(quality) & ADJECTIVES.axes_of(each) for each in qualities)


def _parts_clash(one: tuple[Part, ...], other: tuple[Part, ...]) -> bool:
    """Whether some part of each cannot be true of one picture, given that what stands before agrees."""
    return any(
        _comparable(before, part, before_other, against) and _part_clashes(part, against)
        for before, part in _joined(one)
        for before_other, against in _joined(other)
    )


def _joined(parts: tuple[Part, ...]) -> Iterable[tuple[Part | int | None, Part]]:
    """Each different part with the one before it: its number where that is a verb alone, None at the beginning."""
    before = (None, *(at if part.thing is None else part for at, part in enumerate(parts)))
    return dict.fromkeys(zip(before, parts, strict=False))


def _comparable(before: Part | int | None, part: Part, before_other: Part | int | None, other: Part) -> bool:
    """Whether two parts are said of the same thing: of the main one, of the scene, or of equal things before them."""
    if before is None and before_other is None:
        return True
    if _places(part) and _places(other):
        return True
    if isinstance(before, Part) and isinstance(before_other, Part):
        return (
            before.thing is not None and before_other.thing is not None and _related(before.thing, before_other.thing)
        )
    return isinstance(before, int) and before == before_other


def _places(part: Part) -> bool:
    return part.preposition in LOCATIVE and part.thing is not None and _is_scene(part.thing.noun) and not part.denied


def _part_clashes(one: Part, other: Part) -> bool:
    if one.denied or other.denied:
        return False
    mine, yours = one.thing, other.thing
    if VERBS.excludes(one.verb, other.verb):
        return True
    if mine is None or yours is None or mine.unsure or yours.unsure or mine.denied or yours.denied:
        return False
    related = _related(mine, yours)
    if related and one.verb == other.verb and PLACES.excludes(one.preposition, other.preposition):
        return True
    verbs = {one.verb.split("/")[0], other.verb.split("/")[0]} - STATIC - {""}
    if one.preposition != other.preposition or (one.verb != other.verb and verbs):
        return False
    if related:
        return _things_clash(mine, yours) or _numbers_clash(mine, yours)
    if one.preposition and (things.unlike(mine.noun, yours.noun) or _worn_together(mine, yours)):
        return False
    exclusive = (
        not verbs & LISTS["kept"] if one.verb and not one.preposition else one.preposition not in LISTS["shared"]
    )
    return exclusive and things.excludes(mine.noun, yours.noun)


def _worn_together(one: Thing, other: Thing) -> bool:
    """Whether somebody can be in both things because one is a garment; of outfits only one is worn at a time."""
    if one.noun in OUTFITS and other.noun in OUTFITS:
        return False
    return any(is_kind(thing.noun, kind) for thing in (one, other) for kind in ("clothing", "jewelry"))


def _missing(one: Claim, other: Claim) -> bool:
    """Whether `other` tells of something that `one` says to be missing."""
    missing = (part.thing for part in one.parts if part.thing is not None and part.thing.denied)
    return any(
        not thing.unreal and any(_thing_entails(_affirmed(each), _affirmed(thing)) for each in _there(other))
        for thing in missing
    )


def _alike(one: tuple[Part, ...], other: tuple[Part, ...]) -> bool:
    """Whether two captions say the same of different main things: one's parts hold of the other, or they share one."""
    both = bool(one) and bool(other)
    return both and (_parts_entail(one, other) or _parts_entail(other, one) or not set(one).isdisjoint(other))
