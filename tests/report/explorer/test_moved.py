"""What moved between two lenses, against brute force over all pairs."""

import json

import numpy as np
import pytest
import torch

from hiergeo import search
from hiergeo._core.errors import InputError
from hiergeo.report.explorer import moved
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.moved import compare

N, DIM, K = 60, 6, 5


@pytest.fixture(scope="module")
def rows():
    torch.manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(N, DIM) + 0.3, dim=1) * torch.rand(N, 1).add(0.2) * 2


@pytest.fixture(scope="module")
def before(rows, tmp_path_factory):
    return index(tmp_path_factory.mktemp("before"), rows)


@pytest.fixture(scope="module")
def after(rows, tmp_path_factory):
    """The same items by another model: noise, and item 11 goes from its place to the outermost one."""
    torch.manual_seed(1)
    changed = rows + 0.2 * torch.randn(N, DIM)
    changed[11] = 9 * torch.nn.functional.normalize(-rows[11], dim=0)
    return index(tmp_path_factory.mktemp("after"), changed)


def index(folder, rows):
    captions = [f"caption {i}" for i in range(len(rows))]
    return search.build(folder / "index", None, captions, embeddings=rows, space="euclidean", dtype="float32")


def lens(held, spec="euclidean", title="one"):
    return Lens("0", title, "test", held, held.chosen(spec))


def law(held, curvature):
    """Distances and cone margins (N, N) of stored items from the laws of cosines, float64."""
    stored = held.store.fetch(torch.arange(N))
    r = stored.radii[:, 0].double().numpy()
    u = stored.direction.double().numpy()
    u = u / np.linalg.norm(u, axis=1, keepdims=True)
    cosine = np.clip(u @ u.T, -1, 1)
    sine = np.sqrt(1 - cosine**2)
    x, y = r[:, None], r[None, :]
    if curvature == 0:
        distance = np.sqrt(np.maximum(x**2 + y**2 - 2 * x * y * cosine, 0))
        angle = np.arctan2(y * sine, y * cosine - x)
        psi = np.arcsin(np.minimum(1, 0.2 / r))
    else:
        distance = np.arccosh(np.maximum(np.cosh(x) * np.cosh(y) - np.sinh(x) * np.sinh(y) * cosine, 1))
        angle = np.arctan2(np.sinh(y) * sine, np.cosh(x) * np.sinh(y) * cosine - np.sinh(x) * np.cosh(y))
        psi = np.arcsin(np.minimum(1, 0.2 / np.sinh(r)))
    return distance, psi[:, None] - angle


def nearest(values):
    values = values.copy()
    np.fill_diagonal(values, np.inf)
    return [set(row[:K].tolist()) for row in values.argsort(axis=1, kind="stable")]


def overlap(one, other):
    return float(np.mean([len(a & b) / K for a, b in zip(one, other, strict=True)]))


def spearman(a, b):
    ranks = [values.argsort().argsort() for values in (a, b)]
    return float(np.corrcoef(ranks)[0, 1])


def test_two_models_are_compared_item_by_item(before, after):
    moved = compare(lens(before), lens(after, title="two"), K)
    radii = [index.store.fetch(torch.arange(N)).radii[:, 0].numpy() for index in (before, after)]
    assert moved.spearman.value == pytest.approx(spearman(*radii))
    assert moved.spearman.interval.low < moved.spearman.value < moved.spearman.interval.high
    (near, below), (other, others) = law(before, 0), law(after, 0)
    assert moved.neighbours.value == pytest.approx(overlap(nearest(near), nearest(other)))
    assert moved.children.value == pytest.approx(overlap(nearest(-below), nearest(-others)))
    assert (moved.neighbours.items, moved.same_radii, moved.one_space) == (N, False, False)
    ranks = [values.argsort().argsort() for values in radii]
    top = moved.movers[0]
    assert (top.id, top.caption, top.image) == (11, "caption 11", False)
    assert top.id == int(np.abs(ranks[1] - ranks[0]).argmax())
    assert top.rank == pytest.approx(tuple((rank[11] + 0.5) / N for rank in ranks))
    assert top.radius == pytest.approx((radii[0][11], radii[1][11]))
    assert top.shared_neighbours == len(nearest(near)[11] & nearest(other)[11])
    assert top.shared_children == len(nearest(-below)[11] & nearest(-others)[11])
    changes = [abs(mover.rank[1] - mover.rank[0]) for mover in moved.movers]
    assert changes == sorted(changes, reverse=True)


def test_geometries_of_one_model_share_radii_and_not_neighbours(before):
    moved = compare(lens(before), lens(before, "lorentz:-1", "two"), K)
    assert (moved.same_radii, moved.one_space, moved.spearman.value) == (True, False, 1)
    (near, below), (other, others) = law(before, 0), law(before, -1)
    assert moved.neighbours.value == pytest.approx(overlap(nearest(near), nearest(other)))
    assert moved.children.value == pytest.approx(overlap(nearest(-below), nearest(-others)))
    shared = [mover.shared_neighbours + mover.shared_children for mover in moved.movers]
    assert shared == sorted(shared)
    told = moved.as_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert [mover["id"] for mover in told["movers"]] == [str(mover.id) for mover in moved.movers]


def test_charts_of_one_space_are_said_to_be_one(before):
    found = compare(lens(before, "lorentz:-0.5"), lens(before, "poincare:-0.5", "two"), K)
    assert found.one_space
    assert found.neighbours.value == found.children.value == 1
    assert found.movers == ()
    assert "one space" in found.sentences[0]
    assert len(found.sentences) == 1


def test_large_collections_are_sampled_and_say_so(before, after, monkeypatch):
    monkeypatch.setattr(moved, "PAIRS", 0)
    monkeypatch.setattr(moved, "FEWEST", 20)
    found = compare(lens(before), lens(after, title="two"), K)
    assert found.neighbours.items == 20
    assert any("random sample of 20" in sentence for sentence in found.sentences)
    assert {mover.id for mover in found.movers} >= {11}
    near, other = nearest(law(before, 0)[0]), nearest(law(after, 0)[0])
    for mover in found.movers:
        assert mover.shared_neighbours == len(near[mover.id] & other[mover.id])
    assert compare(lens(before), lens(after, title="two"), K) == found


def test_comparisons_that_are_none_are_refused(before, rows, tmp_path):
    single = index(tmp_path / "single", rows[:1])
    fewer = index(tmp_path / "fewer", rows[:-1])
    with pytest.raises(InputError, match="k"):
        compare(lens(before), lens(before), 0)
    with pytest.raises(InputError, match="at least two"):
        compare(lens(single), lens(single))
    with pytest.raises(InputError, match="different items"):
        compare(lens(before), lens(fewer))
    pair = compare(lens(before), lens(before))
    assert pair.k == 10
