"""Planted worlds: steps are those of the space that a tree is drawn in, and each change leaves what it should."""

from collections import Counter
from functools import cache
from hashlib import sha256
from itertools import combinations, pairwise

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.datasets.wordnet import load_wordnet
from hiergeo.evaluation.auditing.attribution import parent_ranks
from hiergeo.evaluation.auditing.operating import occupancy
from hiergeo.evaluation.auditing.questions import answers_of
from hiergeo.evaluation.auditing.subject import flattened, subject_of
from hiergeo.geometry.charts import geoopt
from hiergeo.testing.planted import DIMENSION, SHAPES, WORLDS, Recipe, Tree, plant, stepped, world

DIGESTS = {
    "hyperbolic tree": "d30ded99",
    "hyperbolic tree, noise": "accf69a7",
    "flat tree, u = 1.5": "416dbd69",
    "flat tree, u = 0.35": "ab2c8ed9",
    "flat tree in flat space": "416dbd69",
    "noise": "0f4e63e1",
    "tiers reversed": "b598589b",
    "directions alone": "ef9f30fd",
    "radii alone": "623db6b1",
    "length alone, tree directions": "693ac2b9",
    "length alone, random directions": "13004695",
    "characters alone": "8f12cb4d",
    "anti-length": "9a5b1e7d",
    "length and tree": "feac79e9",
    "flat tree on a sphere": "416dbd69",
    "spherical tree": "fcf01b06",
    "noise on a sphere": "88241090",
    "cones that hold": "8edd9ee5",
    "empty cones": "f36a8507",
    "half-spaces": "968747ce",
    "half-spaces, all directions": "e29297db",
    "cones that hold others": "640526d9",
}
"""Of the first worlds, which results were counted on."""

SIZES = {
    "two tiers": [10, 40],
    "three tiers": [4, 16, 40],
    "six tiers": [4, 8, 12, 20, 28, 40],
    "star": [1, 40],
    "noise of 0.0": [12, 20, 30, 40],
    "noise of 0.3": [12, 20, 30, 40],
}
"""Captions of each tier by the end of the name of a world, where chains share captions; others have `TREE`."""

TREE = [4, 10, 20, 40]
BAGS = [name for name in WORLDS if "words" in name]

SEEDS = {"noise, 300 dimensions": 2, "noise, mammals": 4, "sums of vectors, 3,000 words": 2}
"""Seeds of worlds where chance makes a test of level 5 % say what is false of the first one."""


@cache
def twenty(name):
    return [world(name, 60, seed, shared=False) for seed in range(20)]


def rows_of(planted):
    """Embeddings (n, T, D) of the chains."""
    return planted.embedded.captions[planted.embedded.chains].numpy()


def radii_of(planted):
    return np.linalg.norm(rows_of(planted), axis=-1)


def correlation_with_tiers(planted):
    """The mean over all pairs of tiers: 1 where radii are in the order of the tiers, -1 where they are reversed."""
    radii = radii_of(planted)
    general, specific = np.triu_indices(radii.shape[1], 1)
    return float(np.sign(radii[:, specific] - radii[:, general]).mean())


def texts_of(planted):
    return [row.positive for row in planted.embedded.hierarchy.rows]


def parent_mrr(subject):
    """Over distinct pairs, as parents stand in it."""
    pairs = torch.stack([subject.parents, subject.children]).reshape(2, -1).numpy()
    _, first = np.unique(pairs, axis=1, return_index=True)
    return float((1 / (1 + parent_ranks(subject).ravel()[first])).mean())


def steps(planted, manifold, origin):
    """Geodesic length of each step from parent to child by geoopt, and its angle from outwards, at the parent."""
    lengths, angles = [], []
    rows = torch.from_numpy(rows_of(planted))
    points = manifold.expmap0(torch.nn.functional.pad(rows, (origin.shape[-1] - DIMENSION, 0)))
    for parent, child in zip(points.unbind(1)[:-1], points.unbind(1)[1:], strict=True):
        step = manifold.logmap(parent, child)
        outwards = -manifold.logmap(parent, origin.expand_as(parent))
        inner = [
            manifold.inner(parent, a, b, keepdim=True)[..., 0]
            for a, b in ((step, outwards), (step, step), (outwards, outwards))
        ]
        lengths.append(manifold.dist(parent, child))
        angles.append(torch.arccos(inner[0] / (inner[1] * inner[2]).sqrt()))
    return torch.cat(lengths), torch.cat(angles)


@pytest.mark.parametrize("shared", [True, False])
def test_steps_of_a_hyperbolic_tree_have_the_lengths_and_angles_of_its_recipe(shared):
    manifold = geoopt().Lorentz(k=torch.tensor(1.0, dtype=torch.float64))
    origin = manifold.origin(DIMENSION + 1, dtype=torch.float64)
    planted = world("hyperbolic tree", 100, 3, shared=shared)
    lengths, angles = steps(planted, manifold, origin)
    assert 1.2 <= lengths.min() < 1.25
    assert 1.75 < lengths.max() <= 1.8
    assert 0.5 <= angles.min() < 0.55
    assert 0.95 < angles.max() <= 1.0
    assert np.allclose(radii_of(planted)[:, 0], 1)


lengths = st.floats(0.01, 3.0)


@settings(deadline=None)
@given(st.sampled_from([-2.0, -1.0, -0.3, 0.2]), lengths, lengths, st.floats(0, np.pi))
def test_steps_obey_the_law_of_cosines_at_both_ends(curvature, radius, length, angle):
    """With s = sqrt(K), imaginary where K < 0, the spherical law holds for every curvature; by mpmath."""
    scale = mpmath.sqrt(curvature)
    end, turn = stepped(curvature, *(np.array([x]) for x in (radius, length, angle)))

    def opposite(left, right, between):
        left, right = scale * left, scale * right
        return mpmath.cos(left) * mpmath.cos(right) + mpmath.sin(left) * mpmath.sin(right) * mpmath.cos(between)

    with mpmath.workdps(50):
        assert float(
            mpmath.re(mpmath.cos(scale * end[0]) - opposite(radius, length, mpmath.pi - angle))
        ) == pytest.approx(0, abs=1e-9)
        assert float(mpmath.re(mpmath.cos(scale * length) - opposite(radius, end[0], turn[0]))) == pytest.approx(
            0, abs=1e-9
        )


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("shared", [True, False])
def test_chains_share_captions_as_a_tree_or_not_at_all(name, shared):
    planted = world(name, 40, 5, shared=shared)
    texts = texts_of(planted)
    sizes = [len(set(tier)) for tier in zip(*texts, strict=True)]
    if "mammals" not in name or not shared:
        expected = SIZES.get(name.split(", ")[-1], TREE)
        expected = expected if shared else [40] * len(expected)
        assert sizes == (expected[::-1] if name == "tiers reversed" else expected)
    assert len(planted.embedded.texts) == sum(sizes) == len(planted.embedded.captions)
    parents = [{chain[tier : tier + 2] for chain in texts} for tier in range(len(sizes) - 1)]
    assert [len(pairs) for pairs in parents] == [max(pair) for pair in pairwise(sizes)]


def test_a_seed_decides_a_world():
    first, same, other = (world("noise", 30, seed) for seed in (1, 1, 2))
    assert torch.equal(first.embedded.captions, same.embedded.captions)
    assert first.embedded.texts == same.embedded.texts
    assert not torch.equal(first.embedded.captions, other.embedded.captions)
    assert set(first.embedded.texts) != set(other.embedded.texts)


@pytest.mark.parametrize("name", DIGESTS)
def test_the_first_worlds_stay_as_they_were(name):
    """Texts, chains and rows to a millionth, which no processor rounds otherwise."""
    digest = sha256()
    for shared in (True, False):
        embedded = world(name, 30, 3, shared=shared).embedded
        digest.update("\n".join(embedded.texts).encode())
        digest.update((embedded.captions.numpy().round(6) + 0.0).tobytes())
        digest.update(embedded.chains.numpy().tobytes())
    assert digest.hexdigest()[:8] == DIGESTS[name]


@pytest.mark.parametrize("name", [name for name in WORLDS if name not in DIGESTS])
def test_equal_seeds_give_equal_bytes(name):
    first, same, other = (world(name, 30, seed).embedded for seed in (1, 1, 2))
    assert first.captions.numpy().tobytes() == same.captions.numpy().tobytes()
    assert (first.texts, first.chains.tolist()) == (same.texts, same.chains.tolist())
    assert not torch.equal(first.captions, other.captions[: len(first.captions)])


@pytest.mark.parametrize("name", [name for name, recipe in WORLDS.items() if "order" in recipe.truth])
def test_radii_follow_tiers_as_the_truth_says(name):
    """`none` is a statement about the mean over worlds."""
    worlds = twenty(name)
    each = [correlation_with_tiers(planted) for planted in worlds]
    mean, error = np.mean(each), np.std(each) / np.sqrt(len(each))
    (word,) = worlds[0].truth["order"]
    assert {"forward": mean > 0.1, "reversed": mean == -1, "none": abs(mean) < 4 * error}[word], mean


@pytest.mark.parametrize("name", [name for name in WORLDS if "asymmetric" not in name])
def test_pairs_of_equal_length_are_ordered_beyond_length_as_the_truth_says(name):
    """Of pairs of as many words, and of as many characters, more than half are right only where the truth is yes."""
    worlds = twenty(name)
    radii = np.concatenate([radii_of(planted) for planted in worlds])
    texts = [chain for planted in worlds for chain in texts_of(planted)]
    general, specific = np.triu_indices(radii.shape[1], 1)
    right = (np.sign(radii[:, specific] - radii[:, general]) + 1) / 2
    shares, lowest = [], []
    for measure in (lambda text: len(text.split()), len):
        lengths = np.array([[measure(text) for text in chain] for chain in texts])
        equal = lengths[:, specific] == lengths[:, general]
        shares.append(right[equal].mean())
        lowest.append(shares[-1] - 4 * np.sqrt(0.25 / equal.sum()))
    least = 0.6 if name in ("half of the families", *BAGS) else 0.9
    assert min(shares) > least if worlds[0].truth["beyond_length"] == {"yes"} else min(lowest) < 0.5, shares


def counts_of(planted):
    """How often each word stands in each caption, (U, W), and in the last column 1."""
    texts = [text.split() for text in planted.embedded.texts]
    words = {word: column for column, word in enumerate(dict.fromkeys(word for text in texts for word in text))}
    counts = np.zeros((len(texts), len(words) + 1))
    for row, text in zip(counts, texts, strict=True):
        np.add.at(row, [words[word] for word in text], 1)
    counts[:, -1] = 1
    return counts


@pytest.mark.parametrize("name", ["sums of weights", "means of weights", "sums of vectors"])
def test_words_alone_make_the_radii_of_bags_of_words(name):
    """A linear model of counts of 50 words, whose weights nobody knows, leaves nothing of 600 captions."""
    planted = world(f"{name}, 50 words", 300, 2)
    counts, rows = counts_of(planted), planted.embedded.captions.numpy()
    counts[:, :-1] /= counts[:, :-1].sum(axis=1, keepdims=True) if name.startswith("means") else 1
    made = rows if name.endswith("vectors") else np.linalg.norm(rows, axis=1)
    left = made - counts @ np.linalg.lstsq(counts, made)[0]
    assert np.abs(left).max() < 1e-9
    radii = np.linalg.norm(world("words and tiers, 50 words", 300, 2).embedded.captions.numpy(), axis=1)
    assert np.std(radii - counts @ np.linalg.lstsq(counts, radii)[0]) > 0.15


@pytest.mark.parametrize(("size", "used"), [(50, (50, 50)), (3000, (1200, 2900))])
def test_captions_repeat_words_of_a_vocabulary(size, used):
    """Each word once in a caption, most of them again in its child, one in nine of ten, two more in the last tier."""
    planted = world(f"sums of weights, {size:,} words", 1000, 3)
    chains = [[text.split() for text in chain] for chain in texts_of(planted)]
    captions = [text.split() for text in planted.embedded.texts]
    assert used[0] <= len({word for text in captions for word in text}) <= used[1]
    assert all(len(set(text)) == len(text) for text in captions)
    assert len({frozenset(text) for text in captions}) == len(captions)
    kept = [len({*child} & {*parent}) / len(parent) for chain in chains for parent, child in pairwise(chain)]
    assert 0.65 < np.mean(kept) < 0.85
    frequent = Counter(word for text in captions for word in text).most_common(1)[0]
    assert frequent[1] / len(captions) == pytest.approx(0.9, abs=0.03)
    last, before = (Counter(word for chain in chains for word in chain[tier]) for tier in (-1, -2))
    assert [last[word] / 1000 for word, _ in last.most_common(3)] == pytest.approx([0.9] * 3, abs=0.04)
    assert sum(word in before for word, _ in last.most_common(3)) == 1
    equal = [any(len(a) == len(b) for a, b in combinations(chain, 2)) for chain in chains]
    assert 0.4 < np.mean(equal) < 0.8


def test_random_words_move_many_pairs_only_where_the_vocabulary_is_closed():
    """The share right at equally many words, over 400 draws of weights; its mean is a half in both."""
    spreads = []
    for size in ("50", "3,000"):
        planted = world(f"sums of weights, {size} words", 300, 1, shared=False)
        counts, chains = counts_of(planted)[:, :-1], planted.embedded.chains.numpy()
        general, specific = chains[:, np.triu_indices(4, 1)].transpose(1, 0, 2).reshape(2, -1)
        equal = counts.sum(axis=1)[general] == counts.sum(axis=1)[specific]
        radii = counts @ np.random.default_rng(0).standard_normal((counts.shape[1], 400))
        shares = (radii[specific[equal]] > radii[general[equal]]).mean(axis=0)
        assert shares.mean() == pytest.approx(0.5, abs=4 * shares.std() / 20)
        spreads.append(shares.std())
    assert spreads[0] > 3 * spreads[1]


def test_radii_of_tiers_have_a_noise_of_one_step():
    planted = world("words and tiers, 50 words", 1000, 1, shared=False)
    radii = radii_of(planted)
    steps = np.diff(radii.mean(axis=0))
    assert steps == pytest.approx(0.3, abs=0.05)
    assert radii.std(axis=0) == pytest.approx(0.3, abs=0.03)


def test_asymmetric_characters_are_radii_and_grow_by_ten_or_shrink_by_one():
    for noise in (0.0, 0.3):
        planted = world(f"characters alone, asymmetric, noise of {noise}", 1000, 1, shared=False)
        texts = texts_of(planted)
        characters = np.array([[len(text) for text in chain] for chain in texts])
        assert all(len({len(text.split()) for text in chain}) == 1 for chain in texts)
        assert {len(chain[0].split()) for chain in texts} == set(range(6, 11))
        more = np.diff(characters)
        assert set(more.flat) == {9, 10, 11, -1}
        assert (more > 0).mean() == pytest.approx(0.6, abs=0.04)
        error = radii_of(planted) - 0.02 * characters
        assert error.std(axis=0) == pytest.approx(noise, abs=0.03)
        assert error.mean(axis=0) == pytest.approx(0, abs=0.05)


def test_trees_have_the_tiers_and_dimensions_of_their_names():
    sizes = {name: np.array(rows_of(world(f"noise, {name}", 30)).shape[1:]).tolist() for name in SHAPES}
    tiers = {"two tiers": [2, 16], "three tiers": [3, 16], "six tiers": [6, 16]}
    four = {"two dimensions": [4, 2], "300 dimensions": [4, 300], "uneven families": [4, 16], "mammals": [4, 16]}
    assert sizes == tiers | four


def test_families_are_uneven_where_they_are_to_be():
    largest = {}
    for name in ("noise", "noise, uneven families"):
        worlds = [world(name, 300, seed) for seed in range(10)]
        families = [np.sort(list(Counter(chain[0] for chain in texts_of(each)).values()))[::-1] for each in worlds]
        assert all(len(sizes) == 30 and sizes.sum() == 300 for sizes in families)
        largest[name] = np.mean([sizes[0] for sizes in families])
    assert largest["noise"] < 15
    assert largest["noise, uneven families"] > 45


def test_mammals_stand_below_each_other_in_the_lexicon():
    planted = world("hyperbolic tree, mammals", 300, 1)
    nouns, chains = load_wordnet(), texts_of(planted)
    assert len(chains) == 300
    assert {chain[1] for chain in chains} > {"feline", "monkey", "squirrel"}

    def synset(text):
        word, _, sense = text.replace(" ", "_").partition("-0")
        return f"{word}.n.0{sense or 1}"

    for *above, noun in (map(synset, chain) for chain in chains):
        assert {*above, "mammal.n.01"} < nouns.ancestors(noun)
        assert above[0] in nouns.ancestors(above[1])
    assert len(texts_of(world("noise, mammals", 1000, shared=False))) == 691


def test_half_of_the_families_follow_the_tiers():
    planted = world("half of the families", 300, 1)
    texts, radii = texts_of(planted), radii_of(planted)
    grows = (np.diff(radii) > 0).all(axis=1)
    families = sorted({chain[0] for chain in texts})
    whole = [all(grows[at] for at, chain in enumerate(texts) if chain[0] == family) for family in families]
    assert sum(whole) == 15
    assert correlation_with_tiers(planted) == pytest.approx(0.5, abs=0.2)


def test_a_common_direction_is_a_mean_of_norm_two():
    rows, plain = (world(name, 1000, 1).embedded.captions for name in ("common direction", "hyperbolic tree"))
    assert torch.allclose(rows - plain, 2 * torch.eye(DIMENSION, dtype=rows.dtype)[0])


def test_one_parent_tells_nothing_of_parents():
    star, pairs = (world("star", 60, 1, shared=shared) for shared in (True, False))
    assert len({chain[0] for chain in texts_of(star)}) == 1
    assert star.truth["radii"] == star.truth["curvature"] == {"inapplicable"}
    assert pairs.truth["radii"] == pairs.truth["curvature"] == {"none"}


def test_lengths_are_as_planted():
    rising, falling, free = (
        np.array([[len(text.split()) for text in chain] for chain in texts_of(world(name, 500, 1, shared=False))])
        for name in ("length and tree", "anti-length", "noise")
    )
    assert [set(tier) for tier in rising.T] == [set(range(least, least + 5)) for least in (2, 3, 5, 6)]
    assert [set(tier) for tier in falling.T] == [set(range(least, least + 5)) for least in (6, 5, 3, 2)]
    assert [set(tier) for tier in free.T] == [set(range(1, 13))] * 4
    free_words = {len(word) for text in world("noise", 500, 1).embedded.texts for word in text.split()}
    assert free_words == set(range(4, 11))
    longer = texts_of(world("characters alone", 500, 1, shared=False))
    letters = [np.mean([len(word) for text in tier for word in text.split()]) for tier in zip(*longer, strict=True)]
    assert np.diff(letters).min() > 0.6


@pytest.mark.parametrize(
    ("name", "curved", "flat"),
    [
        ("hyperbolic tree", 0.77, 0.24),
        ("hyperbolic tree, noise", 0.45, 0.25),
        ("flat tree, u = 1.5", 0.80, 0.57),
        ("flat tree, u = 0.35", 0.57, 0.56),
        ("radii alone", 0.03, 0.03),
    ],
)
def test_parents_are_as_near_as_in_the_trees_that_the_rule_of_curvature_was_tried_on(name, curved, flat):
    planted = world(name, 300, 1)
    subject = subject_of(planted.embedded, planted.space)
    assert parent_mrr(subject) == pytest.approx(curved, abs=0.06)
    assert parent_mrr(flattened(subject)) == pytest.approx(flat, abs=0.06)


@pytest.mark.parametrize("name", [name for name in WORLDS if "cones" in world(name, 30).truth])
@pytest.mark.parametrize("shared", [True, False])
def test_cones_hold_what_the_truth_says(name, shared):
    planted = world(name, 100, 4, shared=shared)
    cones = occupancy(subject_of(planted.embedded, planted.space))
    true, matched = np.nanmean(cones.true), np.nanmean(cones.matched)
    (word,) = planted.truth["cones"]
    expected = {
        "narrow": true < 0.4 and matched < 0.05,
        "decide": true > 0.95 and matched < 0.1,
        "wide": true > 0.95 and matched > 0.95,
        "misplaced": true < 0.05 and matched > 0.4,
    }
    assert expected[word], (true, matched)


@pytest.mark.parametrize(("leaves", "word"), [(4, "unclear"), (30, "unclear"), (100, "narrow")])
def test_few_pairs_outside_all_cones_tell_nothing(leaves, word):
    planted = world("empty cones", leaves, 4)
    answer = answers_of(planted.embedded, planted.space, ("cones",))["cones"]
    assert (answer.word, answer.value) == (word, 0)


def test_a_recipe_of_ones_own_is_planted():
    recipe = Recipe({"order": frozenset({"forward"})}, tree=Tree(curvature=1.0, top=0.2, step=0.3), space="sphere:1")
    planted = plant(recipe, 20)
    assert planted.truth == {"order": {"forward"}}
    assert planted.space.geometry.spec == "sphere:1"
    assert correlation_with_tiers(planted) == 1


@pytest.mark.parametrize(("name", "leaves", "named"), [("tree of life", 30, "noise"), ("noise", 3, "leaves")])
def test_unknown_worlds_and_too_few_leaves_are_refused(name, leaves, named):
    with pytest.raises(InputError, match=named):
        world(name, leaves)


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("shared", [True, False])
def test_answers_are_true_and_the_plain_ones_are_said(name, shared):
    """One world each of what ``python -m benchmarks.planted`` does with hundreds, the later ones small."""
    planted = world(name, 300 if name in DIGESTS else 100, SEEDS.get(name, 1), shared=shared)
    words = {question: answer.word for question, answer in answers_of(planted.embedded, planted.space).items()}
    assert all(words[question] in truth | {"unclear"} for question, truth in planted.truth.items()), words
    certain = {"forward", "reversed", "decide", "narrow", "wide", "misplaced"}
    if name in DIGESTS:
        assert all(words[question] in truth for question, truth in planted.truth.items() if truth <= certain), words
