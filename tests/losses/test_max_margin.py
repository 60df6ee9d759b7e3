"""Max-margin cones: the naive N x N form by the oracle, its gradients, both backends, every other child a negative."""

import math

import pytest
import torch
from torch import Tensor

from hiergeo import Euclidean, Lorentz, Polar, Space, Sphere, pairwise
from hiergeo._core.errors import InputError
from hiergeo.geometry import ConstantCurvature, Geometry
from hiergeo.losses import max_margin_loss
from hiergeo.testing import oracle
from hiergeo.training import Objective
from hiergeo.training.objective import Batch
from tests.losses.losses_common import DIM, PRODUCT, SINGLE, chains, normal
from tests.tools.kernel_settings import setenv

ROOT = normal(DIM, seed=2) / 9
BACKENDS = ("0", "")
"""HIERGEO_NATIVE: the reference, and whatever is there."""


def pairs(rows: int = 9, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Half of the children beyond their parents and half anywhere, radii of parents about 1."""
    parent, child = 0.6 * normal(rows, DIM), normal(rows, DIM, seed=1)
    child[::2] = ROOT + 2 * (parent[::2] - ROOT) + 0.1 * child[::2]
    return parent.to(dtype), child.to(dtype)


def naive(parent: Tensor, child: Tensor, curvature: float, margin: float, min_radius: float) -> Tensor:
    """The loss from the N x N energies of the oracle, in float64."""
    x, y = (Polar(p - ROOT, (p - ROOT).norm(dim=-1)) for p in (parent.double(), child.double()))
    wide_x = Polar(x.direction[:, None], x.radius[:, None])
    angle = oracle.exterior_angle(wide_x, y, curvature)
    energies = (angle - oracle.half_aperture(x.radius, curvature, min_radius)[:, None]).clamp_min(0)
    other = ~torch.eye(len(parent), dtype=torch.bool)
    return (energies.diagonal() + ((margin - energies).clamp_min(0) * other).sum(1) / (len(parent) - 1)).mean()


@pytest.mark.parametrize("native", BACKENDS)
@pytest.mark.parametrize("geometry", SINGLE)
@pytest.mark.parametrize(("margin", "min_radius"), [(0.1, 0.1), (1.5, 0.05), (4.0, 0.2)])
def test_equals_the_naive_form(
    native: str, geometry: ConstantCurvature, margin: float, min_radius: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    setenv(monkeypatch, "HIERGEO_NATIVE", native)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
        parent, child = pairs(dtype=dtype)
        expected = naive(parent, child, geometry.value, margin, min_radius)
        loss = max_margin_loss(Space(geometry, ROOT.to(dtype)), parent, child, margin, min_radius)
        assert loss.dtype == dtype
        assert float(loss) == pytest.approx(float(expected), abs=tolerance)


def test_by_hand() -> None:
    """At r = 1 with k = 1/4 the half aperture is pi/6; turns of pi/2 exceed it by pi/3, on the ray there is none."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([[3.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    own = (0 + math.pi / 3) / 2
    angle = math.pi / 2 + math.atan2(1, 3)
    others = ((2 - math.pi / 3) + max(0, 2 - (angle - math.pi / 6))) / 2
    loss = max_margin_loss(Space(Euclidean(), "none"), x, y, 2.0, 0.25)
    assert float(loss) == pytest.approx(own + others, rel=1e-12)


@pytest.mark.parametrize("native", BACKENDS)
@pytest.mark.parametrize("geometry", [Euclidean(), Lorentz(-0.7, learnable=True), Sphere(0.05, learnable=True)])
def test_gradients(native: str, geometry: Geometry, monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_NATIVE", native)
    parent, child = (t.requires_grad_() for t in pairs(5))
    root, learnt = ROOT.clone().requires_grad_(), list(geometry.double().parameters())
    assert torch.autograd.gradcheck(
        lambda x, y, r, *_: max_margin_loss(Space(geometry, r), x, y, 1.2), (parent, child, root, *learnt)
    )


def test_children_on_their_rays_far_from_the_others_cost_nothing() -> None:
    leaves = x, y = torch.eye(DIM).requires_grad_(), (3 * torch.eye(DIM)).requires_grad_()
    loss = max_margin_loss(Space(Lorentz(-1.0), "none"), x, y, 0.5)
    assert float(loss.detach()) == 0
    assert all(float(gradient.abs().max()) < 1e-6 for gradient in torch.autograd.grad(loss, leaves))


@pytest.mark.parametrize("native", BACKENDS)
def test_a_wider_aperture_takes_off_energy(native: str, monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_NATIVE", native)
    x, y = (Polar(p, p.norm(dim=-1)) for p in pairs(dtype=torch.float32))
    for widening in (0.0, 0.4, 7.0):
        expected = (pairwise.energy(x, y, -0.3) - widening).clamp_min(0)
        mean = pairwise.energy_mean(x, y, -0.3, widening=widening)
        torch.testing.assert_close(mean, expected.mean(-1), rtol=1e-6, atol=1e-6)
        total = pairwise.energy_sum(x, y, -0.3, widening=widening)
        torch.testing.assert_close(total, expected.double().sum(-1), rtol=1e-6, atol=1e-6)


def test_as_a_term_of_an_objective_it_is_pooled_over_tiers() -> None:
    chain, space = chains(5), Space(Lorentz(-1.0), ROOT)
    batch = Batch(chain, chain, (chain, chain), space)
    expected = [max_margin_loss(space, chain[:, i], chain[:, i + 1]) for i in range(3)]
    torch.testing.assert_close(Objective({"max_margin": 1.0}).terms(batch)["max_margin"], torch.stack(expected).mean())


@pytest.mark.parametrize("native", BACKENDS)
@pytest.mark.parametrize("geometry", [*SINGLE, PRODUCT])
def test_the_loss_of_each_parent(native: str, geometry: Geometry, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the energies of every pair, row by row; also in a product, where energies are the largest over factors."""
    setenv(monkeypatch, "HIERGEO_NATIVE", native)
    space, margin, other = Space(geometry, ROOT, min_radius=0.2), 1.5, ~torch.eye(9, dtype=torch.bool)

    def naive(parent: Tensor, child: Tensor) -> Tensor:
        energies = space.energy(parent[:, None], child[None])
        return energies.diagonal() + torch.where(other, (margin - energies).clamp_min(0), 0.0).sum(-1) / 8

    weight = normal(9, seed=5)
    found: list[Tensor] = []
    expected: list[Tensor] = []
    for results, loss in ((found, max_margin_loss), (expected, None)):
        x, y = (part.requires_grad_() for part in pairs())
        value = naive(x, y) if loss is None else loss(space, x, y, margin, reduction="none")
        results += [value, *torch.autograd.grad((weight * value).sum(), (x, y))]
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)
    for reduction in ("mean", "sum"):
        value = max_margin_loss(space, *pairs(), margin, reduction=reduction)
        torch.testing.assert_close(value, getattr(naive(*pairs()), reduction)(), rtol=1e-12, atol=1e-12)


def test_refusals() -> None:
    parent, child = pairs()
    space = Space(Euclidean())
    with pytest.raises(InputError, match=r"parent of shape \(9, 6\) and child"):
        max_margin_loss(space, parent, child[1:])
    with pytest.raises(InputError, match="N >= 2"):
        max_margin_loss(space, parent[:1], child[:1])
    with pytest.raises(InputError, match=r"^margin must be a number > 0, not 0\.$"):
        max_margin_loss(space, parent, child, 0.0)
    with pytest.raises(InputError, match=r"^child holds NaN or Inf, first in row 0"):
        max_margin_loss(space, parent, child * math.nan)
    x = Polar(parent, parent.norm(dim=-1))
    for widening in (-0.1, math.nan, math.inf):
        with pytest.raises(InputError, match=r"^widening must be a number >= 0, radians, not "):
            pairwise.energy_sum(x, x, 0.0, widening=widening)
