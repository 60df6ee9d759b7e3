"""Gradients of every pair operation: right against finite differences, right in float32, finite everywhere."""

import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

from hiergeo import Euclidean, Lorentz, Polar, Product, Space, pairwise
from hiergeo.pairwise import rows, tiles
from tests.pairwise.operators_common import DIFFERENTIABLE
from tests.tools.kernel_settings import setenv

CURVATURES = (-2.3, -0.3, -1e-3, 0.0, 1e-3, 0.7)
OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "rows.exterior_angle": rows.exterior_angle,
    "rows.distance": rows.distance,
    **DIFFERENTIABLE,
}


def ordinary(curvature: float, seed: int, rows: int = 4) -> Polar:
    """Float64 points well inside the range of the space, of directions that are not unit."""
    generator = torch.Generator().manual_seed(seed)
    s = math.sqrt(abs(curvature)) if abs(curvature) > 0.1 else 1.0
    direction = 3 * torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    return Polar(direction, (0.4 + torch.rand(rows, generator=generator, dtype=torch.float64)) / s)


def inputs(curvature: float, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    x, y = ordinary(curvature, 0), ordinary(curvature, 1)
    return [t.to(dtype).requires_grad_() for t in (*x, *y, torch.tensor(curvature, dtype=torch.float64))]


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_against_finite_differences(name: str, curvature: float) -> None:
    def measure(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor, k: Tensor) -> Tensor:
        return OPERATIONS[name](Polar(ux, rx), Polar(uy, ry), k)

    x = inputs(curvature)
    if curvature == 0 or abs(curvature) < 0.1:
        x[-1].requires_grad_(
            False
        )  # the aperture has no derivative at K = 0, and one beyond finite differences near it
    assert torch.autograd.gradcheck(measure, x, eps=1e-6, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("sign", [-1, 0, 1])
@pytest.mark.parametrize("law", [rows, pairwise])
def test_by_a_curvature_near_zero(law: ModuleType, sign: int) -> None:
    x, y = (Polar(*(t.detach() for t in p)) for p in (ordinary(0.0, 0), ordinary(0.0, 1)))
    for measure in (law.exterior_angle, law.distance):
        k = torch.tensor(sign * 1e-3, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(measure(x, y, k).sum(), k)
        step = 1e-4
        ends = (float(measure(x, y, float(k.detach()) + h).sum()) for h in (step, -step))
        assert float(gradient) == pytest.approx((next(ends) - next(ends)) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_float32_agrees_with_float64(name: str, curvature: float) -> None:
    gradients = []
    for dtype in (torch.float64, torch.float32):
        ux, rx, uy, ry, k = inputs(curvature, dtype)
        value = OPERATIONS[name](Polar(ux, rx), Polar(uy, ry), k)
        weights = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).view_as(value)
        wanted = [ux, rx, uy, ry] + [k] * (curvature != 0)
        gradients.append(torch.autograd.grad((weights * value).sum(), wanted))
    for wide, narrow in zip(*gradients, strict=True):
        torch.testing.assert_close(narrow.double(), wide, rtol=1e-4, atol=1e-4 * float(wide.abs().max()))


@pytest.mark.parametrize("curvature", [-2.3, 0.7])
@pytest.mark.parametrize("name", ["exterior_angle", "distance", "energy_mean"])
def test_sums_over_many_tiles(name: str, curvature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def gradients() -> tuple[Tensor, ...]:
        ux, rx, uy, ry, k = inputs(curvature)
        value = OPERATIONS[name](Polar(ux, rx), Polar(uy, ry), k)
        weights = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).view_as(value)
        return value, *torch.autograd.grad((weights * value).sum(), (ux, rx, uy, ry, k))

    setenv(monkeypatch, "HIERGEO_NATIVE", "0")
    whole = gradients()
    monkeypatch.setattr(tiles, "TILE_ROWS", 3)
    monkeypatch.setattr(tiles, "TILE_PAIRS", 6)
    for one, other in zip(whole, gradients(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize("law", [rows.exterior_angle, rows.distance])
def test_rows_in_blocks_are_the_rows(
    law: Callable[..., Tensor], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strided and expanded directions of several leading dimensions, in one block and in many that end unevenly."""
    x, y = ordinary(-2.3, 0, 22), ordinary(-2.3, 1, 11)
    results = []
    for block in (rows.BLOCK, 15):
        monkeypatch.setattr(rows, "BLOCK", block)
        ux = x.direction.view(2, 11, 5).transpose(0, 1).to(dtype).requires_grad_()
        uy, rx, ry = (part.to(dtype).requires_grad_() for part in (y.direction, x.radius.view(11, 2), y.radius))
        value = law(Polar(ux, rx), Polar(uy[:, None], ry[:, None]), -2.3)
        assert value.shape == (11, 2)
        results.append([value, *torch.autograd.grad((value * torch.arange(2.0)).sum(), (ux, rx, uy, ry))])
    for whole, some in zip(*results, strict=True):
        assert torch.equal(whole, some)


@pytest.mark.parametrize("law", [rows, pairwise])
@pytest.mark.parametrize("curvature", [-2.3, 0.0, 0.7])
def test_zero_at_the_kinks(law: ModuleType, curvature: float) -> None:
    u, v = torch.eye(3)[:1], torch.eye(3)[1:2]
    root, point = Polar(torch.zeros(1, 3), torch.zeros(1)), Polar(u, torch.ones(1))
    kinks = {"coincident": (point, point), "x at the root": (root, point), "y at the root": (point, root)}
    for x, y in kinks.values():
        parts = [t.clone().requires_grad_() for t in (*x, *y)]
        angle = law.exterior_angle(Polar(*parts[:2]), Polar(*parts[2:]), curvature)
        assert not any(bool(g.any()) for g in torch.autograd.grad(angle.sum(), parts))
    a, b = (Polar(*(t.clone().requires_grad_() for t in (w, torch.ones(1)))) for w in (u, v))
    angle = law.exterior_angle(a, b, curvature)
    assert all(bool(g.any()) for g in torch.autograd.grad(angle.sum(), [*a, *b]))


def test_distance_along_a_ray_and_from_the_root() -> None:
    u = torch.eye(3, dtype=torch.float64)[:1]
    for curvature in CURVATURES:
        along = ((0.5, 1.2, (-1.0, 1.0)), (1.2, 0.5, (1.0, -1.0)), (0.0, 0.5, (0.0, 1.0)), (0.5, 0.0, (1.0, 0.0)))
        for rx, ry, expected in along:
            radii = [torch.tensor([r], dtype=torch.float64, requires_grad=True) for r in (rx, ry)]
            x, y = Polar(u if rx else 0 * u, radii[0]), Polar(u if ry else 0 * u, radii[1])
            for law in (rows, pairwise):
                found = torch.autograd.grad(law.distance(x, y, curvature).sum(), radii)
                assert [float(g) for g in found] == pytest.approx(expected)
                assert [float(g) == 0 for g in found] == [e == 0 for e in expected]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distance_along_a_ray_far_out_where_its_sine_underflows(dtype: torch.dtype) -> None:
    u = torch.eye(3, dtype=dtype)[:1]
    radii = [torch.tensor([r], dtype=dtype, requires_grad=True) for r in (900.0, 700.0)]
    k = torch.tensor(-1.3, dtype=dtype, requires_grad=True)
    for law in (rows, pairwise):
        found = torch.autograd.grad(law.distance(Polar(u, radii[0]), Polar(u, radii[1]), k).sum(), [*radii, k])
        assert [float(g) for g in found] == pytest.approx([1.0, -1.0, 0.0])


def test_a_product_has_gradients_at_coincident_points_and_at_the_root() -> None:
    space = Space(Product([(Lorentz(-0.3), 2), (Euclidean(), 2)]))
    x = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    for value in (space.radius(x), space.distance(x, x.detach().clone()), space.pairwise_distance(x, x.detach())):
        (gradient,) = torch.autograd.grad(value.sum(), x)
        assert bool(gradient.isfinite().all())
