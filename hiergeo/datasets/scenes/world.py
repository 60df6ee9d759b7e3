"""The world of scenes: shapes on a canvas, and the captions that describe them from general to specific."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar
from zlib import crc32

Value = TypeVar("Value")

FAMILY_OF = {
    "circle": "curved",
    "oval": "curved",
    "ring": "curved",
    "crescent": "curved",
    "heart": "curved",
    "square": "angular",
    "triangle": "angular",
    "diamond": "angular",
    "hexagon": "angular",
    "star": "angular",
    "cross": "angular",
}
"""The family of each kind of shape."""

KINDS = tuple(FAMILY_OF)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
SIZES = ("small", "big")
PATTERNS = ("plain", "striped", "dotted")
GROUNDS = ("white", "grey", "cream", "mint", "lavender", "navy")

SPOTS = {
    "in the centre": (0.5, 0.5),
    "in the top left": (0.29, 0.29),
    "in the top right": (0.71, 0.29),
    "in the bottom left": (0.29, 0.71),
    "in the bottom right": (0.71, 0.71),
}
"""Where a lone shape sits; x to the right and y downwards, as fractions of the picture's side."""

OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
"""How the first of two shapes lies to the second, and the relation that this excludes."""

RADIUS = {"small": 0.13, "big": 0.22}
"""Half the width of a shape, as a fraction of the picture's side."""

SHARE_OF_PAIRS = 0.6
"""The share of scenes with two shapes."""

SPLITS = {"test": range(10), "validation": range(10, 20), "train": range(20, 100)}
"""The percentiles of all describable scenes that belong to each split."""


@dataclass(frozen=True)
class Thing:
    """A shape: its four nameable attributes, its centre and radius in fractions of the side, its tilt in degrees."""

    kind: str
    colour: str
    size: str
    pattern: str
    x: float
    y: float
    radius: float
    tilt: float

    @property
    def family(self) -> str:
        """``curved`` or ``angular``."""
        return FAMILY_OF[self.kind]

    @property
    def look(self) -> tuple[str, str, str, str]:
        """The attributes that words can tell."""
        return self.kind, self.colour, self.size, self.pattern


@dataclass(frozen=True)
class Scene:
    """One or two things on a ground; `place` is a key of `SPOTS` for one thing and of `OPPOSITE` for two."""

    things: tuple[Thing, ...]
    place: str
    ground: str


def pick(random: Random, options: Sequence[Value]) -> Value:
    """One of the options, uniformly; rests on `Random.random` alone, whose stream is the same in every Python."""
    return options[int(random.random() * len(options))]


def sample(split: str, random: Random) -> Scene:
    """A scene whose full description belongs to `split`; no other split ever holds a scene of that description."""
    while True:
        scene = _draw_pair(random) if random.random() < SHARE_OF_PAIRS else _draw_lone(random)
        if scene is not None and percentile(scene) in SPLITS[split]:
            return scene


def percentile(scene: Scene) -> int:
    """A number in 0..99 from all that words can tell of a scene, the same for "A left of B" and "B right of A"."""
    looks, place = [thing.look for thing in scene.things], scene.place
    if place in ("right of", "below"):
        looks, place = looks[::-1], OPPOSITE[place]
    return crc32(repr((looks, place, scene.ground)).encode()) % 100


def _draw_lone(random: Random) -> Scene:
    place = pick(random, tuple(SPOTS))
    x, y = SPOTS[place]
    return Scene((_draw_thing(random, x, y),), place, pick(random, GROUNDS))


def _draw_pair(random: Random) -> Scene | None:
    """Two things that differ in kind or colour (else a relation between them says nothing), or None."""
    place = pick(random, tuple(OPPOSITE))
    before = place in ("left of", "above")
    along, across = (0.27, 0.73) if before else (0.73, 0.27), (0.5, 0.5)
    xs, ys = (along, across) if place in ("left of", "right of") else (across, along)
    first, second = (_draw_thing(random, x, y) for x, y in zip(xs, ys, strict=True))
    scene = Scene((first, second), place, pick(random, GROUNDS))
    return scene if first.look[:2] != second.look[:2] else None


def _draw_thing(random: Random, x: float, y: float) -> Thing:
    size = pick(random, SIZES)
    return Thing(
        kind=pick(random, KINDS),
        colour=pick(random, COLOURS),
        size=size,
        pattern=pick(random, PATTERNS),
        x=_jitter(random, x, 0.04),
        y=_jitter(random, y, 0.04),
        radius=_jitter(random, RADIUS[size], 0.015),
        tilt=_jitter(random, 0.0, 10.0),
    )


def _jitter(random: Random, middle: float, reach: float) -> float:
    return middle + reach * (2.0 * random.random() - 1.0)


Facts = dict[str, str]
"""What a caption tells, slot -> value: count, place, ground, and the `NAMES` of each thing in slots like ``0.kind``."""

NAMES = ("family", "kind", "colour", "size", "pattern")
"""Attributes of a thing that captions mention."""

VALUES = {
    "count": ("one", "two"),
    "family": ("curved", "angular"),
    "kind": KINDS,
    "colour": COLOURS,
    "size": SIZES,
    "pattern": PATTERNS,
    "ground": GROUNDS,
}

PATHS: tuple[tuple[tuple[str, ...], ...], ...] = (
    ((), ("family",), ("kind", "colour")),
    ((), ("family",), ("kind",)),
    ((), ("colour",), ("kind",)),
    ((), ("colour",), ("family", "pattern")),
    ((), ("kind",), ("colour",)),
    ((), ("kind",), ("size", "pattern")),
    ((), ("size",), ("kind", "colour")),
    ((), ("pattern",), ("kind", "colour")),
    ((), ("ground",), ("kind", "colour")),
    (("family",), ("kind",), ("colour",)),
    (("family",), ("colour",), ("kind",)),
    (("family",), ("ground",), ("kind", "colour")),
)
"""What tiers 0, 1 and 2 add to the count, of every thing alike; tier 3 adds the `REST`."""

REST = ("kind", "colour", "size", "pattern", "place", "ground")


def facts(scene: Scene) -> Facts:
    """Everything that words can tell of a scene."""
    known = {"count": VALUES["count"][len(scene.things) - 1], "place": scene.place, "ground": scene.ground}
    return known | {f"{i}.{name}": getattr(thing, name) for i, thing in enumerate(scene.things) for name in NAMES}


def chain(scene: Scene, random: Random) -> tuple[tuple[Facts, ...], tuple[Facts, ...]]:
    """What the four positive and the four negative captions of a scene tell.

    Positive tier i tells all that tier i - 1 tells, and more. Negative tier i tells the same but for one fact new at
    tier i, which it gets wrong: it refines positive tier i - 1, contradicts positive tier i and is false of the scene.
    How many shapes there are is always told, for "a shape" is a picture of one.
    """
    known = facts(scene)
    told = {"count": known["count"]}
    positive, negative = [], []
    for names in (*pick(random, PATHS), REST):
        new = {slot: known[slot] for slot in known.keys() - told.keys() if slot.rpartition(".")[2] in names}
        told = told | new
        positive.append(told)
        negative.append(told | falsehood(pick(random, sorted(new) or ["count"]), told, random))
    return tuple(positive), tuple(negative)


def phrase(told: Mapping[str, str]) -> str:
    """The caption that tells these facts, such as ``a red circle and a blue square``."""
    first, second = (_noun_phrase(told, thing) for thing in (0, 1))
    if told["count"] == "one":
        words = [_with_article(first), *([told["place"]] if "place" in told else [])]
    elif "place" in told:
        words = [_with_article(first), told["place"], _with_article(second)]
    elif first == second:
        words = ["two", first + ("es" if first.endswith("s") else "s")]
    else:
        words = [_with_article(first), "and", _with_article(second)]
    if "ground" in told:
        words.append(f"on a {told['ground']} background")
    return " ".join(words)


def falsehood(slot: str, told: Facts, random: Random) -> Facts:
    """Another value for one told slot, such that nothing else that is told becomes false with it."""
    value, name = told[slot], slot.rpartition(".")[2]
    if value in OPPOSITE:
        return {slot: OPPOSITE[value]}
    options = tuple(SPOTS) if name == "place" else VALUES[name]
    family = told.get(slot.replace("kind", "family")) if name == "kind" else None
    return {slot: pick(random, [o for o in options if o != value and family in (None, FAMILY_OF.get(o))])}


def _noun_phrase(told: Mapping[str, str], thing: int) -> str:
    own = {name: told[f"{thing}.{name}"] for name in NAMES if f"{thing}.{name}" in told}
    noun = own.get("kind") or f"{own['family']} shape" if own.keys() & {"kind", "family"} else "shape"
    return " ".join([*(own[name] for name in ("size", "pattern", "colour") if name in own), noun])


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
