"""Taxonomy scores against hiclass and hiereval, against the metrics of trees, and against sets and searches by hand."""

import random
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import TREE_METRICS, taxonomy_scores, tree_scores


def random_paths(generator: random.Random) -> tuple[list[list[str]], list[list[str]]]:
    """True and predicted paths of a random tree of one depth whose labels have one name each."""
    depth, width = generator.randint(2, 5), generator.randint(2, 4)

    def path() -> list[str]:
        steps = [generator.randrange(width) for _ in range(depth)]
        return ["n" + "".join(map(str, steps[: at + 1])) for at in range(depth)]

    true = [path() for _ in range(generator.randint(5, 30))]
    return true, [list(t) if generator.random() < 0.4 else path() for t in true]


def ragged(paths: list[list[str]], generator: random.Random) -> list[list[str]]:
    return [path[: generator.randint(1, len(path))] for path in paths]


def test_500_random_trees_score_as_in_hiclass():
    metrics = pytest.importorskip("hiclass.metrics", reason="needs hiclass: pip install hiclass")
    generator = random.Random(0)
    for _ in range(500):
        true, predicted = random_paths(generator)
        ours = taxonomy_scores(true, predicted)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = [of(np.array(true), np.array(predicted)) for of in (metrics.precision, metrics.recall, metrics.f1)]
        assert [ours["hp"], ours["hr"], ours["hf"]] == pytest.approx(theirs, abs=1e-12)


def test_500_random_trees_score_as_in_hiereval():
    hiereval = pytest.importorskip("hiereval", reason="needs hiereval: pip install hiereval")
    generator = random.Random(1)
    for _ in range(500):
        true, predicted = (ragged(paths, generator) for paths in random_paths(generator))
        ours = taxonomy_scores(true, predicted)
        prf = hiereval.hierarchical_prf(true, predicted)
        assert [ours["hp"], ours["hr"], ours["hf"]] == pytest.approx([prf.precision, prf.recall, prf.f1], abs=1e-12)
        assert ours["full_path"] == pytest.approx(hiereval.full_path_accuracy(true, predicted), abs=1e-12)
        for level in hiereval.per_level_scores(true, predicted):
            assert ours[f"level_{level.level}"] == pytest.approx(level.accuracy, abs=1e-12)
        prefixes = [hiereval.lca_depth(p, t) / len(t) for t, p in zip(true, predicted, strict=True)]
        assert ours["nlca"] == pytest.approx(np.mean(prefixes), abs=1e-12)
        steps = hiereval.Taxonomy.from_paths(true)
        assert ours["inconsistent"] == pytest.approx(hiereval.inconsistency_rate(predicted, steps), abs=1e-12)


def by_hand() -> dict[str, float]:
    true = [("a", "b", "c"), ("a", "d"), ("e", "f", "g")]
    predicted = [("a", "b", "x"), ("a", "d"), ("a", "f", None)]
    return taxonomy_scores(true, predicted)


def test_three_paths_by_hand():
    wanted = {"level_1": 2 / 3, "level_2": 1.0, "level_3": 0.0, "full_path": 1 / 3, "nlca": 5 / 9}
    assert by_hand() == pytest.approx({**wanted, "inconsistent": 2 / 3, "hp": 5 / 7, "hr": 5 / 8, "hf": 2 / 3})


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Edges of a random graph without cycles, with one root or several, and two lists of labels."""
    size = draw(st.integers(3, 14))
    edges = []
    for child in range(1, size):
        least = 0 if child < 3 else draw(st.integers(0, 1))
        parents = draw(st.sets(st.integers(0, child - 1), min_size=min(least, child), max_size=3))
        edges += [(f"n{child}", f"n{parent}") for parent in sorted(parents)]
    labels = sorted({label for edge in edges for label in edge} or {"n0"})
    several = st.lists(st.sampled_from(labels), min_size=1, max_size=6)
    true = draw(several)
    return edges, true, draw(st.lists(st.sampled_from(labels), min_size=len(true), max_size=len(true)))


def all_above(label: str, edges: list[tuple[str, str]]) -> set[str]:
    above: set[str] = set()
    for _ in edges:
        above |= {parent for child, parent in edges if child == label or child in above}
    return above


def steps_to(label: str, edges: list[tuple[str, str]]) -> dict[str, int]:
    """Shortest ways up, by relaxing all edges; the virtual root is ''."""
    steps = {label: 0}
    children = {child for child, _ in edges}
    every = [*edges, *((top, "") for top in {parent for _, parent in edges} - children)]
    for _ in range(len(every) + 1):
        for child, parent in every:
            if child in steps:
                steps[parent] = min(steps.get(parent, 99), steps[child] + 1)
    return steps


@given(graphs())
def test_graphs_score_as_sets_and_searches_by_hand(drawn):
    edges, true, predicted = drawn
    labels = {label for edge in edges for label in edge}
    roots = labels - {child for child, _ in edges}
    root = next(iter(roots)) if len(roots) == 1 else ""
    if len(labels - {root}) < 2 or _looks_turned(edges):
        return
    rows = []
    for t, p in zip(true, predicted, strict=True):
        up, down = all_above(p, edges), all_above(t, edges)
        own, other = (up | {p}) - {root}, (down | {t}) - {root}
        near, far = steps_to(p, edges), steps_to(t, edges)
        both, same = len(up & down), float(p == t)
        shared = max((steps_to(label, edges)[root] for label in own & other), default=0)
        rows.append(
            {
                "tie": min(near[at] + far[at] for at in near.keys() & far.keys()),
                "lca": len(up) - both + 1,
                "jaccard": both / len(up | down) if up | down else same,
                "h_precision": both / len(up) if up else same,
                "h_recall": both / len(down) if down else same,
                "nlca": shared / far[root] if far[root] else same,
                "common": len(own & other),
                "p": len(own),
                "t": len(other),
            }
        )
    ours = taxonomy_scores(true, predicted, edges)
    for name in (*TREE_METRICS, "nlca"):
        assert ours[name] == pytest.approx(np.mean([row[name] for row in rows]), abs=1e-12), name
    common, p, t = (sum(row[name] for row in rows) for name in ("common", "p", "t"))
    assert (ours["hp"], ours["hr"]) == pytest.approx((common / p if p else 0, common / t if t else 0), abs=1e-12)


def _looks_turned(edges: list[tuple[str, str]]) -> bool:
    children = [child for child, _ in set(edges)]
    return not set(children) & {parent for _, parent in edges} and len(set(children)) < len(children)


@given(graphs())
def test_labels_of_trees_score_as_tree_scores(drawn):
    edges, true, predicted = drawn
    single = list({child: (child, parent) for child, parent in edges}.values())
    labels = {label for edge in single for label in edge}
    if len(labels - {child for child, _ in single}) > 1 or len(labels) < 3 or not {*true, *predicted} <= labels:
        return
    ours, theirs = taxonomy_scores(true, predicted, single), tree_scores(predicted, true, single)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-12)


def test_labels_of_a_tree_score_as_their_paths():
    paths = ["a > b > c", "a > b > d", "a > e", "f > g"]
    written = [tuple(path.split(" > ")) for path in (paths[0], paths[1], paths[3])]
    guesses = [written[1], written[0][:2], written[2]]
    of_labels = taxonomy_scores(written, guesses, paths)
    by_label = taxonomy_scores(["c", "d", "g"], ["d", "b", "g"], paths)
    assert {name: by_label[name] for name in of_labels} == pytest.approx(of_labels, abs=1e-12)


@pytest.mark.parametrize(
    ("true", "predicted", "tree", "named"),
    [
        ([], [], None, "0 true"),
        ([("a",)], [], None, "1 true and 0 predicted"),
        (["a"], ["a"], None, "give the tree"),
        (["b"], ["zebra"], [("b", "a"), ("c", "a")], "zebra"),
        ([()], [("a",)], None, "item 0"),
    ],
)
def test_what_cannot_be_scored_is_named(true, predicted, tree, named):
    with pytest.raises(InputError, match=named):
        taxonomy_scores(true, predicted, tree)
