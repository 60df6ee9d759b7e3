"""The prior, the radius order, global transitivity and contrast: values by numpy and by hand, gradients, refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Euclidean, Space, Sphere
from hiergeo._core.errors import InputError
from hiergeo.geometry import ConstantCurvature, Geometry
from hiergeo.losses import contrastive_loss, prior_loss, radius_order_loss, transitivity_loss
from tests.losses.losses_common import DIM, EVERY, SINGLE, chains, nested, normal, oracle_angle

ROOT = normal(DIM, seed=2) / 9


def test_prior_by_hand() -> None:
    e = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.0]], requires_grad=True)
    frozen = torch.tensor([[5.0, 0.0], [0.0, -1.0], [1.0, 1.0], [1.0, 0.0]], requires_grad=True)
    value = prior_loss(e, frozen)
    assert float(value.detach()) == pytest.approx((1 - (1 - 1 + math.sqrt(0.5) + 0) / 4) / 2, rel=1e-6)
    value.backward()
    assert frozen.grad is None
    assert bool(e.grad.isfinite().all())


@given(st.integers(0, 2**31))
@settings(max_examples=20)
def test_prior_is_zero_for_what_kept_its_direction_and_one_for_its_opposite(seed: int) -> None:
    frozen = normal(5, 3, DIM, seed=seed)
    assert float(prior_loss(2.5 * frozen, frozen)) == pytest.approx(0, abs=1e-15)
    assert float(prior_loss(-frozen, frozen)) == pytest.approx(1, abs=1e-15)
    assert 0 <= float(prior_loss(normal(5, 3, DIM, seed=seed + 1), frozen)) <= 1


def test_radius_order_by_hand() -> None:
    """Radii 1, 3, 2: the first step exceeds the margin, the second falls short of it by 1.5."""
    chain = torch.tensor([[[1.0, 0.0], [0.0, 3.0], [2.0, 0.0]]])
    assert float(radius_order_loss(Space(Euclidean()), chain, margin=0.5)) == pytest.approx(1.5 / 2)


@pytest.mark.parametrize("geometry", EVERY)
def test_radius_order_is_that_of_radii_and_the_same_in_every_geometry(geometry: Geometry) -> None:
    chain = chains()
    radius = np.linalg.norm((chain - ROOT).numpy(), axis=-1)
    expected = np.maximum(0, radius[:, :-1] - radius[:, 1:] + 0.05).mean()
    assert float(radius_order_loss(Space(geometry, ROOT), chain, 0.05)) == pytest.approx(expected, rel=1e-12)


def authors_transitivity(chain: Tensor, root: Tensor, margin: float) -> float:
    """The global term of RCME's training code in numpy: angles around the tier before, arccos of clipped cosines."""
    e, r = chain.numpy(), root.numpy()

    def angle(item: int, i: int, j: int) -> float:
        origin = r if i == 0 else e[item, i - 1]
        a, b = e[item, i] - origin, e[item, j] - e[item, i]
        return float(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))

    terms = []
    for item in range(e.shape[0]):
        for i in range(1, e.shape[1] - 1):
            cosines = [np.clip(np.cos(angle(item, k, k + 1)), 0, 1) for k in (i - 1, i)]
            terms.append(max(0.0, angle(item, i - 1, i + 1) - np.arccos(cosines[0] * cosines[1]) + margin))
    return float(np.mean(terms))


def winding(items: int, tiers: int, seed: int) -> Tensor:
    """Chains that walk on with turns of less than pi/2 and more, so that both sides of every hinge are met."""
    steps = normal(items, 1, DIM, seed=seed) + 0.7 * normal(items, tiers, DIM, seed=seed + 1)
    return steps.cumsum(1)


@pytest.mark.parametrize("tiers", [3, 4, 7])
@pytest.mark.parametrize("margin", [0.0, 0.3, math.pi / 2])
def test_transitivity_in_flat_space_is_that_of_its_authors(tiers: int, margin: float) -> None:
    for seed in range(5):
        chain = winding(4, tiers, seed)
        value = transitivity_loss(Space(Euclidean(), ROOT), chain, margin)
        assert float(value) == pytest.approx(authors_transitivity(chain, ROOT, margin), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("geometry", SINGLE)
def test_transitivity_takes_angles_around_the_tier_before(geometry: ConstantCurvature) -> None:
    chain, k = winding(4, 3, 0) / 3, geometry.value
    a, b, c = chain.unbind(1)
    first, second = oracle_angle(a, b, ROOT, k), oracle_angle(b, c, a, k)
    both = torch.arccos(torch.cos(first).clamp_min(0) * torch.cos(second).clamp_min(0))
    expected = (oracle_angle(a, c, ROOT, k) - both + 0.2).clamp_min(0).mean()
    torch.testing.assert_close(transitivity_loss(Space(geometry, ROOT), chain, 0.2), expected)


@pytest.mark.parametrize("geometry", EVERY)
def test_transitivity_of_nested_chains_is_zero_with_finite_gradients(geometry: Geometry) -> None:
    chain = nested(root=ROOT).float().requires_grad_()
    loss = transitivity_loss(Space(geometry, ROOT.float()), chain)
    assert float(loss.detach()) < 1e-5
    assert bool(torch.autograd.grad(loss, chain)[0].isfinite().all())
    straight = (torch.arange(1.0, 5.0)[:, None] * torch.eye(DIM)[0]).requires_grad_()
    exact = transitivity_loss(Space(geometry), straight, margin=0.0)
    assert float(exact.detach()) == 0
    assert bool((torch.autograd.grad(exact, straight)[0] == 0).all())


def test_contrast_by_hand() -> None:
    """Two matched pairs 0 apart, their strangers 1 apart: log(1 + exp(-1/t)); all at one point: log 2."""
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    space = Space(Euclidean())
    assert float(contrastive_loss(space, x, x, 0.5)) == pytest.approx(math.log1p(math.exp(-2)), rel=1e-6)
    assert float(contrastive_loss(space, x[:1].expand(2, 2), x[1:].expand(2, 2))) == pytest.approx(math.log(2))


def test_refusals() -> None:
    chain, space = chains(), Space(Euclidean())
    with pytest.raises(InputError, match=r"embeddings of shape \(3, 4, 6\) and frozen"):
        prior_loss(chain, chain[:, :3])
    with pytest.raises(InputError, match=r"^frozen holds NaN or Inf, first in place \(0, 0\)"):
        prior_loss(chain, chain / 0)
    with pytest.raises(InputError, match=r"chain has 1 tier\(s\) .* at least 2"):
        radius_order_loss(space, chain[:, :1])
    with pytest.raises(InputError, match=r"chain has 2 tier\(s\) .* at least 3"):
        transitivity_loss(space, chain[:, :2])
    with pytest.raises(InputError, match=r"chain must be .* shape \(6,\)"):
        radius_order_loss(space, chain[0, 0])
    for loss in (radius_order_loss, transitivity_loss):
        for margin in (-1.0, math.nan):
            with pytest.raises(InputError, match=r"^margin must be a number >= 0, not "):
                loss(space, chain, margin)
    with pytest.raises(InputError, match="chain has dimension 6 and root has dimension 5"):
        transitivity_loss(Space(Euclidean(), ROOT[:5]), chain)
    with pytest.raises(InputError, match=r"beyond the antipode .* use a smaller curvature"):
        transitivity_loss(Space(Sphere(0.5), False), 9 * chain)
    with pytest.raises(InputError, match=r"x has 4 rows and y 3"):
        contrastive_loss(space, chain[0], chain[0, :3])
    with pytest.raises(InputError, match=r"^x must be \(N, D\), not shape \(3, 4, 6\)\.$"):
        contrastive_loss(space, chain, chain)
    for temperature in (0.0, -1.0, math.nan, torch.tensor(0.0, requires_grad=True)):
        with pytest.raises(InputError, match=r"^temperature must be a number > 0, not "):
            contrastive_loss(space, chain[0], chain[1], temperature)
    with pytest.raises(InputError, match=r"temperature must be .* shape \(2,"):
        contrastive_loss(space, chain[0], chain[1], torch.ones(2))
