"""Where float32 and float64 end: antipodes, parallel rays, norms, narrow gradients, the derivative by K."""

import math

import mpmath as mp
import pytest
import torch
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo.pairwise import rows
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from hiergeo.testing.samples import bar_rows
from tests.pairwise.collinear import assert_none_turns, on_one_line
from tests.pairwise.native_problems import MISSING, at, levels
from tests.pairwise.test_gradients import OPERATIONS
from tests.tools.kernel_settings import setenv

mp.mp.dps = 50

WAYS = ["reference", *(() if MISSING else levels())]
every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def chosen(way: str, monkeypatch: pytest.MonkeyPatch):
    setenv(monkeypatch, "HIERGEO_NATIVE", "0" if way == "reference" else "1")
    with at("" if way == "reference" else way):
        yield


@every_way
@pytest.mark.usefixtures("chosen")
def test_searches_and_stored_values_share_one_rule_for_antipodes() -> None:
    for off in (0.0, 1e-7, 3e-7, 1e-5):
        x = Polar(torch.tensor([[1.0, 0.0]]), torch.tensor([1.0]))
        y = Polar(torch.tensor([[-1.0, off], [0.0, 1.0], [-1.0, -off]]), torch.tensor([math.pi - 1, 1.0, math.pi - 1]))
        margin = pairwise.cone_margin(x, y, 1.0)
        values, indices = pairwise.cone_topk(x, y, 1.0, 3)
        torch.testing.assert_close(values, margin.gather(1, indices), rtol=0, atol=1e-5)
        assert int(pairwise.cone_count(x, y, 1.0)) == int((margin >= 0).sum())
        if off < 4e-7:
            assert indices[0].tolist() == [0, 2, 1]
            inputs = [part.clone().requires_grad_() for part in (*x, *y)]
            angle = pairwise.exterior_angle(Polar(*inputs[:2]), Polar(*inputs[2:]), 1.0)[:, ::2]
            assert not any(bool(part.any()) for part in torch.autograd.grad(angle.sum(), inputs))


@every_way
@pytest.mark.usefixtures("chosen")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [1, 3, 64])
@pytest.mark.parametrize("curvature", [-0.7, 0.0, 0.4])
def test_parallel_rays_of_any_length_coincide(curvature: float, dim: int, dtype: torch.dtype) -> None:
    ray = torch.randint(1, 9, (1, dim), generator=torch.Generator().manual_seed(dim)).to(dtype)
    for factor in (3.0, 7.0, 0.75, 11.0, 1000.0):
        x, y = (Polar(c * ray, torch.tensor([0.8], dtype=dtype)) for c in (1.0, factor))
        assert float(pairwise.exterior_angle(x, y, curvature)) == float(pairwise.distance(x, y, curvature)) == 0
        assert float(rows.exterior_angle(x, y, curvature)) == float(rows.distance(x, y, curvature)) == 0
        behind = Polar(-y.direction, y.radius)
        assert float(pairwise.exterior_angle(x, behind, curvature)) == pytest.approx(math.pi, abs=1e-6)


@every_way
@pytest.mark.usefixtures("chosen")
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("curvature", [-4.0, -1.0, 0.0, 0.25])
def test_points_on_one_line_do_not_turn_each_other(curvature: float, dtype: torch.dtype, whole: bool) -> None:
    x, y = on_one_line(curvature, whole, dtype)
    for measure in OPERATIONS.values():
        assert_none_turns(measure, x, y, curvature)


@every_way
@pytest.mark.usefixtures("chosen")
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(torch.float32, 1e-39), (torch.float32, 1e-43), (torch.bfloat16, 2.0**-130), (torch.float16, 2.0**-20)]
    + [(torch.float64, scale) for scale in (1e-300, 1e-200, 1e-160, 1e155, 1e200, 1e300)],
)
def test_norms_do_not_count(dtype: torch.dtype, scale: float) -> None:
    """Integer coordinates times a scale: their rays are known however few digits are left of them."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randint(-90, 90, (n, 8), generator=generator).double() for n in (5, 6))
    radius = torch.rand(5, generator=generator), torch.rand(6, generator=generator)
    small = (x * scale).to(dtype)
    plain = (small.double() / scale).float() if dtype != torch.float64 else x
    other = y.to(dtype)
    for measure in (pairwise.exterior_angle, pairwise.distance):
        found = measure(Polar(small, radius[0]), Polar(other, radius[1]), -0.7)
        expected = measure(Polar(plain.to(found.dtype), radius[0]), Polar(other.to(found.dtype), radius[1]), -0.7)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)


@every_way
@pytest.mark.usefixtures("chosen")
def test_gradients_beyond_a_narrow_dtype_become_its_largest_number() -> None:
    direction = torch.eye(3, dtype=torch.float16).requires_grad_()
    radius = torch.full((3,), 1e5)
    value = pairwise.distance(Polar(direction, radius), Polar(direction.detach(), radius), 0.0)
    (gradient,) = torch.autograd.grad(value.sum(), direction)
    assert bool(gradient.isfinite().all())
    assert float(gradient.abs().max()) == torch.finfo(torch.float16).max


@every_way
@pytest.mark.usefixtures("chosen")
@pytest.mark.parametrize("curvature", [1e-300, -1e-300, 1e-37, -1e-37, 1e-12, -1e-12])
def test_a_curvature_near_zero_is_flat_for_any_radius(curvature: float) -> None:
    for radius in (1e-30, 1e-9, 1.0, 1e3):
        x, y = (
            Polar(torch.tensor([ray]), torch.tensor([r])) for ray, r in (([1.0, 0.0], radius), ([0.6, 0.8], 2 * radius))
        )
        for k in (curvature, torch.tensor(curvature, dtype=torch.float64)):
            for law in (pairwise, rows):
                assert float(law.distance(x, y, k)) == pytest.approx(math.sqrt(2.6) * radius, rel=1e-5, abs=0)
                assert float(law.exterior_angle(x, y, k)) == pytest.approx(math.atan2(1.6, 0.2), abs=1e-5)


def by_curvature(k: float, rx: float, ry: float, theta: mp.mpf) -> float:
    """d(distance)/dK at 50 digits, from homogeneity: (r_x d_x + r_y d_y - d)/(2 K)."""
    sine, cosine, inverse = (mp.sinh, mp.cosh, mp.asinh) if k < 0 else (mp.sin, mp.cos, mp.asin)
    s = mp.sqrt(abs(mp.mpf(k)))
    a, b = s * rx, s * ry
    d = 2 * inverse(mp.sqrt(sine((a - b) / 2) ** 2 + sine(a) * sine(b) * mp.sin(theta / 2) ** 2))
    by_x = (sine(a) * cosine(b) - cosine(a) * sine(b) * mp.cos(theta)) / sine(d)
    by_y = (sine(b) * cosine(a) - cosine(b) * sine(a) * mp.cos(theta)) / sine(d)
    return float((a * by_x + b * by_y - d) / (2 * s * k))


@every_way
@pytest.mark.parametrize("curvature", [-4.0, -0.3, -1e-6, -1e-12, 1e-12, 1e-6, 0.25, 0.7])
def test_the_derivative_of_the_distance_by_curvature_on_the_sample_of_the_bars(curvature: float, way: str) -> None:
    """Of float32 points, relative to 50 digits: angles down to 1e-5 from either end, radii nearly equal and equal."""
    backend = REFERENCE if way == "reference" else NATIVE
    x, y = bar_rows(curvature, 3, 270, torch.Generator().manual_seed(5))
    one, other = [Polar(point.direction[:, None], point.radius[:, None]) for point in (x, y)]
    with at("" if way == "reference" else way):
        found = backend.backward(torch.ones(270, 1, 1), one, other, curvature, QUANTITIES["distance"], None).curvature
    expected = torch.tensor(
        [
            by_curvature(curvature, float(x.radius[i]), float(y.radius[i]), _theta(x.direction[i], y.direction[i]))
            for i in range(270)
        ],
        dtype=torch.float64,
    )
    assert float((found / expected - 1).abs().max()) <= 3e-5


def _theta(u: Tensor, v: Tensor) -> mp.mpf:
    a, b = (mp.matrix(w.double().tolist()) for w in (u, v))
    a, b = a / mp.norm(a), b / mp.norm(b)
    return 2 * mp.atan2(mp.norm(a - b), mp.norm(a + b))
