"""Chains of scenes whose captions do not grow: every tier tells more than the one before in as many words or fewer.

A kind tells more than a family and takes a word less ("a curved shape", "a circle"), and a relation takes the place of
"and". With an attribute beside each kind the four captions have equally many words; without, they become shorter:

    a curved shape and an angular shape             a curved shape and an angular shape
    a red circle and an angular shape               a circle and an angular shape
    a red circle and a blue square                  a circle and a square
    a red circle above a blue square                a circle above a square
"""

from random import Random

from hiergeo.datasets.scenes.world import Facts, Scene, facts, falsehood, pick, sample

ATTRIBUTES = ("colour", "size", "pattern")
ONE_WORD = ("above", "below")
"""Relations of one word, as long as "and"."""


def sample_balanced(split: str, random: Random) -> Scene:
    """A scene of `split` with two things of different families, one above the other."""
    while True:
        scene = sample(split, random)
        if scene.place in ONE_WORD and len({thing.family for thing in scene.things}) == 2:
            return scene


def balanced_chain(scene: Scene, random: Random) -> tuple[tuple[Facts, ...], tuple[Facts, ...]]:
    """The claims of the four positive and the four negative captions of such a scene; half of the chains get shorter.

    As in `hiergeo.datasets.scenes.world.chain`, a positive tier claims all that the one before claims, and a negative
    one gets a single new fact wrong.
    """
    truth = facts(scene)
    shorter = random.random() < 0.5
    shared = [name for name in ATTRIBUTES if random.random() < 0.35][:2]
    first = pick(random, (0, 1))
    steps = [[f"{thing}.{name}" for thing in (0, 1) for name in ("family", *shared)]]
    for thing in (first, 1 - first):
        beside = pick(random, [name for name in ATTRIBUTES if name not in shared])
        steps.append([f"{thing}.kind", *([] if shorter else [f"{thing}.{beside}"])])
    claim = {"count": truth["count"]}
    positive, negative = [], []
    for slots in (*steps, ["place"]):
        claim = claim | {slot: truth[slot] for slot in slots}
        positive.append(claim)
        negative.append(claim | falsehood(pick(random, sorted(slots)), claim, truth, random))
    return tuple(positive), tuple(negative)
