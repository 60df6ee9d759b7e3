"""Every verb of `Space`: embeddings and points alike, in every geometry, against float64 or brute force."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hiergeo import Polar, Space, pairwise
from hiergeo._core.errors import InputError
from hiergeo.geometry import parse
from hiergeo.geometry.space import By, Side
from hiergeo.pairwise import operands
from hiergeo.pairwise.resolver import why_plain
from hiergeo.testing import oracle
from tests.tools.frames import frames_of

DIM = 7
SPECS = (
    "euclidean",
    "lorentz:-0.7",
    "poincare:-2",
    "sphere:0.05",
    "product:lorentz:-0.3x3,euclidean:x2,sphere:0.05x2",
    "product:lorentz:-0.3x3,sphere:0.05x4,l1",
)


def embeddings(n: int, seed: int) -> Tensor:
    return torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


def space_of(spec: str, min_radius: float = 0.3) -> Space:
    return Space(spec, embeddings(1, 9)[0] / 3, min_radius=min_radius)


def truth(space: Space, measure: str, x: Tensor, y: Tensor, *more: float) -> list[Tensor]:
    """An oracle of every pair in float64, factor by factor."""
    assert space.root is not None
    found = []
    for factor, part in space.geometry.parts(DIM):
        points = []
        for e in (x[:, None, part], y[None, :, part]):
            v = e.double() - space.root.double()[part]
            points.append(oracle.Polar(v, torch.linalg.vector_norm(v, dim=-1)))
        found.append(getattr(oracle, measure)(*points, factor.value, *more))
    return found


@pytest.fixture(params=SPECS)
def space(request: pytest.FixtureRequest) -> Space:
    return space_of(request.param)


def margins(space: Space, x: Tensor, y: Tensor) -> Tensor:
    return torch.stack(truth(space, "margin", x, y, space.min_radius)).amin(0)


def distances(space: Space, x: Tensor, y: Tensor) -> Tensor:
    each = torch.stack(truth(space, "distance", x, y))
    return torch.linalg.vector_norm(each, ord=1 if space.geometry.norm == "l1" else 2, dim=0)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found.double(), expected.double(), rtol=1e-5, atol=4e-6)


def test_pairwise_verbs_are_those_of_the_oracle(space: Space) -> None:
    x, y = embeddings(6, 0), embeddings(8, 1)
    for a, b in ((x, y), (space.points(x), space.points(y)), (x, space.points(y))):
        close(space.pairwise_distance(a, b), distances(space, x, y))
        close(space.pairwise_margin(a, b), margins(space, x, y))
        close(space.pairwise_exterior_angle(a, b), torch.stack(truth(space, "exterior_angle", x, y)).amax(0))


def test_rowwise_verbs_are_the_diagonal(space: Space) -> None:
    x, y = embeddings(6, 0), embeddings(6, 1)
    for a, b in ((x, y), (space.points(x), space.points(y))):
        close(space.distance(a, b), distances(space, x, y).diagonal())
        close(space.margin(a, b), margins(space, x, y).diagonal())
        close(space.energy(a, b), (-margins(space, x, y).diagonal()).clamp_min(0))
        close(space.exterior_angle(a, b), torch.stack(truth(space, "exterior_angle", x, y)).amax(0).diagonal())
        assert torch.equal(space.entails(a, b), space.margin(a, b) >= 0)
        assert torch.equal(space.radius(a), space.radius(x))


def test_searches_are_those_of_brute_force(space: Space) -> None:
    x, y = embeddings(6, 0), embeddings(40, 1)
    margin, distance = space.pairwise_margin(x, y), space.pairwise_distance(x, y)
    angle, above = space.pairwise_exterior_angle(x, y), space.pairwise_margin(y, x).mT
    target = torch.tensor([0, 39, 7, 7, 20, 3])
    for a, b in ((x, y), (space.points(x), space.points(y))):
        orders: tuple[tuple[By, Side, Tensor, bool], ...] = (
            ("distance", "children", distance, False),
            ("margin", "children", margin, True),
            ("margin", "parents", above, True),
            ("angle", "children", angle, False),
            ("angle", "parents", space.pairwise_exterior_angle(y, x).mT, False),
        )
        for by, side, scores, largest in orders:
            values, order = scores.sort(dim=1, descending=largest, stable=True)
            found, indices = space.topk(a, b, 7, by, side)
            close(found, values[:, :7])
            assert torch.equal(indices, order[:, :7]), (by, side)
            places = (order == target[:, None]).int().argmax(1)
            assert torch.equal(space.rank(a, b, target, by, side), places), (by, side)
        nearest, where = space.nearest(a, b)
        close(nearest, distance.amin(1))
        assert torch.equal(where, distance.argmin(1))
        assert torch.equal(space.count(a, b), (margin >= 0).sum(1))
        assert torch.equal(space.count_within(a, b, 1.5), (distance <= 1.5).sum(1))
        crow, col = space.members(a, b)
        assert crow.tolist() == [0, *(margin >= 0).sum(1).cumsum(0).tolist()]
        assert torch.equal(col, (margin >= 0).nonzero()[:, 1])


def test_a_call_may_name_other_cones_than_those_of_the_space(space: Space) -> None:
    least = 0.05
    assert space.root is not None
    x = space.root + 0.3 * embeddings(6, 0)
    y = space.root + 1.4 * (x[torch.arange(40) % 6] - space.root) + 0.05 * embeddings(40, 1)
    children, parents = (torch.stack(truth(space, "margin", *pair, least)).amin(0) for pair in ((x, y), (y, x)))
    energy, parents = (-children).clamp_min(0), parents.mT
    assert (margins(space, x, y) >= 0).sum() > (children >= 0).sum()
    assert space.count(x, y, least).tolist() == (children >= 0).sum(1).tolist()
    assert space.members(x, y, least).col.tolist() == (children >= 0).nonzero()[:, 1].tolist()
    assert space.entails(x[:, None], y, least).tolist() == (children >= 0).tolist()
    close(space.pairwise_margin(x, y, least), children)
    close(space.energy(x[:, None], y, least), energy)
    close(space.energy_sum(x, y, least), energy.sum(1))
    close(space.energy_min(x, y, least)[0], energy.amin(1))
    close(space.hinge_sum(x, y, 0.4, least), (0.4 - energy).clamp_min(0).sum(1))
    close(space.hinge_total(x, y, 0.4, least), (0.4 - energy).clamp_min(0).sum())
    target = torch.tensor([0, 39, 7, 7, 20, 3])
    sides: tuple[tuple[Side, Tensor], ...] = (("children", children), ("parents", parents))
    for side, scores in sides:
        values, order = scores.sort(dim=1, descending=True, stable=True)
        close(space.topk(x, y, 7, "margin", side, least)[0], values[:, :7])
        places = (order == target[:, None]).int().argmax(1)
        assert space.rank(x, y, target, "margin", side, least).tolist() == places.tolist()


def test_a_space_around_another_root_keeps_its_cones() -> None:
    """At radius 1 the half aperture is asin(2 k): pi / 6 for k = 1/4."""
    rooted = Space("euclidean", min_radius=0.25).rooted(torch.tensor([1.0, 0.0]))
    assert float(rooted.half_aperture(torch.tensor([1.0, 1.0]))) == pytest.approx(math.asin(0.5), rel=1e-6)


def test_energies_are_summed_and_least(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = embeddings(6, 0).requires_grad_(), embeddings(40, 1).requires_grad_()
    energy = (-space.pairwise_margin(x, y)).clamp_min(0)
    weight = torch.randn(6, generator=torch.Generator().manual_seed(3))
    for size in (None, 90):
        if size is not None:
            monkeypatch.setattr(operands, "BLOCK", size)
        total, (least, where) = space.energy_sum(x, y), space.energy_min(x, y)
        close(total, energy.sum(1))
        close(least, energy.amin(1))
        assert torch.equal(where, (energy == energy.amin(1, keepdim=True)).int().argmax(1))
        expected = torch.autograd.grad((energy.sum(1) * weight).sum(), (x, y), retain_graph=True)
        for ours, theirs in zip(torch.autograd.grad((total.float() * weight).sum(), (x, y)), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)
        expected = torch.autograd.grad((energy.amin(1) * weight).sum(), (x, y), retain_graph=True)
        for ours, theirs in zip(torch.autograd.grad((least * weight).sum(), (x, y)), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)


def test_energies_of_points_are_those_of_the_margin(space: Space) -> None:
    """The functions below `Space`, with and without gradients, in products too."""
    x, y = space.points(embeddings(6, 0)), space.points(embeddings(9, 1))
    curvatures = [factor.value for factor, _ in space.geometry.parts(DIM)]
    expected = (-margins(space, embeddings(6, 0), embeddings(9, 1))).clamp_min(0)
    for wanted in (False, True):
        factors_of_x = [Polar(p.direction, p.radius.clone().requires_grad_(wanted)) for p in x.factors]
        operands = factors_of_x, list(y.factors), curvatures, space.min_radius
        close(pairwise.energy(*operands), expected)
        close(pairwise.energy_mean(*operands), expected.mean(1))
        close(pairwise.energy_total(*operands), expected.sum())
    out = torch.empty(6, 9)
    close(pairwise.energy(list(x.factors), list(y.factors), curvatures, space.min_radius, out=out), expected)
    close(out, expected)


def test_rows_that_are_no_numbers_are_left_out_of_searches(space: Space) -> None:
    x, y = embeddings(4, 0), embeddings(12, 1)
    clean = space.energy_min(x, y[1:]), space.count(x, y[1:]), space.members(x, y[1:]).col
    y[0] = torch.nan
    values, indices = space.energy_min(x, y)
    torch.testing.assert_close(values, clean[0][0])
    assert torch.equal(indices, clean[0][1] + 1)
    assert torch.equal(space.count(x, y), clean[1])
    assert torch.equal(space.members(x, y).col, clean[2] + 1)
    assert bool(space.energy_sum(x, y).isnan().all())
    values, indices = space.energy_min(x, y[:1])
    assert bool(values.isnan().all())
    assert indices.tolist() == [-1] * 4


def test_coordinates_of_the_chart_lead_back(space: Space) -> None:
    x = embeddings(5, 0)
    coordinates = space.to_ambient(x)
    assert coordinates.shape[-1] == sum(f.ambient_dim(p.stop - p.start) for f, p in space.geometry.parts(DIM))
    torch.testing.assert_close(space.from_ambient(coordinates), x, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(space.to_ambient(space.points(x)), coordinates)


def test_some_points_are_the_points_of_some_embeddings(space: Space) -> None:
    x = embeddings(9, 0)
    points = space.points(x)
    assert len(points) == 9
    assert points.dim == DIM
    assert space.points(points) is points
    for which in (slice(2, 5), torch.tensor([8, 0, 0]), torch.arange(9) % 2 == 0):
        for some, alone in zip(points.rows(which).factors, space.points(x[which]).factors, strict=True):
            assert torch.equal(some.direction, alone.direction)
            assert torch.equal(some.radius, alone.radius)


def test_energies_of_a_batch_are_those_of_each(space: Space) -> None:
    x, y = embeddings(6, 0).view(2, 3, DIM), embeddings(8, 1).view(2, 4, DIM)
    for verb in (
        space.energy_sum,
        space.count,
        lambda a, b: space.nearest(a, b)[1],
        lambda a, b: space.energy_min(a, b)[1],
    ):
        each = torch.stack([verb(a, b) for a, b in zip(x, y, strict=True)])
        torch.testing.assert_close(verb(x, y), each)


def test_no_rows_give_no_rows(space: Space) -> None:
    none, some = embeddings(0, 0), embeddings(3, 1)
    assert space.energy_sum(none, some).shape == (0,)
    assert space.energy_sum(some, none).tolist() == [0, 0, 0]
    assert space.members(none, some).crow.tolist() == [0]
    assert space.count(some, none).tolist() == [0, 0, 0]
    assert space.topk(none, some, 2)[1].shape == (0, 2)
    with pytest.raises(InputError, match="candidates"):
        space.ladder(some, none, 5)


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="thresholds"):
        Space("euclidean").ladder(embeddings(2, 0), embeddings(3, 1), 0)


def test_arrays_of_numpy_and_lists_serve_as_tensors() -> None:
    x, y, root = embeddings(3, 0), embeddings(5, 1), embeddings(1, 2)[0]
    plain, target, steps = Space("lorentz:-1", root), torch.tensor([4, 0, 2]), torch.tensor([0.5, 1.0])
    for form in (lambda of: of.numpy(), lambda of: of.tolist()):
        space = Space("lorentz:-1", form(root))
        assert torch.equal(space.radius(form(x)), plain.radius(x))
        assert all(map(torch.equal, space.topk(form(x), form(y), 2), plain.topk(x, y, 2)))
        assert torch.equal(space.rank(form(x), form(y), form(target)), plain.rank(x, y, target))
        assert torch.equal(space.ladder(form(x), form(y), form(steps)), plain.ladder(x, y, steps))


def test_thresholds_are_spread_over_the_radii_that_are_numbers() -> None:
    x, y, space = embeddings(3, 0), embeddings(5, 1), Space("lorentz:-1")
    damaged = torch.cat((y, torch.full_like(y[:1], torch.nan), torch.full_like(y[:1], torch.inf)))
    assert torch.equal(space.ladder(x, damaged, np.int64(4)), space.ladder(x, y, 4))
    with pytest.raises(InputError, match="finite"):
        space.ladder(x, damaged[-2:], 4)


def test_points_of_another_dimension_are_refused() -> None:
    space = Space("lorentz:-1")
    with pytest.raises(InputError, match="dimension"):
        space.pairwise_distance(space.points(embeddings(2, 0)), embeddings(3, 1)[:, :4])


def test_a_warning_names_the_line_of_the_caller() -> None:
    far = Space("sphere:1")
    x = 2.0 * torch.nn.functional.normalize(embeddings(3, 0), dim=-1)
    for call in (
        lambda: far.half_aperture(x),
        lambda: far.margin(x, x),
        lambda: far.energy(x, x),
        lambda: far.entails(x, x),
        lambda: far.pairwise_margin(x, x),
        lambda: far.count(x, x),
        lambda: far.topk(x, x, 1, "margin"),
        lambda: far.rank(x, x, torch.zeros(3, dtype=torch.int64), "margin"),
        lambda: far.energy_min(x, x),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("spec", SPECS)
def test_geometries_and_their_specs_make_the_same_space(spec: str) -> None:
    x = embeddings(4, 0)
    assert torch.equal(Space(spec).pairwise_distance(x, x), Space(parse(spec)).pairwise_distance(x, x))
    roots: tuple[tuple[Any, str], ...] = ((None, "model"), ("model", "model"), (False, "none"), ("none", "none"))
    for root, centre in (*roots, (x[0], "given")):
        assert Space(spec, root).centre == centre
    assert Space(spec, "none").rooted(x[0]).root is None
    for space, expected in ((Space(spec).rooted(x[0]), x[0]), (Space(spec, x[1]).rooted(x[0]), x[1])):
        assert space.root is not None
        assert torch.equal(space.root, expected)


@pytest.mark.skipif(why_plain("cpu") is not None, reason="counts what stands before a native kernel")
def test_arguments_are_checked_once() -> None:
    """Counted in Python frames, which cost more than a small search: checks at every level double them."""
    generator = torch.Generator().manual_seed(0)
    space = Space("lorentz:-1", torch.full((32,), 0.1))
    x, y = (torch.randn(n, 32, generator=generator) for n in (1, 500))
    frames = frames_of(lambda: space.topk(x, y, 10))
    assert len(frames) <= 35, frames
    assert len({file for file, _ in frames}) <= 6, frames
    lifted = space.points(x), space.points(y)
    assert len(frames_of(lambda: space.topk(*lifted, 10))) <= 24
    assert "check_values" not in {name for _, name in frames}, "points that a space has lifted are valid"
