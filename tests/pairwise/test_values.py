"""Stored results: agreement with the oracle and with rows, dtypes, layouts, batches, empty sets and odd rows."""

import math

import pytest
import torch
from hypothesis import given

from hiergeo import Polar, pairwise
from hiergeo.pairwise import rows, tiles
from hiergeo.testing import oracle
from hiergeo.testing.samples import bar_rows
from tests.pairwise.operators_common import STORED
from tests.tools.blocks import bar_block
from tests.tools.examples import examples
from tests.tools.kernel_settings import setenv
from tests.tools.strategies import Pair, pairs

CURVATURES = (-2.3, -0.3, 0.0, 0.7)


def cloud(curvature: float, n: int, seed: int, dtype: torch.dtype = torch.float32) -> Polar:
    generator = torch.Generator().manual_seed(seed)
    x, _ = bar_rows(curvature, 7, n, generator)
    return Polar(x.direction.to(dtype), x.radius.to(dtype))


@pytest.mark.slow
@examples(300)
@given(pairs())
def test_any_pair_against_the_oracle(pair: Pair) -> None:
    x, y, k = pair
    s = math.sqrt(abs(k)) or 1.0
    near_antipode = k > 0 and float(s * oracle.distance(x, y, k)) > math.pi - 1e-4
    for law in (rows, pairwise):
        angle = float(law.exterior_angle(x, y, k))
        if not near_antipode:
            assert angle == pytest.approx(float(oracle.exterior_angle(x, y, k)), abs=1e-4)
        if max(s * float(x.radius), s * float(y.radius)) <= 30 or k >= 0:
            there = float(oracle.distance(x, y, k))
            assert float(law.distance(x, y, k)) == pytest.approx(there, rel=1e-5, abs=2e-7 * float(x.radius + y.radius))


@given(pairs(signs=(-1, 0, 1)))
def test_energy_is_the_negative_part_of_the_margin(pair: Pair) -> None:
    x, y, k = pair
    margin, energy = pairwise.cone_margin(x, y, k), pairwise.energy(x, y, k)
    assert float(energy) == max(0.0, -float(margin))
    psi = float(oracle.half_aperture(x.radius, k))
    assert float(margin) == pytest.approx(psi - float(pairwise.exterior_angle(x, y, k)), abs=1e-5)


@given(pairs(dtype=torch.float64, kinds=("ordinary",)))
def test_the_sum_of_interior_angles_tells_the_curvature(pair: Pair) -> None:
    x, y, k = pair
    at_x, at_y = (math.pi - float(rows.exterior_angle(a, b, k)) for a, b in ((x, y), (y, x)))
    excess = at_x + at_y + float(oracle.opening(x, y)) - math.pi
    assert excess * k > 0 if k else abs(excess) < 1e-9


@pytest.mark.parametrize("curvature", [-2.3, -0.3])
def test_distance_at_huge_radii(curvature: float) -> None:
    """From far away d is s r_y + ln(cosh(s r_x) - sinh(s r_x) cos(theta)), which far from the root is half angles."""
    s = math.sqrt(-curvature)
    theta = torch.tensor([1e-3, 0.4, 2.0, math.pi])
    y = Polar(torch.stack((theta.cos(), theta.sin()), -1), torch.full((4,), 9e3 / s))
    for a in (0.0, 1e-3, 0.3, 1.0, 5.0, 30.0, 200.0, 1e4):
        x = Polar(torch.eye(2)[:1].expand(4, 2) * (a > 0), torch.full((4,), a / s))
        half, r = oracle.opening(x, y) / 2, s * x.radius.double()
        busemann = r + torch.log(half.sin().square() + half.cos().square() * torch.exp(-2 * r)) if a else 0 * r
        expected = (s * y.radius.double() + busemann) / s
        for law in (rows.distance, lambda *p: pairwise.distance(*p).diagonal()):
            torch.testing.assert_close(law(x, y, curvature).double(), expected, rtol=3e-7, atol=0)
            torch.testing.assert_close(law(y, x, curvature).double(), expected, rtol=3e-7, atol=0)
        ahead = Polar(x.direction, x.radius + 3 / s)
        if a:
            torch.testing.assert_close(rows.distance(x, ahead, curvature), ahead.radius - x.radius, rtol=1e-6, atol=0)


@pytest.mark.parametrize("curvature", CURVATURES)
def test_pairs_equal_rows_in_float64(curvature: float) -> None:
    """The product of rays and their chords meet where neither has lost digits."""
    x, y = bar_block(curvature, 16, 120, torch.Generator().manual_seed(0))
    x, y = (Polar(p.direction.double(), p.radius.double()) for p in (x, y))
    a, b = Polar(x.direction[:, None], x.radius[:, None]), Polar(y.direction[None], y.radius[None])
    for every, single in ((pairwise.exterior_angle, rows.exterior_angle), (pairwise.distance, rows.distance)):
        torch.testing.assert_close(every(x, y, curvature), single(a, b, curvature), rtol=1e-9, atol=2e-9)


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("name", STORED)
def test_tiles_do_not_show(name: str, curvature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = cloud(curvature, 23, 0), cloud(curvature, 31, 1)
    setenv(monkeypatch, "HIERGEO_NATIVE", "0")
    whole = STORED[name](x, y, curvature)
    mean = pairwise.energy_mean(x, y, curvature)
    monkeypatch.setattr(tiles, "TILE_ROWS", 5)
    monkeypatch.setattr(tiles, "TILE_PAIRS", 35)
    torch.testing.assert_close(STORED[name](x, y, curvature), whole, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(pairwise.energy_mean(x, y, curvature), mean)
    torch.testing.assert_close(mean, pairwise.energy(x, y, curvature).mean(1))


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("curvature", [-0.3, 0.7])
def test_a_python_curvature_keeps_its_digits(name: str, curvature: float) -> None:
    x, y = (cloud(curvature, 9, seed, torch.float64) for seed in (0, 1))
    exact = STORED[name](x, y, torch.tensor(curvature, dtype=torch.float64))
    assert torch.equal(STORED[name](x, y, curvature), exact)


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("name", STORED)
def test_empty_sets(name: str, curvature: float) -> None:
    x, none = cloud(curvature, 4, 0), Polar(torch.zeros(0, 7), torch.zeros(0))
    for a, b in ((x, none), (none, x), (none, none)):
        assert STORED[name](a, b, curvature).shape == (len(a.radius), len(b.radius))
    for law in (rows.exterior_angle, rows.distance):
        assert law(none, none, curvature).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_coincident_points_coincide_in_any_layout(dtype: torch.dtype) -> None:
    """Equal rows of a row-major and a column-major tensor, one of them stretched, are one ray to the last digit."""
    x = Polar(torch.randn(60, 64, generator=torch.Generator().manual_seed(0), dtype=dtype), torch.ones(60, dtype=dtype))
    y = Polar((4 * x.direction).mT.contiguous().mT, x.radius)
    for curvature in CURVATURES:
        assert not bool(pairwise.exterior_angle(x, y, curvature).diagonal().any())
        assert not bool(pairwise.distance(x, y, curvature).diagonal().any())
        assert not bool(rows.exterior_angle(x, y, curvature).any())


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["direction", "radius"])
def test_rows_that_are_not_numbers(where: str, odd: float, curvature: float) -> None:
    if where == "radius" and (odd < 0 or curvature > 0):
        odd = math.nan
    x, y = cloud(curvature, 6, 0), cloud(curvature, 5, 1)
    for point, row in ((x, 2), (y, 3)):
        getattr(point, where)[row] = odd
    x.direction[4], x.radius[4] = 0, 0
    y.direction[1], y.radius[1] = 0, 0
    for measure in STORED.values():
        result = measure(x, y, curvature)
        assert bool(result[2].isnan().all())
        assert bool(result[:, 3].isnan().all())
        rest = result[[0, 1, 3, 4, 5]][:, [0, 1, 2, 4]]
        assert bool(rest.isfinite().all())
    assert pairwise.half_aperture(x.radius, curvature).isnan().tolist() == [
        where == "radius" and row == 2 for row in range(6)
    ]
    mean = pairwise.energy_mean(x, Polar(y.direction[:3], y.radius[:3]), curvature)
    assert mean.isnan().tolist() == [False, False, True, False, False, False]
    assert bool(pairwise.energy_mean(x, y, curvature).isnan().all())
    assert int(pairwise.cone_count(x, y, curvature)[2]) == 0
    assert 3 not in pairwise.cone_members(x, y, curvature)[1].tolist()
    values, indices = pairwise.cone_topk(x, y, curvature, 5)
    assert not bool((indices == 3).any())
    assert indices[:, 4].tolist() == [-1] * 6
    assert values[2].isnan().all()


@pytest.mark.parametrize("curvature", [-2.3, 0.0, 0.7])
def test_conventions(curvature: float) -> None:
    u, v = torch.eye(3)[:1], torch.eye(3)[1:2]
    root = Polar(torch.zeros(1, 3), torch.zeros(1))
    x, y, behind = Polar(u, torch.ones(1)), Polar(v, 0.7 * torch.ones(1)), Polar(-u, 0.7 * torch.ones(1))
    for law in (rows, pairwise):
        angles = {
            (a, b): float(law.exterior_angle(p, q, curvature))
            for a, p in named(root, x, y)
            for b, q in named(root, x, y)
        }
        assert angles["root", "x"] == angles["root", "root"] == angles["x", "x"] == 0
        assert angles["x", "root"] == pytest.approx(math.pi)
        assert math.pi / 2 < angles["x", "y"] < math.pi
        assert float(law.exterior_angle(x, behind, curvature)) == pytest.approx(math.pi)
        assert float(law.distance(root, root, curvature)) == float(law.distance(x, x, curvature)) == 0
        assert float(law.distance(root, x, curvature)) == float(law.distance(x, root, curvature)) == pytest.approx(1)
    assert int(pairwise.cone_count(x, x, curvature)) == 1


def test_a_point_lies_in_its_own_cone_however_thin() -> None:
    """Far out the aperture vanishes, the margin of a point over itself is 0, and 0 counts."""
    x = Polar(torch.eye(3), torch.full((3,), 5e3))
    assert pairwise.half_aperture(x.radius, -2.3).tolist() == [0.0] * 3
    assert pairwise.cone_count(x, x, -2.3).tolist() == [1, 1, 1]
    assert pairwise.cone_members(x, x, -2.3)[1].tolist() == [0, 1, 2]


def named(*points: Polar) -> list[tuple[str, Polar]]:
    return list(zip(("root", "x", "y"), points, strict=True))


@pytest.mark.parametrize("curvature", [1e-3, 0.25, 0.7, 3.0])
def test_the_antipode_on_a_sphere(curvature: float) -> None:
    """Radii that float32 rounds to either side of the antipode still mean the antipode."""
    reach = math.pi / math.sqrt(curvature)
    generator = torch.Generator().manual_seed(0)
    x = Polar(torch.randn(100, 5, generator=generator), reach * torch.linspace(0.01, 0.99, 100))
    nearest = (reach - x.radius.double()).float()
    for radius in (nearest, torch.nextafter(nearest, 2 * nearest), torch.nextafter(nearest, 0 * nearest)):
        y = Polar(-x.direction, radius)
        for law in (rows.exterior_angle, lambda *a: pairwise.exterior_angle(*a).diagonal()):
            assert not bool(law(x, y, curvature).any())
        torch.testing.assert_close(rows.distance(x, y, curvature), torch.full((100,), reach))


@pytest.mark.parametrize("curvature", [0.25, 0.7, 1.0, 3.0])
def test_the_antipode_of_the_root(curvature: float) -> None:
    """Its float32 radius may exceed pi / s by a rounding, where the sine is negative."""
    reach = math.pi / math.sqrt(curvature)
    end = Polar(torch.eye(2)[:1], torch.tensor([reach]))
    y = Polar(torch.randn(20, 2, generator=torch.Generator().manual_seed(0)), reach * torch.linspace(0.05, 0.95, 20))
    there = pairwise.distance(end, y, curvature)[0]
    torch.testing.assert_close(there, reach - y.radius)
    torch.testing.assert_close(pairwise.distance(y, end, curvature)[:, 0], there)
    assert float(pairwise.exterior_angle(y, end, curvature).max()) < 1e-5


@pytest.mark.parametrize("curvature", [0.25, 0.7, 3.0])
def test_close_to_antipodes_on_a_sphere(curvature: float) -> None:
    """Sums of radii near pi / s and 2 pi / s keep the digits of what is left to them."""
    reach, theta = math.pi / math.sqrt(curvature), torch.tensor(2.9)
    u = torch.eye(2)[:1].expand(40, 2)
    v = torch.stack((theta.cos(), theta.sin())).expand(40, 2)
    short, left = reach * torch.logspace(-5, -1, 40), reach * torch.logspace(-4.7, -0.7, 40)
    for rx, ry in ((short, reach - left), (reach - left, short), (reach - short, reach - left)):
        x, y = Polar(u, rx.float()), Polar(v, ry.float())
        for law in (rows.exterior_angle, lambda *a: pairwise.exterior_angle(*a).diagonal()):
            expected = oracle.exterior_angle(x, y, curvature)
            torch.testing.assert_close(law(x, y, curvature).double(), expected, rtol=0, atol=2e-6)
        expected = oracle.distance(x, y, curvature)
        torch.testing.assert_close(rows.distance(x, y, curvature).double(), expected, rtol=2e-6, atol=0)


def test_neighbours_on_the_equator_are_not_antipodes() -> None:
    quarter = torch.tensor([math.pi / 2])
    x, y = Polar(torch.eye(2)[:1], quarter), Polar(torch.eye(2)[:1], quarter - 2.4e-7)
    assert 0 < float(rows.distance(x, y, 1.0)) < 4 * torch.finfo(torch.float32).eps
    assert float(rows.exterior_angle(x, y, 1.0)) == pytest.approx(math.pi)


@pytest.mark.parametrize("curvature", [-2.3, -0.3, 0.0, 0.7])
def test_aperture_where_the_cone_just_opens(curvature: float) -> None:
    """Rounding must not push 2 k / sn beyond 1, where the arcsine has no value."""
    s = math.sqrt(abs(curvature)) or 1.0
    for min_radius in (0.05, 0.1, 0.3, 0.45):
        edge = {-1: math.asinh(2 * min_radius), 0: 2 * min_radius, 1: math.asin(2 * min_radius)}[
            (curvature > 0) - (curvature < 0)
        ]
        radius = (edge / s * (1 + 1e-16 * torch.arange(-200, 200, dtype=torch.float64))).requires_grad_()
        psi = pairwise.half_aperture(radius, curvature, min_radius)
        (gradient,) = torch.autograd.grad(psi.sum(), radius)
        assert bool(gradient.isfinite().all())
        torch.testing.assert_close(psi, torch.full_like(psi, math.pi / 2), rtol=0, atol=1e-6)
