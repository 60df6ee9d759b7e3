"""What radii and curvature add to finding parents, against distances in NumPy on worlds made by hand."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hiergeo
from hiergeo.evaluation.auditing import gains, questions
from hiergeo.evaluation.auditing.subject import subject_of
from tests.evaluation.auditing.audit_common import lorentz_distance, made, sample


def tree(seed, tops=6, children=3, dim=4):
    """Points (N, D) and chains (n, 3) of tops with children that have one child each; captions are shared."""
    generator = np.random.default_rng(seed)
    count = tops * children
    above = generator.normal(size=(tops, dim))
    middle = 1.5 * np.repeat(above, children, axis=0) + generator.normal(size=(count, dim))
    below = 1.5 * middle + generator.normal(size=(count, dim))
    leaves = tops + count + np.arange(count)
    chains = np.stack([np.arange(count) // children, tops + np.arange(count), leaves], axis=1)
    return np.concatenate([above, middle, below]), chains


def pairs_of(embedded, chains):
    """Nodes of captions in the order of the embeddings, and the distinct (child, parent) by their places in it."""
    nodes = [int(text) for text in embedded.texts]
    pairs = {(nodes.index(child), nodes.index(parent)) for row in chains for parent, child in pairwise(row)}
    return nodes, np.array(sorted(pairs)).T


def reciprocal(distance, child, parent):
    """Reciprocal ranks of parents among all captions but the child, by distances (N, N)."""
    np.fill_diagonal(distance, np.inf)
    return 1 / (1 + (distance[child] < distance[child, parent][:, None]).sum(axis=1))


def flat(directions, radii):
    rows = directions * radii
    return np.linalg.norm(rows[:, None] - rows[None], axis=-1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1.0, 0.3])
def test_gains_are_those_of_distances_in_numpy(seed, k):
    points, chains = tree(seed)
    embedded = made(points, chains)
    nodes, (child, parent) = pairs_of(embedded, chains)
    rows = points[nodes]
    radii = np.linalg.norm(rows, axis=1, keepdims=True)
    directions, u = rows / radii, np.sqrt(k) * radii
    native = reciprocal(lorentz_distance(rows[:, None], rows[None], k), child, parent)
    changes = [u**power for power in (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4)] + [np.sinh(u), np.tanh(u)]
    tried = np.stack([reciprocal(flat(directions, change), child, parent) for change in changes])
    parents = np.unique(parent)
    half = np.isin(parent, np.random.default_rng(seed).permutation(parents)[: len(parents) // 2])
    best = np.where(half, tried[tried[:, ~half].mean(1).argmax()], tried[tried[:, half].mean(1).argmax()])
    ranked = gains.gains(subject_of(embedded, hiergeo.Space(f"lorentz:{-k}")), seed=seed)
    by_radii, by_curvature = ranked.of_radii, ranked.of_curvature
    assert by_radii.value == pytest.approx((native - reciprocal(-(directions @ directions.T), child, parent)).mean())
    assert by_curvature.value == pytest.approx((native - best).mean())
    assert by_radii.items == by_curvature.items == len(child) == 36
    assert by_radii.effective == by_curvature.effective == pytest.approx(6)


def test_pairs_are_counted_once_however_many_chains_repeat_them():
    points, chains = tree(0)
    once, often = (
        gains.gains(subject_of(made(points, rows), hiergeo.Space("lorentz:-1"))).of_radii
        for rows in (chains, np.repeat(chains, 3, axis=0))
    )
    assert once == often


def test_a_factor_in_which_nothing_happens_changes_nothing():
    points, chains = tree(0)
    beside = np.concatenate([points, 1e-9 * np.random.default_rng(0).normal(size=(len(points), 2))], axis=1)
    alone = gains.gains(subject_of(made(points, chains), hiergeo.Space("lorentz:-1"))).of_curvature
    product = hiergeo.Space("product:lorentz:-1x4,euclidean:x2")
    assert gains.gains(subject_of(made(beside, chains), product)).of_curvature == alone


def test_of_many_pairs_some_are_drawn(monkeypatch):
    points, chains = tree(0)
    subject = subject_of(made(points, chains), hiergeo.Space("lorentz:-1"))
    monkeypatch.setattr(gains, "MOST_PAIRS", 10)
    first, again, other = (gains.gains(subject, seed=seed).of_radii for seed in (1, 1, 2))
    assert first.items == 10
    assert first == again != other


def test_flat_spaces_gain_nothing_by_curvature():
    points, chains = tree(0)
    assert gains.gains(subject_of(made(points, chains), hiergeo.Space("euclidean"))).of_curvature is None


def test_radii_that_are_all_equal_add_nothing():
    points, chains = tree(0)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    by_radii = gains.gains(subject_of(made(points, chains), hiergeo.Space("lorentz:-1"))).of_radii
    assert (by_radii.value, by_radii.interval) == (0, (0, 0))


@given(
    st.lists(st.sampled_from([0.0, 1e-9, 0.1, 0.1 + 1e-9, 0.5, 1.0, 3.0, 40.0, 700.0]), min_size=3, max_size=9),
    st.sampled_from(["lorentz:-1", "lorentz:-0.01", "product:lorentz:-4x2,euclidean:x2"]),
    st.integers(0, 99),
)
def test_rescaled_radii_keep_their_order_and_their_directions(radii, spec, seed):
    rows = np.random.default_rng(seed).normal(size=(len(radii), 4))
    rows *= np.array(radii)[:, None] / np.linalg.norm(rows, axis=1, keepdims=True)
    chains = np.stack([np.zeros(len(radii) - 1, int), np.arange(1, len(radii))], axis=1)
    subject = subject_of(made(rows, chains), hiergeo.Space(spec))
    for changes in gains.rescalings(subject):
        for before, change in zip(subject.text.factors, changes, strict=True):
            after = change(before)
            order = np.argsort(before.radius.numpy(), kind="stable")
            rescaled = after.radius.numpy()[order]
            assert np.isfinite(rescaled).all()
            assert (np.diff(rescaled) >= 0).all()
            assert ((rescaled == 0) == (before.radius.numpy()[order] == 0)).all()
            assert torch.equal(before.direction, after.direction)


QUESTIONS = ("order", "beyond_length", "radii", "curvature", "cones")


@pytest.mark.parametrize("asked", [("order",), ("order", "beyond_length", "curvature"), QUESTIONS, ("cones", "radii")])
@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-1"])
def test_only_what_is_asked_is_answered_and_in_one_order(asked, spec):
    points, chains = sample(rows=20)
    answers = questions.answers_of(made(points, chains), hiergeo.Space(spec), asked)
    assert list(answers) == [question for question in QUESTIONS if question in asked]
    assert ("curvature" in asked and spec == "euclidean") == (
        "curvature" in answers and answers["curvature"].word == "inapplicable"
    )


def test_of_a_star_neither_radii_nor_curvature_is_judged():
    points = np.random.default_rng(0).normal(size=(12, 4))
    star = [[0, leaf, leaf] for leaf in range(1, 12)]
    answers = questions.answers_of(made(points, star), hiergeo.Space("lorentz:-1"), ("radii", "curvature"))
    assert {answer.word for answer in answers.values()} == {"inapplicable"}
    assert all(answer.sentence.startswith("All pairs have one parent") for answer in answers.values())
    other = questions.answers_of(made(points, [*star, [0, 1, 2]]), hiergeo.Space("lorentz:-1"), ("radii", "curvature"))
    assert "inapplicable" not in {answer.word for answer in other.values()}


def test_without_branches_cones_have_no_answer():
    points = np.eye(3) + 1
    answers = questions.answers_of(made(points, [[0, 1], [0, 2]]), hiergeo.Space("lorentz:-1"))
    assert answers["cones"].word == "inapplicable"
