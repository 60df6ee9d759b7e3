"""Controls of the taxonomy benchmark where their scores are known, and floors that no item sets for itself."""

import numpy as np
import pytest

from hiergeo.datasets.labels import load_tree
from hiergeo.evaluation.benchmarks.taxonomy_benchmark import controlled, crossed_floors, ends, outcome_of, risk_of
from hiergeo.evaluation.classifying.promise import floor_of
from hiergeo.evaluation.metrics.taxonomies import of_labels

TREE = load_tree([f"top{i} > middle{i}{j} > leaf{i}{j}{k}" for i in range(3) for j in range(2) for k in range(4)])
RANDOM = np.random.default_rng(3)
TRUTH = RANDOM.choice(TREE.leaves, 200)
PARENT, CHILD = TREE.edges
NEAR = np.array([CHILD[TREE.parents[label][0] == PARENT][0] for label in TRUTH])


def test_controls_reach_what_they_must():
    names = [f"photo of {TREE.names[label]}" for label in TRUTH]
    own, controls = of_labels(TREE, TRUTH, NEAR).means(), controlled(TREE, TRUTH, NEAR, names, seed=0)
    exchanged, uniform, characters = (controls[name].means() for name in ("exchanged", "uniform", "characters"))
    assert exchanged["full_path"] == pytest.approx(own["full_path"], abs=1e-12)
    assert own["level_2"] == 1.0
    assert exchanged["level_2"] < 0.5
    assert [uniform[f"level_{at}"] for at in (1, 2, 3)] == pytest.approx([1 / 3, 1 / 6, 1 / 24], abs=0.02)
    assert characters["full_path"] == 1.0


def test_statistics_are_the_scores():
    truth = np.where(RANDOM.random(200) < 0.3, [TREE.path(int(label))[0] for label in TRUTH], TRUTH)
    scored = of_labels(TREE, truth, NEAR)
    scored.values["inconsistent"][:50] = 1.0
    outcome = outcome_of(scored, {"again": scored})
    ones = np.ones(200)
    for name, wanted in scored.means().items():
        assert float(outcome.statistics[name].of(ones)) == pytest.approx(wanted, abs=1e-12), name
        assert outcome.baselines.get(name, {"again": wanted}) == {"again": pytest.approx(wanted)}
    assert "inconsistent" not in outcome.baselines


def test_floors_come_from_the_other_half():
    errors = RANDOM.random(60)
    floors = crossed_floors(errors, 0.1, np.random.default_rng(0))
    low, high = np.unique(floors)
    for own, other in ((low, high), (high, low)):
        assert floor_of(errors[floors == other], 0.1) == own
    assert ends(np.array([[0, 3, -1], [1, 4, 9]])).tolist() == [3, 9]


def test_the_area_of_risk_by_hand():
    """Errors 0, 0, 1/2 at mean levels 0, 1/2, 1; counted (3, 1) they are 0, 0, 1/4 at 0, 3/4, 1."""
    statistic = risk_of(np.array([-np.inf, 1.0]), np.array([[2.0], [1.0]]))
    assert statistic.of(np.ones(2)) == pytest.approx(1 / 8)
    assert statistic.of(np.array([1.5, 0.5])) == pytest.approx(1 / 32)
