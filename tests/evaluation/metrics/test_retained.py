"""What a model kept, and what distances tell of a graph: against scikit-learn and brute force."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import average_precision_score

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import reconstruction, similarity_drift

RNG = np.random.default_rng(0)


def test_drift_is_that_of_all_pairs_of_cosines():
    before, after = RNG.normal(size=(9, 4)), RNG.normal(size=(9, 6))
    cosines = [
        [u @ v / np.linalg.norm(u) / np.linalg.norm(v) for i, u in enumerate(rows) for v in rows[:i]]
        for rows in (before, after)
    ]
    drift = similarity_drift(before, after)
    assert drift.change == pytest.approx(np.abs(np.subtract(*cosines)).mean())
    assert drift.correlation == pytest.approx(pearsonr(*cosines)[0])


def test_rotations_and_norms_are_no_drift():
    rows = RNG.normal(size=(7, 5))
    turned = 3 * rows @ np.linalg.qr(RNG.normal(size=(5, 5)))[0]
    assert similarity_drift(rows, turned) == pytest.approx((0, 1), abs=1e-12)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (np.ones((1, 2)), np.ones((1, 2)), "at least 2 texts"),
        (np.ones((2, 2)), np.ones((3, 2)), "the same texts"),
        (np.ones((2, 2)), [[1.0, 0.0], [0.0, 0.0]], "row 1 of after is zero"),
    ],
)
def test_drift_refuses(before, after, said):
    with pytest.raises(InputError, match=said):
        similarity_drift(before, after)


def test_reconstruction_is_that_of_brute_force_and_sklearn():
    nodes, points = 12, RNG.normal(size=(12, 2))
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    edges = [(u, v) for u in range(nodes) for v in range(nodes) if u != v and RNG.random() < 0.2]
    precisions, ranks = [], []
    for u in sorted({u for u, _ in edges}):
        others = [v for v in range(nodes) if v != u]
        linked = [(u, v) in edges for v in others]
        precisions.append(average_precision_score(linked, [-distance[u, v] for v in others]))
        strangers = [v for v, is_linked in zip(others, linked, strict=True) if not is_linked]
        ranks += [1 + sum(distance[u, w] < distance[u, v] for w in strangers) for a, v in edges if a == u]
    found = reconstruction(distance, edges)
    assert found.mean_average_precision == pytest.approx(np.mean(precisions))
    assert found.mean_rank == pytest.approx(np.mean(ranks))
    assert found.mean_rank > 1


def test_a_graph_by_hand():
    distance = [[0, 1, 2, 3], [1, 0, 1, 1], [2, 1, 0, 1], [3, 1, 1, 0]]
    assert reconstruction(distance, [[0, 1]]) == (1, 1)
    assert reconstruction(distance, [[0, 2]]) == (1 / 2, 2)
    assert reconstruction(distance, [[1, 2]]) == (pytest.approx(1 / 3), 2)


@pytest.mark.parametrize(
    ("distance", "edges", "said"),
    [
        (np.zeros((2, 2)), np.zeros((0, 2), int), "edges .E, 2."),
        (np.zeros((2, 3)), [[0, 1]], "must be .n, n."),
        (np.zeros((2, 2)), [[0, 2]], "two different nodes"),
        (np.zeros((2, 2)), [[1, 1]], "two different nodes"),
    ],
)
def test_reconstruction_refuses(distance, edges, said):
    with pytest.raises(InputError, match=said):
        reconstruction(distance, edges)
