"""The world of scenes: shapes on a canvas, and the captions that describe them from general to specific."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from random import Random
from typing import TypeVar
from zlib import crc32

Value = TypeVar("Value")

FAMILIES = {
    "curved": ("circle", "oval", "ring", "crescent", "heart"),
    "angular": ("square", "triangle", "diamond", "hexagon", "cross"),
    "spiky": ("star", "spark", "bolt", "crown", "zigzag"),
}
"""The kinds of shapes of each family."""

FAMILY_OF = {kind: family for family, kinds in FAMILIES.items() for kind in kinds}
KINDS = tuple(FAMILY_OF)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
SIZES = ("small", "medium", "big")
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

RADIUS = {"small": 0.13, "medium": 0.175, "big": 0.22}
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
        """``curved``, ``angular`` or ``spiky``."""
        return FAMILY_OF[self.kind]

    @property
    def look(self) -> tuple[str, str, str, str]:
        """The attributes that words can tell."""
        return self.kind, self.colour, self.size, self.pattern


@dataclass(frozen=True)
class Scene:
    """One or two things on a ground; the position is a key of `SPOTS` for one thing and of `OPPOSITE` for two."""

    things: tuple[Thing, ...]
    position: str
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
    looks, position = [thing.look for thing in scene.things], scene.position
    if position in ("right of", "below"):
        looks, position = looks[::-1], OPPOSITE[position]
    return crc32(repr((looks, position, scene.ground)).encode()) % 100


def _draw_lone(random: Random) -> Scene:
    spot = pick(random, tuple(SPOTS))
    return Scene((_draw_thing(random, *SPOTS[spot]),), spot, pick(random, GROUNDS))


def _draw_pair(random: Random) -> Scene | None:
    """Two things that differ in kind or colour (else a relation between them says nothing), or None."""
    relation = pick(random, tuple(OPPOSITE))
    along, across = (0.27, 0.73) if relation in ("left of", "above") else (0.73, 0.27), (0.5, 0.5)
    xs, ys = (along, across) if relation in ("left of", "right of") else (across, along)
    first, second = (_draw_thing(random, x, y) for x, y in zip(xs, ys, strict=True))
    scene = Scene((first, second), relation, pick(random, GROUNDS))
    return scene if first.look[:2] != second.look[:2] else None


def _draw_thing(random: Random, x: float, y: float) -> Thing:
    def jittered(middle: float, reach: float) -> float:
        return middle + reach * (2.0 * random.random() - 1.0)

    size = pick(random, SIZES)
    look = pick(random, KINDS), pick(random, COLOURS), size, pick(random, PATTERNS)
    return Thing(*look, jittered(x, 0.04), jittered(y, 0.04), jittered(RADIUS[size], 0.01), jittered(0.0, 10.0))


Facts = dict[str, str]
"""What a caption claims, slot -> value: count, place, ground, and the `NAMES` of a thing in slots like ``0.kind``.

A caption claims that a scene holds such things, not that it holds nothing else: "a red shape" is true of a red circle
beside a blue square, and "a shape" is true of every scene. Only the count excludes further shapes.
"""

NAMES = ("family", "kind", "colour", "size", "pattern")
"""Attributes of a thing that captions mention."""

VALUES = {
    "count": ("one", "two"),
    "family": tuple(FAMILIES),
    "kind": KINDS,
    "colour": COLOURS,
    "size": SIZES,
    "pattern": PATTERNS,
    "ground": GROUNDS,
    "place": tuple(SPOTS),
}
"""The values of each name; those of a thing are more than a scene holds, so that one of them is always false."""

OPENINGS = (
    {"": 3, "count": 3, "family": 6, "size": 6, "pattern": 6, "kind": 22, "colour": 14, "ground": 9}
    | {"family colour": 6, "size colour": 6}
    | {"count family": 4, "count kind": 5, "count colour": 6, "count size": 2, "count pattern": 2}
)
"""What tier 0 claims, with its weight; no caption heads more than 5 % of the chains."""

STEPS = ("kind", "kind", "kind", "family", "family", "colour", "colour", "size", "pattern", "ground", "count")
"""What tiers 1 and 2 may add: one of these each."""

REST = ("kind", "colour", "size", "pattern", "place", "ground")
"""What tier 3 adds."""

_OPENINGS = tuple(names.split() for names, weight in OPENINGS.items() for _ in range(weight))


def facts(scene: Scene) -> Facts:
    """Everything that captions can claim of a scene, all of it true."""
    shared = {"count": VALUES["count"][len(scene.things) - 1], "place": scene.position, "ground": scene.ground}
    return shared | {f"{i}.{name}": getattr(thing, name) for i, thing in enumerate(scene.things) for name in NAMES}


def holds(claim: Facts, scene: Scene) -> bool:
    """Whether a claim is true of a scene, whose things may be named in either order."""
    views = [scene]
    if scene.position in OPPOSITE:
        views.append(Scene(scene.things[::-1], OPPOSITE[scene.position], scene.ground))
    if not any(slot.startswith("0.") for slot in claim):
        claim = {slot.replace("1.", "0."): value for slot, value in claim.items()}
    return any(claim.items() <= facts(view).items() for view in views)


def chain(scene: Scene, random: Random) -> tuple[tuple[Facts, ...], tuple[Facts, ...]]:
    """The claims of the four positive and the four negative captions of a scene.

    Positive tier i claims all that tier i - 1 claims, and more. Negative tier i claims the same but for one fact new at
    tier i, which it gets wrong: it refines positive tier i - 1, does not entail positive tier i and is false of the
    scene. The negative of "a shape" is "no shape". Captions are about one thing until they name the count or the place.
    """
    truth = facts(scene)
    subject = str(pick(random, range(len(scene.things))))
    names = set(pick(random, _OPENINGS))
    claim: Facts = {}
    positive, negative = [], []
    for tier in range(4):
        if tier == 3:
            names.update(REST)
        elif tier:
            implied = names | {"family"} if "kind" in names else names  # after its kind the family is not news
            names.add(pick(random, [name for name in STEPS if name not in implied]))
        parent, claim = claim, _claim(truth, names, subject)
        positive.append(claim)
        negative.append(claim | _contradiction(claim.keys() - parent.keys(), claim, truth, random))
    return tuple(positive), tuple(negative)


def _claim(truth: Facts, names: Set[str], subject: str) -> Facts:
    """The facts of these names, about the subject alone or, once the count or the place is named, about every thing."""
    about_all = not names.isdisjoint(("count", "place"))
    parts = {slot: slot.rpartition(".") for slot in truth}
    return {
        slot: truth[slot]
        for slot, (thing, _, name) in parts.items()
        if name in names and (about_all or thing in ("", subject))
    }


def _contradiction(new: Set[str], claim: Facts, truth: Facts, random: Random) -> Facts:
    """A falsehood about one of the new facts that the caption shows; about the count only if nothing else is new."""
    if not new:
        return {"count": "no"}
    hidden = {slot for slot in new if slot.endswith("family") and slot.replace("family", "kind") in claim}
    return falsehood(pick(random, sorted(new - hidden - {"count"}) or ["count"]), claim, truth, random)


def phrase(claim: Mapping[str, str]) -> str:
    """The caption that makes a claim, such as ``a red circle and a blue square``."""
    nouns = [_noun_phrase(claim, thing) for thing in ("0.", "1.") if any(slot.startswith(thing) for slot in claim)]
    first, second = (*nouns, *nouns, "shape", "shape")[:2]
    if claim.get("place") in OPPOSITE:
        words = [with_article(first), claim["place"], with_article(second)]
    elif len(nouns) == 2 and first != second:
        words = [with_article(first), "and", with_article(second)]
    elif len(nouns) == 2 or claim.get("count") == "two":
        words = ["two", first + ("es" if first.endswith("s") else "s")]
    else:
        words = [f"{claim['count']} {first}" if "count" in claim else with_article(first)]
        words += [claim["place"]] if "place" in claim else []
    if "ground" in claim:
        words.append(f"on a {claim['ground']} background")
    return " ".join(words)


def falsehood(slot: str, claim: Facts, truth: Facts, random: Random) -> Facts:
    """Another value for one slot of a claim, true of nothing in the scene, that leaves the rest of the claim true."""
    value, name = claim[slot], slot.rpartition(".")[2]
    if value in OPPOSITE:
        return {slot: OPPOSITE[value]}
    taken = {true for other, true in truth.items() if other.rpartition(".")[2] == name}
    family = claim.get(slot.replace("kind", "family")) if name == "kind" else None
    return {slot: pick(random, [o for o in VALUES[name] if o not in taken and family in (None, FAMILY_OF.get(o))])}


def _noun_phrase(claim: Mapping[str, str], thing: str) -> str:
    own = {name: claim[thing + name] for name in NAMES if thing + name in claim}
    noun = own.get("kind") or f"{own['family']} shape" if own.keys() & {"kind", "family"} else "shape"
    return " ".join([*(own[name] for name in ("size", "pattern", "colour") if name in own), noun])


def with_article(words: str) -> str:
    """A noun phrase behind its article."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
