"""The numbers of an audit against NumPy, written from their definitions."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

import hiergeo
from hiergeo._core.errors import InputError
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.evaluation.auditing.operating import REACH, _median_interval, point_of
from hiergeo.evaluation.auditing.subject import angles_alone, flattened, subject_of
from hiergeo.evaluation.metrics import Ranking
from hiergeo.evaluation.metrics.sharing import Sharing
from hiergeo.evaluation.result import auroc_of, mean_of
from tests.evaluation.auditing.audit_common import (
    exterior_angle,
    half_aperture,
    lorentz_distance,
    made,
    sample,
    skewed,
)

FEW = AuditSettings(steps=8)
BARS = {"rel": 0, "abs": 1e-9}


def audited(points, chains, space, settings=FEW, **more):
    return hiergeo.audit(made(points, chains, **more), None, space, settings)


@pytest.mark.parametrize("k", [1.0, 0.3, 4.0])
def test_the_operating_point(k):
    points, chains = sample()
    numbers = audited(points, chains, f"lorentz:{-k}").numbers
    u = math.sqrt(k) * np.linalg.norm(points, axis=1)
    assert numbers["u_median"] == pytest.approx(np.median(u), **BARS)
    assert numbers["u_low"] == pytest.approx(np.quantile(u, 0.05), **BARS)
    assert numbers["u_high"] == pytest.approx(np.quantile(u, 0.95), **BARS)
    assert numbers["u_share_above_1"] == (u > 1).mean()
    assert numbers["bend"] == pytest.approx(np.sinh(np.median(u)) / np.median(u) - 1, rel=1e-9)


def test_the_bend_of_a_product_is_that_of_the_factor_that_bends_most():
    """A point on the sphere at sqrt(K) r = 2 loses more than the point next to it in hyperbolic space gains."""
    point = point_of([np.full(3, 0.1), np.full(3, 2.0)], [-1.0, 1.0], 0.1)
    for name in ("bend", "bend_high"):
        assert point.numbers[name] == pytest.approx(math.sin(2) / 2 - 1)


def test_the_cones_of_an_audit_are_those_of_its_space():
    """With k = 1 the cone is a half-space up to sinh(u) = 2, and up to r = 2 once the space is flattened."""
    points, chains = sample(scale=0.5)
    space = hiergeo.Space("lorentz:-1", min_radius=1.0)
    radius = np.linalg.norm(points, axis=1)
    share = (np.sinh(radius) <= 2).mean()
    assert 0.2 < share < 0.8
    assert audited(points, chains, space).numbers["cone_saturated"] == share
    flat = flattened(subject_of(made(points, chains), space))
    expected = np.arcsin(np.minimum(1, 2 / radius))
    assert flat.space.half_aperture(flat.captions).numpy() == pytest.approx(expected)


def test_intervals_of_an_audit_are_students_t_over_chains():
    points, chains = sample()
    radii = np.linalg.norm(points[chains], axis=-1)
    tau = np.mean([np.sign(radii[:, j] - radii[:, i]) for i in range(4) for j in range(i + 1, 4)], axis=0)
    audit = audited(points, chains, "lorentz:-1")
    expected = stats.ttest_1samp(tau, 0).confidence_interval(0.95)
    low, high = audit.intervals["tau_d"]
    assert low <= expected.low + 1e-9
    assert high >= min(1, expected.high) - 1e-9
    assert low == pytest.approx(expected.low, abs=0.1)


def distances_of_controls(points):
    """By control the distances of all points from one another where K = -0.7."""
    radius = np.linalg.norm(points, axis=1)
    return {
        "native": lorentz_distance(points[:, None], points[None], 0.7),
        "flat": np.linalg.norm(points[:, None] - points[None], axis=-1),
        "angle_only": -(points @ points.T) / np.outer(radius, radius),
        "radius_only": np.abs(radius[:, None] - radius[None]),
    }


def test_differences_to_controls_are_paired_by_chain_and_corrected():
    points, chains = sample(seed=5, rows=20)
    audit = audited(points, chains, "lorentz:-0.7")
    found = {}
    for name, distance in distances_of_controls(points).items():
        np.fill_diagonal(distance, np.inf)
        ranks = [[(distance[c] < distance[c, p]).sum() for p, c in pairwise(row)] for row in chains]
        found[name] = (1 / (1 + np.array(ranks))).mean(axis=1)
    tests = {name: stats.ttest_rel(found["native"], found[name]) for name in ("angle_only", "radius_only", "flat")}
    largest = 0.0  # Holm's step-down correction
    for rank, (name, test) in enumerate(sorted(tests.items(), key=lambda each: each[1].pvalue)):
        p_value = largest = max(largest, min(1, (3 - rank) * test.pvalue))
        difference = f"parent_mrr_minus_{name}"
        interval = test.confidence_interval(0.95)
        value = (found["native"] - found[name]).mean()
        assert audit.intervals[difference] == pytest.approx(skewed(value, *interval))
        assert audit.numbers[f"{difference}_p"] == pytest.approx(p_value)
        assert audit.sure(difference) == (p_value <= 0.05)


def test_a_difference_holds_where_interval_and_test_both_say_so():
    audit = audited(*sample(), "euclidean")
    for low, high, p_value, sure in ((0.1, 0.2, 0.01, True), (-0.2, -0.1, 0.05, True), (0.1, 0.2, 0.06, False)):
        assert replace(audit, intervals={"x": (low, high)}, numbers={"x_p": p_value}).sure("x") == sure
    for low, high in ((-0.1, 0.2), (0.0, 0.2)):
        assert not replace(audit, intervals={"x": (low, high)}, numbers={"x_p": 0.01}).sure("x")


def test_intervals_of_what_cannot_be_negative_begin_at_0():
    shared = Sharing([[0, 1], [0, 2], [3, 4], [3, 5]])
    assert mean_of(np.array([0.0, 0.0, 0.0, 1.0]), shared).interval.low == 0
    assert mean_of(np.array([0.0, -1.0, 0.0, 1.0]), shared, signed=True).interval.low < 0
    ranking = Ranking(np.array([1.0, 0.0]), np.array([0.5, 0.6]))
    assert auroc_of(ranking, 2, Sharing([[0], [1]])).interval.low == 0


@pytest.mark.parametrize("hits", [0, 40])
def test_shares_that_all_items_agree_on_have_the_exact_interval(hits):
    alone, exact = Sharing(np.arange(40)[:, None]), stats.binomtest(hits, 40).proportion_ci(0.95)
    values = np.full(40, hits / 40)
    assert mean_of(values, alone).interval == pytest.approx((exact.low, exact.high))
    ranking = Ranking(values - 0.5, 0.5 - values)
    assert auroc_of(ranking, 40, alone).interval == pytest.approx((exact.low, exact.high))
    signed = mean_of(2 * values - 1, alone, signed=True).interval
    assert signed == pytest.approx((2 * exact.low - 1, 2 * exact.high - 1))


def test_the_interval_of_a_median_has_the_coverage_of_a_sign_test():
    """Order statistics, by the normal limit of the binomial law: for 400 values 19.6 places to either side."""
    values = np.random.default_rng(0).permutation(400).astype(float)
    assert _median_interval(values) == (180, 219)
    assert _median_interval(np.array([5.0, 1.0, 3.0])) == (1, 5)


def test_the_operating_point_of_a_product_is_that_of_the_factor_that_curves_most():
    points, chains = sample(dim=6)
    numbers = audited(points, chains, "product:lorentz:-1x2,sphere:0.0001x2,euclidean:x2").numbers
    first, second = np.linalg.norm(points[:, :2], axis=1), 0.01 * np.linalg.norm(points[:, 2:4], axis=1)
    assert numbers["u_median"] == pytest.approx(np.median(np.maximum(first, second)), **BARS)
    assert numbers["u_median_factor0"] == pytest.approx(np.median(first), **BARS)
    assert numbers["u_median_factor1"] == pytest.approx(np.median(second), **BARS)
    assert numbers["u_median_factor2"] == 0
    assert numbers["bend_factor1"] < 0 < numbers["bend_factor0"]


@pytest.mark.parametrize(("k", "scale"), [(1.0, 0.05), (1.0, 0.5), (0.25, 0.2), (0.0, 0.1)])
def test_cones_against_every_caption_of_a_small_tier(k, scale):
    points, chains = sample(rows=REACH, scale=scale)
    numbers = audited(points, chains, f"lorentz:{-k}" if k else "euclidean").numbers
    true, matched, both = [], [], []
    for chain in chains:
        for parent, child in pairwise(chain):
            others = [row[list(chain).index(child)] for row in chains if row is not chain and row[0] != chain[0]]
            inside = _inside(points[parent], points[others], k)
            true.append(_inside(points[parent], points[child], k))
            matched.append(inside.mean())
            both.append(true[-1] * inside.mean())
    assert numbers["cone_true"] == pytest.approx(np.mean(true), **BARS)
    assert numbers["cone_random"] == pytest.approx(np.mean(matched), **BARS)
    assert numbers["cone_gain"] == pytest.approx(np.mean(true) - np.mean(matched), **BARS)
    assert numbers["cone_inactive"] == pytest.approx(np.mean(both), **BARS)
    assert numbers["cone_misaligned"] == pytest.approx(1 - np.mean(true), **BARS)
    assert numbers["cone_saturated"] == (half_aperture(points, k) == math.pi / 2).mean()


def _inside(x, y, k, least=0.1):
    return (half_aperture(x, k, least) >= exterior_angle(np.broadcast_to(x, y.shape), y, k)).astype(float)


def test_matched_captions_are_near_in_radius_and_no_children_of_the_parent():
    generator = np.random.default_rng(3)
    rows = 5 * REACH
    tops, leaves = generator.normal(size=(4, 3)), generator.normal(size=(rows, 3)) * 2
    points = np.concatenate([tops, leaves])
    chains = np.stack([np.arange(rows) % 4, 4 + np.arange(rows)], axis=1)
    numbers = audited(points, chains, hiergeo.Space("lorentz:-1", min_radius=1.0)).numbers
    order = np.argsort(np.linalg.norm(leaves, axis=1))
    expected = []
    for row in range(rows):
        place = int(np.flatnonzero(order == row)[0])
        start = min(max(place - REACH, 0), rows - 2 * REACH - 1)
        near = [leaf for leaf in order[start : start + 2 * REACH + 1] if leaf % 4 != row % 4]
        expected.append(_inside(tops[row % 4], leaves[near], 1.0, 1.0).mean())
    assert numbers["cone_random"] == pytest.approx(np.mean(expected), **BARS)
    assert 0.05 < numbers["cone_random"] < 0.95


def test_a_hierarchy_of_one_branch_has_nothing_to_match():
    points = np.eye(3) + 1
    with pytest.raises(InputError, match="branches"):
        audited(points, [[0, 1], [0, 2]], "lorentz:-1")


def test_the_parent_among_all_captions():
    points, chains = sample(seed=5)
    numbers = audited(points, chains, "lorentz:-0.7").numbers
    for name, distance in distances_of_controls(points).items():
        np.fill_diagonal(distance, np.inf)
        ranks = [(distance[c] < distance[c, p]).sum() for row in chains for p, c in pairwise(row)]
        assert numbers[name] == pytest.approx(np.mean(1 / (1 + np.array(ranks))), **BARS), name


def test_pairs_under_every_control():
    points, chains = sample(rows=20)
    negative = np.random.default_rng(1).permutation(80).reshape(20, 4)
    numbers = audited(points, chains, "lorentz:-0.5", negative=negative).numbers
    p, c, n = points[chains[:, :-1]], points[chains[:, 1:]], points[negative[:, :-1]]
    norm = np.linalg.norm
    scores = {
        "": lambda x, y: -np.where((x == y).all(-1), 0, exterior_angle(x, y + 1e-300, 0.5)),
        "_flat": lambda x, y: -np.where((x == y).all(-1), 0, exterior_angle(x, y + 1e-300, 0)),
        "_angle_only": lambda x, y: ((x * y).sum(-1) / norm(x, axis=-1) / norm(y, axis=-1)).round(12),
        "_radius_only": lambda x, y: norm(y, axis=-1) - norm(x, axis=-1),
    }
    truth = np.repeat([1, 0], 60)
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, score in scores.items():
            told = np.concatenate([score(p, c).ravel(), score(p, n).ravel()])
            assert numbers[f"auroc{name}"] == pytest.approx(roc_auc_score(truth, told), **BARS), name
            assert numbers[f"average_precision{name}"] == pytest.approx(average_precision_score(truth, told), **BARS)


def test_nothing_is_flattened_in_a_flat_space_whatever_its_cones():
    points, chains = sample(4)
    negative = chains[np.random.default_rng(5).permutation(len(chains))]
    space = hiergeo.Space("product:euclidean:x3,euclidean:x2", min_radius=0.5)
    numbers = audited(points, chains, space, negative=negative).numbers
    assert not {"auroc_flat", "auroc_minus_flat", "parent_mrr_flat"} & set(numbers)
    assert numbers["flat"] == numbers["native"]


def test_angles_alone_are_taken_at_the_usual_median():
    points, chains = sample(rows=3)
    subject = angles_alone(subject_of(made(points, chains), hiergeo.Space("lorentz:-1")))
    assert subject.radii == pytest.approx(np.full((3, 4), np.median(np.linalg.norm(points, axis=1))))


@settings(max_examples=8)
@given(st.integers(0, 20), st.sampled_from([0.2, 1.0, 3.0]), st.floats(0.3, 3))
def test_what_an_audit_says_depends_on_neither_axes_nor_units(seed, k, unit):
    points, chains = sample(seed, rows=6)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(5, 5)))
    few = AuditSettings(steps=4)
    first = audited(points, chains, f"lorentz:{-k}", few).numbers
    turned = audited(points @ rotation, chains, f"lorentz:{-k}", few).numbers
    scaled = audited(points * unit, chains, f"lorentz:{-k / unit**2}", few).numbers
    same = ("u_median", "bend", "cone_saturated", "cone_gain", "depth_p", "native", "angle_only", "radius_only", "flat")
    for name in same:
        assert turned[name] == pytest.approx(first[name], rel=1e-6, abs=1e-9), name
        assert scaled[name] == pytest.approx(first[name], rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize("where", ["captions", "root"])
def test_nan_is_refused(where):
    embedded = made(*sample())
    getattr(embedded, where).view(-1)[3] = math.nan
    assert embedded.image is None
    with pytest.raises(InputError, match=where):
        hiergeo.audit(embedded, None, "lorentz:-1", FEW)


def test_embeddings_that_do_not_fit_their_captions_are_refused():
    embedded = made(*sample())
    with pytest.raises(InputError, match="'47'"):
        hiergeo.audit(replace(embedded, texts=embedded.texts[:-1]), None, "lorentz:-1", FEW)
    with pytest.raises(InputError, match="47 embeddings"):
        hiergeo.audit(replace(embedded, captions=embedded.captions[:-1]), None, "lorentz:-1", FEW)
    with pytest.raises(InputError, match="hierarcaps"):
        hiergeo.audit(embedded, "hierarcaps", "lorentz:-1", FEW)
    with pytest.raises(InputError, match="data"):
        hiergeo.audit("tiny")


def test_float32_embeddings_are_measured_in_float64():
    embedded = made(*sample())
    narrow = replace(embedded, captions=embedded.captions.float(), root=embedded.root.float())
    numbers = hiergeo.audit(narrow, None, "lorentz:-1", FEW).numbers
    exact = np.linalg.norm(narrow.captions.double().numpy(), axis=1)
    assert numbers["u_median"] == pytest.approx(np.median(exact), rel=1e-14)
    assert torch.float32 == narrow.captions.dtype


def test_length_as_a_confound():
    points, chains = sample(rows=30)
    embedded = made(points, chains)
    words = np.random.default_rng(0).integers(1, 4, size=len(points))
    called = {str(node): " ".join(["word"] * (words[node] - 1) + [str(node)]) for node in range(len(points))}
    rows = tuple(replace(row, positive=tuple(called[name] for name in row.positive)) for row in embedded.hierarchy.rows)
    named = replace(
        embedded,
        hierarchy=replace(embedded.hierarchy, rows=rows),
        texts=tuple(called[name] for name in embedded.texts),
    )
    numbers = hiergeo.audit(named, None, "lorentz:-1", FEW).numbers
    radius, right = np.linalg.norm(points, axis=1), {"equal": [], "shorter": []}
    for chain in chains:
        for general, specific in ((a, b) for i, a in enumerate(chain) for b in chain[i + 1 :]):
            if words[general] >= words[specific]:
                kind = "equal" if words[general] == words[specific] else "shorter"
                right[kind].append(radius[specific] > radius[general])
    assert numbers["right_equal_length"] == pytest.approx(np.mean(right["equal"]), **BARS)
    assert numbers["right_shorter"] == pytest.approx(np.mean(right["shorter"]), **BARS)
