"""The triangle law against 50-digit ambient coordinates, against geoopt, and in its flat limit."""

import math
from collections.abc import Callable
from functools import partial

import mpmath as mp
import pytest
import torch
from hypothesis import given

from hiergeo import Lorentz, PoincareBall, Polar, Space, Sphere, pairwise
from hiergeo.geometry.charts import geoopt
from hiergeo.pairwise import rows
from tests.tools.strategies import curvatures

mp.mp.dps = 50


def golden(k: float, rx: float, ry: float, theta: float) -> tuple[mp.mpf, mp.mpf]:
    """Exterior angle at x and distance from coordinates in the plane: scalar products of tangent vectors, 50 digits."""
    k, rx, ry, theta = map(mp.mpf, (k, rx, ry, theta))
    if k == 0:
        x, y = mp.matrix([rx, 0]), mp.matrix([ry * mp.cos(theta), ry * mp.sin(theta)])
        away = y - x
        d = mp.norm(away)
        return mp.acos(away[0] / d), d
    s = mp.sqrt(abs(k))
    sine, cosine, sign = (mp.sinh, mp.cosh, -1) if k < 0 else (mp.sin, mp.cos, 1)
    x = mp.matrix([cosine(s * rx), sine(s * rx), 0])
    y = mp.matrix([cosine(s * ry), sine(s * ry) * mp.cos(theta), sine(s * ry) * mp.sin(theta)])
    ahead = mp.matrix([-sign * sine(s * rx), cosine(s * rx), 0])
    inner = sign * x[0] * y[0] + x[1] * y[1] + x[2] * y[2]
    towards = y - (inner if k > 0 else -inner) * x
    length = mp.sqrt(_product(towards, towards, sign))
    return mp.acos(_product(ahead, towards, sign) / length), (mp.acos(inner) if k > 0 else mp.acosh(-inner)) / s


def _product(a: mp.matrix, b: mp.matrix, sign: int) -> mp.mpf:
    return sign * a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


GOLDEN = [
    (-0.3, 0.5, 1.2, 0.7),
    (-2.3, 2.0, 1.0, 2.5),
    (-0.3, 11 / math.sqrt(0.3), 10.9 / math.sqrt(0.3), 1e-5),
    (-2.3, 11 / math.sqrt(2.3), 11 / math.sqrt(2.3), 1.1),
    (-5.0, 3.0, 3.0 + 1e-6, 3e-6),
    (-5.0, 1e-3, 2.0, math.pi - 1e-6),
    (-1e-9, 0.8, 1.3, 1.0),
    (0.0, 0.5, 1.2, 0.7),
    (0.0, 2.0, 2.0 + 1e-6, 1e-6),
    (0.7, 0.5, 1.2, 0.7),
    (0.7, 2.5, 3.1, 2.9),
    (0.7, 1.0, 1.0 + 1e-6, 2e-6),
    (0.7, 1.0, 2.0, math.pi - 1e-6),
    (3.7, 1.2, 1.5, 1.9),
    (1e-9, 0.8, 1.3, 1.0),
]


def on_plane(radius: float, theta: float) -> Polar:
    return Polar(
        torch.tensor([[math.cos(theta), math.sin(theta)]], dtype=torch.float64),
        torch.tensor([radius], dtype=torch.float64),
    )


@pytest.mark.parametrize(("k", "rx", "ry", "theta"), GOLDEN)
def test_angle_and_distance_at_50_digits(k: float, rx: float, ry: float, theta: float) -> None:
    angle, distance = golden(k, rx, ry, theta)
    x, y = on_plane(rx, 0.0), on_plane(ry, theta)
    for law in (rows, pairwise):
        assert float(law.exterior_angle(x, y, k)) == pytest.approx(float(angle), abs=1e-9)
        assert float(law.distance(x, y, k)) == pytest.approx(float(distance), rel=1e-9, abs=0)


@pytest.mark.parametrize("min_radius", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("k", [-5.0, -0.3, 0.0, 0.7])
@pytest.mark.parametrize("radius", [1e-30, 0.01, 0.4, 1.0, 3.0, 11.0])
def test_aperture_at_50_digits(k: float, radius: float, min_radius: float) -> None:
    s = mp.sqrt(abs(mp.mpf(k)))
    if k > 0 and s * radius > mp.pi:
        radius = 3.5
    sine = mp.mpf(radius) if k == 0 else mp.sin(s * radius) if k > 0 else mp.sinh(s * radius)
    expected = mp.asin(min(mp.mpf(1), 2 * mp.mpf(min_radius) / sine))
    psi = pairwise.half_aperture(torch.tensor([radius], dtype=torch.float64), k, min_radius)
    assert float(psi) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(("k", "rx", "ry", "theta"), [case for case in GOLDEN if case[0] < 0 and case[1] < 5])
def test_meru_formula(k: float, rx: float, ry: float, theta: float) -> None:
    """MERU's oxy_angle with curv = -K, of space components, at 50 digits."""
    curv = -mp.mpf(k)
    s = mp.sqrt(curv)
    x, y = mp.sinh(s * rx) / s, mp.sinh(s * ry) / s
    time_x, time_y = mp.sqrt(1 / curv + x**2), mp.sqrt(1 / curv + y**2)
    inner = curv * (x * y * mp.cos(mp.mpf(theta)) - time_x * time_y)
    expected = mp.acos((time_y + time_x * inner) / (x * mp.sqrt(inner**2 - 1)))
    assert float(rows.exterior_angle(on_plane(rx, 0.0), on_plane(ry, theta), k)) == pytest.approx(
        float(expected), abs=1e-9
    )


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def tangents(seed: int, scale: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(20, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("k", [-2.3, -0.3, 0.7])
def test_geoopt(k: float) -> None:
    """`Lorentz.expmap0(v)`, but `expmap0(v / 2)` of the ball and of the sphere's projection."""
    v, w = tangents(0, 0.5), tangents(1, 0.5)
    geometry, module = PoincareBall(k) if k < 0 else Sphere(k), geoopt()
    space = Space(geometry)
    chart = module.PoincareBall(c=number(-k)) if k < 0 else module.SphereProjection(k=number(k))
    a, b = chart.expmap0(v / 2), chart.expmap0(w / 2)
    torch.testing.assert_close(geometry.to_ambient(space.polar(v)), a, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(space.distance(v, w), chart.dist(a, b), rtol=1e-8, atol=0)
    torch.testing.assert_close(space.radius(v), chart.dist0(a), rtol=1e-8, atol=0)
    if k < 0:
        lorentz, hyperboloid = module.Lorentz(k=number(-1 / k)), Space(Lorentz(k))
        flat = torch.nn.functional.pad(v, (1, 0)), torch.nn.functional.pad(w, (1, 0))
        a, b = (lorentz.expmap0(t) for t in flat)
        torch.testing.assert_close(Lorentz(k).to_ambient(space.polar(v)), a, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(hyperboloid.distance(v, w), lorentz.dist(a, b), rtol=1e-7, atol=0)


@given(curvatures(signs=(-1, 1)))
def test_scaling(k: float) -> None:
    """A space of curvature K is that of sign(K) with lengths divided by s; angles stay."""
    s = math.sqrt(abs(k))
    x, y = (0.8, 0.0), (1.3, 1.0)
    a, b = [on_plane(r / s, theta) for r, theta in (x, y)]
    p, q = [on_plane(r, theta) for r, theta in (x, y)]
    torch.testing.assert_close(rows.exterior_angle(a, b, k), rows.exterior_angle(p, q, k / abs(k)))
    torch.testing.assert_close(s * rows.distance(a, b, k), rows.distance(p, q, k / abs(k)))


def slope(function: Callable[[mp.mpf], mp.mpf], k: float) -> mp.mpf:
    return mp.diff(function, k, h=mp.mpf(abs(k)) * mp.mpf(10) ** -10)


@pytest.mark.parametrize("k", [-2.3, -0.3, -1e-3, -1e-6, -1e-9, -1e-12, 1e-12, 1e-6, 0.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivative_by_curvature_at_50_digits(k: float, dtype: torch.dtype) -> None:
    for rx, ry, theta in ((0.8, 1.3, 1.0), (1.0, 0.3, 2.4), (0.02, 0.05, 0.3)):
        case = rx, ry, theta
        by_angle, by_distance = (slope(partial(lambda i, case, c: golden(c, *case)[i], i, case), k) for i in (0, 1))
        x, y = (Polar(*(f.to(dtype) for f in on_plane(r, t))) for r, t in ((rx, 0.0), (ry, theta)))
        for law in (rows, pairwise):
            for measure, expected in ((law.exterior_angle, by_angle), (law.distance, by_distance)):
                curvature = torch.tensor(k, dtype=dtype, requires_grad=True)
                (gradient,) = torch.autograd.grad(measure(x, y, curvature).sum(), curvature)
                assert float(gradient) == pytest.approx(
                    float(expected), rel=2e-4 if dtype == torch.float32 else 1e-8, abs=0
                )


@pytest.mark.parametrize("k", [-2.3, -0.3, 0.7])
@pytest.mark.parametrize("a", [0.02, 0.09, 0.11, 0.3, 0.49, 0.51, 1.2])
@pytest.mark.parametrize("theta", [0.4, 2.0, 3.0])
def test_derivative_of_the_distance_by_curvature_wherever_its_form_changes(theta: float, a: float, k: float) -> None:
    """Near theta = pi the derivative is a small rest of larger terms, so a series cut short shows there."""
    rx, ry = a / math.sqrt(abs(k)), 0.98 * a / math.sqrt(abs(k))
    expected = float(slope(lambda c: golden(c, rx, ry, theta)[1], k))
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 6e-4)):
        x, y = (Polar(*(f.to(dtype) for f in on_plane(r, t))) for r, t in ((rx, 0.0), (ry, theta)))
        curvature = torch.tensor(k, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(rows.distance(x, y, curvature).sum(), curvature)
        assert float(gradient) == pytest.approx(expected, rel=bound, abs=0)


@pytest.mark.parametrize("k", [-2.3, -0.3, -1e-3, -1e-12, 0.7])
def test_derivative_of_the_aperture_by_curvature(k: float) -> None:
    curvature = torch.tensor(k, dtype=torch.float64, requires_grad=True)
    radius = mp.mpf("0.9") if abs(k) > 1e-2 else 1 / mp.sqrt(-mp.mpf(k))

    def aperture(c: mp.mpf) -> mp.mpf:
        a = mp.sqrt(abs(c)) * radius
        return mp.asin(mp.mpf("0.2") / (mp.sinh(a) if c < 0 else mp.sin(a)))

    psi = pairwise.half_aperture(torch.tensor([float(radius)], dtype=torch.float64), curvature)
    (gradient,) = torch.autograd.grad(psi.sum(), curvature)
    assert float(gradient) == pytest.approx(float(slope(aperture, k)), rel=1e-9)
