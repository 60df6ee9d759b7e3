"""Free embeddings of a graph: trees fit where there is room for them."""

import dataclasses

import pytest
import torch

from hiergeo import Euclidean, Lorentz, PoincareBall, Product, Space, Sphere
from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import reconstruction
from hiergeo.training import FreeEmbedding, FreeRecipe, embed_graph, free
from hiergeo.training.free import REACH

FAST = FreeRecipe(epochs=40, batch=64, negatives=10, learning_rate=0.1, burn_in=4)
NODES = 31


def tree() -> torch.Tensor:
    """The closure (descendant, ancestor) of the complete binary tree, children 2i + 1 and 2i + 2."""
    pairs = []
    for node in range(1, NODES):
        ancestor = node
        while ancestor:
            ancestor = (ancestor - 1) // 2
            pairs.append((node, ancestor))
    return torch.tensor(pairs)


@pytest.mark.parametrize("geometry", [PoincareBall(-1), Lorentz(-0.3), Product([(Lorentz(-1), 2), (Euclidean(), 1)])])
def test_a_tree_is_reconstructed(geometry):
    dim = 3 if isinstance(geometry, Product) else 2
    start = FreeEmbedding(geometry, NODES, dim)
    placed = embed_graph(tree(), NODES, geometry, dim, FAST)
    before, after = (reconstruction(e.distances().numpy(), tree().numpy()) for e in (start, placed))
    assert after.mean_average_precision > before.mean_average_precision + 0.3
    assert after.mean_rank < before.mean_rank / 2


@pytest.mark.slow
def test_hyperbolic_beats_euclidean_in_the_plane():
    recipe = dataclasses.replace(FAST, epochs=100)
    placed = [embed_graph(tree(), NODES, geometry, 2, recipe) for geometry in (Lorentz(-1), Euclidean())]
    hyperbolic, flat = (reconstruction(e.distances().numpy(), tree().numpy()) for e in placed)
    assert hyperbolic.mean_average_precision > flat.mean_average_precision + 0.05


def test_points_stay_on_their_manifold():
    placed = embed_graph(tree(), NODES, Lorentz(-0.5), 2, FAST)
    x = placed.points[0].detach()
    inner = x[:, 1:].square().sum(1) - x[:, 0] ** 2
    torch.testing.assert_close(inner, torch.full_like(inner, -2), rtol=1e-6, atol=0)


@pytest.mark.parametrize("geometry", [Lorentz(-1), PoincareBall(-4)])
def test_points_that_run_away_are_kept_where_coordinates_hold(geometry):
    recipe = dataclasses.replace(FAST, learning_rate=1.0, batch=32)
    placed = embed_graph(tree(), NODES, geometry, 2, recipe)
    reach = placed.located().factors[0].radius.detach() * (-geometry.value) ** 0.5
    assert reach.max() == pytest.approx(REACH, rel=1e-3)
    assert bool(placed.distances().isfinite().all())


def test_a_step_too_wide_is_one_sentence():
    with pytest.raises(InputError, match="in epoch 0: lower the learning rate"):
        embed_graph(tree(), NODES, Euclidean(), 2, dataclasses.replace(FAST, learning_rate=1e308, burn_in=0))


def test_two_runs_are_equal_to_the_bit():
    recipe = dataclasses.replace(FAST, epochs=3)
    one, two, other = (
        embed_graph(tree(), NODES, PoincareBall(-1), 2, dataclasses.replace(recipe, seed=seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one.points[0], two.points[0])
    assert not torch.equal(one.points[0], other.points[0])


@pytest.mark.parametrize("geometry", [Lorentz(-0.3), PoincareBall(-2), Sphere(0.3), Euclidean()])
def test_distances_are_those_of_the_space_and_of_geoopt(geometry):
    placed = FreeEmbedding(geometry, 7, 3, spread=0.7)
    (point,) = placed.located().factors
    tangent = point.radius[:, None] * point.direction
    expected = Space(geometry).pairwise_distance(tangent, tangent)
    torch.testing.assert_close(placed.distances(), expected)
    pairs = torch.arange(6), torch.arange(1, 7)
    theirs = geometry.manifold().dist(placed.points[0][pairs[0]], placed.points[0][pairs[1]])
    theirs = theirs if theirs.ndim == 1 else theirs.norm(dim=-1)
    torch.testing.assert_close(placed.distance(*pairs), theirs, rtol=1e-9, atol=1e-9)


def test_negatives_are_never_linked(monkeypatch):
    linked = {tuple(edge) for edge in tree().tolist()}
    seen = []

    class Watched(FreeEmbedding):
        def distance(self, x, y):
            seen.extend(zip(x[:, 0].tolist(), y.tolist(), strict=True))
            return super().distance(x, y)

    monkeypatch.setattr(free, "FreeEmbedding", Watched)
    embed_graph(tree(), NODES, Euclidean(), 2, dataclasses.replace(FAST, epochs=1))
    assert len(seen) == len(tree())
    for node, (child, *others) in seen:
        assert (node, child) in linked
        assert node not in others
        assert not any((node, other) in linked for other in others)


@pytest.mark.parametrize(
    ("edges", "geometry", "change", "said"),
    [
        ([[0, 1]], Lorentz(-1, learnable=True), {}, "not learnable"),
        ([[0, 1], [0, 2]], Euclidean(), {}, "node 0 is linked to every other"),
        ([[0, 5]], Euclidean(), {}, "beyond the 3 nodes"),
        ([], Euclidean(), {}, "at least one"),
        ([[0, 1]], Euclidean(), {"epochs": 0}, "epochs"),
        ([[0, 1]], Product([(Euclidean(), 3)]), {}, "have 3 dimensions"),
    ],
)
def test_refusals(edges, geometry, change, said):
    pairs = torch.tensor(edges, dtype=torch.int64).view(-1, 2)
    with pytest.raises(InputError, match=said):
        embed_graph(pairs, 3, geometry, 2, dataclasses.replace(FAST, **change))
