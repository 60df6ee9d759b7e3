"""Native kernels against the reference, function by function of a backend, at every SIMD level of this machine.

Angles may differ by the accuracy bars, counts and members only where a margin is within a hair of 0, the best k
only among scores that tie within it.
"""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo.pairwise.interface import Gradients
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from hiergeo.testing.assertions import ANGLE_MOST, ANGLE_WORST
from tests.pairwise.native_problems import FLOATS, MISSING, SIZES, Problem, at, levels, problems
from tests.tools.examples import examples

pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

TIE = 1e-5
"""Margins this close to 0, and scores this close to each other, may fall either way."""

EXACT = 1e-8
"""How far float64 angles may differ; close to a common line the arctangent of two small legs enlarges roundings."""

MARGINS = (None, 0.1, 1.3, 4.0)

every_level = pytest.mark.parametrize("level", levels())


def assert_angles(native: Tensor, reference: Tensor) -> None:
    """The accuracy bars between two results; a thousandth of few pairs is one."""
    assert torch.equal(native.isnan(), reference.isnan())
    error = (native.double() - reference.double()).abs().nan_to_num(nan=0.0)
    worst = EXACT if native.dtype == torch.float64 else ANGLE_WORST
    assert not bool((error > worst).any()), f"the largest difference is {float(error.max()):.2g} rad"
    assert int((error > ANGLE_MOST).sum()) <= 1 + error.numel() // 1000


@every_level
@pytest.mark.parametrize("quantity", ["exterior_angle", "cone_margin", "energy"])
def test_stored_angles(quantity: str, level: str) -> None:
    @given(problems())
    def agree(problem: Problem) -> None:
        with at(level):
            assert_angles(problem.stored(NATIVE, quantity), problem.stored(REFERENCE, quantity))

    agree()


def assert_written(problem: Problem, dtype: torch.dtype) -> None:
    """A result in another dtype is the same one rounded, and nothing beside it is written."""
    b, n, m = *problem.x.radius.shape, problem.y.radius.shape[-1]
    frame = torch.full((b, n + 2, m + 3), -1.0, dtype=dtype, device=problem.device)
    inner = frame[:, 1 : n + 1, 2 : m + 2]
    for name, quantity in QUANTITIES.items():
        NATIVE.store([problem.factor(name)], quantity, inner)
        whole = problem.stored(NATIVE, name).to(dtype)
        torch.testing.assert_close(inner, whole, rtol=0, atol=0, equal_nan=True)
        inner.fill_(-1.0)
        assert bool((frame == -1).all())


@every_level
@given(problem=problems(), dtype=st.sampled_from(FLOATS))
@examples(40)
def test_stored_dtypes_and_strides(level: str, problem: Problem, dtype: torch.dtype) -> None:
    with at(level):
        assert_written(problem, dtype)


def in_doubt(problem: Problem) -> Tensor:
    """Pairs whose margin is too close to 0 to tell membership, (B, N, M)."""
    return problem.stored(REFERENCE, "cone_margin").abs() <= TIE


def assert_members(problem: Problem) -> None:
    crow, columns = NATIVE.members(*problem.cone)
    assert crow.dtype == columns.dtype == torch.int64
    row = torch.repeat_interleave(torch.arange(len(crow) - 1, device=problem.device), crow.diff())
    margin = problem.stored(REFERENCE, "cone_margin")[0]
    assert bool(((row * margin.shape[1] + columns).diff() > 0).all()), "columns ascend within a row"
    inside = torch.zeros(margin.shape, dtype=torch.bool, device=problem.device)
    inside[row, columns] = True
    assert not bool((inside ^ (margin >= 0))[~(margin.abs() <= TIE)].any())


@every_level
@given(problem=problems(batches=(1,)))
def test_members(level: str, problem: Problem) -> None:
    with at(level):
        assert_members(problem)


def assert_energies(problem: Problem) -> None:
    native, reference = (backend.energy_sum(*problem.cone) for backend in (NATIVE, REFERENCE))
    assert native.dtype == torch.float64
    torch.testing.assert_close(native, reference, rtol=1e-5, atol=TIE, equal_nan=True)
    if problem.y.radius.shape[-1] == 0:
        return
    (values, indices), (expected, places) = (backend.energy_min(*problem.cone) for backend in (NATIVE, REFERENCE))
    assert values.dtype == expected.dtype
    torch.testing.assert_close(values, expected, rtol=0, atol=TIE, equal_nan=True)
    assert torch.equal(indices < 0, places < 0)
    energy = problem.stored(REFERENCE, "energy").gather(-1, indices.clamp_min(0).unsqueeze(-1))[..., 0]
    torch.testing.assert_close(energy.masked_fill(indices < 0, math.nan), values, rtol=0, atol=TIE, equal_nan=True)


@every_level
@given(problem=problems())
def test_energies(level: str, problem: Problem) -> None:
    with at(level):
        assert_energies(problem)


def assert_totals(problem: Problem, margin: float | None, gradients: bool) -> None:
    (native, _), (reference, _) = (b.energy_total(*problem.cone, margin, gradients) for b in (NATIVE, REFERENCE))
    assert native.dtype == torch.float64
    pairs = max(1, problem.y.radius.shape[-1] * problem.x.radius.shape[-1])
    torch.testing.assert_close(native, reference, rtol=1e-5, atol=TIE * pairs, equal_nan=True)


@every_level
@given(problem=problems(), margin=st.sampled_from(MARGINS), gradients=st.booleans())
@examples(60)
def test_totals(level: str, problem: Problem, margin: float | None, gradients: bool) -> None:
    with at(level):
        assert_totals(problem, margin, gradients)


def assert_gradients_of_totals(problem: Problem, margin: float | None) -> None:
    """Where no pair lies at a kink, at which either slope is right."""
    energy = problem.stored(REFERENCE, "energy")
    assume(not bool(in_doubt(problem).any()))
    assume(margin is None or not bool(((energy - margin).abs() <= TIE).any()))
    (_, native), (_, reference) = (backend.energy_total(*problem.cone, margin, True) for backend in (NATIVE, REFERENCE))
    assert native is not None
    assert reference is not None
    assert_gradients(native, reference, problem)


@every_level
@given(problem=problems(hard=False), margin=st.sampled_from(MARGINS))
@examples(60)
def test_gradients_of_totals(level: str, problem: Problem, margin: float | None) -> None:
    with at(level):
        assert_gradients_of_totals(problem, margin)


UPSTREAMS = ("dense", "one number a row", "one number", "transposed")


def _upstream(kind: str, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    b, n, m = shape
    generator = torch.Generator().manual_seed(0)
    if kind == "one number a row":
        return torch.rand(b, n, 1, generator=generator, dtype=dtype).expand(shape)
    if kind == "one number":
        return torch.ones((), dtype=dtype).expand(shape)
    if kind == "transposed":
        return torch.rand(b, m, n, generator=generator, dtype=dtype).mT
    return torch.rand(shape, generator=generator, dtype=dtype)


def assert_gradients(native: Gradients, reference: Gradients, problem: Problem) -> None:
    """Within 1e-4 of the largest (1e-9 in float64); the one by K is a difference of numbers of the order of r^2."""
    share = 1e-4 if problem.dtype == torch.float32 else 1e-9
    radii = torch.cat((problem.x.radius.flatten(), problem.y.radius.flatten())).double()
    floors = {"curvature": 0.1 * float(radii.square().max()) if len(radii) else 0.0}
    for name, one, other in zip(native._fields, native, reference, strict=True):
        largest = float(other.abs().max()) if other.numel() else 0.0
        difference = (one - other).abs()
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert not bool((difference > share * max(largest, floors.get(name, 1e-3))).any()), f"{name}: {difference}"
        assert bool(one.isfinite().all()), name


def assert_backward(problem: Problem, quantity: str, kind: str) -> None:
    assume(quantity != "energy" or not bool(in_doubt(problem).any()))
    cone = problem.aperture if QUANTITIES[quantity].cone else None
    upstream = _upstream(kind, in_doubt(problem).shape, problem.dtype).to(problem.device)
    operands = (upstream, problem.x, problem.y, problem.curvature, QUANTITIES[quantity], cone)
    native, reference = (backend.backward(*operands) for backend in (NATIVE, REFERENCE))
    assert_gradients(native, reference, problem)


@every_level
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_gradients(quantity: str, level: str) -> None:
    @given(problems(hard=False), st.sampled_from(UPSTREAMS))
    @examples(60)
    def agree(problem: Problem, kind: str) -> None:
        with at(level):
            assert_backward(problem, quantity, kind)

    agree()


@st.composite
def climbs(draw: st.DrawFn, dtypes: tuple[torch.dtype, ...] = FLOATS) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, candidates that repeat and may be NaN or zero, an order of some of them, ends that may repeat."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    q, m, t = draw(st.sampled_from(SIZES)), draw(st.sampled_from(SIZES)), draw(st.sampled_from((0, 1, 2, 5, 50)))
    dim, dtype = draw(st.sampled_from((1, 3, 16, 65))), draw(st.sampled_from(dtypes))
    queries, candidates = (torch.randn(size, dim, generator=generator) for size in (q, m))
    repeats = torch.randint(0, max(1, m), (m // 3,), generator=generator)
    candidates[torch.arange(m // 3)] = candidates[repeats]
    candidates[torch.rand(m, generator=generator) < 0.05] = draw(st.sampled_from((0.0, math.nan)))
    order = torch.randperm(m, generator=generator)[: draw(st.integers(0, m))]
    ends = torch.randint(0, len(order) + 1, (t,), generator=generator).sort().values
    order = order[: int(ends[-1]) if t else 0]
    if draw(st.booleans()):
        candidates = candidates.mT.contiguous().mT
    return queries.to(dtype), candidates.to(dtype), order, ends


def assert_ladders(queries: Tensor, candidates: Tensor, order: Tensor, ends: Tensor) -> None:
    (native, cosines), (reference, expected) = (
        backend.ladder(queries, candidates, None, order, ends) for backend in (NATIVE, REFERENCE)
    )
    torch.testing.assert_close(cosines, expected, rtol=0, atol=1e-6, equal_nan=True)
    assert native.dtype == torch.int64
    assert torch.equal(native < 0, reference < 0)
    if native.numel() and len(candidates):
        q, c = (torch.nn.functional.normalize(t.double(), dim=-1) for t in (queries, candidates))
        cosine = (q @ c.mT).nan_to_num(nan=-math.inf)
        chosen, best = (cosine.gather(1, index.clamp_min(0)) for index in (native, reference))
        assert bool(((best - chosen)[native >= 0] <= 1e-6).all())
    admitted = order.new_full((len(candidates) + 1,), len(candidates) + 1)
    admitted[order] = torch.arange(1, len(order) + 1, device=order.device)
    assert not bool((admitted[native] > ends)[native >= 0].any())


@every_level
@given(climb=climbs())
def test_ladders(level: str, climb: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    with at(level):
        assert_ladders(*climb)
