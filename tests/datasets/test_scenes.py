"""The scenes dataset: what captions tell is true, what negatives tell is false, and seeds fix everything."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations, islice
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.datasets import lexicon, load, scenes
from hiergeo.datasets.scenes import drawing, scene_and_chain, scene_and_claims, world
from hiergeo.datasets.scenes.things import ATLAS, NOTHING, ROOT, edges, of_noun, picture_of, things, word_pairs
from hiergeo.datasets.scenes.world import GROUNDS, OPPOSITE, SIZES, Claim, Placed, Scene, Told, holds, implies, parse

KINDS = {noun for thing in things() for noun in thing.line[1:3]}
UNSEEN = {thing.word for thing in things() if thing.unseen}
COLOURS = ("black", "white", "grey", "brown", "red", "orange", "yellow", "green", "blue", "purple", "pink")
SPLITS = [(split, False) for split in world.SPLITS] + [(split, True) for split in world.SPLITS if split != "unseen"]

rows = st.builds(lambda split, row_id: (split[0], 1, row_id, split[1]), st.sampled_from(SPLITS), st.integers(0, 2**40))
told = st.sampled_from(things()).flatmap(
    lambda of: st.builds(Told, *map(st.sampled_from, (of.line, ("", *SIZES), ("", of.colour))))
)


@st.composite
def claims(draw: st.DrawFn, of: st.SearchStrategy[Told] = told, grounds: tuple[str, ...] = ("", *GROUNDS)) -> Claim:
    """Of one thing or two; two that are alike and of which no more is said must be of a kind."""
    shown = tuple(draw(st.lists(of, min_size=1, max_size=2)))
    shown = draw(st.sampled_from([shown, shown[:1] * len(shown)]))
    relation = draw(st.sampled_from(["", *OPPOSITE])) if len(shown) == 2 else ""
    assume(relation or shown != (Told(shown[0].noun),) * 2 or shown[0].noun in KINDS)
    return Claim(shown, relation, draw(st.sampled_from(grounds)))


@st.composite
def claims_of_two(draw: st.DrawFn) -> tuple[Claim, Claim]:
    """A claim and another of the same words, or of those above or below them."""
    specific = draw(claims())
    options = [
        st.builds(Told, *map(st.sampled_from, ((one.noun, *of.line), ("", one.size), ("", of.colour))))
        for one in specific.things
        for of in _meant(one)
    ]
    return specific, draw(claims(st.one_of(options), ("", specific.ground)))


def _meant(told: Told) -> list[scenes.things.Thing]:
    return [thing for thing in of_noun()[told.noun] if told.colour in ("", thing.colour)]


def scenes_with(claim: Claim, random: Random) -> Iterator[Scene]:
    """Endless scenes that a claim is true of, also with two things alike, in either order."""
    while True:
        beside = [Told(random.choice(things()).word)][: 2 - len(claim.things)]
        named = random.choice([claim.things, (*claim.things, *beside)])
        meant = [(random.choice(_meant(one)), one.size or random.choice(SIZES)) for one in named]
        shown = tuple(Placed(thing, size, 0.5, 0.5, 0.4, 0.0) for thing, size in meant)
        relation = (claim.relation or random.choice(list(OPPOSITE))) if len(shown) == 2 else ""
        scene = Scene(shown, relation, claim.ground or random.choice(GROUNDS))
        yield random.choice([scene, Scene(shown[::-1], OPPOSITE.get(relation, ""), scene.ground)])


@given(claims_of_two(), st.integers(0, 2**30))
def test_a_claim_implies_what_holds_wherever_it_does(pair: tuple[Claim, Claim], seed: int) -> None:
    specific, general = pair
    found = list(islice(scenes_with(specific, Random(seed)), 300))
    assert all(holds(specific, scene) for scene in found)
    assert implies(specific, general) == all(holds(general, scene) for scene in found)


@given(claims())
@example(parse("two pieces of clothing on a grey background"))
@example(parse("two aircraft"))
@example(parse("food and an hourglass"))
@example(parse("a big red apple left of small grapes"))
def test_captions_are_read_as_they_are_phrased(claim: Claim) -> None:
    caption = world.phrase(claim)
    assert parse(caption) == parse(f" {caption}\n") == claim


@pytest.mark.parametrize(
    ("specific", "general", "follows"),
    [
        ("a small brown owl on a pink background", "a bird", True),
        ("an owl", "a brown bird", True),
        ("a bird", "a brown owl", False),
        ("an owl above a taxi", "a vehicle below a bird", True),
        ("an owl and an eagle", "two birds", True),
        ("two birds", "an owl and a bird", False),
        ("a red owl", "a red animal", True),
        ("a red owl", "a brown owl", False),
        ("a red owl", "a taxi", False),
    ],
)
def test_what_follows_by_hand(specific: str, general: str, follows: bool) -> None:
    assert scenes.entails(specific, general) == follows


NOUNS = ("", "owl", "a owl", "a wet owl", "a brown small owl", "a grapes", "two", "two owls", "an owl and an owl")
SCENES = ("an owl near a taxi", "a dog and a cat and a cow", "an owl on a mint background", "an owl on a pink")


@pytest.mark.parametrize("caption", [*NOUNS, *SCENES])
def test_captions_of_other_worlds_are_refused(caption: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"'{caption}'")):
        scenes.entails(caption, "an owl")


@given(rows)
def test_chains_tell_ever_more_of_the_scene_and_negatives_get_their_tier_wrong(row: tuple[str, int, int, bool]) -> None:
    scene, positive, negative = scene_and_claims(*row)
    assert all(holds(claim, scene) for claim in positive)
    assert not any(holds(claim, scene) for claim in negative)
    assert not any(map(implies, negative, positive))
    for general, specific, wrong in zip(positive, positive[1:], negative[1:], strict=False):
        assert implies(specific, general)
        assert implies(wrong, general)
        assert not implies(general, specific)
    _, *captions = scene_and_chain(*row)
    assert [tuple(map(parse, chain)) for chain in captions] == [positive, negative]
    if row[3]:
        lengths = [len(caption.split()) for caption in captions[0]]
        assert lengths == sorted(lengths, reverse=True)
    for tier, level in () if row[3] else enumerate((0, 1, 3) if positive[0].things[0].noun == ROOT else (1, 2, 3)):
        assert [one.noun for one in positive[tier].things] == [placed.thing.line[level] for placed in scene.things]


def test_the_truth_of_a_hierarchy_is_that_of_its_pictures() -> None:
    data = load("scenes", count=30)
    assert data.truth == scenes.Truth()
    for row, image in zip(data.rows, data.images, strict=True):
        assert all(scenes.is_true(caption, image) for caption in row.positive)
        assert not any(scenes.is_true(caption, image) for caption in row.negative or ())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("split", ["test", "balanced", pytest.param("train", marks=pytest.mark.slow)])
def test_no_caption_heads_many_chains_and_few_are_shared(split: str, seed: int) -> None:
    """Pairs of rows that share a caption of any tier leave the evidence of at least 20 chains that share none."""
    chains = [row.positive for row in load("scenes", split, seed=seed).rows]
    heads, rows_of = Counter(chain[0] for chain in chains), defaultdict(list)
    assert max(heads.values()) <= 0.05 * len(chains)
    for row_id, chain in enumerate(chains[:1000]):
        for caption in chain:
            rows_of[caption].append(row_id)
    sharing = {(x, y) for together in rows_of.values() for x in together for y in together}
    assert 1000**2 / len(sharing) >= 20


def test_random_weights_of_words_tell_little_of_captions_of_equal_length() -> None:
    """The share of pairs whose specific caption has the greater sum of weights, over draws of the weights."""
    pairs = [pair for row in load("scenes").rows for pair in combinations(map(str.split, row.positive), 2)]
    equal = [(high, low) for high, low in pairs if len(low) == len(high)]
    words = sorted({word for high, low in equal for word in high + low})
    gained = np.array([[low.count(word) - high.count(word) for word in words] for high, low in equal])
    right = (gained @ np.random.default_rng(0).standard_normal((len(words), 400)) > 0).mean(0)
    assert right.std() <= 0.10


def test_splits_share_no_full_description_and_no_unseen_word() -> None:
    rows_of = {split: [scene_and_claims(split, seed, at) for seed, at in np.ndindex(3, 300)] for split in world.SPLITS}
    finest = [{positive[3] for _, positive, _ in found} for found in rows_of.values()]
    assert len(set().union(*finest)) == sum(map(len, finest))
    for split, found in rows_of.items():
        told = [claim for _, *both in found for chain in both[: 1 + (split != "unseen")] for claim in chain]
        words = {one.noun for claim in told for one in claim.things} - {*KINDS, ROOT, NOTHING}
        assert words == UNSEEN if split == "unseen" else not words & UNSEEN


def test_smaller_counts_are_prefixes_and_seeds_and_splits_differ() -> None:
    data = load("scenes", count=30)
    assert load("scenes", count=12) == load("scenes", first=12) == data.take(12)
    assert load("scenes", "balanced", count=9).rows == load("scenes", count=9, balanced=True).rows
    assert load("scenes", count=30, seed=1).rows != data.rows != load("scenes", "validation", count=30).rows
    assert [image.image_id for image in data.images] == [row.image_id for row in data.rows] == list(range(30))


def test_a_seed_fixes_captions_and_pixels() -> None:
    """The digests were computed once; every platform must find the same."""
    data = load("scenes", count=40)
    words = "\n".join(caption for row in data.rows for caption in (*row.positive, *(row.negative or ())))
    content = words.encode(), data.images[0].open().tobytes()
    assert [hashlib.sha256(each).hexdigest()[:16] for each in content] == ["e3487206f04ea0d0", "7b14d88119465476"]


@given(rows)
def test_pictures_show_what_the_scene_says(row: tuple[str, int, int, bool]) -> None:
    scene, *_ = scene_and_claims(*row)
    assert drawing.picture(scene) == drawing.picture(scene)
    places = []
    for placed in scene.things:
        pixels = np.asarray(drawing.picture(Scene((placed,), "", scene.ground)))
        shown = np.argwhere((pixels != drawing.GROUNDS[scene.ground]).any(-1))
        places.append(shown.mean(0) / len(pixels))
        assert np.ptp(shown, axis=0).max() / len(pixels) == pytest.approx(placed.extent, rel=0.17)
        assert (placed.size == "big") == (placed.extent > sum(world.EXTENT[len(scene.things)].values()) / 2)
    down, right = places[-1] - (places[0] if scene.relation else 0.5)
    towards = {"left of": right, "right of": -right, "above": down, "below": -down}
    assert max(towards.values()) == towards[scene.relation] if scene.relation else max(towards.values()) < 0.2


def test_things_have_pictures_of_their_own() -> None:
    assert ATLAS.stat().st_size <= 700_000
    pictures = [picture_of(thing.index) for thing in things()]
    assert min((np.asarray(picture)[..., 3] > 200).mean() for picture in pictures) > 0.05
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_the_table_has_nouns_of_wordnet_and_enough_things_of_every_kind() -> None:
    assert {thing.synset for thing in things()} <= lexicon.nouns().words.keys()
    assert {*world.colours(), *COLOURS} == {*COLOURS}
    assert drawing.GROUNDS.keys() == set(GROUNDS)
    assert len(edges()) == len(dict(edges())) == len({*of_noun()} - {ROOT, NOTHING}) == len(things()) + len(KINDS)
    for _, top, middle, _ in (thing.line for thing in things()):
        assert sum(not thing.unseen for thing in of_noun()[middle]) >= 2
        assert any(thing.unseen for thing in of_noun()[top])
    for pair in word_pairs():
        assert (pair.score >= 9) == pair.relation.startswith("hyp") == scenes.entails(pair.word, pair.kind)
        assert (pair.score == 3) == scenes.entails(pair.kind, pair.word)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"split": "validate"}, "did you mean 'validation'"), ({"split": "unseen", "balanced": True}, "unseen")]
    + [({name: 0}, name) for name in ("count", "first")],
)
def test_bad_requests_get_one_clear_sentence(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        scenes.load(**options)
