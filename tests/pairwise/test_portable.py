"""The float32 path in plain PyTorch: its accuracy, its derivatives, and that it does not wait for a device."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hiergeo import Polar
from hiergeo._core import numerics
from hiergeo.pairwise import portable
from hiergeo.pairwise.interface import Factor, Gradients, LogitTerms, PairBackend
from hiergeo.pairwise.portable import NEAR, PORTABLE
from hiergeo.pairwise.quantity import QUANTITIES, unchecked_aperture
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.smoke import Sample, compared
from hiergeo.testing import oracle
from hiergeo.testing.assertions import assert_bars
from tests.tools.blocks import bar_block, block_radii, on_a_line
from tests.tools.waits import Waits

CPU = torch.device("cpu")
CURVATURES = (-4.0, -1.0, -0.3, 0.0, 0.25, 0.7)
SIDE = 250


@pytest.fixture(params=["a CPU", "a device"], autouse=True)
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """How the path computes on a CPU, and how it does where Python must not wait."""
    if request.param == "a device":
        numerics.WAITED_FOR.discard("cpu")
        monkeypatch.setattr(portable, "CAPACITY", 7)
    monkeypatch.setattr(portable, "CHUNK", 20_000)
    monkeypatch.setattr(portable, "CHUNK_ROWS", 70)
    monkeypatch.setattr(portable, "LARGE_CHUNK", 20_000)
    yield str(request.param)
    numerics.WAITED_FOR.add("cpu")


def batched(point: Polar) -> Polar:
    return Polar(point.direction[None], point.radius[None])


def stored(backend: PairBackend, x: Polar, y: Polar, curvature: float, quantity: str, **cone: float) -> Tensor:
    psi = unchecked_aperture(x.radius, curvature, 0.1) if QUANTITIES[quantity].cone else None
    out = torch.full((len(x.radius), x.radius.shape[1], y.radius.shape[1]), 7.0)
    backend.store([Factor(x, y, curvature, psi)], QUANTITIES[quantity], out)
    return out


@pytest.mark.parametrize("dim", [48, pytest.param(512, marks=pytest.mark.slow)])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_values_keep_the_contract(curvature: float, dim: int) -> None:
    generator = torch.Generator().manual_seed(dim)
    drawn = bar_block(curvature, dim, SIDE, generator)
    for x, y in (drawn, on_a_line(*block_radii(curvature, SIDE, generator), dim, generator)):
        quantities = ("exterior_angle", "cone_margin", "distance")
        angle, margin, distance = (stored(PORTABLE, batched(x), batched(y), curvature, q)[0] for q in quantities)
        true = oracle.every_pair(oracle.exterior_angle, x, y, curvature)
        psi = oracle.half_aperture(x.radius, curvature)[:, None]
        truths = true, psi - true, oracle.every_pair(oracle.distance, x, y, curvature)
        assert_bars(angle, margin, distance, truths)


@pytest.mark.parametrize("spaces", [[(40, -0.7)], [(17, 0.25)], [(24, 0.0)], [(40, -1.3), (17, 0.25)]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_every_operation_agrees_with_the_reference(spaces: list[tuple[int, float]], dtype: torch.dtype) -> None:
    outcomes = list(compared(PORTABLE, Sample((33, 131), spaces, dtype), CPU, False))
    assert len(outcomes) > 5
    assert not [str(outcome) for outcome in outcomes if not outcome.passed]


def test_a_root_and_a_pole_of_the_sphere_have_finite_derivatives() -> None:
    x, y = (Polar(torch.tensor([[[0.0], [-1.0]]]), torch.tensor([[0.0, r]])) for r in (1e-3, math.pi))
    gradients = PORTABLE.backward(torch.ones(1, 2, 2), x, y, 1.0, QUANTITIES["exterior_angle"], None)
    assert all(bool(part.isfinite().all()) for part in gradients if part is not None)


def hard(curvature: float, dim: int = 24, seed: int = 0) -> tuple[Polar, Polar]:
    """Points of which many lie on nearly one line with others, with a root, equal ones and opposite ones."""
    generator = torch.Generator().manual_seed(seed)
    x, y = bar_block(curvature, dim, 60, generator)
    x.direction[0], x.radius[0], y.direction[1], y.radius[1] = 0.0, 0.0, 0.0, 0.0
    y.direction[2], y.radius[2], y.direction[3] = x.direction[2], x.radius[2], -x.direction[3]
    return batched(Polar(x.direction.float(), x.radius)), batched(Polar(y.direction.float(), y.radius))


@pytest.mark.parametrize("quantity", ["exterior_angle", "distance", "energy"])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_gradients_are_those_of_the_reference(curvature: float, quantity: str) -> None:
    x, y = hard(curvature)
    psi = unchecked_aperture(x.radius, curvature, 0.1) if quantity == "energy" else None
    upstream = torch.randn(1, 60, 60, generator=torch.Generator().manual_seed(1))
    found, expected = (
        backend.backward(upstream, x, y, curvature, QUANTITIES[quantity], psi) for backend in (PORTABLE, REFERENCE)
    )
    for name, part, right in zip(Gradients._fields, found, expected, strict=True):
        size = right.abs().amax(-1, keepdim=True).clamp_min(1e-2 * float(right.abs().max())) + 1e-30
        assert float(((part.double() - right.double()).abs() / size).max()) <= 2e-5, name


def test_points_that_are_not_numbers_spoil_nothing_else() -> None:
    x, y = hard(-0.7)
    x.direction[0, 5, 3], y.radius[0, 7], y.direction[0, 9] = math.nan, math.inf, math.inf
    upstream = torch.randn(1, 60, 60, generator=torch.Generator().manual_seed(1))
    for quantity in ("exterior_angle", "distance"):
        values, right = (stored(backend, x, y, -0.7, quantity) for backend in (PORTABLE, REFERENCE))
        assert torch.equal(values.isnan(), right.isnan())
        torch.testing.assert_close(values, right, rtol=1e-5, atol=5e-6, equal_nan=True)
        found, expected = (
            backend.backward(upstream, x, y, -0.7, QUANTITIES[quantity], None) for backend in (PORTABLE, REFERENCE)
        )
        for part, wanted in zip(found, expected, strict=True):
            size = float(wanted.abs().nan_to_num(0).max()) + 1e-30
            torch.testing.assert_close(part.double() / size, wanted.double() / size, rtol=0, atol=2e-5, equal_nan=True)


def test_a_crowd_on_nearly_one_line() -> None:
    """Most of a chunk is measured in float64."""
    generator = torch.Generator().manual_seed(0)
    ray = torch.randn(16, generator=generator)
    x, y = (
        Polar((ray + 0.05 * torch.randn(1, n, 16, generator=generator)), torch.rand(1, n, generator=generator) + 0.1)
        for n in (40, 50)
    )
    for quantity in ("exterior_angle", "distance"):
        values, right = (stored(backend, x, y, -1.0, quantity) for backend in (PORTABLE, REFERENCE))
        torch.testing.assert_close(values, right, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("radius", [1e-25, 1e20, 40.0])
def test_what_float32_cannot_hold_is_left_to_the_reference(radius: float) -> None:
    x, y = hard(-1.0)
    x.radius[0, 4] = radius
    assert torch.equal(stored(PORTABLE, x, y, -1.0, "distance"), stored(REFERENCE, x, y, -1.0, "distance"))
    x.radius[0, 4] = math.nan
    assert not torch.equal(stored(PORTABLE, x, y, -1.0, "distance"), stored(REFERENCE, x, y, -1.0, "distance"))


@pytest.mark.parametrize("norm", [1e-35, 1e-20, 1e20, 1e35])
def test_norms_of_directions_do_not_count(norm: float) -> None:
    x, y = hard(-1.0)
    scaled = Polar(x.direction * norm, x.radius)
    torch.testing.assert_close(stored(PORTABLE, scaled, y, -1.0, "distance"), stored(REFERENCE, x, y, -1.0, "distance"))


def test_precision_of_products_in_torch_does_not_count() -> None:
    x, y = hard(-1.0)

    def computed() -> list[Tensor]:
        gradients = PORTABLE.backward(torch.ones(1, 60, 60), x, y, -1.0, QUANTITIES["distance"], None)
        return [stored(PORTABLE, x, y, -1.0, "exterior_angle"), *(part for part in gradients if part is not None)]

    expected = computed()
    with torch.autocast("cpu", torch.bfloat16):
        assert all(map(torch.equal, computed(), expected))
    matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before, matmul.fp32_precision = matmul.fp32_precision, "bf16"
    try:
        assert all(map(torch.equal, computed(), expected))
        assert matmul.fp32_precision == "bf16"
    finally:
        matmul.fp32_precision = before


def test_an_inherited_precision_of_products_stays_inherited() -> None:
    whole: Any = torch.backends
    matmul = whole.mkldnn.matmul
    before = matmul.fp32_precision, whole.fp32_precision
    try:
        matmul.fp32_precision, whole.fp32_precision = "none", "bf16"
        stored(PORTABLE, *hard(-1.0), -1.0, "distance")
        whole.fp32_precision = "ieee"
        assert matmul.fp32_precision == "ieee"
    finally:
        matmul.fp32_precision, whole.fp32_precision = before


def test_ties_go_to_the_lower_index() -> None:
    x, y = hard(-1.0)
    twice = Polar(torch.cat((y.direction, y.direction), 1), torch.cat((y.radius, y.radius), 1))
    scores, indices = PORTABLE.smallest([Factor(x, twice, -1.0)], QUANTITIES["distance"], 9, False)
    values = stored(PORTABLE, x, twice, -1.0, "distance")
    order = values[0].argsort(dim=1, stable=True)[:, :9]
    assert torch.equal(indices[0], order)
    assert torch.equal(scores[0], values[0].gather(1, order))
    within = PORTABLE.count([Factor(x, twice, -1.0)], QUANTITIES["distance"], scores[..., -1].double())
    assert torch.equal(within, (values <= scores[..., -1:]).sum(-1))


def calls() -> Iterator[tuple[str, Callable[[], object]]]:
    x, y = hard(-1.0)
    psi = unchecked_aperture(x.radius, -1.0, 0.1)
    cone, plain, distance = [Factor(x, y, -1.0, psi)], [Factor(x, y, -1.0)], QUANTITIES["distance"]
    upstream, target = torch.ones(1, 60, 60), torch.arange(60)[None]
    order, ends = torch.arange(60), torch.tensor([3, 60])
    labels = torch.arange(60)[None] % 7, torch.arange(60)[None] % 5
    sums = [torch.zeros(1, 60).double()] * 4
    yield "store", lambda: PORTABLE.store(plain, distance, torch.empty(1, 60, 60))
    yield "backward", lambda: PORTABLE.backward(upstream, x, y, -1.0, distance, None)
    yield "count", lambda: PORTABLE.count(cone, QUANTITIES["cone_margin"], None)
    yield "members", lambda: PORTABLE.members(x, y, -1.0, psi)
    yield "smallest", lambda: PORTABLE.smallest(plain, distance, 5, False)
    yield "rank", lambda: PORTABLE.rank(plain, distance, target, False)
    yield "nearest_ladder", lambda: PORTABLE.nearest_ladder(plain, distance, order, ends)
    yield "energy_sum", lambda: PORTABLE.energy_sum(x, y, -1.0, psi)
    yield "energy_total", lambda: PORTABLE.energy_total(x, y, -1.0, psi, 0.5, True)
    yield "energy_min", lambda: PORTABLE.energy_min(x, y, -1.0, psi)
    yield "ladder", lambda: PORTABLE.ladder(x.direction[0], y.direction[0], None, order, ends)
    for reduction in ("logsumexp", "softplus"):
        for by in (None, labels):
            name = reduction if by is None else f"{reduction} with labels"
            terms = LogitTerms(torch.ones(1).double(), torch.zeros(1).double(), by, True, reduction)
            yield f"{name}, forward", partial(PORTABLE.contrast, plain * 2, distance, terms)
            yield f"{name}, backward", partial(PORTABLE.contrast_backward, plain * 2, distance, terms, sums[:2], sums)


@pytest.mark.parametrize("name", [name for name, _ in calls()])
def test_no_chunk_is_waited_for(name: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if place == "a CPU":
        pytest.skip("Python waits for a CPU anyway")
    monkeypatch.setattr(portable, "CAPACITY", 3600)
    counts = []
    for pairs in (240, 100_000):
        monkeypatch.setattr(portable, "LARGE_CHUNK", pairs)
        with Waits() as waits:
            dict(calls())[name]()
        counts.append(waits.count)
    assert counts[0] == counts[1], "waits in many chunks and in one"


def test_a_device_without_lists_of_fixed_length_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise NotImplementedError

    x, y = hard(-1.0)
    expected = stored(PORTABLE, x, y, -1.0, "distance")
    monkeypatch.setattr(torch, "nonzero_static", lacking)
    torch.testing.assert_close(stored(PORTABLE, x, y, -1.0, "distance"), expected)


def test_near_pairs_are_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it angles of nearly opposite rays are off by more than the contract allows."""
    assert NEAR < 1
    x, y = hard(-1.0)
    monkeypatch.setattr(portable, "NEAR", 2.0)
    off = (stored(PORTABLE, x, y, -1.0, "exterior_angle") - stored(REFERENCE, x, y, -1.0, "exterior_angle")).abs()
    assert float(off.nan_to_num(1.0).max()) > 1e-4
