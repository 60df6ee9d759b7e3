"""CUDA kernels against the reference on the same device, on a GPU or emulated (`python -m tests.pairwise.simt`)."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo.pairwise.interface import Factor, LogitTerms
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from hiergeo.testing import oracle
from hiergeo.testing.assertions import assert_bars
from tests.pairwise.cuda_common import DEVICE, moved, needs_kernels, on_device, random_points, sized
from tests.pairwise.native_problems import FLOATS, NARROW, Problem, problems
from tests.pairwise.test_native_agreement import (
    MARGINS,
    TIE,
    UPSTREAMS,
    assert_angles,
    assert_backward,
    assert_energies,
    assert_gradients,
    assert_gradients_of_totals,
    assert_ladders,
    assert_members,
    assert_totals,
    assert_written,
    climbs,
)
from tests.tools.blocks import bar_block, block_radii, on_a_line
from tests.tools.examples import examples

pytestmark = needs_kernels

ANGLE = QUANTITIES["exterior_angle"]
OPERATIONS = (
    *("store", "count", "smallest", "energy_sum", "energy_total", "energy_min", "ladder", "backward"),
    *("product", "count_within", "rank", "nearest_ladder", "contrast", "contrast_backward"),
)
"""Those that never wait for the device."""


cuda_problems = problems(dtypes=NARROW).map(moved)
plain_problems = problems(dtypes=NARROW, hard=False).map(moved)


@pytest.mark.parametrize("quantity", ["exterior_angle", "cone_margin", "energy"])
def test_stored_angles(quantity: str) -> None:
    @given(cuda_problems)
    def agree(problem: Problem) -> None:
        assert_angles(problem.stored(NATIVE, quantity), problem.stored(REFERENCE, quantity))

    agree()


@given(cuda_problems, st.sampled_from(FLOATS))
@examples(40)
def test_stored_dtypes_and_strides(problem: Problem, dtype: torch.dtype) -> None:
    assert_written(problem, dtype)


CELLS = [(k, dim) for k in (-4.0, -1.0, -0.3, 0.0, 0.25, 0.7) for dim in (48, 512)]


@pytest.mark.parametrize(("curvature", "dim"), CELLS)
def test_accuracy_bars(curvature: float, dim: int) -> None:
    generator = torch.Generator().manual_seed(dim)
    drawn = bar_block(curvature, dim, 250, generator)
    for x, y in (drawn, on_a_line(*block_radii(curvature, 250, generator), dim, generator)):
        there = [Polar(*(field.to(DEVICE) for field in side)) for side in (x, y)]
        measures = (pairwise.exterior_angle, pairwise.cone_margin, pairwise.distance)
        measured = [measure(there[0], there[1], curvature).cpu() for measure in measures]
        angle, distance = (
            oracle.every_pair(measure, x, y, curvature) for measure in (oracle.exterior_angle, oracle.distance)
        )
        margin = oracle.half_aperture(x.radius, curvature).unsqueeze(-1) - angle
        assert_bars(measured[0], measured[1], measured[2], (angle, margin, distance))


@pytest.mark.parametrize("scale", [1e-35, 1e-30, 1e30, 1e37])
def test_extreme_norms(scale: float) -> None:
    """Rows whose squares are beyond the range of float32 count as any other ray."""
    x, y = random_points(33, 20, 0), random_points(140, 20, 1)
    plain = Problem(x, y, -0.7)
    direction = torch.where(torch.arange(33, device=DEVICE)[:, None] % 3 == 0, x.direction * scale, x.direction)
    scaled = Problem(Polar(direction, x.radius), y, -0.7)
    assert_angles(scaled.stored(NATIVE, "exterior_angle"), plain.stored(NATIVE, "exterior_angle"))


@given(problems(dtypes=NARROW, batches=(1,)).map(moved))
def test_members(problem: Problem) -> None:
    assert_members(problem)


@pytest.mark.parametrize("k", [1, 7, 300])
@pytest.mark.parametrize("rows", [1, 3])
def test_few_rows_are_searched_in_parts(rows: int, k: int) -> None:
    """Several blocks share a row; among equal columns the lowest win, whichever part they are in."""
    columns = sized(300_000, 1500)
    x, few = random_points(rows, 24, 0), random_points(400, 24, 1)
    place = torch.randint(400, (columns,), generator=torch.Generator().manual_seed(0)).to(DEVICE)
    y = Polar(few.direction[:, place], few.radius[:, place])
    values, indices = NATIVE.smallest([Factor(x, y, -0.3)], ANGLE, k, False)
    angle = Problem(x, y, -0.3).stored(NATIVE, "exterior_angle")
    expected, order = angle.sort(dim=-1, stable=True)
    assert torch.equal(values, expected[..., :k])
    assert torch.equal(indices, order[..., :k])


@given(cuda_problems)
def test_energies(problem: Problem) -> None:
    assert_energies(problem)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_gradients(quantity: str) -> None:
    @given(plain_problems, st.sampled_from(UPSTREAMS))
    @examples(60)
    def agree(problem: Problem, kind: str) -> None:
        assert_backward(problem, quantity, kind)

    agree()


@given(cuda_problems, st.sampled_from(MARGINS), st.booleans())
def test_totals(problem: Problem, margin: float | None, gradients: bool) -> None:
    assert_totals(problem, margin, gradients)


@given(plain_problems, st.sampled_from(MARGINS))
@examples(60)
def test_gradients_of_totals(problem: Problem, margin: float | None) -> None:
    assert_gradients_of_totals(problem, margin)


@pytest.mark.parametrize("margin", [None, 1.3])
def test_a_point_that_is_no_number_spoils_the_total_and_its_own_gradients(margin: float | None) -> None:
    x, y = random_points(150, 16, 0), random_points(140, 16, 1)
    odd = Polar(x.direction.clone(), x.radius.clone())
    odd.direction[0, 7, 3], odd.radius[0, 140] = math.nan, math.inf
    rest = [i for i in range(150) if i not in (7, 140)]
    few = Polar(x.direction[:, rest].contiguous(), x.radius[:, rest].contiguous())
    (value, found), (_, alone) = (
        NATIVE.energy_total(a, y, -0.7, pairwise.half_aperture(a.radius, -0.7), margin, True) for a in (odd, few)
    )
    assert bool(value.isnan())
    assert found is not None
    assert alone is not None
    assert bool(found.ux[0, [7, 140]].isnan().all())
    assert not bool(found.aperture[0, [7, 140]].any())
    for name, one, other in zip(found._fields, found, alone, strict=True):
        there = one[:, rest] if name in ("ux", "rx", "aperture") else one
        torch.testing.assert_close(there, other, rtol=1e-5, atol=1e-4, msg=name)


@given(climbs(dtypes=NARROW))
def test_ladders(climb: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    assert_ladders(*map(on_device, climb))


@pytest.mark.parametrize("dtype", NARROW)
def test_problems_of_many_chunks(dtype: torch.dtype) -> None:
    """Rows, columns and thresholds beyond what one chunk, one span and one scan hold."""
    rows, columns, k = sized(700, 150), sized(40_000, 1500), sized(1000, 400)
    x, y = random_points(rows, 40, 0, dtype), random_points(columns, 40, 1, dtype)
    problem = Problem(x, y, -0.3)
    operands = (x, y, -0.3, problem.aperture)
    margin = problem.stored(REFERENCE, "cone_margin")
    counts = NATIVE.count([problem.factor("cone_margin")], QUANTITIES["cone_margin"], None)
    assert bool(((counts - (margin >= 0).sum(-1)).abs() <= (margin.abs() <= TIE).sum(-1)).all())
    crow, _ = NATIVE.members(*operands)
    assert torch.equal(crow.diff(), counts[0])
    torch.testing.assert_close(NATIVE.energy_sum(*operands), REFERENCE.energy_sum(*operands), rtol=1e-5, atol=TIE)
    energy, (least, places) = problem.stored(REFERENCE, "energy"), NATIVE.energy_min(*operands)
    for found in (least, energy.gather(-1, places.unsqueeze(-1)).squeeze(-1)):
        torch.testing.assert_close(found, energy.amin(-1), rtol=0, atol=TIE)
    values, indices = NATIVE.smallest([Factor(x, y, -0.3)], ANGLE, k, False)
    angle = problem.stored(REFERENCE, "exterior_angle")
    torch.testing.assert_close(values, angle.sort(-1).values[..., :k], rtol=0, atol=TIE)
    torch.testing.assert_close(angle.gather(-1, indices), values, rtol=0, atol=TIE)
    order, ends = torch.randperm(columns).to(DEVICE), torch.arange(0, columns + 1, columns // 500, device=DEVICE)
    best, _ = NATIVE.ladder(x.direction[0], y.direction[0], None, order, ends)
    q, c = (torch.nn.functional.normalize(t.direction[0].double(), dim=-1) for t in (x, y))
    prefix = (q @ c[order].mT).cummax(-1).values[:, ends[1:] - 1]
    assert bool((best[:, 0] == -1).all())
    assert bool(((q @ c.mT).gather(1, best[:, 1:]) >= prefix - 1e-6).all())
    upstream = torch.ones((), dtype=problem.dtype, device=DEVICE).expand(margin.shape)
    slopes = (upstream, x, y, -0.3, QUANTITIES["distance"], None)
    assert_gradients(NATIVE.backward(*slopes), REFERENCE.backward(*slopes), problem)
    for gradients in (False, True):
        totals = [backend.energy_total(*operands, 1.3, gradients) for backend in (NATIVE, REFERENCE)]
        torch.testing.assert_close(totals[0][0], totals[1][0], rtol=1e-5, atol=TIE)


def many_problems(count: int) -> tuple[Polar, Polar]:
    """A batch of problems of one pair each."""
    x, y = random_points(count, 3, 0), random_points(count, 3, 1)
    one, other = (Polar(side.direction[0, :, None], side.radius[0, :, None]) for side in (x, y))
    return one, other


def test_more_problems_than_a_short_integer_counts() -> None:
    problem = Problem(*many_problems(sized(66_000, 200)), -0.7)
    assert_angles(problem.stored(NATIVE, "exterior_angle"), problem.stored(REFERENCE, "exterior_angle"))


def operation(name: str, x: Polar, y: Polar, dtype: torch.dtype) -> Callable[[], list[Tensor]]:
    """One call of a native operation on given points, as a list of its results."""
    psi = pairwise.half_aperture(x.radius, -0.3)
    shape = (*x.radius.shape, y.radius.shape[-1])
    out, upstream = torch.empty(shape, device=DEVICE), torch.ones(shape, device=DEVICE)
    order, ends = torch.arange(shape[-1], device=DEVICE), torch.tensor([3, shape[-1]], device=DEVICE)
    two, distance = [Factor(x, y, k) for k in (-0.3, 0.2)], QUANTITIES["distance"]
    one = torch.ones(shape[0], dtype=torch.float64, device=DEVICE)
    of_x, of_y = (torch.arange(size, device=DEVICE).expand(shape[0], size) % 7 for size in shape[1:])
    terms = LogitTerms(one, one, (of_x, of_y), False, "logsumexp")
    reach, target = x.radius + 1, (torch.arange(shape[1], device=DEVICE) % shape[2]).expand(shape[:2])

    def store(factors: list[Factor], quantity: str) -> list[Tensor]:
        NATIVE.store(factors, QUANTITIES[quantity], out)
        return [out.clone()]

    return {
        "store": lambda: store([Factor(x, y, -0.3, psi)], "energy"),
        "product": lambda: store(two, "distance"),
        "count_within": lambda: [NATIVE.count(two, distance, reach)],
        "rank": lambda: [NATIVE.rank(two, distance, target, False)],
        "nearest_ladder": lambda: list(NATIVE.nearest_ladder(two, distance, order, ends)),
        "count": lambda: [NATIVE.count([Factor(x, y, -0.3, psi)], QUANTITIES["cone_margin"], None)],
        "smallest": lambda: list(NATIVE.smallest([Factor(x, y, -0.3)], ANGLE, 5, False)),
        "energy_sum": lambda: [NATIVE.energy_sum(x, y, -0.3, psi)],
        "energy_total": lambda: totalled(x, y, psi),
        "energy_min": lambda: list(NATIVE.energy_min(x, y, -0.3, psi)),
        "ladder": lambda: list(NATIVE.ladder(x.direction[0], y.direction[0], None, order, ends)),
        "contrast": lambda: contrasted(two, terms),
        "contrast_backward": lambda: contrasted([Factor(x, y, -0.3)], terms, gradients=True),
        "backward": lambda: list(NATIVE.backward(upstream, x, y, -0.3, QUANTITIES["energy"], psi)),
    }[name]


def totalled(x: Polar, y: Polar, psi: Tensor) -> list[Tensor]:
    alone, _ = NATIVE.energy_total(x, y, -0.3, psi, 1.3, False)
    total, gradients = NATIVE.energy_total(x, y, -0.3, psi, 1.3, True)
    assert gradients is not None
    return [alone, total, *gradients]


def contrasted(factors: list[Factor], terms: LogitTerms, gradients: bool = False) -> list[Tensor]:
    found = NATIVE.contrast(factors, QUANTITIES["distance"], terms)
    assert found is not None
    pulled = NATIVE.contrast_backward(factors, QUANTITIES["distance"], terms, found[:2], found) if gradients else ()
    assert pulled is not None
    return [*found, *pulled]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_same_bits_every_time(name: str, dtype: torch.dtype) -> None:
    x, y = random_points(sized(300, 150), 96, 0, dtype), random_points(sized(5000, 400), 96, 1, dtype)
    run = operation(name, x, y, dtype)
    first = run()
    assert all(same(first, run()) for _ in range(sized(5, 2)))


def test_tf32_on_request() -> None:
    """Stored values follow torch's setting to 10 bits; searches do not."""
    x, y = random_points(sized(300, 130), 512, 0), random_points(sized(1000, 150), 512, 1)
    problem = Problem(x, y, -0.7)
    exact = problem.stored(NATIVE, "exterior_angle")
    best = NATIVE.smallest([Factor(x, y, -0.7)], ANGLE, 10, False)
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        rounded = problem.stored(NATIVE, "exterior_angle")
        again = NATIVE.smallest([Factor(x, y, -0.7)], ANGLE, 10, False)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    difference = (rounded - exact).abs()
    assert 1e-6 < float(difference.mean()) < 1e-3
    assert float(difference.max()) < 1e-2
    assert all(torch.equal(a, b) for a, b in zip(best, again, strict=True))
