"""Taxonomies against definitions: parents by brute force in float64, reductions by networkx."""

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo import search
from hiergeo._core.errors import InputError
from hiergeo.geometry import Space
from hiergeo.search.taxonomy import TreeSettings, grow, linking
from hiergeo.search.taxonomy.growing import depths, essential
from hiergeo.search.taxonomy.linking import Null, link
from tests.search.taxonomy.taxonomy_common import edges, index_of, taxonomy_of

BYS = ("angle", "margin", "distance")


def rising(draw: st.DrawFn, most: int = 40) -> np.ndarray:
    """A table of parents (n, k), each of a smaller place, none twice in a row."""
    n, k = draw(st.integers(1, most)), draw(st.integers(1, 5))
    table = np.full((n, k), -1)
    for place in range(1, n):
        above = draw(st.lists(st.integers(0, place - 1), unique=True, max_size=min(k, place)))
        table[place, : len(above)] = above
    return table


tables = st.composite(rising)()


def graph_of(parent: np.ndarray) -> nx.DiGraph:
    child, slot = np.nonzero(parent >= 0)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(parent)))
    graph.add_edges_from(zip(child.tolist(), parent[child, slot].tolist(), strict=True))
    return graph


def scores(x: np.ndarray, by: str, curvature: float = 0.0, least: float = 0.1) -> np.ndarray:
    """Angle, margin or distance of every parent over every child, (parents, children) float64, by definition."""
    s = np.sqrt(-curvature)
    r = np.linalg.norm(x, axis=1)
    sn = r if curvature == 0 else np.sinh(s * r) / s
    cs = np.ones_like(r) if curvature == 0 else np.cosh(s * r)
    cos = np.clip(x @ x.T / np.maximum(np.outer(r, r), 1e-300), -1, 1)
    sin = np.sqrt(1 - cos**2)
    xi = np.arctan2(sn[None] * sin, cs[:, None] * sn[None] * cos - sn[:, None] * cs[None])
    xi[r == 0] = 0
    if by == "angle":
        return xi
    if by == "distance":
        half = (r[:, None] - r[None]) / 2
        d = (half if curvature == 0 else np.sinh(s * half) / s) ** 2 + np.outer(sn, sn) * (1 - cos) / 2
        return 2 * (np.sqrt(d) if curvature == 0 else np.arcsinh(s * np.sqrt(d)) / s)
    wide = 2 * least / np.maximum(r, 1e-300) if curvature == 0 else 2 * least / np.maximum(s * sn, 1e-300)
    return np.arcsin(np.minimum(1, wide))[:, None] - xi


@pytest.mark.parametrize("by", BYS)
@pytest.mark.parametrize(("geometry", "curvature"), [("euclidean", 0.0), ("lorentz:-1", -1.0)])
def test_parents_are_the_best_of_all_items_of_smaller_radius(tmp_path, monkeypatch, by, geometry, curvature):
    monkeypatch.setattr(linking, "BATCH", 23)
    monkeypatch.setattr(linking, "GROUP", 7)
    monkeypatch.setattr(linking, "CHUNK", 16)
    x = np.random.default_rng(3).normal(size=(60, 5)).astype(np.float32)
    x[40:44] = x[40] * np.linspace(0.5, 0.9, 4, dtype=np.float32)[:, None]
    index = index_of(tmp_path / "i", x, geometry)
    found = link(index.store, index.space, by, 4)

    value = scores(x.astype(np.float64), by, curvature) * (-1 if by == "margin" else 1)
    radius = np.linalg.norm(x.astype(np.float64), axis=1)
    ids = found.order.ids.numpy()
    assert (ids == np.argsort(radius)).all()
    for place, item in enumerate(ids):
        smaller = np.flatnonzero(radius < radius[item])
        best = np.sort(value[smaller, item])[:4]
        kept = found.parent[place] >= 0
        assert int(kept.sum()) == len(best)
        parents = ids[found.parent[place][kept].numpy()]
        assert (radius[parents] < radius[item]).all()
        np.testing.assert_allclose(value[parents, item], best, atol=2e-5)
        np.testing.assert_allclose(np.abs(found.score[place][kept].numpy()), np.abs(best), atol=2e-5)


def test_duplicates_and_items_at_the_root_are_no_parents_of_each_other(tmp_path):
    x = np.zeros((6, 3), np.float32)
    x[2:4] = (1, 0, 0)
    x[4:] = (2, 0, 0)
    taxonomy = grow(index_of(tmp_path / "i", x), TreeSettings(k=5, min_confidence=0))
    assert edges(taxonomy) == {(2, 0), (2, 1), (3, 0), (3, 1), (4, 2), (4, 3), (5, 2), (5, 3)}
    ties = link(search.open(tmp_path / "i").store, Space("euclidean", "none"), "distance", 1)
    assert ties.parent[:, 0].tolist() == [-1, -1, 0, 0, 2, 2]


@pytest.mark.parametrize("by", BYS)
def test_the_order_of_items_does_not_matter(tmp_path, by):
    generator = np.random.default_rng(5)
    x = generator.normal(size=(50, 4)).astype(np.float32)
    mixed = generator.permutation(50)
    asked = TreeSettings(by, 3, 0.6)
    one = grow(index_of(tmp_path / "a", x), asked)
    other = grow(index_of(tmp_path / "b", x[mixed], ids=torch.from_numpy(mixed)), asked)
    assert edges(one) == edges(other)
    assert [one.name(i) for i in range(50)] == [f"item {i}" for i in one.ids.tolist()]


@settings(max_examples=25)
@given(tables)
def test_the_reduction_is_that_of_networkx(parent):
    kept = np.where(essential(parent), parent, -1)
    assert set(graph_of(kept).edges) == set(nx.transitive_reduction(graph_of(parent)).edges)


@settings(max_examples=25)
@given(tables)
def test_depths_are_those_of_networkx(parent):
    assert depths(parent[:, 0]).tolist() == [
        len(nx.descendants(graph_of(parent[:, :1]), i)) for i in range(len(parent))
    ]


@pytest.mark.parametrize("by", BYS)
def test_confidence_is_the_share_of_pairs_at_matched_radii_that_do_no_better(tmp_path, by, monkeypatch):
    monkeypatch.setattr("hiergeo.search.taxonomy.linking.BINS", 2)
    x = np.random.default_rng(2).normal(size=(41, 4)).astype(np.float32)
    index = index_of(tmp_path / "i", x)
    links = link(index.store, index.space, by, 3)
    found = Null.of(index.store, index.space, links.order, by).confidence(links)

    ordered = x[links.order.ids.numpy()].astype(np.float64)
    good = scores(ordered, by) * (1 if by == "margin" else -1)
    half = np.arange(41) >= 20
    for child in range(41):
        for slot, parent in enumerate(links.parent[child].tolist()):
            if parent < 0:
                assert np.isnan(found[child, slot])
                continue
            null = [
                good[p, c]
                for c in np.flatnonzero(half == half[child])
                for p in np.flatnonzero(half == half[parent])
                if p < c
            ]
            expected = np.mean(np.array(null) <= good[parent, child] + 1e-6)
            assert found[child, slot] == pytest.approx(expected, abs=1.5 / len(null))


def test_edges_below_the_least_confidence_are_cut_before_the_reduction():
    parents, sure = [[], [0], [1, 0]], [[], [0.9], [0.2, 0.8]]
    taxonomy = taxonomy_of(parents, confidence=sure, settings=TreeSettings(min_confidence=0.8))
    assert edges(taxonomy) == {(11, 10), (12, 10)}
    assert (taxonomy.cut, taxonomy.redundant, taxonomy.confidence[2, 0]) == (1, 0, 0.8)
    whole = taxonomy_of(parents, confidence=sure, settings=TreeSettings(min_confidence=0.0))
    assert (edges(whole), whole.redundant) == ({(11, 10), (12, 11)}, 1)


@settings(max_examples=25)
@given(tables)
def test_branches_and_depths_are_those_of_best_parents(parent):
    taxonomy = taxonomy_of([[p for p in row if p >= 0] for row in parent.tolist()])
    best = graph_of(taxonomy.best[:, None])
    assert taxonomy.size.tolist() == [1 + len(nx.ancestors(best, i)) for i in best]
    assert taxonomy.depth.tolist() == [len(nx.descendants(best, i)) for i in best]
    assert all(above < child for child, above in graph_of(taxonomy.parent).edges)


@pytest.mark.parametrize(
    ("asked", "named"),
    [({"by": "margins"}, "margin"), ({"k": 0}, "k"), ({"k": True}, "k"), ({"min_confidence": 1.5}, "confidence")],
)
def test_settings_out_of_range_are_refused(asked, named):
    with pytest.raises(InputError, match=named):
        TreeSettings(**asked)
