"""Rates of chains, worked out by hand; images are what intervals resample."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import hiergeo
from benchmarks.closeness import reference_rates
from hiergeo._core.errors import InputError
from hiergeo.construction.appraisal import CORRECTED, appraise
from hiergeo.construction.grading import judged, quality, radial_rates
from hiergeo.construction.pooling import Pooled, Ratio, by_tier
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.addresses import UNNUMBERED
from hiergeo.evaluation.metrics.resampling import resamples
from tests.construction.construction_common import CONTRADICTS, ENTAILS, TableJudge, chains_of

DOG = "animal => brown dog => a brown dog runs on grass"
CAT = "animal => cat => a cat on a chair"
SEAT = "furniture => chair => a Red chair."

TWO_ANSWERS = {
    ("brown dog", "animal"): ENTAILS,
    ("a brown dog runs on grass", "brown dog"): ENTAILS,
    ("cat", "animal"): ENTAILS,
    ("animal", "food"): CONTRADICTS,
    ("brown dog", "cat"): CONTRADICTS,
    ("cat", "brown dog"): ENTAILS,
}


def shares(metrics):
    return [value for name, value in metrics.items() if not re.fullmatch(r"words(_negative)?(_tier\d)?", name)]


@pytest.fixture
def found():
    chains = chains_of(
        (DOG, "food => cat => a brown dog runs on grass", 7),
        (CAT, "food => brown dog => a cat on a table", 7),
        (SEAT, None, 8),
    )
    return quality(chains, judge=TableJudge(TWO_ANSWERS), samples=200)


def test_rates_that_a_judge_gives(found):
    # forward: dog 2 of 2, cat 1 of 2, seat 0 of 2; negatives: 2 x "food" and the cat against the brown dog of six
    wanted = {
        "forward_entailed": 3 / 6,
        "forward_entailed_tier0": 2 / 3,
        "forward_entailed_tier1": 1 / 3,
        "forward_neutral": 3 / 6,
        "forward_contradicted": 0,
        "chain_entailed": 1 / 3,
        "negative_contradicted": 3 / 6,
        "negative_contradicted_tier0": 1,
        "negative_contradicted_tier1": 1 / 2,
        "negative_contradicted_tier2": 0,
        "negative_entailed_tier1": 1 / 2,
        "negative_neutral": 2 / 6,
    }
    assert {name: found.metrics[name] for name in wanted} == pytest.approx(wanted)


def test_metrics_that_were_not_measured_are_left_out_with_a_reason(found):
    without_model = {"tau_d", "tau_d_equal_length", "radii_grow", "auroc"}
    assert set(found.left_out) == without_model
    assert len({found.left_out[name] for name in without_model}) == 1
    assert found.as_dict()["left_out"] == found.left_out


def test_rates_of_texts_alone(found):
    wanted = {
        "words_grow": 1 / 3,  # animal, cat and furniture, chair have one word each
        "words_tier2": (6 + 5 + 3) / 3,
        "words_negative_tier1": (1 + 2) / 2,
        "texts_distinct_tier0": 2 / 3,
        "texts_shared_tier0": 0,  # both animals are of one image
        "texts_repeated": 0,
        "negative_equal": 1 / 6,
        "negative_equal_tier2": 1 / 2,
        "head_noun": 1,
        "word_coverage_tier0": 0,
        "word_coverage_tier1": 1,
    }
    assert {name: found.metrics[name] for name in wanted} == pytest.approx(wanted)


def test_each_pair_of_texts_is_judged_once():
    judge = TableJudge({})
    judged(chains_of((DOG, CAT, 1), (DOG, CAT, 2), ("animal => brown dog => a dog", None, 3)), judge)
    assert len(judge.asked) == len(set(judge.asked)) == 2 + 3 + 1
    assert ("brown dog", "animal") in judge.asked
    assert ("brown dog", "cat") in judge.asked


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_pairs_are_judged_in_parts(monkeypatch, at_once):
    chains, judge = chains_of((DOG, CAT, 1), (CAT, DOG, 2)), TableJudge(TWO_ANSWERS)
    whole = judged(chains, judge)
    monkeypatch.setattr("hiergeo.construction.grading.PAIRS_AT_ONCE", at_once)
    sizes, ask = [], judge.probabilities
    monkeypatch.setattr(judge, "probabilities", lambda pairs: sizes.append(len(pairs)) or ask(pairs))
    parts = judged(chains, judge)
    assert max(sizes) == at_once
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)


def test_a_perfect_chain_scores_one():
    chains = chains_of(("animal => brown dog => a small brown dog", "food => white cat => a small white cat", 1))
    (row,) = chains.rows
    table = {pair[::-1]: ENTAILS for pair in zip(row.positive, row.positive[1:], strict=False)}
    table |= dict.fromkeys(zip(row.positive, row.negative, strict=True), CONTRADICTS)
    metrics = quality(chains, judge=TableJudge(table), samples=10).metrics
    for name in ("forward_entailed", "chain_entailed", "negative_contradicted", "words_grow", "head_noun"):
        assert metrics[name] == 1, name
    for name in ("forward_neutral", "negative_entailed", "negative_equal", "texts_repeated", "texts_shared"):
        assert metrics[name] == 0, name


def test_closeness_to_corrected_chains_of_the_same_image():
    chains = chains_of((DOG, None, 1), ("Animal. => cat => a cat", None, 2), (SEAT, None, 3))
    truth = chains_of(
        ("animal => white dog => a dog runs", None, 1), ("animal => dog => dogs", None, 1), (CAT, None, 2)
    )
    metrics = Pooled.of(chains, reference_rates(chains, truth, None)).values
    wanted = {
        "reference_equal_tier0": 1 / 2,
        "reference_same_tier0": 1,
        "reference_equal": (1 + 0 + 0 + 1) / 4,  # without the most specific tier
        "reference_overlap_tier1": (1 / 2 + 1) / 2,  # dog of brown dog and dog
        "reference_overlap_tier2": (2 / 4 + 1 / 2) / 2,
    }
    assert {name: metrics[name] for name in wanted} == pytest.approx(wanted)


@pytest.mark.parametrize(("images", "name"), [((1, 2), "made"), ((UNNUMBERED, UNNUMBERED), "made"), ((1, 1), "scenes")])
def test_sets_of_other_images_have_no_differences(images, name):
    chains, truth = (chains_of((DOG, None, image), name=name) for image in images)
    found = appraise(chains, {CORRECTED: truth}, judge=TableJudge({}), samples=5)
    assert found.differences == {CORRECTED: {}}


@pytest.mark.parametrize(
    "rows", [[(DOG, None, None)], [("a => a => a", "a => a => a", 1)] * 3, [(". => ! => ?", None, 1)]]
)
def test_few_equal_or_empty_texts(rows):
    found = quality(chains_of(*rows), judge=TableJudge({}), samples=5)
    assert all(0 <= value <= 1 for value in shares(found.metrics))
    assert ("negative_contradicted" in found.metrics) == (rows[0][1] is not None)
    assert json.loads(found.to_json())["metrics"]["forward_entailed"] == 0


WORDS = st.lists(st.sampled_from(["animal", "dog", "red", "a", "runs", "cats"]), min_size=1, max_size=4).map(" ".join)
CHAINS = st.lists(WORDS, min_size=3, max_size=3).map(" => ".join)
ROWS = st.lists(st.tuples(CHAINS, st.none() | CHAINS, st.none() | st.integers(1, 4)), min_size=1, max_size=8)


@settings(max_examples=40)
@given(ROWS, st.randoms(use_true_random=False))
def test_rates_are_shares_and_rows_come_in_any_order(rows, random):
    judge = TableJudge(TWO_ANSWERS)
    first = quality(chains_of(*rows), judge=judge, samples=2).metrics
    assert all(0 <= value <= 1 for value in shares(first))
    assert first["forward_entailed"] + first["forward_neutral"] + first["forward_contradicted"] == pytest.approx(1)
    random.shuffle(rows)
    assert quality(chains_of(*rows), judge=judge, samples=2).metrics == pytest.approx(first)


def test_draws_are_those_of_rows_that_are_repeated_with_their_image():
    generator = np.random.default_rng(0)
    images = generator.permutation(20) % 6
    chains = chains_of(*((DOG, None, int(image)) for image in images))
    hits, weights = generator.random(20), generator.integers(0, 3, 20).astype(float)
    pooled = Pooled.of(chains, {"rate": Ratio(hits * weights, weights)}, {"largest": lambda c: float((c * hits).max())})
    draws = pooled.draws(50, seed=3)
    order = list(dict.fromkeys(images.tolist()))
    for place, counts in enumerate(resamples(6, 50, 3)):
        rows = [
            row
            for image, count in zip(order, counts, strict=True)
            for row in np.flatnonzero(images == image).tolist() * count
        ]
        assert draws["rate"][place] == pytest.approx(np.average(hits[rows], weights=weights[rows]))
        assert draws["largest"][place] == pytest.approx(max(hits[row] * rows.count(row) for row in set(rows)))


def test_intervals_are_those_of_scipy_where_each_row_is_an_image():
    values = np.random.default_rng(1).random(60)
    chains = chains_of(*((DOG, None, image) for image in range(60)))
    pooled = Pooled.of(chains, {"mean": Ratio(values, np.ones(60))})
    draws = pooled.draws(4000, seed=0)["mean"]
    bounds = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=0).confidence_interval
    assert np.quantile(draws, [0.025, 0.975]) == pytest.approx([bounds.low, bounds.high], abs=0.01)


def test_differences_are_paired_over_common_images():
    left = chains_of((DOG, None, 1), (DOG, None, 1), (CAT, None, 2), (SEAT, None, 3), (SEAT, None, None))
    right = chains_of((DOG, None, 3), (CAT, None, 9), (DOG, None, 1))
    a = Pooled.of(left, {"rate": Ratio(np.array([1.0, 0, 1, 1, 0]), np.ones(5)), "own": Ratio(np.ones(5), np.ones(5))})
    b = Pooled.of(right, {"rate": Ratio(np.array([0.0, 1, 0]), np.ones(3))})
    found = a.less(b, 300, 0)
    assert set(found) == {"rate"}
    assert found["rate"].images == 2
    assert found["rate"].value == pytest.approx((1 + 0 + 1) / 3 - 0)
    drawn = [(counts[0] * 1 + counts[1]) / (2 * counts[0] + counts[1]) for counts in resamples(2, 300, 0)]
    assert found["rate"].interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    assert a.less(Pooled.of(chains_of((SEAT, None, 77)), {"rate": Ratio(np.ones(1), np.ones(1))}), 5, 0) == {}
    same = a.less(a, 50, 0)["rate"]
    assert (same.value, *same.interval) == (0, 0, 0)


def test_tiers_of_a_rate_and_what_says_nothing():
    rates = by_tier("rate", np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    pooled = Pooled.of(chains_of((DOG, None, 1), (CAT, None, 2)), rates)
    assert pooled.values == {"rate": 1.0, "rate_tier0": 1.0}


def test_the_order_of_radii_against_kendall():
    radii = np.random.default_rng(2).random((3, 3))
    chains = chains_of((DOG, None, 1), (CAT, None, 2), ("animal => dog => cat", None, 3))
    found = radial_rates(radii, chains)
    taus = [stats.kendalltau(range(3), row).statistic for row in radii]
    assert Pooled.of(chains, found.ratios).values["tau_d"] == pytest.approx(np.mean(taus))
    pairs = [(1, 0, 1), (2, 0, 1), (2, 0, 2), (2, 1, 2)]  # rows and tiers of equally many words
    signs = [np.sign(radii[row, b] - radii[row, a]) for row, a, b in pairs]
    assert Pooled.of(chains, found.ratios).values["tau_d_equal_length"] == pytest.approx(np.mean(signs))
    assert found.baselines["tau_d"]["length"] == pytest.approx((3 + 2 + 0) / 9)


def test_radii_and_lengths_that_stay_equal_do_not_grow():
    chains = chains_of(("a => dog => brown dog", None, 1), ("a => a dog => a brown dog", None, 2))
    found = radial_rates(np.array([[1.0, 1, 2], [1, 2, 3]]), chains)
    assert Pooled.of(chains, found.ratios).values["radii_grow"] == 1 / 2
    assert found.baselines["radii_grow"]["length"] == 1 / 2


def test_a_model_measures_as_the_protocols_do():
    scenes = hiergeo.datasets.load("scenes", count=12)
    found = quality(scenes, judge=TableJudge({}), model="tiny", samples=5)
    same = hiergeo.evaluate("tiny", scenes, protocol="pairs", samples=5)
    for name in ("tau_d", "auroc", "auroc_sibling", "auroc_equal_length"):
        assert found.metrics[name] == pytest.approx(same.metrics[name]), name
        assert found.baselines[name] == pytest.approx(same.baselines[name]), name
    without = Hierarchy("scenes", "test", tuple(row.__class__(row.row_id, row.positive) for row in scenes.rows))
    other = quality(without, judge=TableJudge({}), model="tiny", samples=5)
    assert other.metrics["tau_d"] == pytest.approx(found.metrics["tau_d"])
    assert set(other.left_out) == {"negative_contradicted", "words_negative", "auroc"}
    assert not other.left_out.keys() & other.metrics.keys()


def test_the_best_chains_come_first(found):
    assert found.ordered() == (0, 1, 2)
    assert found.verdicts.scores[0] == pytest.approx((0.8 + 0.8 + 0.9 + 0.9 + 0.1) / 5)


def test_rows_that_the_judge_likes_equally_come_in_an_order_of_the_seed():
    chains = chains_of(*((DOG, None, image) for image in range(9)))
    orders = [quality(chains, judge=TableJudge({}), samples=2, seed=seed).ordered() for seed in (3, 3, 4)]
    assert orders[0] == orders[1] != orders[2]
    assert all(sorted(order) == list(range(9)) for order in orders)


def test_intervals_come_from_as_many_samples_as_asked_for_and_from_the_seed():
    chains = chains_of(*((DOG, None, image) if image % 3 else (CAT, None, image) for image in range(9)))
    found = {
        (samples, seed): quality(chains, judge=TableJudge(TWO_ANSWERS), samples=samples, seed=seed)
        for samples, seed in ((1, 0), (20, 0), (20, 1))
    }
    words = np.array([1 + (image % 3 > 0) for image in range(9)], float)
    for (samples, seed), each in found.items():
        drawn = [counts @ words / counts.sum() for counts in resamples(9, samples, seed)]
        assert each.intervals["words_tier1"] == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    assert found[20, 0].intervals != found[20, 1].intervals


def test_what_never_or_always_happens_in_few_images_may_happen_in_others():
    """Three chains of every image; the same exact ends as of one."""
    chains = chains_of(*((DOG, "food => cat => " + CAT.split(" => ")[2], image) for image in range(12) for _ in "abc"))
    found = quality(chains, judge=TableJudge(TWO_ANSWERS), samples=20)
    assert (found.metrics["forward_contradicted"], found.metrics["chain_entailed"]) == (0, 1)
    none = stats.binomtest(0, 12).proportion_ci(method="exact")
    assert found.intervals["forward_contradicted"] == pytest.approx((0, none.high))
    assert found.intervals["chain_entailed"] == pytest.approx((1 - none.high, 1))
    assert found.intervals["words_tier0"] == (1, 1)  # no share


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"seed": -1}, {"judge": "ruels"}])
def test_bad_settings_are_refused(wrong):
    with pytest.raises(InputError):
        quality(chains_of((DOG, None, 1)), **{"judge": TableJudge({})} | wrong)
