"""Captions of a scene: a chain of four, each telling more of it, and a chain of captions that contradict those."""

from collections.abc import Mapping
from random import Random

from hiergeo.datasets.scenes.world import (
    COLOURS,
    FAMILY_OF,
    GROUNDS,
    KINDS,
    OPPOSITE,
    PATTERNS,
    SIZES,
    SPOTS,
    Scene,
    pick,
)

Facts = dict[str, str]
"""What a caption tells, slot -> value: count, place, ground, and the `NAMES` of each thing in slots like ``0.kind``."""

NAMES = ("family", "kind", "colour", "size", "pattern")
"""What can be told of a thing."""

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
        negative.append(told | _falsehood(pick(random, sorted(new) or ["count"]), told, random))
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


def _falsehood(slot: str, told: Facts, random: Random) -> Facts:
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
