"""The world of scenes: things on a ground, the captions that tell of them, and which of these are true of which."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import permutations
from random import Random
from typing import TypeVar, final
from zlib import crc32

from hiergeo._core.errors import InputError
from hiergeo.datasets.scenes.things import NOTHING, Thing, of_noun, plural, things, with_article

Value = TypeVar("Value")

SIZES = ("small", "big")
GROUNDS = ("white", "green", "blue", "yellow", "pink", "grey")

OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
"""How the first of two things lies to the second, and the relation that this excludes."""

SHARE_OF_PAIRS, SHARE_OF_ROOTS = 0.6, 0.03
"""The share of scenes with two things, and that of chains which begin with "a thing" or "two things"."""

EXTENT = {1: {"small": 0.4, "big": 0.72}, 2: {"small": 0.32, "big": 0.48}}
"""The longer side of a thing in fractions of the picture's side, by how many things there are."""

SPLITS = {"test": range(10), "validation": range(10, 20), "train": range(20, 100), "unseen": range(100)}
"""The percentiles of all describable scenes that belong to each split; only ``unseen`` has the things of its name."""


@final
@dataclass(frozen=True)
class Placed:
    """A thing in a scene: its size, centre and longer side in fractions of the picture's side, and tilt in degrees."""

    thing: Thing
    size: str
    x: float
    y: float
    extent: float
    tilt: float


@final
@dataclass(frozen=True)
class Scene:
    """One or two different things on a ground; the relation is a key of `OPPOSITE` for two and empty for one."""

    things: tuple[Placed, ...]
    relation: str
    ground: str


def pick(random: Random, options: Sequence[Value]) -> Value:
    """One of the options, uniformly; rests on `Random.random` alone, whose stream is the same in every Python."""
    return options[int(random.random() * len(options))]


@cache
def kinds(unseen: bool) -> tuple[tuple[Thing, ...], ...]:
    """The things that a split may show, by top kind."""
    tops: dict[str, tuple[Thing, ...]] = {}
    for thing in things():
        if thing.unseen == unseen:
            tops[thing.top] = (*tops.get(thing.top, ()), thing)
    return tuple(tops.values())


def sample(split: str, random: Random) -> Scene:
    """A scene whose finest caption belongs to `split`; no other split ever holds a scene of that caption."""
    while True:
        scene = _draw(random, 1 + (random.random() < SHARE_OF_PAIRS), split == "unseen")
        if scene is not None and crc32(phrase(finest(scene)).encode()) % 100 in SPLITS[split]:
            return scene


def _draw(random: Random, count: int, unseen: bool) -> Scene | None:
    """So many things of tops that are equally frequent, or None if they are the same or leave no false word."""
    chosen = [pick(random, pick(random, kinds(unseen))) for _ in range(count)]
    chosen.sort(key=lambda thing: thing.index)
    ground, relation, places = pick(random, GROUNDS), "", [(0.5, 0.5)]
    if count == 2:
        if chosen[0] is chosen[1] or (not unseen and any(not _rivals(thing, chosen) for thing in chosen)):
            return None
        relation = pick(random, tuple(OPPOSITE))
        low, high = (0.27, 0.73) if relation in ("left of", "above") else (0.73, 0.27)
        places = [(low, 0.5), (high, 0.5)] if relation in ("left of", "right of") else [(0.5, low), (0.5, high)]
    return Scene(
        tuple(_placed(random, thing, place, count) for thing, place in zip(chosen, places, strict=True)),
        relation,
        ground,
    )


def _placed(random: Random, thing: Thing, place: tuple[float, float], count: int) -> Placed:
    def jittered(middle: float, reach: float) -> float:
        return middle + reach * (2.0 * random.random() - 1.0)

    size = pick(random, SIZES)
    x, y = (jittered(at, 0.06 if count == 1 else 0.03) for at in place)
    return Placed(thing, size, x, y, jittered(EXTENT[count][size], 0.03), jittered(0.0, 8.0))


def _rivals(thing: Thing, chosen: Sequence[Thing]) -> list[Thing]:
    """Things of the same middle kind that training sees and that are not there."""
    return [other for other in of_noun()[thing.middle] if not other.unseen and other not in chosen]


@final
@dataclass(frozen=True)
class Told:
    """What a caption says of one thing; size and colour may be left open."""

    noun: str
    size: str = ""
    colour: str = ""


@final
@dataclass(frozen=True)
class Claim:
    """What a caption says: that a scene holds such things, how they lie, and on which ground, where it says so.

    It does not say that a scene holds nothing else: "a bird" is true of an owl beside a taxi.
    """

    things: tuple[Told, ...]
    relation: str = ""
    ground: str = ""


def finest(scene: Scene) -> Claim:
    """All that the most specific caption of a scene tells."""
    alone = len(scene.things) == 1
    told = (
        Told(placed.thing.word, placed.size, placed.thing.colour) if alone else Told(placed.thing.word)
        for placed in scene.things
    )
    return Claim(tuple(told), scene.relation, scene.ground)


def holds(claim: Claim, scene: Scene) -> bool:
    """Whether a claim is true of a scene, whose things may be named in either order."""
    if claim.ground not in ("", scene.ground) or len(claim.things) > len(scene.things):
        return False
    for order in permutations(range(len(scene.things)), len(claim.things)):
        relation = scene.relation if order[0] == 0 else OPPOSITE.get(scene.relation, "")
        if claim.relation in ("", relation) and all(
            _shows(told, scene.things[at]) for told, at in zip(claim.things, order, strict=True)
        ):
            return True
    return False


def _shows(told: Told, placed: Placed) -> bool:
    thing = placed.thing
    return told.noun in thing.line and told.size in ("", placed.size) and told.colour in ("", thing.colour)


def implies(specific: Claim, general: Claim) -> bool:
    """Whether a claim is true of every scene of which another one is; "nothing" says nothing but itself."""
    if specific == general:
        return True
    if general.ground not in ("", specific.ground) or len(general.things) > len(specific.things):
        return False
    for order in permutations(range(len(specific.things)), len(general.things)):
        relation = specific.relation if order[0] == 0 else OPPOSITE.get(specific.relation, "")
        if general.relation in ("", relation) and all(
            _narrower(specific.things[at], told) for told, at in zip(general.things, order, strict=True)
        ):
            return True
    return False


def _narrower(low: Told, high: Told) -> bool:
    """Whether whatever the lower one is said of is also what the higher one says.

    Bananas are yellow unsaid; of a blue banana, which no scene shows, all holds that would if there were one.
    """
    named = of_noun()[low.noun]
    meant = [thing for thing in named if low.colour in ("", thing.colour)] or [
        replace(thing, colour=low.colour) for thing in named
    ]
    return (
        bool(meant)
        and high.size in ("", low.size)
        and all(high.noun in thing.line and high.colour in ("", thing.colour) for thing in meant)
    )


def chain(scene: Scene, random: Random, unseen: bool) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    """The claims of the four positive and the four negative captions of a scene.

    Tiers name top kinds, middle kinds, words, and then all that is told: "an animal", "a bird", "an owl", "a small owl
    on a pink background"; a few begin with "a thing" and leave the middle kind out. Negative tier i tells the same as
    positive tier i but for one fact that is new there, which it gets wrong: it refines positive tier i - 1, does not
    entail positive tier i and is false of the scene. The negative of "a thing" is "nothing".
    """
    levels = (0, 1, 3) if random.random() < SHARE_OF_ROOTS else (1, 2, 3)
    claims = [Claim(tuple(Told(placed.thing.line[level]) for placed in scene.things)) for level in levels]
    above = (0, *levels)
    wrong = [
        _misnamed(claim, (high, low), scene, random, unseen)
        for claim, high, low in zip(claims, above, levels, strict=False)
    ]
    claim = finest(scene)
    return (*claims, claim), (*wrong, _mistold(claim, scene, random))


def _misnamed(claim: Claim, levels: tuple[int, int], scene: Scene, random: Random, unseen: bool) -> Claim:
    """The claim with another noun of the lower level for one of its things, below the same noun of the higher one."""
    high, low = levels
    if not low:
        return Claim((Told(NOTHING),))
    at = pick(random, range(len(claim.things)))
    there = {noun for placed in scene.things for noun in placed.thing.line}
    rivals = of_noun()[scene.things[at].thing.line[high]]
    nouns = dict.fromkeys(thing.line[low] for thing in rivals if unseen or not thing.unseen)
    return _renamed(claim, at, pick(random, [noun for noun in nouns if noun not in there]))


def _renamed(claim: Claim, at: int, noun: str) -> Claim:
    told = replace(claim.things[at], noun=noun)
    return replace(claim, things=(*claim.things[:at], told, *claim.things[at + 1 :]))


def _mistold(claim: Claim, scene: Scene, random: Random) -> Claim:
    """The finest claim with another size, colour, relation or ground."""
    told = claim.things[0]
    facts = [name for name in ("size", "colour") if getattr(told, name)]
    slot = pick(random, [*facts, *(["relation"] if claim.relation else []), "ground"])
    if slot == "relation":
        return replace(claim, relation=OPPOSITE[claim.relation])
    if slot == "ground":
        return replace(claim, ground=pick(random, [ground for ground in GROUNDS if ground != scene.ground]))
    values = [value for value in (SIZES if slot == "size" else colours()) if value != getattr(told, slot)]
    return replace(claim, things=(replace(told, **{slot: pick(random, values)}),))


@cache
def colours() -> tuple[str, ...]:
    """The colours that captions mention."""
    return tuple(dict.fromkeys(thing.colour for thing in things() if thing.colour))


def sample_balanced(split: str, random: Random) -> Scene:
    """A scene of `split` with two things of different tops, one above the other, that `balanced_chain` can tell of."""
    while True:
        scene = sample(split, random)
        upright = scene.relation in ("above", "below") and scene.things[0].thing.top != scene.things[1].thing.top
        if upright and all(_openings(placed.thing) for placed in scene.things):
            return scene


def _openings(thing: Thing) -> list[str]:
    """What may stand for a thing before its word does: nouns above it of as many words or more, fewest words first."""

    def words(noun: str) -> int:
        return len(with_article(noun).split())

    return sorted((noun for noun in thing.line[1:3] if words(noun) >= words(thing.word)), key=words)


def balanced_chain(scene: Scene, random: Random) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    """Chains as of `chain` whose captions do not grow; many of them get shorter.

    A relation takes the place of "and", and a word tells more than a kind of more words:

        a building and an animal            a piece of clothing and a musical instrument
        a castle and an animal              a kimono and a musical instrument
        a castle and an owl                 a kimono and a trumpet
        a castle above an owl               a kimono above a trumpet
    """
    place = -1 if random.random() < 0.6 else 0
    claim = Claim(tuple(Told(_openings(placed.thing)[place]) for placed in scene.things))
    there = {noun for placed in scene.things for noun in placed.thing.line}
    first = pick(random, (0, 1))
    positive, negative = [claim], []
    level = [placed.thing.line.index(told.noun) for placed, told in zip(scene.things, claim.things, strict=True)]
    nouns = dict.fromkeys(thing.line[level[first]] for thing in things() if not thing.unseen)
    negative.append(_renamed(claim, first, pick(random, [noun for noun in nouns if noun not in there])))
    for at in (first, 1 - first):
        rivals = [thing.word for thing in of_noun()[claim.things[at].noun] if not thing.unseen]
        negative.append(_renamed(claim, at, pick(random, [noun for noun in rivals if noun not in there])))
        claim = _renamed(claim, at, scene.things[at].thing.word)
        positive.append(claim)
    positive.append(replace(claim, relation=scene.relation))
    negative.append(replace(claim, relation=OPPOSITE[scene.relation]))
    return tuple(positive), tuple(negative)


def phrase(claim: Claim) -> str:
    """The caption that makes a claim, such as ``an owl above a taxi on a pink background``."""
    nouns = [
        with_article(told.noun, " ".join(word for word in (told.size, told.colour) if word)) for told in claim.things
    ]
    if not claim.relation and claim.things == (Told(claim.things[0].noun),) * 2:
        words = f"two {plural(claim.things[0].noun)}"
    else:
        words = f" {claim.relation or 'and'} ".join(nouns)
    return f"{words} on a {claim.ground} background" if claim.ground else words


@lru_cache(maxsize=1 << 16)
def parse(caption: str) -> Claim:
    """The claim that a caption makes.

    Raises:
        InputError: no caption of this world reads so.
    """
    words, _, ground = caption.strip().removesuffix(" background").partition(" on a ")
    relation = next((name for name in OPPOSITE if f" {name} " in words), "")
    if words.startswith("two "):
        told = [Told(_singulars().get(words.removeprefix("two "), ""))] * 2
    else:
        told = [_read(part) for part in words.split(f" {relation or 'and'} ")]
    claim = Claim(tuple(told), relation, ground)
    known = all(one.noun in of_noun() for one in told) and ground in ("", *GROUNDS)
    if not known or len(told) > 2 or phrase(claim) != caption.strip():
        raise InputError(f"'{caption}' is not a caption of this world, such as 'a small owl on a pink background'.")
    return claim


@cache
def _singulars() -> dict[str, str]:
    """The kinds by their plurals; things are different, so that words have none."""
    return {plural(noun): noun for thing in things() for noun in thing.line[:3]}


def _read(words: str) -> Told:
    told = {"size": "", "colour": ""}
    noun = words
    if noun not in of_noun():
        noun = noun.removeprefix("an ").removeprefix("a ")
        for name, values in (("size", SIZES), ("colour", colours())):
            first, _, rest = noun.partition(" ")
            if rest and first in values:
                told[name], noun = first, rest
    return Told(noun, **told)
