"""Tree metrics against breadth-first search and sets of ancestors written from the definition."""

from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import TREE_METRICS, Tree, tree_scores

SMALL = [("dog", "animal"), ("cat", "animal"), ("animal", "thing"), ("car", "thing"), ("pug", "dog")]


def ancestors(node, edges):
    """Without the node, with the root."""
    parent, found = dict(edges), set()
    while node in parent:
        node = parent[node]
        found.add(node)
    return found


def walk(start, goal, edges):
    """Edges between two nodes, by breadth-first search in the undirected graph."""
    near = {}
    for child, parent in edges:
        near.setdefault(child, set()).add(parent)
        near.setdefault(parent, set()).add(child)
    seen, queue = {start}, deque([(start, 0)])
    while queue:
        node, steps = queue.popleft()
        if node == goal:
            return steps
        for other in near[node] - seen:
            seen.add(other)
            queue.append((other, steps + 1))
    raise AssertionError("not connected")


def by_definition(p, t, edges):
    up, down = ancestors(p, edges), ancestors(t, edges)
    both = up & down
    same = float(p == t)
    return {
        "tie": walk(p, t, edges),
        "lca": len(up) - len(both) + 1,
        "jaccard": len(both) / len(up | down) if up | down else same,
        "h_precision": len(both) / len(up) if up else same,
        "h_recall": len(both) / len(down) if down else same,
    }


@st.composite
def trees(draw):
    """Edges of a random tree in random order with random names, and two lists of nodes."""
    size = draw(st.integers(2, 40))
    names = draw(st.permutations(range(100, 100 + size)))
    edges = [
        (names[i], names[draw(st.integers(max(0, i - 3) if draw(st.booleans()) else 0, i - 1))]) for i in range(1, size)
    ]
    items = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), min_size=1, max_size=30))
    return draw(st.permutations(edges)), *map(list, zip(*items, strict=True))


@given(trees())
def test_every_item_is_as_by_definition(drawn):
    edges, predicted, true = drawn
    found = Tree(edges).compare(predicted, true)
    wanted = [by_definition(p, t, edges) for p, t in zip(predicted, true, strict=True)]
    assert set(found) == set(TREE_METRICS)
    for name, values in found.items():
        np.testing.assert_allclose(values, [each[name] for each in wanted], rtol=0, atol=1e-12)
    means = tree_scores(predicted, true, edges)
    for name in TREE_METRICS:
        assert means[name] == pytest.approx(np.mean([each[name] for each in wanted]), abs=1e-12)


@pytest.mark.parametrize("kind", [torch.tensor, np.array, lambda rows: list(torch.tensor(rows))])
def test_tensors_hold_names(kind):
    edges = [(1, 0), (2, 0), (3, 1), (3, 1)]
    assert tree_scores(kind([3, 2]), kind([2, 2]), kind(edges)) == tree_scores([3, 2], [2, 2], edges)
    assert Tree(kind(edges)).root == 0


@pytest.mark.parametrize(
    ("edges", "named"),
    [
        ([], "edges"),
        ([("a", "b"), ("b", "a")], "cycle"),
        ([("a", "root"), ("b", "c"), ("c", "b")], "cycle"),
        ([("a", "a")], "cycle"),
        ([("a", "east"), ("b", "west")], "'east', 'west'"),
        ([("a", "b"), ("a", "c"), ("b", "c")], "'a'"),
        ([("a", "b", "c")], "pairs"),
        ([("a", [])], "pairs"),
        (["ab"], "pairs"),
        (np.array(3), "edges"),
        (None, "edges"),
    ],
)
def test_what_is_no_tree_is_refused(edges, named):
    with pytest.raises(InputError, match=named):
        tree_scores(["a"], ["a"], edges)


@pytest.mark.parametrize(
    ("predicted", "true", "named"),
    [
        (["wolf"], ["dog"], "'wolf'"),
        (["dog"], ["wolf"], "'wolf'"),
        ([], [], "empty"),
        (["dog"], ["dog", "cat"], "1 predicted and 2 true"),
        ([["dog"]], ["dog"], "one an item"),
        (torch.tensor(3), ["dog"], "one an item"),
    ],
)
def test_items_that_cannot_be_scored_are_refused(predicted, true, named):
    with pytest.raises(InputError, match=named):
        tree_scores(predicted, true, SMALL)
