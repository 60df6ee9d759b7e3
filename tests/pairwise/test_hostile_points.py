"""No finite input, however extreme, gives NaN or Inf; native kernels and the reference agree on all of them."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo.pairwise import rows
from hiergeo.pairwise.interface import Factor
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from hiergeo.testing.assertions import ANGLE_WORST, DISTANCE_WORST
from tests.pairwise.native_problems import MISSING, at, levels
from tests.tools.examples import examples
from tests.tools.kernel_settings import setenv

NORMS = {torch.float64: (-300, 300), torch.float32: (-44, 37), torch.bfloat16: (-39, 37), torch.float16: (-6, 4)}
"""Powers of ten that the norms of directions are drawn from."""

DOUBT = 2e-5
"""Legs shorter than this share of the radii have an angle that rounding decides."""


@st.composite
def curvatures(draw: st.DrawFn) -> float:
    """0, or |K| in [1e-300, 1e4]."""
    exponent = draw(st.one_of(st.floats(-3, 4), st.floats(-300, 4), st.floats(-46, -30)))
    return draw(st.sampled_from((-1, 0, 1))) * 10.0**exponent


@st.composite
def clouds(draw: st.DrawFn, curvature: float, dtype: torch.dtype, dim: int, axis: Tensor) -> Polar:
    """Six points along, against and off a common axis, of radii in [1e-30, 1e6] and s r <= 1e4, and the root."""
    s = math.sqrt(abs(curvature)) or 1e-150
    limit = min(1e6, (math.pi if curvature > 0 else 1e4) / s)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    low, high = NORMS[dtype]
    directions, radii = [torch.zeros(dim, dtype=torch.float64)], [0.0]
    for _ in range(6):
        away = torch.randn(dim, generator=generator, dtype=torch.float64)
        tilt = draw(st.sampled_from((0.0, 1e-7, 1e-3, 1.0, 1e9)))
        ray = draw(st.sampled_from((-1, 1))) * (axis + tilt * (1 + away.abs()))
        directions.append(ray / ray.norm() * 10.0 ** draw(st.sampled_from((0, 0, low, low / 2, high / 2, high))))
        tiny, middle = 10 ** draw(st.floats(-30, -3)), draw(st.floats(1e-3, 3)) / s
        radii.append(min(draw(st.sampled_from((tiny, middle, 0.95 * limit, limit, limit / 2, 0.0))), limit))
    direction = torch.stack(directions).to(dtype)
    direction = torch.where((direction == 0).all(-1, keepdim=True), axis.to(dtype), direction)
    radius = torch.tensor(radii, dtype=torch.float64).to(torch.float64 if dtype == torch.float64 else torch.float32)
    direction[0], radius[0] = 0, 0
    return Polar(direction[None], radius[None])


@st.composite
def hostile(draw: st.DrawFn) -> tuple[Polar, Polar, float]:
    """Two clouds around one axis, some of whose points they share."""
    curvature, dtype = draw(curvatures()), draw(st.sampled_from(list(NORMS)))
    dim = draw(st.sampled_from((1, 2, 17)))
    axis = torch.randn(dim, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))), dtype=torch.float64)
    x, y = (draw(clouds(curvature, dtype, dim, axis)) for _ in range(2))
    y.radius[0, 1:3], y.direction[0, 1:3] = x.radius[0, 1:3], x.direction[0, 1:3]
    return x, y, curvature


def as_tensors(x: Polar, y: Polar, curvature: float) -> list[Tensor]:
    parts = [part[0].clone().requires_grad_() for part in (*x, *y)]
    return [*parts, torch.tensor(curvature, dtype=torch.float64, requires_grad=True)]


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "exterior_angle": pairwise.exterior_angle,
    "distance": pairwise.distance,
    "cone_margin": pairwise.cone_margin,
    "energy_sum": pairwise.energy_sum,
    "energy_total": pairwise.energy_total,
    "hinge_total": lambda x, y, k: pairwise.hinge_total(x, y, k, 1.3),
    "rows.exterior_angle": rows.exterior_angle,
    "rows.distance": rows.distance,
}

every_way = pytest.mark.parametrize("level", ["reference", *(() if MISSING else levels())])


@pytest.mark.slow
@every_way
@given(problem=hostile(), tensor=st.booleans())
@examples(150)
def test_values_and_gradients_are_finite(level: str, problem: tuple[Polar, Polar, float], tensor: bool) -> None:
    with pytest.MonkeyPatch.context() as patch, at("" if level == "reference" else level):
        setenv(patch, "HIERGEO_NATIVE", "0" if level == "reference" else "1")
        for name, measure in OPERATIONS.items():
            *parts, k = as_tensors(*problem)
            value = measure(Polar(*parts[:2]), Polar(*parts[2:]), k if tensor else problem[2])
            assert bool(value.isfinite().all()), name
            if "sum" not in name and "margin" not in name:
                top = math.pi if "angle" in name else math.inf
                assert bool((value >= 0).all()), name
                assert float(value.detach().max()) <= top * (1 + 1e-7), name
            wanted = [*parts, k] if tensor else parts
            for gradient in torch.autograd.grad(value.sum(), wanted):
                assert bool(gradient.isfinite().all()), name


@pytest.mark.slow
@pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")
@pytest.mark.parametrize("level", levels())
@given(problem=hostile())
@examples(150)
def test_native_kernels_and_the_reference_agree(level: str, problem: tuple[Polar, Polar, float]) -> None:
    x, y, curvature = problem
    k = 0.0 if abs(curvature) < torch.finfo(torch.float32).tiny else curvature
    found = []
    for backend in (NATIVE, REFERENCE):
        with at(level):
            out = []
            for name in ("distance", "exterior_angle"):
                dtype = torch.float64 if x.direction.dtype == torch.float64 else torch.float32
                out.append(torch.empty(1, 7, 7, dtype=dtype))
                backend.store([Factor(x, y, k, None)], QUANTITIES[name], out[-1])
            found.append([part.double() for part in out])
    (distance, angle), (true_distance, true_angle) = found
    reach = x.radius.double()[..., None] + y.radius.double()[..., None, :]
    assert bool(((distance - true_distance).abs() <= DISTANCE_WORST * true_distance + 5e-7 * reach).all())
    left = (math.pi / math.sqrt(k) - true_distance) if k > 0 else torch.full_like(true_distance, math.inf)
    clear = torch.minimum(true_distance, left) > DOUBT * reach
    assert bool((angle - true_angle).abs()[clear].le(ANGLE_WORST).all())
