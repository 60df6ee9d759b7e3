"""Floors against a search over every floor, and the promise where labels and items are drawn from one population."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from hiergeo._core.errors import InputError
from hiergeo.datasets.labels import load_tree
from hiergeo.evaluation.classifying.promise import (
    Promise,
    error_floors,
    floor_of,
    large_branches,
    needed,
    promised,
    stops,
)

TREE = load_tree([f"a{i} > b{i}{j} > c{i}{j}{k}" for i in range(3) for j in range(3) for k in range(3)])
ALPHAS = (0.05, 0.1, 0.2)


def drawn(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paths, confidences and true labels of items whose confidences know something of their mistakes."""
    leaves = random.choice(TREE.leaves, count)
    truth = np.where(random.random(count) < 0.5, leaves, random.choice(TREE.leaves, count))
    truth = np.where(random.random(count) < 0.1, [TREE.path(int(label))[1] for label in truth], truth)
    paths = np.array([TREE.path(int(leaf)) for leaf in leaves])
    same = np.array([[label in TREE.above[t] for label in path] for path, t in zip(paths, truth, strict=True)])
    sure = np.clip(0.4 * same + 0.6 * random.random(paths.shape), 0, 1)
    return paths, np.minimum.accumulate(np.round(logit(sure), 1), axis=1), truth


def wrong_at(paths: np.ndarray, sure: np.ndarray, truth: np.ndarray, floor: float) -> np.ndarray:
    """Errors of items by the definition: the true label is not at or below the one where the item stops."""
    wrong = []
    for path, confidences, true in zip(paths, sure, truth, strict=True):
        above = [label for label, value in zip(path, confidences, strict=True) if value > floor]
        wrong.append(bool(above) and above[-1] not in TREE.above[true])
    return np.array(wrong)


@given(st.integers(0, 1000), st.integers(20, 80), st.sampled_from(ALPHAS))
def test_the_floor_is_the_smallest_that_promises(seed, count, alpha):
    paths, sure, truth = drawn(count, np.random.default_rng(seed))
    floor = floor_of(error_floors(TREE, paths, sure, truth), alpha)
    bounds = [
        count / (count + 1) * wrong_at(paths, sure, truth, at).mean() + 1 / (count + 1)
        for at in (-np.inf, *np.unique(sure))
    ]
    fitting = [at for at, bound in zip((-np.inf, *np.unique(sure)), bounds, strict=True) if bound <= alpha + 1e-12]
    assert floor == (min(fitting) if fitting else np.inf)
    assert bounds == sorted(bounds, reverse=True)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_new_items_err_as_rarely_as_promised(alpha):
    random = np.random.default_rng(5)
    errors, tops = [], []
    for _ in range(400):
        paths, sure, truth = drawn(260, random)
        branches = tuple(int(top) for top in TREE.numbers(["a0", "a1"]))
        made = promised(TREE, paths[:160], sure[:160], truth[:160], alpha, branches)
        level, floor = made.levels(paths[160:], sure[160:]), made.floors(paths[160:])
        rest = zip(paths[160:], sure[160:], truth[160:], floor, strict=True)
        missed = np.array([wrong_at(p[None], s[None], t[None], at)[0] for p, s, t, at in rest])
        assert (level == stops(sure[160:], floor)).all()
        errors.append(missed.mean())
        tops.append([missed[paths[160:, 0] == top].mean() for top in branches])
    for rates in (np.array(errors), *np.array(tops).T):
        assert rates.mean() <= alpha + 2 * rates.std() / np.sqrt(len(rates))
    assert np.mean(errors) > 0.6 * alpha


def test_how_many_labels_a_promise_takes():
    assert [needed(alpha) for alpha in (0.05, 0.1, 0.2, 0.5)] == [19, 9, 4, 1]
    paths, sure, truth = drawn(8, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"at least 9 .* 8"):
        promised(TREE, paths, sure, truth, 0.1)
    assert floor_of(np.zeros(0), 0.1) == np.inf
    assert floor_of(np.array([0.3] * 9), 0.1) == 0.3
    assert floor_of(np.full(9, -np.inf), 0.1) == -np.inf


def test_an_error_ends_where_the_path_is_right():
    leaf, other = TREE.numbers(["c000", "c011"])
    path = np.array([TREE.path(int(leaf))])
    sure = np.array([[0.9, 0.6, 0.5]])
    for truth, floor in (
        (leaf, -np.inf),
        (other, 0.6),
        (TREE.numbers(["c211"])[0], 0.9),
        (TREE.numbers(["b00"])[0], 0.5),
    ):
        assert error_floors(TREE, path, sure, np.array([truth])) == [floor]


def test_branches_have_floors_of_their_own_where_labels_suffice():
    a, b = TREE.numbers(["a0", "a1"])
    assert large_branches(np.array([a] * 60 + [b] * 40), 0.1, 2.0) == tuple(sorted((int(a), int(b))))
    assert large_branches(np.array([a] * 60 + [b] * 5), 0.1, 2.0) == ()
    made = Promise(0.5, {int(a): 0.9}, 0.1, 100)
    paths = np.array([TREE.path(int(label)) for label in TREE.numbers(["c000", "c100"])])
    assert made.levels(paths, np.full((2, 3), 0.7)).tolist() == [0, 3]
    assert "without a promise" in str(Promise(0.5, {}))
