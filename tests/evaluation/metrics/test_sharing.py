"""Inference for items that share captions against the explicit matrix of joined pairs, enumeration and SciPy."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hiergeo.evaluation.metrics import sharing as module
from hiergeo.evaluation.metrics.sharing import (
    JOINING,
    Sharing,
    deviating_test,
    mean_test,
    p_value_of_draws,
    pairs_in_families,
    permutation_test,
)
from tests.evaluation.auditing.audit_common import skewed


def joined(captions):
    """(n, n): 1 where two items hold one caption, of the `JOINING` most widely shared ones of each, or are the same."""
    items = [{name for name in row if name >= 0} for row in np.asarray(captions).tolist()]
    holders = Counter(name for item in items for name in item)
    joining = {name for name, count in holders.items() if 1 < count < len(items)}
    widest = [sorted(item & joining, key=lambda name: (-holders[name], name))[:JOINING] for item in items]
    names = sorted(joining)
    holds = np.array([[name in item for name in names] for item in widest], float).reshape(len(items), len(names))
    return np.maximum(holds @ holds.T > 0, np.eye(len(items)))


def variance(matrix, deviations):
    """Of a mean over items, by its definition."""
    count = len(matrix)
    g = count**2 / matrix.sum()
    total = max(deviations @ matrix @ deviations, deviations @ deviations)
    return total / count**2 * g / max(g - 1, 0.1)


def normal_half_width(matrix, deviations):
    """Of a mean whose items are all as correlated with those they are joined with, on average, as any other item."""
    count, off = len(matrix), matrix - np.eye(len(matrix))
    partners = [np.flatnonzero(row) for row in off]
    covariances = [deviations[i] * deviations[each].mean() for i, each in enumerate(partners) if len(each)]
    total = deviations @ deviations + off.sum() * np.mean(covariances) if covariances else 0
    g = count**2 / matrix.sum()
    return stats.norm.ppf(0.975) * np.sqrt(max(0, total) / count**2 * g / max(g - 1, 0.1))


@st.composite
def collections(draw):
    """Captions (n, T) of items; ragged ones are filled up with -1, and a caption may repeat within an item."""
    count, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    names = st.integers(-1, draw(st.sampled_from([1, 4, 30])))
    rows = draw(st.lists(st.lists(names, min_size=width, max_size=width), min_size=count, max_size=count))
    if draw(st.booleans()):
        rows = [[99, *row] for row in rows]
    return np.array(rows), np.random.default_rng(draw(st.integers(0, 99))).normal(size=count)


@given(collections())
def test_variance_and_effective_number_are_those_of_the_matrix_of_joined_pairs(drawn):
    captions, values = drawn
    sharing, matrix = Sharing(captions), joined(captions)
    deviations = values - values.mean()
    assert len(sharing) == len(captions)
    assert sharing.effective == pytest.approx(len(captions) ** 2 / matrix.sum())
    assert 1 <= sharing.effective <= len(captions)
    assert sharing.variance(deviations) == pytest.approx(variance(matrix, deviations))
    both = np.stack([deviations, 2 * deviations])
    assert sharing.variance(both) == pytest.approx([variance(matrix, each) for each in both])
    wide, found = normal_half_width(matrix, deviations), variance(matrix, deviations)
    half = stats.t.ppf(0.975, max(sharing.effective - 1, 0.1)) * found**0.5
    assert sharing.caution(deviations) == pytest.approx(max(1, wide / half) if found > 1e-20 else 1)


def test_independent_items_have_the_interval_and_p_value_of_a_t_test():
    values = np.random.default_rng(0).normal(0.1, 0.3, 40).clip(-1, 1)
    sharing = Sharing(np.arange(80).reshape(40, 2))
    tested, expected = mean_test(sharing, values), stats.ttest_1samp(values, 0)
    assert sharing.effective == 40
    assert tested.value == pytest.approx(values.mean())
    assert tested.p_value == pytest.approx(expected.pvalue)
    for found, level in ((tested.interval, 0.95), (tested.narrow, 0.90)):
        assert found == pytest.approx(skewed(tested.value, *expected.confidence_interval(level)))
    assert mean_test(sharing, -values).interval == pytest.approx((-tested.interval.high, -tested.interval.low))


def test_near_an_end_intervals_reach_far_towards_0_but_not_over_it():
    """Of nine items of 1 and one of 0.6 the mean is 0.96 and its standard error 0.04, 2.2622 of which are 95 %.

    artanh(0.96) - 2.2622 * 0.04 / (1 - 0.96^2) = 0.7917, whose tanh is 0.6594. Of 1, 1, 1 and 0.5 it is below 0.
    """
    ten = mean_test(Sharing(np.arange(10)[:, None]), np.array([1.0] * 9 + [0.6]))
    assert ten.interval == pytest.approx((0.6594, 1), abs=1e-4)
    four = mean_test(Sharing(np.arange(4)[:, None]), np.array([1.0, 1, 1, 0.5]))
    assert four.p_value < 0.05
    assert four.interval == (1e-12, 1)


def test_intervals_near_an_end_cover_where_families_are_uneven():
    """Every fifth family is half wrong, and 1 item of 50: of intervals by Student's t 77 % hold the mean of 0.89."""
    sizes = [60, 40, 30, 20, 20, 10, 10, 10] + [5] * 12
    family, random = np.repeat(np.arange(20), sizes), np.random.default_rng(0)
    sharing = Sharing(family[:, None])
    drawn = (1 - (random.random(20) < 0.2)[family] / 2 - (random.random(260) < 0.02) / 2 for _ in range(400))
    intervals = np.array([mean_test(sharing, values).interval for values in drawn])
    assert np.mean((intervals[:, 0] <= 0.89) & (intervals[:, 1] >= 0.89)) >= 0.95


def test_pairs_are_joined_by_the_families_of_all_chains_that_hold_them():
    """The pairs of 0 and 1 have no caption in common; 2 to 4 is a pair of both families, which 7 to 9 are none of."""
    chains = np.array([[0, 2, 4], [1, 2, 4], [0, 3, 5], [1, 6, 10], [7, 8, 9]])
    pairs = np.array([[0, 2], [1, 2], [2, 4], [0, 3], [3, 5], [1, 6], [6, 10], [7, 8], [8, 9]])
    families = [{0}, {1}, {0, 1}, {0}, {0}, {1}, {1}, {7}, {7}]
    joined = sum(
        bool({*a} & {*b} or first & second)
        for a, first in zip(pairs.tolist(), families, strict=True)
        for b, second in zip(pairs.tolist(), families, strict=True)
    )
    assert pairs_in_families(pairs, chains).effective == pytest.approx(81 / joined)


def test_below_a_caption_of_all_chains_its_children_name_the_families():
    chains = np.array([[0, 1, 3, 5], [0, 1, 4, 6], [0, 2, 7, 8], [0, 2, 9, 10]])
    pairs = np.array([[3, 5], [4, 6], [7, 8], [9, 10]])
    assert pairs_in_families(pairs, chains).effective == pairs_in_families(pairs, chains[:, 1:]).effective == 2


@given(collections())
def test_a_mean_excludes_0_where_its_p_value_is_below_the_level(drawn):
    captions, values = drawn
    tested = mean_test(Sharing(captions), np.tanh(values + 1))
    for (low, high), level in ((tested.interval, 0.05), (tested.narrow, 0.1)):
        assert -1 <= low <= tested.value <= high <= 1
        assert (low > 0 or high < 0) == (tested.p_value < level)


@given(collections())
def test_intervals_are_wider_by_t_and_by_what_is_shared(drawn):
    captions, values = drawn
    sharing, matrix, deviations = Sharing(captions), joined(captions), values - values.mean()
    count = len(values)
    if count == 1:
        assert sharing.widening(deviations) == 1
        return
    freedom = max(count**2 / matrix.sum() - 1, 0.1)
    error = np.sqrt(variance(matrix, deviations) * count**2 / (deviations @ deviations))
    assert sharing.widening(deviations) == pytest.approx(stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975) * error)
    assert sharing.half_width(deviations) == pytest.approx(
        stats.t.ppf(0.975, freedom) * np.sqrt(variance(matrix, deviations))
    )
    assert sharing.widening(np.zeros(count)) == 1


def test_the_p_value_of_draws_is_that_of_students_t():
    """Draws that are widened as `Statistic.draws` widens them give back the t-test."""
    values = np.random.default_rng(1).normal(0.2, 1, 12)
    sharing = Sharing(np.arange(12)[:, None])
    normal = stats.norm.ppf((np.arange(20000) + 0.5) / 20000) * values.std() / np.sqrt(12)
    draws = values.mean() + sharing.widening(values - values.mean()) * normal
    expected = stats.ttest_1samp(values, 0).pvalue
    assert p_value_of_draws(values.mean(), draws, 12.0, widened=True) == pytest.approx(expected, rel=1e-3)
    assert p_value_of_draws(-values.mean(), draws, 12.0, widened=True) == pytest.approx(expected, rel=1e-3)
    assert p_value_of_draws(0.0, np.zeros(9), 12.0) == 1
    assert p_value_of_draws(0.1, np.full(9, 0.1), 12.0) == 0


def order_of(chains):
    """The statistic tau_d of radii, written from its definition."""
    tiers = np.triu_indices(chains.shape[1], 1)

    def statistic(radii):
        rows = radii[:, chains]
        values = np.sign(rows[:, :, tiers[1]] - rows[:, :, tiers[0]]).mean(axis=2)
        return values.mean(axis=1), values - values.mean(axis=1, keepdims=True)

    return statistic


def studentised(statistic, matrix, radii):
    """(k,) sizes of tau_d in standard errors for radii (k, U)."""
    values, deviations = statistic(radii)
    errors = np.sqrt([variance(matrix, each) for each in deviations])
    sizes = np.divide(np.abs(values), errors, out=np.full(len(errors), np.inf), where=errors > 1e-12)
    return np.where(np.abs(values) < 1e-12, 0, sizes)


TINY = [
    np.array([[0, 1, 2], [0, 1, 3], [0, 4, 5], [4, 2, 3]]),
    np.array([[0, 2], [0, 3], [1, 4], [1, 5], [5, 3]]),
    np.array([[0, 1, 2, 3], [4, 1, 2, 5], [5, 1, 0, 3]]),
]
ALL_ORDERS = np.array(list(permutations(range(6))))


@pytest.mark.parametrize("chains", TINY)
@pytest.mark.parametrize("seed", range(3))
def test_p_values_of_permutations_are_those_of_all_permutations(chains, seed):
    generator = np.random.default_rng(seed)
    radii = np.sort(generator.random(6))
    radii[generator.choice(6, 2 * seed, replace=False)] = generator.random(2 * seed)
    statistic, matrix = order_of(chains), joined(chains)
    (observed,) = studentised(statistic, matrix, radii[None])
    exact = (studentised(statistic, matrix, radii[ALL_ORDERS]) >= observed * (1 - 1e-9)).mean()
    tested = permutation_test(Sharing(chains), statistic, radii, seed=seed)
    (_,), (deviations,) = statistic(radii[None])
    error, g = np.sqrt(variance(matrix, deviations)), len(chains) ** 2 / matrix.sum()
    student = 2 * stats.t.sf(abs(tested.value) / error, max(g - 1, 0.1))
    assert tested.p_value == pytest.approx(max(exact, student), abs=4 * np.sqrt(exact * (1 - exact) / 999) + 2e-3)


def test_p_values_within_strata_are_those_of_all_permutations_within_strata():
    """Longer captions have larger radii, so that pairs of a short and a long one are right whatever is exchanged."""
    chains, strata = np.array([[0, 4], [1, 5], [2, 3]]), np.array([0, 0, 0, 0, 1, 1])
    radii, statistic, matrix = np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.8]), order_of(chains), joined(chains)
    (observed,) = studentised(statistic, matrix, radii[None])
    orders = [[*first, *second] for first in permutations(range(4)) for second in permutations((4, 5))]
    exact, without = (
        (studentised(statistic, matrix, radii[each]) >= observed * (1 - 1e-9)).mean() for each in (orders, ALL_ORDERS)
    )
    tested = permutation_test(Sharing(chains), statistic, radii, strata)
    assert (exact, without) == (0.5, 0.25)
    assert tested.p_value == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 999) + 2e-3)


@given(st.integers(1, 9), st.integers(2, 4), st.integers(1, 12), st.integers(0, 99), st.booleans())
def test_an_interval_excludes_0_where_the_permutation_test_rejects(count, tiers, captions, seed, sure):
    generator = np.random.default_rng(seed)
    chains = np.sort(generator.integers(captions, size=(count, tiers)), axis=1)
    radii = np.arange(captions) * 1.0 if sure else generator.integers(0, 5, captions) * 1.0
    tested = permutation_test(Sharing(chains), order_of(chains), radii)
    for (low, high), level in ((tested.interval, 0.05), (tested.narrow, 0.1)):
        assert -1 <= low <= tested.value <= high <= 1
        assert (low > 0 or high < 0) == (tested.p_value <= level)


def test_the_interval_of_a_permutation_test_is_cautious_of_a_large_family_that_agrees_with_the_mean():
    tops = np.repeat(np.arange(13), [12] + [2] * 12)
    chains = np.stack([tops, 13 + np.arange(36), 49 + np.arange(36)], axis=1)
    radii = np.repeat([0.0, 1.0, 1.5], [13, 36, 36]) + np.random.default_rng(87).normal(size=85)
    tested, matrix = permutation_test(Sharing(chains), order_of(chains), radii), joined(chains)
    (_,), (deviations,) = order_of(chains)(radii[None])
    half = normal_half_width(matrix, deviations)
    assert half > 1.1 * stats.t.ppf(0.975, 36**2 / matrix.sum() - 1) * np.sqrt(variance(matrix, deviations))
    assert tested.interval == pytest.approx(skewed(tested.value, tested.value - half, tested.value + half))


def test_a_strong_order_of_many_independent_chains_is_sure_to_their_number():
    chains = np.arange(60).reshape(30, 2)
    tested = permutation_test(Sharing(chains), order_of(chains), np.tile([1.0, 2.0], 30))
    assert tested.value == 1
    share = stats.binomtest(30, 30).proportion_ci(0.95)
    assert tested.interval == pytest.approx((2 * share.low - 1, 1))
    assert tested.p_value == 1 / 1000


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_items_that_agree_are_not_sure(count):
    chains = np.arange(4 * count).reshape(count, 4)
    tested = permutation_test(Sharing(chains), order_of(chains), np.tile(np.arange(4.0), count))
    share = stats.binomtest(count, count).proportion_ci(0.95)
    assert tested.interval == pytest.approx((2 * share.low - 1, 1))
    assert tested.p_value >= min(1, 2 * 0.5**count)
    assert tested.interval.low < 0


@pytest.mark.parametrize("value", [-1.0, 1.0])
@pytest.mark.parametrize("count", [3, 16])
def test_items_that_are_all_1_have_the_exact_interval_and_p_value_of_a_share(value, count):
    tested = deviating_test(Sharing(np.arange(count)[:, None]), value, np.zeros(count))
    expected = stats.binomtest(count * (value > 0), count)
    low, high = expected.proportion_ci(0.95)
    assert tested.interval == pytest.approx((2 * low - 1, 2 * high - 1))
    assert tested.p_value == pytest.approx(expected.pvalue)


def test_where_all_radii_are_equal_nothing_is_ordered():
    chains = np.arange(40).reshape(20, 2)
    tested = permutation_test(Sharing(chains), order_of(chains), np.ones(40))
    assert (tested.value, tested.interval, tested.narrow, tested.p_value) == (0, (0, 0), (0, 0), 1)
    assert mean_test(Sharing(chains), np.zeros(20))[:4] == (0, (0, 0), (0, 0), 1)


def tree(leaves):
    """Chains (n, 4) of a tree with n / 10, n / 4, n / 2 and n captions in its tiers."""
    sizes = [leaves // 10, leaves // 4, leaves // 2, leaves]
    columns = [np.arange(leaves)]
    for size in reversed(sizes[:-1]):
        columns.append(columns[-1] % size)
    return np.stack(columns[::-1], axis=1) + np.cumsum([0, *sizes[:-1]])


def rejections(seeds):
    chains = tree(60)
    sharing, statistic, count = Sharing(chains), order_of(chains), chains.max() + 1
    radii = (np.random.default_rng(seed).random(count) for seed in range(seeds))
    return sum(permutation_test(sharing, statistic, each, seed=at).p_value <= 0.05 for at, each in enumerate(radii))


def test_a_tree_without_order_is_called_ordered_in_one_of_twenty_cases(monkeypatch):
    """99 permutations have the same level as 999: 5 of 100."""
    monkeypatch.setattr(module, "PERMUTATIONS", 99)
    monkeypatch.setattr(module, "FEWEST", 99)
    assert rejections(300) / 300 == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 300))
