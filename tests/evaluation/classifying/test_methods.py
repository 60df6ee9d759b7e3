"""Confidences of every method against their definitions written label by label in float64, and the walk to a leaf."""

from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Space
from hiergeo.datasets.labels import Entry, LabelTree, load_tree
from hiergeo.evaluation.classifying.methods import METHODS, STEPS, LabelPoints

DIM, T = 6, 0.3


def graph(seed: int, size: int, several: bool) -> LabelTree:
    """A random tree, or a graph where labels have up to three parents, and one root or several."""
    random = np.random.default_rng(seed)
    entries = [Entry("n0")]
    for at in range(1, size):
        parents = random.choice(at, size=min(at, int(random.integers(1, 4)) if several else 1), replace=False)
        entries.append(Entry(f"n{at}", () if at < 3 and seed % 2 else tuple(f"n{p}" for p in parents)))
    return LabelTree(entries)


def labels_at(tree: LabelTree, space: Space, rows: Tensor) -> LabelPoints:
    return LabelPoints.of(tree, space, rows)


def placed(seed: int, size: int, several: bool, spec: str = "lorentz:-1") -> tuple[LabelPoints, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tree = graph(seed, size, several)
    rows = torch.randn(len(tree), DIM, generator=generator, dtype=torch.float64)
    items = torch.randn(5, DIM, generator=generator, dtype=torch.float64)
    return labels_at(tree, Space(spec, "none"), rows), items


def below(tree: LabelTree, label: int) -> set[int]:
    found = {label}
    for at in range(len(tree)):
        if found & set(tree.parents[at]):
            found.add(at)
    return found


def children(tree: LabelTree, label: int) -> list[int]:
    if label == len(tree):
        return [at for at in range(len(tree)) if not tree.parents[at]]
    return [at for at in range(len(tree)) if label in tree.parents[at]]


def softmax(values: list[Any]) -> list[Any]:
    powers = [mpmath.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


def measured(points: LabelPoints, item: Tensor, method: str) -> list[float]:
    """Scores of every label at an item over the temperature."""
    space, labels = points.space, [points.points.rows(slice(at, at + 1)) for at in range(len(points.tree))]
    if method == "cone":
        return [float(space.margin(label, item)) / T for label in labels]
    return [-0.5 * float(space.distance(item, label)) ** 2 / T for label in labels]


def by_definition(points: LabelPoints, scores: list[Any], method: str) -> list[Any]:
    tree, space = points.tree, points.space
    every = range(len(tree))
    if method == "flat":
        share = dict(zip(tree.leaves.tolist(), softmax([scores[at] for at in tree.leaves]), strict=True))
        return [sum(share.get(under, 0.0) for under in below(tree, at)) for at in every]
    if method in ("distance", "cone"):
        share = dict(enumerate(softmax(scores)))
        return [sum(share[under] for under in below(tree, at)) for at in every]
    if method == "level":
        sure = [0.0] * len(tree)
        for level in set(tree.levels.tolist()):
            members = [at for at in every if tree.levels[at] == level]
            for at, value in zip(members, softmax([scores[at] for at in members]), strict=True):
                sure[at] = value
        return sure
    if method == "top-down":
        mass = [0.0] * (len(tree) + 1)
        mass[tree.start] = 1.0
        for parent in [tree.start, *every] if tree.start == len(tree) else every:
            members = children(tree, parent)
            for at, value in zip(members, softmax([scores[at] for at in members]) if members else [], strict=True):
                mass[at] += mass[parent] * value
        return mass[: len(tree)]
    radii = space.radius(points.points)
    met = [0] * len(tree)
    for threshold in torch.linspace(float(radii.min()), float(radii.max()), STEPS, dtype=torch.float64):
        within = [at for at in every if float(radii[at]) <= float(threshold)]
        met[max(within, key=lambda at: scores[at])] += 1
    return [sum(met[under] for under in below(tree, at)) / STEPS for at in every]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-0.7"])
def test_confidences_are_as_defined(method, several, spec):
    for seed in range(3):
        points, items = placed(seed, 12, several, spec)
        ours, _ = points.confidences(points.measure(items, method), method, T)
        for item, row in zip(items, ours, strict=True):
            wanted = by_definition(points, measured(points, item[None], method), method)
            labels = [at for at in range(len(points.tree)) if at != points.tree.start]
            np.testing.assert_allclose(row.numpy()[labels], [float(wanted[at]) for at in labels], atol=1e-9)


def test_flat_sums_are_grouped_probabilities():
    """The rule of pybioclip: softmax of scaled cosines over species, whose probabilities add up by taxon."""
    generator = torch.Generator().manual_seed(3)
    names = [(f"order {at % 3}", f"family {at % 7 * 3 + at % 3}", f"species {at}") for at in range(200)]
    tree = load_tree([" > ".join(path) for path in names])
    rows = torch.nn.functional.normalize(torch.randn(len(tree), 32, generator=generator, dtype=torch.float64), dim=1)
    images = torch.nn.functional.normalize(torch.randn(9, 32, generator=generator, dtype=torch.float64), dim=1)
    points = labels_at(tree, Space("euclidean", "none"), rows)
    ours, _ = points.confidences(points.measure(images, "flat"), "flat", 0.01)
    species = tree.numbers([" > ".join(path) for path in names])
    probabilities = (100 * images @ rows[species].T).softmax(1)
    for depth in (1, 2, 3):
        groups: dict[str, Tensor] = {}
        for at, path in enumerate(names):
            taxon = " > ".join(path[:depth])
            groups[taxon] = groups.get(taxon, 0) + probabilities[:, at]
        labels = tree.numbers(list(groups))
        torch.testing.assert_close(ours[:, labels], torch.stack(list(groups.values()), 1), rtol=0, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(4, 30), st.booleans(), st.sampled_from(METHODS))
def test_paths_lead_to_leaves_and_are_never_surer_below(seed, size, several, method):
    points, items = placed(seed, size, several)
    tree = points.tree
    scores = points.measure(items, method)
    sure, _ = points.confidences(scores, method, T)
    assert ((sure >= 0) & (sure <= 1 + 1e-9)).all()
    walked = points.walk(scores, method, T)
    for item in range(len(items)):
        at, least = tree.start, 1.0 + 1e-9
        for label, confidence in zip(walked.label[item].tolist(), walked.odds[item].sigmoid().tolist(), strict=True):
            under = children(tree, at)
            if not under:
                assert label == -1
                continue
            values = [float(sure[item, child]) for child in under]
            assert label == under[values.index(max(values))]
            at, least = label, min(least, max(values))
            assert confidence == pytest.approx(least, abs=1e-12)
        assert not children(tree, at)


def test_the_surest_of_each_level_may_be_no_path():
    tree = load_tree(["a > b > f", "a > c", "d > e"])
    points = labels_at(tree, Space("euclidean", "none"), torch.eye(len(tree)))
    sure = torch.zeros(4, len(tree))
    for row, labels in zip(sure, (["a", "e", "f"], ["a", "c", "f"], ["a", "b", "f"], ["d", "b", "f"]), strict=True):
        row[tree.numbers(labels)] = 0.9
    assert points.consistent(sure).tolist() == [False, True, True, False]


@pytest.mark.parametrize("method", METHODS)
def test_floors_stand_between_labels_without_rivals(method):
    tree = load_tree(["a > b > c", "d"])
    rows = torch.tensor([[1.0, 0.0], [1.01, 0.0], [1.02, 0.0], [-1.0, 0.0]])[tree.numbers("abcd").argsort()]
    points = labels_at(tree, Space("euclidean", "none"), rows)
    walked = points.walk(points.measure(torch.tensor([[1.02, 0.0]]), method), method, 1e-4)
    assert [tree.names[label] for label in walked.label[0]] == ["a", "b", "c"]
    assert (walked.odds[0].diff() < 0).all()
    assert walked.odds.isfinite().all()


@pytest.mark.parametrize("method", METHODS[:-1])
@pytest.mark.parametrize("several", [False, True])
def test_confidences_that_round_to_one_still_differ(method, several):
    """Log-odds of float32 scores at a low temperature against the definitions with 1,000 digits."""
    surest = 0.0
    for seed in range(4):
        points, items = placed(seed, 12, several)
        scores = points.measure(items, method).float()
        walked = points.walk(scores, method, 0.02)
        for item, row in enumerate(scores.tolist()):
            with mpmath.workdps(1000):
                sure = by_definition(points, [mpmath.mpf(score) / 0.02 for score in row], method)
                odds = [float(mpmath.log(p) - mpmath.log(1 - p)) if 1 - p > 1e-300 else np.inf for p in sure]
            labels = [label for label in walked.label[item].tolist() if label >= 0]
            wanted = np.minimum.accumulate([odds[label] for label in labels])
            ours = walked.odds[item, : len(labels)].numpy()
            highest = 27 if several and method != "level" else np.inf
            wanted, ours = (np.clip(of, -80, highest) for of in (wanted, ours))
            np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-3)
            surest = max(surest, *ours[np.isfinite(ours)])
    assert surest > 25
