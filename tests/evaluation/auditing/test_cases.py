"""Constructed cases that the audit must tell apart; `benchmarks.controls.audit` runs them at full size and 20 seeds."""

from itertools import product

import numpy as np
import pytest
import torch
from hiergeo.evaluation.auditing.judgement import verdict
from scipy.stats import binomtest

import hiergeo
from benchmarks.controls.audit import audited, leaf_chains
from hiergeo.evaluation.auditing import AuditSettings, AuditVerdict, Finding
from hiergeo.evaluation.metrics import Interval
from hiergeo.geometry import parse
from hiergeo.training import FreeRecipe, embed_graph
from tests.evaluation.auditing.audit_common import made, sample

BRANCHES, LEVELS = 3, 3


def closure():
    """A tree of three levels below the top with three children everywhere: (descendant, ancestor) pairs and nodes."""
    names = [path for level in range(LEVELS + 1) for path in product(range(BRANCHES), repeat=level)]
    place = {path: index for index, path in enumerate(names)}
    pairs = [(place[path], place[path[:above]]) for path in names for above in range(len(path))]
    return torch.tensor(pairs), len(names)


@pytest.fixture(scope="module")
def cases():
    edges, nodes = closure()
    recipe = FreeRecipe(epochs=120, negatives=20, learning_rate=0.05, burn_in=3)
    point = embed_graph(edges, nodes, parse("lorentz:-1"), 3, recipe).located().factors[0]
    rows = (point.direction * point.radius.unsqueeze(-1)).detach()
    return audited(tuple(map(str, range(nodes))), rows, leaf_chains(edges, nodes, LEVELS + 1), seed=0)


@pytest.mark.slow
def test_a_hyperbolic_tree_needs_its_curvature(cases):
    tree = cases["tree"]
    assert tree.findings.case == "hyperbolic"
    assert tree.numbers["u_median"] > 1
    assert tree.numbers["native"] > max(tree.numbers[control] for control in ("angle_only", "radius_only", "flat"))


@pytest.mark.slow
def test_the_same_tree_near_the_root_is_flat(cases):
    flat = cases["flat"]
    assert flat.findings.case in ("radial", "angular")
    assert not flat.findings.works("operating point")
    assert not flat.findings.works("curvature")
    assert flat.findings.works("depth")


def test_nearer_still_its_cones_are_half_spaces(cases):
    assert cases["saturated"].findings.case == "saturated"
    assert cases["saturated"].numbers["cone_saturated"] == 1


def test_shuffled_tiers_have_no_depth(cases):
    assert cases["shuffled"].findings.case == "shuffled"
    assert "no hierarchy" in cases["shuffled"].verdict


def test_radii_alone_tell_where_directions_are_noise():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(80, 6))
    points *= (1 + np.arange(80) % 4)[:, None] / np.linalg.norm(points, axis=1, keepdims=True)
    audit = hiergeo.audit(made(points, np.arange(80).reshape(20, 4)), None, "lorentz:-1", AuditSettings())
    assert audit.findings.works("depth")
    assert not audit.findings.works("radii")
    assert audit.numbers["tau_d_angle_only"] == 0
    assert audit.numbers["tau_d_radius_only"] == audit.numbers["tau_d_flat"] == audit.numbers["tau_d"] == 1


def test_angles_alone_serve_where_all_radii_are_equal():
    points, chains = sample(rows=20)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    audit = hiergeo.audit(made(points, chains), None, "lorentz:-1", AuditSettings())
    assert audit.numbers["angle_only"] == pytest.approx(audit.numbers["native"])
    assert not audit.findings.works("radii")


def test_curvature_that_harms_another_metric_is_a_trade(cases):
    tree = cases["tree"]
    numbers = {**tree.numbers, "auroc_minus_flat": -0.1, "auroc_minus_flat_p": 0.01}
    judged = verdict(numbers, {**tree.intervals, "auroc_minus_flat": Interval(-0.2, -0.05)})
    assert judged.effect("curvature") == "trade"
    assert not judged.works("curvature")
    assert "loss in AUROC (−0.100 [−0.200, −0.050])" in judged.sentences[6]
    uncorrected = {**numbers, "auroc_minus_flat_p": 0.2}
    assert verdict(uncorrected, {**tree.intervals, "auroc_minus_flat": Interval(-0.2, -0.05)}).works("curvature")


@pytest.mark.parametrize(("difference", "effect"), [(-0.2, "harm"), (0.0, "nothing"), (0.2, "work")])
def test_the_effect_of_radii(cases, difference, effect):
    tree = cases["tree"]
    names = [name for name in tree.numbers if name.endswith("_minus_angle_only")]
    numbers = {**tree.numbers, **dict.fromkeys(names, difference), **dict.fromkeys([f"{n}_p" for n in names], 0.001)}
    interval = Interval(difference - 0.1, difference + 0.1)
    judged = verdict(numbers, {**tree.intervals, **dict.fromkeys(names, interval)})
    assert names
    assert judged.effect("radii") == effect


@pytest.mark.parametrize(
    ("name", "right", "pairs", "said", "unsaid"),
    [
        ("right_shorter", 50, 200, "follow the length", "too few"),
        ("right_shorter", 20, 40, "too few", "follow the length"),
        ("right_shorter", 0, 2, "(2 pairs)", "follow the length"),
        ("right_equal_length", 50, 200, "worse than chance", "no better than"),
        ("right_equal_length", 24, 40, "no better than chance (40 pairs)", "worse than"),
        ("right_equal_length", 6, 7, "no better than chance (7 pairs)", "worse than"),
        ("right_equal_length", 1, 1, "(1 pair)", "worse than"),
        ("right_equal_length", 140, 200, "", "; but"),
    ],
)
def test_length_is_blamed_only_where_enough_pairs_tell(cases, name, right, pairs, said, unsaid):
    kept = {key: value for key, value in cases["tree"].numbers.items() if not key.startswith("right_")}
    exact = binomtest(right, pairs)
    numbers = {**kept, name: right / pairs, f"{name}_pairs": float(pairs), f"{name}_p": exact.pvalue}
    judged = verdict(numbers, {**cases["tree"].intervals, name: Interval(*exact.proportion_ci())})
    assert said in judged.headline
    assert unsaid not in judged.headline
    assert judged.works("length") == (not said)


@pytest.mark.parametrize(
    ("words", "characters", "standing"), [(0.99, 0.5, "better"), (0.5, 0.99, "better"), (0.1, 0.2, "worse")]
)
def test_an_audit_begins_with_the_longer_of_two_counts(cases, words, characters, standing):
    tree = cases["tree"]
    intervals = {**tree.intervals, "tau_d": Interval(0.6, 0.8)}
    lengths = {"length_tau_d": words, "length_tau_d_characters": characters, "tau_d": 0.7}
    judged = verdict({**tree.numbers, **lengths}, intervals)
    assert (judged.control.standing, judged.control.value) == (standing, max(words, characters))
    assert judged.control.name == ("length" if words > characters else "characters")
    assert judged.headline.index(f"{max(words, characters):.3f}") < len(judged.headline.partition(".")[0]) + 40


@pytest.mark.parametrize(("true", "gain", "works"), [(0.9, 0.3, True), (0.02, 0.3, False), (0.9, 0.001, False)])
def test_cones_work_where_they_hold_children_and_more_of_them_than_of_others(cases, true, gain, works):
    numbers = {**cases["tree"].numbers, "cone_true": true, "cone_gain": gain}
    intervals = {**cases["tree"].intervals, "cone_gain": Interval(gain / 2, gain * 2)}
    assert verdict(numbers, intervals).works("cones") is works


def test_a_space_without_curvature_is_not_compared_with_itself():
    points, chains = sample(rows=20)
    judged = hiergeo.audit(made(points, chains), None, "euclidean", AuditSettings()).findings
    told = {each.kind: each for each in judged.findings}
    assert "-g lorentz:-1" in told["operating point"].sentence
    assert "against" not in told["curvature"].sentence
    assert (told["curvature"].works, judged.effect("curvature")) == (False, "nothing")
    assert "curvature does" not in judged.headline


@pytest.mark.parametrize(
    ("depth", "curvature", "radii", "saturated", "case"),
    [
        (False, "work", "work", False, "shuffled"),
        (True, "work", "work", True, "hyperbolic"),
        (True, "work", "trade", False, "radial"),
        (True, "trade", "work", True, "saturated"),
        (True, "harm", "trade", False, "radial"),
        (True, "nothing", "harm", False, "angular"),
    ],
)
def test_the_word_for_a_case(depth, curvature, radii, saturated, case):
    effects = {"curvature": curvature, "radii": radii}
    findings = tuple(Finding(kind, effect == "work", "", effect) for kind, effect in effects.items())
    assert AuditVerdict("", (Finding("depth", depth, ""), *findings), saturated).case == case


def test_a_verdict_has_at_most_ten_lines_with_numbers(cases):
    for found in cases.values():
        lines = found.verdict.splitlines()
        assert len(lines) <= 10
        assert all(any(character.isdigit() for character in line) for line in lines[1:])
