"""CUDA kernels of the contrast of every pair against stored float64 matrices, and 50 digits for extreme logits."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from hiergeo import Polar, pairwise
from hiergeo.pairwise.interface import Factor, LogitTerms
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.resolver import NATIVE
from tests.losses import near_zero
from tests.pairwise.cuda_common import DEVICE, needs_kernels, random_points, sized
from tests.pairwise.native_problems import NARROW
from tests.pairwise.test_contrast import GEOMETRIES, assert_ends, assert_nothing, assert_values_and_gradients, normal

pytestmark = needs_kernels

DISTANCE = QUANTITIES["distance"]
REDUCTIONS = ("logsumexp", "softplus")


def labels(n: int, m: int, kinds: int = 9) -> tuple[Tensor, Tensor]:
    return torch.arange(n, device=DEVICE) % kinds, torch.arange(m, device=DEVICE) % (kinds + 2)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_values_and_gradients(geometry: str, reduction: str) -> None:
    """More than a square of 64 and a tile of 128 on both sides."""
    assert_values_and_gradients(geometry, reduction, (139, 197), (9, 11), DEVICE)


def batch_of_two(count: int, seed: int, dtype: torch.dtype) -> Polar:
    one, other = (random_points(count, 12, seed + place, dtype) for place in range(2))
    return Polar(*(torch.cat(fields) for fields in zip(one, other, strict=True)))


def assert_agree(x: Polar, y: Polar, reduction: str, kinds: int = 9) -> None:
    """Problems of which each has numbers and labels of its own are as their stored matrices have it."""
    batches, n, m = *x.radius.shape, y.radius.shape[-1]
    scale, bias = (torch.linspace(start, -start / 9, batches, dtype=torch.float64, device=DEVICE) for start in (9, 3))
    each = [torch.stack([side // (b + 1) for b in range(batches)]) for side in labels(n, m, kinds)]
    terms = LogitTerms(scale + 1, bias, (each[0], each[1]), False, reduction)
    found = NATIVE.contrast([Factor(x, y, -0.25)], DISTANCE, terms)
    assert found is not None
    upstream = [normal(*part.shape, seed=place).to(DEVICE) for place, part in enumerate(found)]
    pulled = NATIVE.contrast_backward([Factor(x, y, -0.25)], QUANTITIES["distance"], terms, found[:2], upstream)
    assert pulled is not None
    for b in range(batches):
        assert_one_problem(b, x, y, terms, found, upstream, pulled)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_many_chunks_of_two_problems(reduction: str, dtype: torch.dtype) -> None:
    """Rows and columns beyond a chunk; logits that rise along the columns."""
    n, m = sized(700, 301), sized(40_000, 1203)
    x, y = (batch_of_two(count, seed, dtype) for seed, count in ((0, n), (2, m)))
    y.radius.mul_(torch.linspace(3, 0.1, m, dtype=torch.float64, device=DEVICE))
    assert_agree(x, y, reduction, kinds=90)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_small_problems_share_a_chunk(reduction: str) -> None:
    x, y = (batch_of_two(count, seed, torch.float32) for seed, count in ((0, 5), (2, 70)))
    assert_agree(x, y, reduction, kinds=3)


@pytest.mark.parametrize("turned", [False, True])
def test_few_rows_meet_many_columns(turned: bool) -> None:
    """More squares of a line than a warp has lanes."""
    few, many = (batch_of_two(count, seed, torch.float32) for seed, count in ((0, 3), (2, sized(30_000, 5000))))
    assert_agree(*((many, few) if turned else (few, many)), "logsumexp")


@pytest.mark.parametrize("curvature", [-1.0, 0.7])
def test_curvature_near_the_root(curvature: float) -> None:
    """Distances from the root have derivatives by K of a higher order, which their homogeneity loses."""
    x, y = (random_points(count, 12, seed) for seed, count in ((0, 70), (1, 90)))
    points = [Polar(side.direction, 0.02 * side.radius) for side in (x, y)]
    one = torch.ones(1, dtype=torch.float64, device=DEVICE)
    terms = LogitTerms(5 * one, one, None, False, "logsumexp")
    found = NATIVE.contrast([Factor(points[0], points[1], curvature)], DISTANCE, terms)
    assert found is not None
    upstream = [torch.ones_like(found[0]), *(torch.zeros_like(part) for part in found[1:])]
    pulled = NATIVE.contrast_backward(
        [Factor(points[0], points[1], curvature)], QUANTITIES["distance"], terms, found[:2], upstream
    )
    assert pulled is not None
    leaf = torch.tensor(curvature, dtype=torch.float64, device=DEVICE, requires_grad=True)
    with pairwise.backend(native=False):
        one_side, other = (Polar(side.direction.double(), side.radius) for side in points)
        (true,) = torch.autograd.grad((1 - 5 * pairwise.distance(one_side, other, leaf)).logsumexp(-1).sum(), leaf)
    assert float(pulled[4]) == pytest.approx(float(true), rel=1e-4)


def assert_one_problem(
    b: int,
    x: Polar,
    y: Polar,
    terms: LogitTerms,
    found: Sequence[Tensor],
    upstream: list[Tensor],
    pulled: Sequence[Tensor],
) -> None:
    wide = [part[b].detach().double().requires_grad_() for part in (*x, *y)]
    scale, bias = numbers = [part[b].clone().requires_grad_() for part in (terms.scale, terms.bias)]
    curvature = torch.tensor(-0.25, dtype=torch.float64, device=DEVICE, requires_grad=True)
    assert terms.labels is not None
    match = terms.labels[0][b, :, None] == terms.labels[1][b]
    with pairwise.backend(native=False):
        distance = pairwise.distance(Polar(*wide[:2]), Polar(*wide[2:]), curvature)
        z = bias - scale * distance
        over = (lambda dim: softplus(z).sum(dim)) if terms.reduction == "softplus" else z.logsumexp
        wanted = [over(1), over(0), (z * match).sum(1), (z * match).sum(0)]
        total = torch.stack([(part * up[b]).sum() for part, up in zip(wanted, upstream, strict=True)]).sum()
        true = torch.autograd.grad(total, [*wide, curvature, *numbers])
    for part, other in zip(found, wanted, strict=True):
        reach = 2e-6 * float((scale * distance).detach().max())
        torch.testing.assert_close(part[b], other.detach(), rtol=2e-6, atol=reach)
    for gradient, other in zip(pulled, true, strict=True):
        largest = other.abs().max() if other.ndim < 2 else other.abs().amax(-1, keepdim=True)
        assert bool(((gradient[b].double() - other).abs() <= 1e-4 * largest).all())


def test_the_ends_of_the_range() -> None:
    assert_ends(torch.float32, DEVICE)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nothing_on_the_other_side(reduction: str) -> None:
    assert_nothing(reduction, DEVICE)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_point_that_is_no_number_spoils_sums_and_its_own_gradients(reduction: str) -> None:
    x, y = random_points(70, 16, 0), random_points(130, 16, 1)
    odd = Polar(x.direction.clone(), x.radius.clone())
    odd.direction[0, 7, 3], odd.radius[0, 66] = math.nan, math.inf
    one = torch.ones(1, dtype=torch.float64, device=DEVICE)
    terms = LogitTerms(5 * one, one, None, False, reduction)
    clean = NATIVE.contrast([Factor(x, y, -0.7)], DISTANCE, terms)
    found = NATIVE.contrast([Factor(odd, y, -0.7)], DISTANCE, terms)
    assert found is not None
    assert clean is not None
    rest = [i for i in range(70) if i not in (7, 66)]
    assert bool(found[0][0, [7, 66]].isnan().all())
    assert torch.equal(found[0][0, rest], clean[0][0, rest])
    assert bool(found[1].isnan().all())
    few = Polar(*(field[:, rest].contiguous() for field in x))
    upstream = [torch.ones_like(part) for part in clean]
    pulled = NATIVE.contrast_backward([Factor(odd, y, -0.7)], QUANTITIES["distance"], terms, clean[:2], upstream)
    alone = NATIVE.contrast_backward(
        [Factor(few, y, -0.7)],
        QUANTITIES["distance"],
        terms,
        (clean[0][:, rest], clean[1]),
        [up[:, rest] if place % 2 == 0 else up for place, up in enumerate(upstream)],
    )
    assert pulled is not None
    assert alone is not None
    assert bool(pulled[0][0, [7, 66]].isnan().all())
    for place, (part, other) in enumerate(zip(pulled, alone, strict=True)):
        torch.testing.assert_close(part[:, rest] if place < 2 else part, other, rtol=1e-5, atol=1e-5)


def test_without_labels_nothing_matches() -> None:
    """Gradients by sums of matching logits that are not there go nowhere, whatever they are."""
    x, y = random_points(70, 16, 0), random_points(130, 16, 1)
    one = torch.ones(1, dtype=torch.float64, device=DEVICE)
    terms = LogitTerms(5 * one, one, None, False, "logsumexp")
    found = NATIVE.contrast([Factor(x, y, -0.7)], DISTANCE, terms)
    assert found is not None
    assert not bool(found[2].any() or found[3].any())
    pulled = [
        NATIVE.contrast_backward(
            [Factor(x, y, -0.7)],
            QUANTITIES["distance"],
            terms,
            found[:2],
            [*found[:2], *(number * part for part in found[:2])],
        )
        for number in (0.0, 5.0)
    ]
    assert pulled[0] is not None
    assert pulled[1] is not None
    assert all(torch.equal(a, b) for a, b in zip(*pulled, strict=True))


@pytest.mark.parametrize(("spec", "by"), near_zero.SPACES[:3])
def test_matches_that_are_all_but_certain(spec: str, by: near_zero.By) -> None:
    for target in (1e-3, 1e-8):
        value, *gradients = near_zero.errors(spec, by, "both", target, 140, DEVICE)
        assert value < 1e-4
        assert max(gradients) < 1e-4
