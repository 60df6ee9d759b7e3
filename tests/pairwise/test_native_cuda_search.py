"""CUDA kernels of searches by distance, ranks and products of spaces against the reference on the same device."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo.pairwise.interface import Factor
from hiergeo.pairwise.native import MOST_FACTORS
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from tests.pairwise.cuda_common import DEVICE, moved, needs_kernels, on_device, random_points, sized
from tests.pairwise.native_problems import NARROW, Problem, products
from tests.pairwise.products_common import (
    DISTANCES,
    Whole,
    assert_counts,
    assert_ladders,
    assert_order_of_copies,
    assert_ranks,
    assert_smallest,
    assert_stored,
    searches,
    whole,
)
from tests.pairwise.test_native_agreement import climbs
from tests.tools.examples import examples

pytestmark = needs_kernels

SOME = examples(40)
MIXED = (
    (torch.float32, torch.float32),
    (torch.float32, torch.bfloat16),
    (torch.float16, torch.float32),
    (torch.bfloat16, torch.float16),
)
"""The dtypes of x and y."""


def on_the_device(parts: list[Problem]) -> list[Problem]:
    return [moved(part) for part in parts]


conic = st.sampled_from((*DISTANCES, "cone_margin"))
cuda_products = products(dtypes=NARROW).map(on_the_device)
seeds = st.integers(0, 2**32)


@given(cuda_products, conic)
@SOME
def test_stored(parts: list[Problem], quantity: str) -> None:
    assert_stored(whole(parts, quantity))


@given(searches(cuda_products), st.integers(-70, 3))
@SOME
def test_smallest(problem: Whole, more: int) -> None:
    assert_smallest(problem, max(1, problem.scores.shape[-1] + more))


@given(searches(cuda_products), seeds)
@SOME
def test_ranks(problem: Whole, seed: int) -> None:
    assume(problem.scores.shape[-1] > 0)
    assert_ranks(problem, seed)


@given(cuda_products, conic, st.sampled_from((0.0, 0.3, 1.0)))
@SOME
def test_counts(parts: list[Problem], quantity: str, share: float) -> None:
    assert_counts(whole(parts, quantity), share)


@given(products(batches=(1,), dtypes=NARROW).map(on_the_device), st.sampled_from(DISTANCES), seeds)
@SOME
def test_ladders(parts: list[Problem], quantity: str, seed: int) -> None:
    assert_ladders(whole(parts, quantity), seed)


def test_exact_ties_go_to_the_lower_index() -> None:
    assert_order_of_copies(DEVICE, sized(20_000, 1200))


CASES = (*((dtypes, "distance") for dtypes in MIXED), (MIXED[0], "distance_l1"), (MIXED[1], "cone_margin"))


@pytest.mark.parametrize(("dtypes", "quantity"), CASES)
def test_columns_of_many_chunks(dtypes: tuple[torch.dtype, torch.dtype], quantity: str) -> None:
    """More columns than one chunk and one widened stretch hold, in a batch of two."""
    problem = whole(two_spaces(sized(300, 40), sized(40_000, 700), dtypes), quantity)
    assert_stored(problem)
    assert_smallest(problem, 300)
    assert_counts(problem, 0.5)
    if quantity in DISTANCES:
        assert_ladders(
            whole([first_of(part) for part in two_spaces(sized(70, 40), sized(40_000, 700), dtypes)], quantity), 0
        )


@pytest.mark.parametrize(("dtypes", "quantity"), CASES)
def test_ranks_of_many_rows(dtypes: tuple[torch.dtype, torch.dtype], quantity: str) -> None:
    """More rows than one launch of targets and one widened copy of them hold."""
    assert_ranks(whole(two_spaces(sized(70_000, 600), 40, dtypes), quantity), 0)


def two_spaces(rows: int, columns: int, dtypes: tuple[torch.dtype, torch.dtype]) -> list[Problem]:
    return [
        Problem(points(rows, dim, 2 * f, dtypes[0]), points(columns, dim, 2 * f + 1, dtypes[1]), k)
        for f, (dim, k) in enumerate(((40, -0.3), (65, 0.2)))
    ]


def first_of(problem: Problem) -> Problem:
    """The first of a batch."""
    x, y = (Polar(*(field[:1] for field in side)) for side in (problem.x, problem.y))
    return Problem(x, y, problem.curvature)


def points(count: int, dim: int, seed: int, dtype: torch.dtype) -> Polar:
    batches = [random_points(count, dim, 2 * seed + b, dtype) for b in range(2)]
    return Polar(*map(torch.cat, zip(*batches, strict=True)))


@given(climbs(dtypes=NARROW))
@SOME
def test_known_norms_of_candidates(climb: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    queries, candidates, order, ends = map(on_device, climb)
    norms = torch.linalg.vector_norm(candidates.double(), dim=-1)
    (native, cosines), (reference, expected) = (
        backend.ladder(queries, candidates, norms, order, ends) for backend in (NATIVE, REFERENCE)
    )
    assert torch.equal(native < 0, reference < 0)
    torch.testing.assert_close(cosines, expected, rtol=0, atol=1e-6, equal_nan=True)
    _, doubled = NATIVE.ladder(queries, candidates, 2 * norms, order, ends)
    torch.testing.assert_close(doubled.nan_to_num(), 0.5 * cosines.nan_to_num(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", NARROW)
def test_ladders_of_mixed_dtypes(dtype: torch.dtype) -> None:
    queries, candidates = (random_points(n, 40, seed).direction[0] for seed, n in enumerate((60, sized(40_000, 1500))))
    candidates = candidates.to(dtype)
    order = torch.randperm(len(candidates)).to(DEVICE)
    ends = torch.arange(0, len(candidates) + 1, len(candidates) // 40, device=DEVICE)
    found, cosines = NATIVE.ladder(queries, candidates, None, order, ends)
    q, c = (torch.nn.functional.normalize(t.double(), dim=-1) for t in (queries, candidates))
    best = (q @ c[order].mT).cummax(-1).values[:, ends[1:] - 1]
    assert bool((found[:, 0] == -1).all())
    torch.testing.assert_close((q @ c.mT).gather(1, found[:, 1:]), best, rtol=0, atol=1e-6)
    torch.testing.assert_close(cosines[:, 1:].double(), best, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [MOST_FACTORS, MOST_FACTORS + 1])
def test_products_of_as_many_spaces_as_kernels_take_and_of_more(count: int) -> None:
    x, y = ([random_points(n, 3, seed + f) for f in range(count)] for seed, n in ((0, 9), (50, 20)))
    a, b = ([Polar(*(field[0] for field in p)) for p in side] for side in (x, y))
    parts = [pairwise.distance(one, other, -0.3) for one, other in zip(a, b, strict=True)]
    torch.testing.assert_close(pairwise.distance(a, b, [-0.3] * count), pairwise.combined(parts, "l2"))
    values, indices = pairwise.topk(a, b, [-0.3] * count, 5)
    torch.testing.assert_close(values, pairwise.distance(a, b, [-0.3] * count).gather(1, indices))
    factors = [Factor(one, other, -0.3) for one, other in zip(x, y, strict=True)]
    out = torch.empty(1, 9, 20, device=DEVICE)
    if count > MOST_FACTORS:
        with pytest.raises(RuntimeError, match="at most 8 factors"):
            NATIVE.store(factors, QUANTITIES["distance"], out)


def test_float64_is_measured_by_the_reference() -> None:
    """Every operation on float64 points, as without kernels; the kernels themselves refuse them."""
    x, y = (Polar(*(field[0] for field in random_points(n, 24, n, torch.float64))) for n in (40, 70))
    order = y.radius.argsort()

    def measured() -> list[Tensor]:
        leaf = x.direction.clone().requires_grad_()
        distance = pairwise.distance(Polar(leaf, x.radius), y, -0.3)
        thresholds = torch.tensor([0.3, 1.0], device=DEVICE, dtype=torch.float64)
        return [
            *(distance.detach(), *torch.autograd.grad(distance.sum(), leaf)),
            *(pairwise.exterior_angle(x, y, -0.3), pairwise.energy_mean(x, y, -0.3)),
            *pairwise.topk(x, y, -0.3, 5),
            pairwise.rank(x, y, -0.3, order[:40]),
            *pairwise.ladder(x.direction, y.direction, y.radius, thresholds),
        ]

    found = measured()
    with pairwise.backend(native=False):
        assert all(torch.equal(a, b) for a, b in zip(found, measured(), strict=True))
    assert found[0].dtype == torch.float64
    with pytest.raises(RuntimeError, match="take no float64"):
        Problem(random_points(4, 8, 0, torch.float64), random_points(5, 8, 1, torch.float64), -0.3).stored(
            NATIVE, "distance"
        )
