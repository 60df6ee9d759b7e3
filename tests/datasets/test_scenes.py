"""The scenes dataset: what captions tell is true, what negatives tell is false, and seeds fix everything."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations, pairwise, product
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.datasets import load, scenes
from hiergeo.datasets.scenes import drawing, scene_and_chain, world
from hiergeo.datasets.scenes.world import Scene, Thing, chain, facts, phrase

CIRCLE = Thing("circle", "red", "small", "plain", x=0.27, y=0.5, radius=0.13, tilt=0.0)
SQUARE = Thing("square", "blue", "big", "striped", x=0.73, y=0.5, radius=0.22, tilt=5.0)
PAIR = Scene((CIRCLE, SQUARE), "left of", "mint")

rows_of_splits = st.tuples(st.sampled_from(sorted(world.SPLITS)), st.integers(0, 2**40), st.integers(0, 2**40))


def stated(*names: str) -> dict[str, str]:
    """Of the facts of `PAIR`, the count and those of these names."""
    return {slot: value for slot, value in facts(PAIR).items() if slot.rpartition(".")[2] in ("count", *names)}


def test_phrases_of_a_scene_by_hand() -> None:
    assert phrase({}) == "a shape"
    assert phrase(stated()) == "two shapes"
    assert phrase(stated("family")) == "a curved shape and an angular shape"
    assert phrase(stated("kind", "colour")) == "a red circle and a blue square"
    everything = stated("family", "kind", "colour", "size", "pattern", "place", "ground")
    assert everything == facts(PAIR)
    assert phrase(everything) == "a small plain red circle left of a big striped blue square on a mint background"

    lone = facts(Scene((replace(CIRCLE, kind="oval", colour="orange"),), "in the top left", "navy"))
    assert phrase({"count": "no"}) == "no shape"
    assert phrase({"count": "one"}) == "one shape"
    assert phrase({"count": "two", "0.colour": "red"}) == "two red shapes"
    assert phrase({"1.colour": "red", "ground": "mint"}) == "a red shape on a mint background"
    assert phrase({"0.kind": "oval"}) == "an oval"
    assert phrase(lone) == "one small plain orange oval in the top left on a navy background"
    assert phrase({"count": "two", "0.kind": "cross", "1.kind": "cross"}) == "two crosses"
    assert phrase({"count": "two", "0.family": "curved", "1.family": "curved"}) == "two curved shapes"


@given(rows_of_splits)
def test_positive_captions_tell_ever_more_of_the_scene(row: tuple[str, int, int]) -> None:
    scene, positive, _ = scene_and_chain(*row)
    random = Random(row[2])
    facts_of_tiers, _ = chain(scene, random)
    for tier in facts_of_tiers:
        assert tier.items() <= facts(scene).items()
    for general, specific in pairwise(facts_of_tiers):
        assert general.items() < specific.items()
    assert len(set(positive)) == len(positive) == 4
    assert all(caption and caption == caption.strip() for caption in positive)


@given(rows_of_splits)
def test_negative_captions_share_the_parent_and_get_one_new_fact_wrong(row: tuple[str, int, int]) -> None:
    scene, _, _ = scene_and_chain(*row)
    positive, negative = chain(scene, Random(row[2]))
    for tier, (right, wrong) in enumerate(zip(positive, negative, strict=True)):
        if not right:
            assert wrong == {"count": "no"}
            continue
        assert right.keys() == wrong.keys()
        (slot,) = (slot for slot in right if right[slot] != wrong[slot])
        if tier:
            assert positive[tier - 1].items() <= wrong.items()
            assert slot not in positive[tier - 1]
        for thing in ("0", "1"):
            if {f"{thing}.kind", f"{thing}.family"} <= wrong.keys():
                assert world.FAMILY_OF[wrong[f"{thing}.kind"]] == wrong[f"{thing}.family"]


@given(rows_of_splits)
def test_positive_captions_are_true_of_their_scene_and_negative_ones_are_not(row: tuple[str, int, int]) -> None:
    scene, positive, negative = scene_and_chain(*row)
    true = _true_captions(scene)
    assert set(positive) <= true
    assert not set(negative) & true


def _true_captions(scene: Scene) -> set[str]:
    """Every caption of every selection of facts, of the two things in either order and of one of them."""
    views = [scene]
    if len(scene.things) == 2:
        views.append(Scene(scene.things[::-1], world.OPPOSITE[scene.position], scene.ground))
    names = ("count", *world.NAMES, "place", "ground")
    selections = [chosen for size in range(len(names) + 1) for chosen in combinations(names, size)]
    claims = [
        {slot: value for slot, value in facts(view).items() if slot.rpartition(".")[2] in chosen}
        for view in views
        for chosen in selections
    ]
    of_first = [
        {slot: value for slot, value in claim.items() if not slot.startswith("1.")}
        for claim in claims
        if len(views) == 1 or not claim.keys() & {"count", "place"}
    ]
    return set(map(phrase, [*claims, *of_first]))


@given(rows_of_splits, st.integers(0, 2**40))
@example(("train", 48, 25088593), 10093298)  # of the second thing, asked of a scene with one
def test_claims_hold_where_their_captions_are_true(row: tuple[str, int, int], other: int) -> None:
    _, claims, _ = scenes.scene_and_facts(*row)
    scene, *_ = scene_and_chain(row[0], row[1], other)
    assert [world.holds(claim, scene) for claim in claims] == [
        phrase(claim) in _true_captions(scene) for claim in claims
    ]


def test_general_captions_are_many_and_none_heads_too_many_chains() -> None:
    data = load("scenes", count=1000)
    heads, *_, finest = (Counter(row.positive[tier] for row in data.rows) for tier in range(4))
    assert len(heads) >= 40
    assert max(heads.values()) <= 50
    assert max(len(caption.split()) for caption in heads) <= 9
    assert len(finest) > 950
    assert data.has_negatives


@pytest.mark.parametrize("split", ["test", "balanced"])
def test_chains_share_few_captions(split: str) -> None:
    """Pairs of rows that share a caption of any tier leave the evidence of at least 20 chains that share none."""
    rows_of: defaultdict[str, set[int]] = defaultdict(set)
    rows = load("scenes", split, count=1000).rows
    for row in rows:
        for caption in row.positive:
            rows_of[caption].add(row.row_id)
    sharing = {pair for together in rows_of.values() for pair in product(together, repeat=2)}
    assert len(rows) ** 2 / len(sharing) >= 20


def test_a_seed_fixes_captions_and_pixels() -> None:
    """The digests were computed once; every platform must find the same."""
    data = load("scenes", count=40)
    words = [caption for row in data.rows for caption in row.positive + (row.negative or ())]
    assert _digest("\n".join(words).encode()) == "31e8479210a8303c"
    assert _digest(b"".join(image.open().tobytes() for image in data.images)) == "b378ecad01fdfe11"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def test_smaller_counts_are_prefixes_and_seeds_and_splits_differ() -> None:
    data = load("scenes", count=30)
    assert load("scenes", count=12) == data.take(12)
    assert load("scenes", count=30, seed=1).rows != data.rows
    assert load("scenes", "validation", count=30).rows != data.rows
    assert [image.image_id for image in data.images] == [row.image_id for row in data.rows] == list(range(30))


def test_splits_share_no_full_description() -> None:
    descriptions = {
        split: {row.positive[3] for row in load("scenes", split, count=2000, seed=seed).rows}
        for seed, split in enumerate(world.SPLITS)
    }
    assert not descriptions["train"] & descriptions["test"]
    assert not descriptions["train"] & descriptions["validation"]
    assert not descriptions["test"] & descriptions["validation"]


@given(rows_of_splits)
def test_a_pair_told_from_the_other_side_belongs_to_the_same_split(row: tuple[str, int, int]) -> None:
    scene, _, _ = scene_and_chain(*row)
    if len(scene.things) == 2:
        mirrored = Scene(scene.things[::-1], world.OPPOSITE[scene.position], scene.ground)
        assert world.percentile(mirrored) == world.percentile(scene)
        first, second = scene.things
        assert (first.kind, first.colour) != (second.kind, second.colour)
    assert world.percentile(scene) in world.SPLITS[row[0]]


def test_pictures_show_what_the_scene_says() -> None:
    seen = set()
    for row_id in range(150):
        scene, _, _ = scene_and_chain("test", 0, row_id)
        scene = replace(scene, things=tuple(replace(thing, pattern="plain") for thing in scene.things))
        pixels = np.asarray(drawing.picture(scene))
        assert pixels.shape == (drawing.SIDE, drawing.SIDE, 3)
        assert tuple(pixels[0, 0]) == drawing.PAPERS[scene.ground]
        if len({thing.colour for thing in scene.things}) < len(scene.things):
            continue
        spots = [np.argwhere((pixels == drawing.INKS[thing.colour]).all(-1)).mean(0) for thing in scene.things]
        seen.add(scene.position)
        if len(spots) == 1:
            (down, right) = spots[0] / drawing.SIDE
            away = {place: np.hypot(right - x, down - y) for place, (x, y) in world.SPOTS.items()}
            assert min(away, key=away.__getitem__) == scene.position
        else:
            down, right = spots[1] - spots[0]
            shown = {"left of": right, "right of": -right, "above": down, "below": -down}
            assert max(shown, key=shown.__getitem__) == scene.position
    assert seen == {*world.SPOTS, *world.OPPOSITE}


@pytest.mark.parametrize("kind", world.KINDS)
def test_big_shapes_cover_more_and_patterns_show(kind: str) -> None:
    def shape(**changes: Any) -> np.ndarray:
        thing = replace(SQUARE, kind=kind, x=0.5, pattern="plain")
        return np.asarray(drawing.picture(Scene((replace(thing, **changes),), "in the centre", "white")))

    def covered(pixels: np.ndarray) -> int:
        return int((pixels == drawing.INKS["blue"]).all(-1).sum())

    assert covered(shape()) > 2 * covered(shape(radius=0.13)) > 40
    plain, striped, dotted = (shape(pattern=pattern).tobytes() for pattern in world.PATTERNS)
    assert len({plain, striped, dotted}) == 3


def test_bad_requests_get_one_clear_sentence() -> None:
    with pytest.raises(InputError, match="did you mean 'validation'"):
        load("scenes", "validate")
    with pytest.raises(InputError, match="count"):
        load("scenes", count=0)


@given(st.integers(0, 2**30))
def test_balanced_scenes_tell_more_in_no_more_words(row_id):
    scene, positive, negative = scene_and_chain("test", 0, row_id, balanced=True)
    lengths = [len(text.split()) for text in positive]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] - lengths[-1] in (0, 2)
    assert len(set(positive)) == 4
    assert all(a != b for a, b in zip(positive, negative, strict=True))
    assert world.percentile(scene) in world.SPLITS["test"]
    known = world.facts(scene)
    assert positive[-1].count(scene.position) == 1
    assert all(known[f"{i}.kind"] in positive[-1] for i in (0, 1))
