"""Entailment by cones and without them: values against the oracle and by hand, gradients, curvature in bounds."""

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from hiergeo import Euclidean, Lorentz, Product, Space, Sphere
from hiergeo._core.errors import InputError
from hiergeo.geometry import Geometry
from hiergeo.losses import (
    INTER_MODAL,
    INTRA_MODAL,
    Relation,
    adaptive_entailment_loss,
    check_curvature,
    clamp_curvature,
    compositional_entailment_loss,
    entailment_loss,
)
from hiergeo.testing import oracle
from tests.losses.losses_common import DIM, EVERY, PRODUCT, SINGLE, nested, normal, oracle_angle

ROOT = normal(DIM, seed=2) / 9


def pairs(rows: int = 8) -> tuple[Tensor, Tensor]:
    return 0.6 * normal(rows, DIM), normal(rows, DIM, seed=1)


def oracle_energy(parent: Tensor, child: Tensor, geometry: Geometry, scale: float, min_radius: float) -> Tensor:
    """Energies (N,) over the factors of a space around ROOT, the largest counting."""
    found = []
    for factor, s in geometry.parts(DIM):
        k, root = float(factor.curvature), ROOT[s]
        aperture = oracle.half_aperture((parent[:, s] - root).norm(dim=-1), k, min_radius)
        found.append(oracle_angle(parent[:, s], child[:, s], root, k) - scale * aperture)
    return torch.stack(found).amax(0).clamp_min(0)


@pytest.mark.parametrize("geometry", EVERY)
@pytest.mark.parametrize(("scale", "min_radius"), [(1.0, 0.1), (0.7, 0.3), (1.2, 0.05)])
def test_entailment_is_the_mean_energy_of_the_oracle(geometry: Geometry, scale: float, min_radius: float) -> None:
    parent, child = pairs()
    child[::2] = ROOT + 2 * (parent[::2] - ROOT) + 0.1 * child[::2]
    expected = oracle_energy(parent, child, geometry, scale, min_radius)
    assert bool((expected > 0).any())
    loss = entailment_loss(Space(geometry, ROOT), parent, child, scale, min_radius)
    torch.testing.assert_close(loss, expected.mean())
    if scale == 1:
        torch.testing.assert_close(loss, Space(geometry, ROOT).energy(parent, child, min_radius).mean())


def test_entailment_by_hand() -> None:
    """At r = 1 with k = 1/4 the half aperture is pi/6; a turn of pi/2 exceeds it by pi/3, half of it by 5 pi/12."""
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 7.0]])
    space = Space(Euclidean())
    assert float(entailment_loss(space, x, y, min_radius=0.25)) == pytest.approx(math.pi / 3, rel=1e-6)
    assert float(entailment_loss(space, x, y, 0.5, 0.25)) == pytest.approx(5 * math.pi / 12, rel=1e-6)


@pytest.mark.parametrize("geometry", EVERY)
def test_children_behind_their_parents_cost_nothing(geometry: Geometry) -> None:
    chain = nested(root=ROOT)
    space = Space(geometry, ROOT)
    assert float(entailment_loss(space, chain[:, :-1], chain[:, 1:], 0.1, 0.01)) == 0
    assert float(adaptive_entailment_loss(space, chain[:, :-1], chain[:, 1:], least_radius=0.0)) < 1e-6


def test_a_learnable_curvature_opens_and_shuts_cones() -> None:
    parent, child = pairs()
    geometry = Lorentz(-0.7, learnable=True).double()
    loss = entailment_loss(Space(geometry, ROOT), parent, child)
    (gradient,) = torch.autograd.grad(loss, list(geometry.parameters()))
    ends = [float(entailment_loss(Space(Lorentz(-0.7 * math.exp(h)), ROOT), parent, child)) for h in (1e-5, -1e-5)]
    assert float(gradient) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def relations(parent: Tensor, child: Tensor) -> list[Relation]:
    return [
        Relation("text over image", parent, child),
        Relation("box over image", child.flip(0), parent, INTRA_MODAL, weight=2.0),
    ]


@pytest.mark.parametrize("geometry", EVERY)
def test_compositional_is_the_weighted_sum_of_its_relations(geometry: Geometry) -> None:
    parent, child = pairs()
    loss = compositional_entailment_loss(Space(geometry, ROOT), relations(parent, child), min_radius=0.2)
    first = oracle_energy(parent, child, geometry, 0.7, 0.2).mean()
    second = oracle_energy(child.flip(0), parent, geometry, 1.2, 0.2).mean()
    torch.testing.assert_close(loss.terms, {"text over image": first, "box over image": second})
    torch.testing.assert_close(loss.total, 0.5 * first + 2 * second)
    assert (INTER_MODAL, INTRA_MODAL) == (0.7, 1.2)


@pytest.mark.parametrize("geometry", EVERY)
def test_adaptive_entailment_weighs_angles_by_distance_and_keeps_parents_out(geometry: Geometry) -> None:
    parent, child = pairs()
    space = Space(geometry, ROOT)
    angle = torch.stack(
        [oracle_angle(parent[:, s], child[:, s], ROOT[s], float(g.curvature)) for g, s in geometry.parts(DIM)]
    ).amax(0)
    distance, radius = space.distance(parent, child), (parent - ROOT).norm(dim=-1)
    if geometry is not PRODUCT:
        torch.testing.assert_close(space.radius(parent), radius)
    expected = (distance / (distance + 0.3) * angle).mean() + 0.5 * (1.5 - radius).clamp_min(0).mean()
    torch.testing.assert_close(adaptive_entailment_loss(space, parent, child, 0.3, 1.5, 0.5), expected)


def test_row_by_row_the_adaptive_loss_has_both_terms_as_well() -> None:
    """By hand: r = 1, 0.5 inside the least radius, at half weight; the turns are pi / 2 and 0, both one unit away."""
    parent = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    child = torch.tensor([[1.0, 1.0], [2.0, 0.0]], dtype=torch.float64)
    rows = [math.pi / 2 / (1 + 0.25) + 0.5 * 0.5, 0.5 * 0.5]
    given = (Space(Euclidean(), "none"), parent, child, 0.25, 1.5, 0.5)
    assert adaptive_entailment_loss(*given, reduction="none").tolist() == pytest.approx(rows)
    assert float(adaptive_entailment_loss(*given, reduction="sum")) == pytest.approx(sum(rows))


def test_the_adaptive_weight_has_no_gradient_and_bounds_that_of_close_pairs() -> None:
    parent, space = normal(1, DIM), Space(Euclidean())
    side = normal(1, DIM, seed=1)
    for gap in (1e-1, 1e-4, 1e-8):
        child = (parent + gap * side).requires_grad_()
        (gradient,) = torch.autograd.grad(adaptive_entailment_loss(space, parent, child, 0.1, 0.0), child)
        (bare,) = torch.autograd.grad(space.exterior_angle(parent, child).sum(), child)
        weight = float(space.distance(parent, child).detach() / (space.distance(parent, child).detach() + 0.1))
        torch.testing.assert_close(gradient, weight * bare)
        assert float(gradient.norm()) < 1 / 0.1


def test_parents_that_hide_at_the_root_satisfy_cones_but_not_the_adaptive_loss() -> None:
    """Cone collapse: half-space cones entail everything that lies on their side, whatever the angle."""
    space = Space(Lorentz(-1.0))
    child = torch.nn.functional.normalize(normal(6, DIM), dim=-1)
    parent = (1e-3 * child).roll(1, 0) + 1e-3 * child
    assert float(entailment_loss(space, parent, child)) < 1e-2
    assert float(adaptive_entailment_loss(space, parent, child)) > 0.5
    parent = (0.1 * parent / parent.norm(dim=-1, keepdim=True)).requires_grad_()
    (gradient,) = torch.autograd.grad(
        adaptive_entailment_loss(space, parent, child) - adaptive_entailment_loss(space, parent, child, norm_weight=0),
        parent,
    )
    assert bool(((gradient * parent).sum(-1) < 0).all()), "the regulariser moves parents outwards"


def test_curvatures_are_clamped_in_place_and_reported() -> None:
    product = Product([(Lorentz(-0.7, learnable=True), 2), (Euclidean(), 2), (Sphere(0.5, learnable=True), 2)])
    parameters = list(product.parameters())
    with torch.no_grad():
        parameters[0].add_(9.0)
        parameters[1].sub_(9.0)
    assert clamp_curvature(Space(product), 0.2, 3.0) == pytest.approx((-3.0, 0.2), rel=1e-6)
    assert product.factors[0][0].value == pytest.approx(-3.0, rel=1e-6)
    assert all(a is b for a, b in zip(parameters, product.parameters(), strict=True))
    free = Lorentz(-0.7, learnable=True)
    assert clamp_curvature(free) == pytest.approx((-0.7,), rel=1e-6)
    assert clamp_curvature(Lorentz(-99.0)) == clamp_curvature(torch.nn.Linear(2, 2)) == ()
    assert clamp_curvature(Lorentz(-99.0, learnable=True)) == pytest.approx((-10.0,), rel=1e-6)
    assert clamp_curvature(Lorentz(-3.0, learnable=True), 0.5, 0.5) == pytest.approx((-0.5,), rel=1e-6)
    assert clamp_curvature(Lorentz(-0.001, learnable=True)) == pytest.approx((-0.1,), rel=1e-6)


@pytest.mark.parametrize(("magnitude", "fits"), [(0.0999, False), (0.1, True), (10.0, True), (10.01, False)])
def test_a_learnable_curvature_begins_within_its_bounds(magnitude: float, fits: bool) -> None:
    """Both bounds belong to the range, although float32 rounds their logarithms; fixed curvatures are free."""
    learnt = Product([(Sphere(magnitude, learnable=True), 2), (Lorentz(-99.0), 2)])
    if fits:
        check_curvature(learnt)
    else:
        with pytest.raises(InputError, match=f"sphere:{magnitude}"):
            check_curvature(learnt)


def test_a_clamped_curvature_comes_back() -> None:
    geometry = Lorentz(-10.0, learnable=True)
    optimizer = torch.optim.SGD(geometry.parameters(), lr=0.01)
    for sign in (1, 1, -1):
        (sign * geometry.curvature).backward()
        optimizer.step()
        optimizer.zero_grad()
        (k,) = clamp_curvature(geometry)
        assert -10 - 1e-5 < k < -9
    assert k == pytest.approx(-10 / math.exp(0.1), rel=1e-5)


def test_refusals() -> None:
    parent, child = pairs()
    space = Space(Euclidean())
    for loss in (entailment_loss, adaptive_entailment_loss):
        with pytest.raises(InputError, match="parent has dimension 6 and child has dimension 5"):
            loss(space, parent, child[:, :5])
        with pytest.raises(InputError, match=r"child holds NaN .* row 0"):
            loss(space, parent, child * math.nan)
        with pytest.raises(InputError, match=r"do not broadcast row by row"):
            loss(space, parent, child[:3])
    for scale in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match=r"^aperture_scale must be a number > 0, not "):
            entailment_loss(space, parent, child, scale)
    with pytest.raises(InputError, match=r"^min_radius must be a positive number, not 0\.0\.$"):
        entailment_loss(space, parent, child, min_radius=0.0)
    for name in ("softness", "least_radius", "norm_weight"):
        with pytest.raises(InputError, match=rf"^{name} must be a number >=? 0, not -1\.$"):
            adaptive_entailment_loss(space, parent, child, **cast(dict[str, Any], {name: -1.0}))
    with pytest.raises(InputError, match="relations is empty"):
        compositional_entailment_loss(space, [])
    with pytest.raises(InputError, match="'a' is named twice"):
        compositional_entailment_loss(space, [Relation("a", parent, child)] * 2)
    with pytest.raises(InputError, match=r"^relation 'a': parent holds NaN or Inf, first in row 0"):
        compositional_entailment_loss(space, [Relation("a", parent * math.nan, child)])
    with pytest.raises(InputError, match=r"weight of relation 'a' must be .* not -1"):
        compositional_entailment_loss(space, [Relation("a", parent, child, weight=-1.0)])
    for least, most in ((0.0, 1.0), (2.0, 1.0), (1.0, math.inf), (math.nan, 1.0)):
        with pytest.raises(InputError, match="bounds of a curvature"):
            clamp_curvature(Lorentz(-1.0), least, most)


@pytest.mark.parametrize("geometry", SINGLE)
def test_parents_broadcast_over_their_children(geometry: Geometry) -> None:
    parent, child = pairs()
    space = Space(geometry, ROOT)
    wide = entailment_loss(space, parent[:, None], child[None])
    grid = torch.stack([entailment_loss(space, parent[i].expand_as(child), child) for i in range(len(parent))])
    torch.testing.assert_close(wide, grid.mean())
