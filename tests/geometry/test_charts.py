"""Charts and their refusals: coordinates beyond what a dtype or a model can hold."""

import math
from typing import Any

import pytest
import torch

from hiergeo import Euclidean, Lorentz, PoincareBall, Polar, Space, Sphere
from hiergeo._core.errors import InputError
from hiergeo.geometry.charts import geoopt


def at(radius: float, dtype: torch.dtype = torch.float32) -> Polar:
    return Polar(torch.tensor([[0.6, 0.8], [0.6, 0.8]], dtype=dtype), torch.tensor([0.5, radius], dtype=dtype))


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (Euclidean(), (0.3, 0.4)),
        (Lorentz(-4.0), (math.cosh(1.0) / 2, 0.3 * math.sinh(1.0), 0.4 * math.sinh(1.0))),
        (PoincareBall(-4.0), (0.3 * math.tanh(0.5), 0.4 * math.tanh(0.5))),
        (Sphere(4.0), (0.3 * math.tan(0.5), 0.4 * math.tan(0.5))),
    ],
)
def test_coordinates_by_hand(geometry: Any, expected: tuple[float, ...]) -> None:
    assert geometry.to_ambient(at(0.5, torch.float64))[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("k", [-0.3, -2.3])
def test_the_ball_refuses_what_it_cannot_tell_apart(k: float, learnable: bool) -> None:
    s = math.sqrt(-k)
    ball = PoincareBall(k, learnable)
    ball.to_ambient(at(5.99 / s))
    for point in (at(6.01 / s), Polar(at(1.0).direction, at(6.01 / s).radius.requires_grad_())):
        with pytest.raises(InputError, match=r"row 1 has .* = 6\.01, beyond 6"):
            ball.to_ambient(point)
    ball.to_ambient(at(12.0 / s, torch.float64))
    with pytest.raises(InputError, match=r"beyond 26, where torch.float64"):
        ball.to_ambient(at(26.1 / s, torch.float64))
    with pytest.raises(InputError, match=r"^row 1 has sqrt\(-K\) r = .*beyond 6"):
        ball.from_ambient(torch.tensor([[0.0, 0.0], [(1 - 1e-6) / s, 0.0]]))


def test_the_ball_refuses_points_outside() -> None:
    with pytest.raises(InputError, match=r"^row 1 lies outside the Poincare ball of radius 0\.5\."):
        PoincareBall(-4.0).from_ambient(torch.tensor([[0.2, 0.0], [0.5, 0.0]]))


def test_lorentz_refuses_points_off_its_sheet() -> None:
    x = Lorentz(-0.3).to_ambient(at(2.0))
    for wrong, row in ((Lorentz(-0.5).to_ambient(at(2.0)), 0), (x * torch.tensor([[1.0], [-1.0]]), 1), (x.flip(1), 0)):
        with pytest.raises(InputError, match=rf"row {row} does not lie .* -3\.33333"):
            Lorentz(-0.3).from_ambient(wrong)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lorentz_takes_points_within_their_rounding_of_the_sheet(dtype: torch.dtype) -> None:
    """A relative error of 16 eps in the time coordinate is rounding, one of 256 eps is another sheet."""
    x = Lorentz(-0.3).to_ambient(at(2.0, dtype))
    eps = torch.finfo(dtype).eps
    for sign in (-1, 1):
        near, far = x.clone(), x.clone()
        near[1, 0] *= 1 + sign * 16 * eps
        far[1, 0] *= 1 + sign * 256 * eps
        assert Lorentz(-0.3).from_ambient(near).radius.tolist() == pytest.approx([0.5, 2.0])
        with pytest.raises(InputError, match=r"^row 1 "):
            Lorentz(-0.3).from_ambient(far)


def test_lorentz_refuses_to_overflow() -> None:
    with pytest.raises(InputError, match=r"row 1 has .* = 100, .* overflow"):
        Lorentz(-1.0).to_ambient(at(100.0))
    assert bool(Lorentz(-1.0).to_ambient(at(100.0, torch.float64)).isfinite().all())


@pytest.mark.parametrize("learnable", [False, True])
def test_the_sphere_reaches_its_antipode_and_no_further(learnable: bool) -> None:
    sphere, reach = Sphere(0.7, learnable), math.pi / math.sqrt(0.7)
    back = sphere.from_ambient(sphere.to_ambient(at(reach)))
    assert back.radius.tolist() == pytest.approx([0.5, reach])
    with pytest.raises(InputError, match=r"^the radius of point 1 is 3\.8, beyond the antipode"):
        sphere.to_ambient(at(3.8))


@pytest.mark.parametrize("geometry", [Lorentz(-0.3), Lorentz(-0.3, learnable=True), PoincareBall(-0.3), Sphere(0.3)])
def test_manifolds_hold_these_coordinates(geometry: Lorentz | PoincareBall | Sphere) -> None:
    x = geometry.to_ambient(at(1.5))
    manifold = geometry.manifold()
    assert manifold.check_point(x)
    there = manifold.dist0(x)
    assert there.tolist() == pytest.approx([0.5, 1.5], rel=1e-4)
    assert geoopt().ManifoldParameter(x, manifold=manifold).manifold is manifold
    assert Euclidean().manifold().name == "Euclidean"


def test_learnable_curvature_keeps_its_sign() -> None:
    for geometry, sign in ((Lorentz(-0.3, True), -1), (PoincareBall(-0.3, True), -1), (Sphere(0.3, True), 1)):
        (parameter,) = geometry.parameters()
        assert float(torch.as_tensor(geometry.curvature).detach()) == pytest.approx(sign * 0.3)
        assert geometry.value == pytest.approx(sign * 0.3)
        with torch.no_grad():
            parameter.sub_(30.0)
        assert 0 < sign * geometry.value < 1e-12
    assert not list(Lorentz(-0.3).parameters())


def test_gradients_reach_points_and_curvature_through_the_charts() -> None:
    for geometry in (Lorentz(-0.3, True), PoincareBall(-0.3, True), Sphere(0.3, True)):
        radius = torch.tensor([0.0, 1.5], requires_grad=True)
        point = Polar(torch.tensor([[0.0, 0.0], [0.6, 0.8]]), radius)
        geometry.to_ambient(point).square().sum().backward()
        (parameter,) = geometry.parameters()
        for gradient in (radius.grad, parameter.grad):
            assert bool(gradient.isfinite().all())
            assert bool(gradient.any())
        x = geometry.to_ambient(Polar(point.direction, radius.detach())).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(geometry.from_ambient(x).radius.sum(), x)
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-0.7", "sphere:0.2", "product:lorentz:-1x4,euclidean:x2"])
def test_a_batch_of_points_has_the_coordinates_of_its_rows(spec: str) -> None:
    space, rows = Space(spec), torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(space.to_ambient(rows), torch.stack([space.to_ambient(each) for each in rows]))
