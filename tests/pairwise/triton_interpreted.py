"""The kernels of Triton on its interpreter, run by `test_triton.py` in a process of its own.

It calculates in float32 as numpy does, every operation rounded once. `approximate` adds the largest errors that PTX
states of what a GPU approximates, and what a multiplication that is not rounded before an addition may change. No test
here has run on a GPU.
"""

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("runs where TRITON_INTERPRET=1 is set before Triton is imported", allow_module_level=True)

import triton.language as tl
from triton.runtime.interpreter import InterpreterBuilder

from hiergeo import Polar
from hiergeo._core import numerics
from hiergeo.pairwise import epilogues, portable
from hiergeo.pairwise.fused import TRIAL, FusedValues
from hiergeo.pairwise.interface import Factor, Gradients, LogitTerms
from hiergeo.pairwise.quantity import QUANTITIES, unchecked_aperture
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.smoke import Sample, compared
from hiergeo.testing import oracle
from hiergeo.testing.assertions import assert_bars
from tests.pairwise.test_portable import batched, hard, stored
from tests.tools.blocks import bar_block, block_radii, on_a_line

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, for what is masked or NaN

CPU = torch.device("cpu")
CURVATURES = (-1.0, -0.3, 0.0, 0.25)
SIDE = 250


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A CPU that Python does not wait for, with chunks of few rows."""
    monkeypatch.setattr(portable, "LARGE_CHUNK", 1_000)
    monkeypatch.setattr(portable, "CAPACITY", 7)
    numerics.WAITED_FOR.discard("cpu")
    yield
    numerics.WAITED_FOR.add("cpu")


ULP = 2.0**-23
TINY = np.finfo(np.float32).tiny


@pytest.fixture
def approximate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arithmetic that is off by errors of either sign, drawn anew for every result."""
    generator = np.random.default_rng(0)

    def off(values: Any, relative: Any, absolute: Any = 0.0) -> Any:
        sign = generator.uniform(-1, 1, values.shape)
        return (values.astype(np.float64) * (1 + sign * relative) + sign * absolute).astype(np.float32)

    def flushed(x: Any) -> Any:
        return np.where(np.abs(x) < TINY, 0, x)

    def logarithm(x: Any) -> Any:  # lg2.approx: 2^-22, absolute between 0.5 and 2, relative elsewhere
        close, log2 = (x > 0.5) & (x < 2), np.log2(x)
        return off(log2, np.where(close, 0, 2 * ULP), np.where(close, 2 * ULP, 0)) * np.float32(math.log(2))

    def exponential(x: Any) -> Any:  # ex2.approx of a rounded product: 2 ulp and half an ulp of the exponent
        return off(np.exp(x), 2 * ULP + np.where(np.isfinite(x), np.abs(x), 0) * ULP / 2)

    unary = {
        "create_sqrt": lambda x: off(np.sqrt(flushed(x)), 2 * ULP),
        "create_rsqrt": lambda x: off(1 / np.sqrt(flushed(x)), 2 * ULP),
        "create_log": logarithm,
        "create_exp": exponential,
    }
    binary = {
        "create_fdiv": lambda x, y: off(np.divide(x, y), 2 * ULP),
        "create_fmul": lambda x, y: off(np.multiply(x, y), ULP / 2),
    }
    for name, function in unary.items():
        monkeypatch.setattr(InterpreterBuilder, name, lambda self, x, f=function: self.unary_op(x, f))
    for name, of_two in binary.items():
        monkeypatch.setattr(InterpreterBuilder, name, lambda self, x, y, f=of_two: self.binary_op(x, y, f))


# Powers of four change exponents alone: K = -4 and -1/4 are K = -1 to the last bit.
@pytest.mark.parametrize("dim", [48, 512])
@pytest.mark.parametrize("curvature", [-1.0, 0.0, 0.25])
@pytest.mark.usefixtures("approximate")
def test_approximate_values_keep_the_contract(curvature: float, dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_contract(curvature, dim, monkeypatch)


@pytest.mark.parametrize("curvature", [-4.0, 0.25])
def test_values_keep_the_contract(curvature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_contract(curvature, 48, monkeypatch)


def assert_contract(curvature: float, dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epilogues, "ROWS", tl.constexpr(256))  # one block, which is faster
    monkeypatch.setattr(epilogues, "COLUMNS", tl.constexpr(256))
    assert SIDE * SIDE >= 60_000
    generator = torch.Generator().manual_seed(dim)
    cells = (
        bar_block(curvature, dim, SIDE, generator),
        on_a_line(*block_radii(curvature, SIDE, generator), dim, generator),
    )
    for x, y in cells:
        quantities = ("exterior_angle", "cone_margin", "distance")
        angle, margin, distance = (stored(TRIAL, batched(x), batched(y), curvature, q)[0] for q in quantities)
        true = oracle.every_pair(oracle.exterior_angle, x, y, curvature)
        psi = oracle.half_aperture(x.radius, curvature)[:, None]
        length = oracle.every_pair(oracle.distance, x, y, curvature)
        assert_bars(angle, margin, distance, (true, psi - true, length))


@pytest.mark.parametrize(
    ("spaces", "dtype"),
    [
        ([(40, -0.7)], torch.float32),
        ([(17, 0.25)], torch.float32),
        ([(24, 0.0)], torch.bfloat16),
        ([(40, -1.3), (17, 0.25), (24, 0.0)], torch.float32),
        ([(40, -1.3), (17, 0.25)], torch.float16),
    ],
)
@pytest.mark.usefixtures("device")
def test_every_operation_agrees_with_the_reference(spaces: list[tuple[int, float]], dtype: torch.dtype) -> None:
    outcomes = list(compared(TRIAL, Sample((20, 70), spaces, dtype), CPU, False))
    assert len(outcomes) > 5
    assert not [str(outcome) for outcome in outcomes if not outcome.passed]


@pytest.mark.parametrize("quantity", ["exterior_angle", "distance", "energy"])
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.usefixtures("device", "approximate")
def test_gradients_are_those_of_the_reference(curvature: float, quantity: str) -> None:
    x, y = hard(curvature)
    y.direction[0, 1] = 1.0  # of a root, whose direction does not count
    psi = unchecked_aperture(x.radius, curvature, 0.1) if quantity == "energy" else None
    upstream = torch.randn(1, 60, 60, generator=torch.Generator().manual_seed(1))
    found, expected = (
        backend.backward(upstream, x, y, curvature, QUANTITIES[quantity], psi) for backend in (TRIAL, REFERENCE)
    )
    for name, part, right in zip(Gradients._fields, found, expected, strict=True):
        size = right.abs().amax(-1, keepdim=True).clamp_min(1e-2 * float(right.abs().max())) + 1e-30
        assert float(((part.double() - right.double()).abs() / size).max()) <= 2e-5, name


@pytest.mark.parametrize("reach", [0.01, 0.3, 3.0, 20.0])
@pytest.mark.parametrize("curvature", [-1.0, 0.0, 1.0])
@pytest.mark.usefixtures("approximate")
def test_derivatives_of_single_distances_by_curvature(curvature: float, reach: float) -> None:
    """Near the root and far from it, with the slack of the triangle from nothing to the radius."""
    generator = torch.Generator().manual_seed(0)
    n = 64
    turn = 0.2 + (math.pi - 0.4) * torch.rand(n, generator=generator)  # beyond this pairs are measured in float64
    radius = min(reach, 3.1 if curvature > 0 else reach) * torch.rand(2, n, generator=generator).clamp_min(0.01)
    ray = torch.tensor([[1.0, 0.0]]).expand(n, 1, 2)
    x = Polar(ray.clone(), radius[0, :, None])
    y = Polar(torch.stack((turn.cos(), turn.sin()), -1)[:, None], radius[1, :, None])
    found, expected = (
        backend.backward(torch.ones(n, 1, 1), x, y, curvature, QUANTITIES["distance"], None).curvature
        for backend in (TRIAL, REFERENCE)
    )
    torch.testing.assert_close(found, expected, rtol=5e-6, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("reduction", ["logsumexp", "softplus"])
@pytest.mark.parametrize(
    ("squared", "scale", "labelled"), [(False, 3.0, True), (True, 0.5, False), (False, 90.0, True)]
)
@pytest.mark.usefixtures("device", "approximate")
def test_contrast(reduction: str, squared: bool, scale: float, labelled: bool) -> None:
    """Logits from hardly different to some hundreds apart."""
    x, y = hard(-1.0)
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(60)[None] % 7,) * 2 if labelled else None
    terms = LogitTerms(torch.tensor([scale]).double(), torch.tensor([0.3]).double(), labels, squared, reduction)
    points, distance = [Factor(x, y, -1.0)], QUANTITIES["distance"]
    pulls = [torch.randn(1, 60, generator=generator, dtype=torch.float64) for _ in range(4)]
    reduced = REFERENCE.contrast(points, distance, terms)
    for part, right in zip(TRIAL.contrast(points, distance, terms), reduced, strict=True):
        torch.testing.assert_close(part, right, rtol=1e-5, atol=1e-5)
    of_both = (backend.contrast_backward(points, distance, terms, reduced[:2], pulls) for backend in (TRIAL, REFERENCE))
    for part, right in zip(*of_both, strict=True):
        size = float(right.abs().max())
        torch.testing.assert_close(part / size, right.to(part) / size, rtol=0, atol=1e-4)
    y.direction[0, 9, 2] = math.nan
    found, right = (backend.contrast(points, distance, terms)[1] for backend in (TRIAL, REFERENCE))
    torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5, equal_nan=True)


def test_tiny_terms_beside_a_large_one_keep_their_digits() -> None:
    logits = -20 - 5 * torch.rand(60, 130, generator=torch.Generator().manual_seed(0))
    logits.fill_diagonal_(0.0)
    reduced = FusedValues((), (), QUANTITIES["distance"]).reduced(logits, "logsumexp")
    for dim, part in zip((1, 0), reduced, strict=True):
        torch.testing.assert_close(part, torch.logsumexp(logits.double(), dim), rtol=1e-5, atol=0)


@pytest.mark.usefixtures("device")
def test_points_that_are_not_numbers_spoil_nothing_else() -> None:
    x, y = hard(-0.7)
    x.direction[0, 5, 3], y.radius[0, 7], y.direction[0, 9] = math.nan, math.inf, math.inf
    psi = unchecked_aperture(x.radius, -0.7, 0.1)
    for quantity in ("exterior_angle", "distance"):
        values, right = (stored(backend, x, y, -0.7, quantity) for backend in (TRIAL, REFERENCE))
        torch.testing.assert_close(values, right, rtol=1e-5, atol=5e-6, equal_nan=True)
        found, expected = (
            backend.backward(torch.ones(1, 1, 1).expand(1, 60, 60), x, y, -0.7, QUANTITIES[quantity], None)
            for backend in (TRIAL, REFERENCE)
        )
        for part, wanted in zip(found, expected, strict=True):
            size = float(wanted.abs().nan_to_num(0).max()) + 1e-30
            torch.testing.assert_close(part.double() / size, wanted.double() / size, rtol=0, atol=2e-5, equal_nan=True)
    (value, index), (right, lowest) = (backend.energy_min(x, y, -0.7, psi) for backend in (TRIAL, REFERENCE))
    torch.testing.assert_close(value, right, rtol=1e-5, atol=5e-6, equal_nan=True)
    assert int(index[0, 5]) == -1
    assert bool((index == lowest).all())


@pytest.mark.parametrize("norm", [1e-35, 1e35])
def test_norms_of_directions_do_not_count(norm: float) -> None:
    x, y = hard(-1.0)
    scaled = Polar(x.direction * norm, x.radius)
    torch.testing.assert_close(stored(TRIAL, scaled, y, -1.0, "distance"), stored(REFERENCE, x, y, -1.0, "distance"))


def test_ties_go_to_the_lower_index() -> None:
    x, y = hard(-1.0)
    twice = Polar(torch.cat((y.direction, y.direction), 1), torch.cat((y.radius, y.radius), 1))
    psi = unchecked_aperture(x.radius, -1.0, 0.1)
    values, (_, index) = stored(TRIAL, x, twice, -1.0, "energy"), TRIAL.energy_min(x, twice, -1.0, psi)
    assert torch.equal(index, values.argmin(-1))  # the first of equal ones
    assert int(index.max()) < 60
    median = values.double().median(-1).values
    for reach in (median, median - 1e-12):  # the second rounds to the first
        count = TRIAL.count([Factor(x, twice, -1.0, psi)], QUANTITIES["energy"], reach)
        assert torch.equal(count, (values <= reach[..., None]).sum(-1))
