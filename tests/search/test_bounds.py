"""Bounds of shells against the definition: never above an item of the shell, attained by one, and right in mpmath."""

import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hiergeo._core.polar import Polar
from hiergeo.geometry.space import By, Side
from hiergeo.search.bounds import ANGLE_ERROR, DISTANCE_ERROR, least_angle, least_cost, least_distance
from hiergeo.testing import oracle

CURVATURES = (0.0, -0.25, -1.0, -4.0, 0.3, 1.0)
MIN_RADIUS = 0.1
ORDERS: tuple[tuple[By, Side], ...] = (
    ("angle", "children"),
    ("margin", "children"),
    ("angle", "parents"),
    ("margin", "parents"),
    ("distance", "children"),
)


@st.composite
def radii(draw: st.DrawFn, curvature: float) -> float:
    s = math.sqrt(abs(curvature)) or 1.0
    most = 0.999 * math.pi / s if curvature > 0 else 12.0 / s
    kind = draw(st.sampled_from(("small", "any", "aperture", "root")))
    if kind == "root":
        return 0.0
    if kind == "aperture":  # around the radius up to which cones are half-spaces
        return min(most, 2 * MIN_RADIUS / s * draw(st.floats(0.9, 1.1)))
    return 10 ** draw(st.floats(-4, math.log10(most))) if kind == "small" else draw(st.floats(1e-3, most))


@st.composite
def shells(draw: st.DrawFn) -> tuple[float, float, float, float, float]:
    """K, the radius of the query, the ends of the shell, and 1 - cos, with many cases where the two radii are close."""
    curvature = draw(st.sampled_from(CURVATURES))
    query = draw(radii(curvature))
    ends = sorted((draw(radii(curvature)), draw(radii(curvature))))
    if draw(st.booleans()):
        ends = [query * (1 - 10 ** draw(st.floats(-7, -1))), ends[1]]
    if draw(st.booleans()):
        ends[1] = ends[0] * (1 + 10 ** draw(st.floats(-7, -1)))
    s = math.sqrt(abs(curvature)) or 1.0
    most = 0.999 * math.pi / s if curvature > 0 else math.inf
    low, high = (min(end, most) for end in sorted(ends))
    small = 10 ** draw(st.floats(-12, -1))
    return curvature, query, low, high, draw(st.sampled_from((0.0, small, 2 - small, draw(st.floats(0, 2)))))


def items(low: float, high: float, opening: float, seed: int) -> tuple[Tensor, Tensor]:
    """Radii and angles of items that the bound has to cover, dense where a bound is attained: at every end."""
    g = torch.Generator().manual_seed(seed)
    share = torch.cat([torch.tensor([0.0, 1.0]), torch.rand(10, generator=g), torch.logspace(-7, -1, 5)]).double()
    radius = (low + (high - low) * share).clamp(low, high)
    least = 2 * math.asin(math.sqrt(opening / 2))
    theta = least + (math.pi - least) * torch.cat([share, torch.linspace(0, 1, 60, dtype=torch.float64)])
    grid = torch.meshgrid(radius, theta, indexing="ij")
    return grid[0].flatten(), grid[1].flatten()


def truth(by: By, side: Side, curvature: float, query: float | Tensor, radius: Tensor, theta: Tensor) -> Tensor:
    """Costs of items from formulas of their own, float64."""
    zero = torch.zeros_like(theta)
    x = Polar(torch.stack([torch.ones_like(theta), zero], -1), radius * 0 + query)
    y = Polar(torch.stack([theta.cos(), theta.sin()], -1), radius)
    if by == "distance":
        return oracle.distance(x, y, curvature)
    apex, far = (x, y) if side == "children" else (y, x)
    if by == "angle":
        return oracle.exterior_angle(apex, far, curvature)
    return -oracle.margin(apex, far, curvature, MIN_RADIUS)


def bound(by: By, side: Side, shell: tuple[float, float, float, float, float]) -> float:
    curvature, *numbers = shell
    query, low, high, opening = (torch.tensor(number, dtype=torch.float64) for number in numbers)
    return float(least_cost(query, low, high, opening, curvature, by, side, MIN_RADIUS))


@pytest.mark.parametrize(("by", "side"), ORDERS)
@settings(max_examples=40, deadline=None)
@given(shell=shells(), seed=st.integers(0, 2**20))
def test_no_item_of_a_shell_is_better_than_its_bound(
    by: By, side: Side, shell: tuple[float, float, float, float, float], seed: int
) -> None:
    curvature, query, low, high, opening = shell
    values = truth(by, side, curvature, query, *items(low, high, opening, seed))
    found = bound(by, side, shell)
    found = found / (1 - DISTANCE_ERROR) if by == "distance" else found + ANGLE_ERROR
    assert found <= float(values.min()) + 1e-7, (found, float(values.min()))


@pytest.mark.parametrize("curvature", [0.3, 1.0])
@pytest.mark.parametrize(("by", "side"), ORDERS)
def test_bounds_hold_all_over_a_sphere(by: By, side: Side, curvature: float) -> None:
    g = torch.Generator().manual_seed(5)
    n, reach = 250, 0.999 * math.pi / math.sqrt(curvature)
    query, *ends = reach * torch.rand(3, n, 1, 1, generator=g, dtype=torch.float64)
    low, high = torch.minimum(*ends), torch.maximum(*ends)
    opening = 2 * torch.rand(n, 1, 1, generator=g, dtype=torch.float64) ** 3
    least = 2 * torch.asin((opening / 2).sqrt())
    radius = low + (high - low) * torch.linspace(0, 1, 21, dtype=torch.float64)[:, None]
    theta = least + (math.pi - least) * torch.linspace(0, 1, 31, dtype=torch.float64)
    values = truth(by, side, curvature, *torch.broadcast_tensors(query, radius.clamp(low, high), theta))
    found = least_cost(query, low, high, opening, curvature, by, side, MIN_RADIUS)
    found = found / (1 - DISTANCE_ERROR) if by == "distance" else found + ANGLE_ERROR
    assert bool((found[:, 0, 0] <= values.flatten(1).amin(1) + 1e-7).all())


def exact_angle(apex: float, far: float, opening: float, curvature: float) -> mpmath.mpf:
    """Exterior angle from the law of cosines at 40 digits."""
    a, f, k = mpmath.mpf(apex), mpmath.mpf(far), mpmath.mpf(curvature)
    cosine = 1 - mpmath.mpf(opening)
    if k == 0:
        d = mpmath.sqrt(a * a + f * f - 2 * a * f * cosine)
        inner = (a * a + d * d - f * f) / (2 * a * d)
    elif k < 0:
        a, f = a * mpmath.sqrt(-k), f * mpmath.sqrt(-k)
        ch = mpmath.cosh(a) * mpmath.cosh(f) - mpmath.sinh(a) * mpmath.sinh(f) * cosine
        inner = (mpmath.cosh(a) * ch - mpmath.cosh(f)) / (mpmath.sinh(a) * mpmath.sinh(mpmath.acosh(ch)))
    else:
        a, f = a * mpmath.sqrt(k), f * mpmath.sqrt(k)
        c = mpmath.cos(a) * mpmath.cos(f) + mpmath.sin(a) * mpmath.sin(f) * cosine
        inner = (mpmath.cos(f) - mpmath.cos(a) * c) / (mpmath.sin(a) * mpmath.sin(mpmath.acos(c)))
    return mpmath.pi - mpmath.acos(max(mpmath.mpf(-1), min(mpmath.mpf(1), inner)))


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize(
    ("apex", "far"), [(0.3, 0.9), (0.9, 0.3), (1.2, 1.1999), (1.1999, 1.2), (2.4, 0.4), (1e-4, 1.0)]
)
def test_the_least_angle_is_that_of_a_search_with_40_digits(curvature: float, apex: float, far: float) -> None:
    with mpmath.workdps(40):
        scale = mpmath.sqrt(abs(mpmath.mpf(curvature))) if curvature else 1
        for opening in (1e-9, 1e-4, 0.05, 0.7, 1.3, 1.99):
            first = mpmath.acos(1 - mpmath.mpf(opening))
            across = curvature > 0 and (apex + far) * scale > mpmath.pi
            steps = [first + (mpmath.pi - first) * mpmath.mpf(i) / 60 for i in range(60)]
            touching = mpmath.acos(tangent(far, curvature) / tangent(apex, curvature)) if far < apex else first
            inside = [theta for theta in (*steps, touching) if isinstance(theta, mpmath.mpf) and theta >= first]
            least = min(exact_angle(apex, far, 1 - mpmath.cos(theta), curvature) for theta in inside)
            parts = [torch.tensor(v, dtype=torch.float64) for v in (apex, far, opening)]
            found = least_angle(parts[0], parts[1], parts[2], curvature)
            assert float(found) <= float(least) + 1e-12
            assert across or abs(float(found) - float(least)) < 1e-9


def tangent(radius: float, curvature: float) -> mpmath.mpf:
    s = mpmath.sqrt(abs(mpmath.mpf(curvature)))
    law = mpmath.tanh if curvature < 0 else mpmath.tan
    return law(s * radius) if curvature else mpmath.mpf(radius)


def test_bounds_hold_far_from_the_root_where_float64_cannot_tell_tangents_apart() -> None:
    opening = torch.tensor([0.0, 1e-18, 1e-12, 1e-6], dtype=torch.float64)
    with mpmath.workdps(80):
        for apex, far in ((20.0, 19.5), (30.0, 29.0), (60.0, 59.5), (300.0, 200.0)):
            sine = mpmath.sinh(far) / mpmath.sinh(apex)
            touching = 1 - mpmath.tanh(far) / mpmath.tanh(apex)
            found = least_angle(torch.tensor(apex), torch.tensor(far), opening, -1.0)
            for q, value in zip(opening.tolist(), found.tolist(), strict=True):
                if mpmath.mpf(q) <= touching:
                    assert abs(value - float(mpmath.pi - mpmath.asin(sine))) < 1e-12
                else:
                    assert value <= float(exact_angle(apex, far, q, -1.0)) + 1e-12


@settings(max_examples=30, deadline=None)
@given(shell=shells())
def test_distances_are_least_at_the_foot_of_the_perpendicular(shell: tuple[float, float, float, float, float]) -> None:
    curvature, query, low, high, opening = shell
    radius = torch.linspace(low, high, 1001, dtype=torch.float64)
    theta = torch.full_like(radius, 2 * math.asin(math.sqrt(opening / 2)))
    values = truth("distance", "children", curvature, query, radius, theta)
    parts = [torch.tensor(v, dtype=torch.float64) for v in shell[1:]]
    found = float(least_distance(parts[0], parts[1], parts[2], parts[3], curvature))
    assert found <= float(values.min()) * (1 + 1e-9) + 1e-9
    assert float(values.min()) <= found + (high - low) / 500 + 1e-6
