"""Random word weights: which words captions have, what sums of weights make of pairs, and tests against them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo.evaluation.metrics import Ranking
from hiergeo.evaluation.metrics.order import order_at_equal_length, order_of_tiers, tier_pairs
from hiergeo.evaluation.metrics.sharing import Sharing, mean_test
from hiergeo.evaluation.metrics.words import WEIGHTS, WordWeights, words_of


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A dog's T-shirt, (red).", ["a", "dog's", "t-shirt", "red"]),
        ("小さな犬 runs", ["小", "さ", "な", "犬", "runs"]),
        ("หมา", ["ห", "ม", "า"]),
        ("ein großer  Hund", ["ein", "großer", "hund"]),
        ("", []),
    ],
)
def test_words_of_a_caption(caption, words):
    assert words_of(caption) == words


def test_what_a_weight_moves_by_hand():
    things = ["dog", "cat", "owl"]
    captions = [f"{size} {thing}" for size, thing in product(("small", "big"), things)] + ["dog small"]
    weights = WordWeights(captions)
    assert len(weights) == 5
    of_size = weights.surplus(np.array([[0, 3], [1, 4], [2, 5]]))
    assert set(of_size) == {-1.0, 1.0}  # one difference, big less small, decides all three pairs
    assert abs(of_size.mean()) < 0.1
    assert not weights.surplus(np.array([[0, 6]])).any()  # the same words
    both = weights.surplus(np.array([[0, 3], [4, 1]]))
    assert not both.any()  # one right and one wrong, always
    scaled = weights.surplus(np.array([[0, 3], [4, 1]]), np.array([1.5, 0.5]))
    assert set(np.round(scaled, 12)) == {-0.5, 0.5}
    assert len(of_size) == WEIGHTS


def test_draws_have_the_distribution_of_weights_drawn_word_by_word():
    random = np.random.default_rng(5)
    vocabulary = [f"w{number}" for number in range(12)]
    captions = sorted({" ".join(random.choice(vocabulary, 4)) for _ in range(60)})
    pairs = np.array([[i, i + 1] for i in range(len(captions) - 1)])
    drawn = []
    for _ in range(2000):
        weight = dict(zip(vocabulary, random.standard_normal(12), strict=True))
        sums = [sum(weight[word] for word in caption.split()) for caption in captions]
        drawn.append(np.mean([np.sign(round(sums[b] - sums[a], 9)) for a, b in pairs]))
    own = WordWeights(captions).surplus(pairs)
    assert own.std() == pytest.approx(np.std(drawn), rel=0.1)
    assert np.quantile(np.abs(own), 0.95) == pytest.approx(np.quantile(np.abs(drawn), 0.95), rel=0.1)
    assert np.array_equal(own, WordWeights(captions).surplus(pairs))
    assert not np.array_equal(own, WordWeights(captions, seed=1).surplus(pairs))


def test_matched_draws_spread_as_the_auroc_of_sums():
    random = np.random.default_rng(2)
    vocabulary = [f"w{number}" for number in range(30)]
    captions = [" ".join(random.choice(vocabulary, random.integers(1, 4))) for _ in range(200)]
    true, false = random.integers(200, size=(2, 300, 2))
    count = np.array([len(caption.split()) for caption in captions])
    strata = [count[side[:, 0]] * 10 + count[side[:, 1]] for side in (true, false)]
    drawn = []
    for _ in range(300):
        weight = dict(zip(vocabulary, random.standard_normal(30), strict=True))
        sums = np.array([sum(weight[word] for word in caption.split()) for caption in captions])
        scores = (sums[side[:, 1]] - sums[side[:, 0]] for side in (true, false))
        drawn.append(2 * Ranking(*scores, tuple(side[:, None] for side in strata)).auroc() - 1)
    own = WordWeights(captions).matched_surplus(true, false, tuple(strata))
    assert own.std() == pytest.approx(np.std(drawn), rel=0.2)
    assert abs(own.mean()) < 0.1


@given(st.integers(5, 60), st.integers(0, 2**20), st.floats(0.01, 1.0))
def test_intervals_exclude_zero_exactly_where_words_and_items_reject(count, seed, spread):
    random = np.random.default_rng(seed)
    values = random.choice([-1.0, 1.0], count, p=[0.2, 0.8])
    tested = mean_test(Sharing(np.arange(count)[:, None]), values)
    judged = tested.against(np.clip(spread * random.standard_normal(999), -1, 1))
    assert judged.p_value >= tested.p_value
    assert judged.interval.low <= tested.interval.low <= tested.interval.high <= judged.interval.high
    assert judged.narrow.low <= tested.narrow.low
    assert judged.effective <= tested.effective
    if tested.p_value < 0.05:
        assert (judged.interval.low > 0) == (judged.p_value <= 0.05)
    assert judged.by_words == (judged.effective < tested.effective)


def test_effective_words_are_those_of_a_mean_as_wide():
    """A mean of n independent signs has a variance of 1 / n."""
    tested = mean_test(Sharing(np.arange(400)[:, None]), np.random.default_rng(0).choice([-1.0, 1.0], 400))
    judged = tested.against(np.array([0.5, -0.5] * 500))
    assert judged.effective == pytest.approx(4)
    assert judged.by_words
    assert judged.random_words == 0.5
    assert judged.as_share.random_words == 0.75


COLOURS, SIZES, THINGS = 6, 3, 12


def catalogue(random):
    """Chains "a small thing" < "a red dog": tiers of equally many words from a closed vocabulary."""
    kinds = [f"kind{number % 3}" for number in range(THINGS)]
    rows = []
    for _ in range(150):
        thing, colour, size = (random.integers(n) for n in (THINGS, COLOURS, SIZES))
        rows.append((f"a {kinds[thing]} piece", f"a size{size} thing{thing}", f"a colour{colour} thing{thing}x"))
    captions = sorted({caption for row in rows for caption in row})
    index = {caption: at for at, caption in enumerate(captions)}
    return captions, np.array([[index[caption] for caption in row] for row in rows])


def test_random_weights_are_no_order_beyond_length():
    """Seen red without the weights: permuted captions alone reject in a quarter of the collections."""
    random = np.random.default_rng(11)
    rejected = {False: 0, True: 0}
    for _ in range(40):
        captions, chains = catalogue(random)
        known = WordWeights(captions)
        weight = dict(zip(sorted({w for c in captions for w in c.split()}), random.standard_normal(100), strict=False))
        radii = np.array([sum(weight[word] for word in caption.split()) for caption in captions])
        lengths = np.full(len(captions), 3)
        for against in (False, True):
            tested = order_at_equal_length(radii, chains, lengths, lengths, known if against else None)
            rejected[against] += tested.words.p_value <= 0.05
    assert rejected[True] <= 5
    assert rejected[False] >= 8


def test_an_order_says_what_random_words_reach():
    captions, chains = catalogue(np.random.default_rng(3))
    radii = np.random.default_rng(4).random(len(captions))
    known = WordWeights(captions)
    plain, beside = order_of_tiers(radii, chains), order_of_tiers(radii, chains, known)
    assert beside[:6] == plain[:6]
    assert beside.random_words == np.quantile(np.abs(known.surplus(tier_pairs(chains))), 0.95, method="higher")
