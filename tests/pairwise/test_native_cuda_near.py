"""CUDA kernels on points nearer than their rays tell apart, measured on the vectors that these were rounded from."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Polar, Space, pairwise
from hiergeo.pairwise.resolver import NATIVE
from tests.geometry.test_near_points import assert_bars, drawn, spec, truth
from tests.pairwise.collinear import (
    LAWS,
    Truth,
    assert_none_turns,
    assert_true,
    assert_turned,
    collinear_problems,
    nearly_on_one_line,
    on_one_line,
    upstreams,
)
from tests.pairwise.cuda_common import DEVICE, moved, needs_kernels
from tests.pairwise.native_problems import NARROW, Problem
from tests.pairwise.operators_common import DIFFERENTIABLE
from tests.tools.examples import examples

pytestmark = needs_kernels

COUNT = 150
"""Points of each side: more than a tile of 128."""


def near(
    gap: float, curvature: float, dtype: torch.dtype = torch.float32, count: int = COUNT
) -> tuple[Space, Tensor, Tensor, Tensor]:
    """A space, and two sides in it of which each point has its partner at about `gap`."""
    x, y, root = drawn(gap, 48)
    return Space(spec(curvature), root.to(DEVICE)), x[:count].to(dtype), y[:count].to(dtype), root


@pytest.mark.parametrize("gap", [1e-1, 1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("curvature", [-1.0, 0.0, 0.25])
def test_every_pair(curvature: float, gap: float) -> None:
    space, x, y, root = near(gap, curvature)
    measures = (space.pairwise_distance, space.pairwise_exterior_angle)
    distance, angle = (measure(x.to(DEVICE), y.to(DEVICE)).diagonal().cpu() for measure in measures)
    assert_bars(distance, angle, truth(x, y, root, curvature))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_embeddings_of_16_bits(dtype: torch.dtype) -> None:
    space, x, y, root = near(1e-1, -1.0, dtype)
    measures = (space.pairwise_distance, space.pairwise_exterior_angle)
    distance, angle = (measure(x.to(DEVICE), y.to(DEVICE)).diagonal().cpu() for measure in measures)
    assert_bars(distance, angle, truth(x, y, root, -1.0))


@pytest.mark.parametrize(("gap", "count"), [(1e-2, COUNT), (1e-6, 400)])
@pytest.mark.parametrize("name", ["pairwise_distance", "pairwise_exterior_angle", "contrastive"])
def test_gradients(name: str, gap: float, count: int) -> None:
    """Of pairs with their partners, against autograd through the oracle; the larger problem has several chunks."""
    space, x, y, root = near(gap, -1.0, count=count)
    one, other = narrow = [part.to(DEVICE).requires_grad_() for part in (x, y)]
    wide = [part.double().requires_grad_() for part in (x, y)]
    exact = truth(wide[0], wide[1], root, -1.0)
    if name == "contrastive":
        value = space.contrastive(one, other, 1.0, labels=(torch.arange(count, device=DEVICE),) * 2).matched_rows.sum()
        wanted = torch.autograd.grad(-exact.distance.sum(), wide)
    else:
        value = getattr(space, name)(one, other).diagonal().sum()
        wanted = torch.autograd.grad((exact.distance if "distance" in name else exact.angle).sum(), wide)
    for found, true in zip(torch.autograd.grad(value, narrow), wanted, strict=True):
        assert float(((found.cpu().double() - true).norm(dim=-1) / true.norm(dim=-1)).max()) <= 1e-4


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("curvature", [-1.0, 0.0, 0.25])
def test_points_on_one_line_do_not_turn_each_other(curvature: float, dtype: torch.dtype, whole: bool) -> None:
    x, y = (Polar(*(part.to(DEVICE) for part in point)) for point in on_one_line(curvature, whole, dtype))
    for measure in DIFFERENTIABLE.values():
        assert_none_turns(measure, x, y, curvature)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("turn", [1e-4, 1e-8, 1e-12])
@pytest.mark.parametrize("curvature", [-1.0, 0.0, 0.25])
def test_pairs_nearly_on_common_lines(curvature: float, turn: float, reverse: bool) -> None:
    assert_turned(NATIVE, moved(nearly_on_one_line(curvature, turn, reverse)))


def test_searches_find_near_points_in_their_order() -> None:
    """Neighbours at distances that differ by 2e-3 of themselves, around 1e-5, also in the order of a ladder."""
    x, _, root = drawn(1.0, 48)
    x, space = x[:20], Space("lorentz:-1", root.to(DEVICE))
    ways = torch.nn.functional.normalize(torch.randn(20, 8, 48, generator=torch.Generator().manual_seed(3)), dim=-1)
    y = (x[:, None] + 1e-5 * (1 + 2e-3 * torch.arange(8)[:, None]) * ways).flatten(0, 1)
    every = torch.stack([truth(x[i].expand_as(y), y, root, -1.0).distance for i in range(20)])
    points, others = (space.points(side.to(DEVICE)) for side in (x, y))
    values, indices = space.topk(points, others, 8)
    assert torch.equal(indices.cpu(), every.argsort(-1)[:, :8])
    torch.testing.assert_close(values.cpu().double(), every.gather(1, indices.cpu()), rtol=1e-5, atol=0)
    assert not bool(space.rank(points, others, every.argmin(-1).to(DEVICE)).any())
    within = space.count_within(points, others, every.sort(-1).values[:, 3:5].mean(-1).to(DEVICE))
    assert bool((within == 4).all())
    radius = torch.arange(160, device=DEVICE).flip(0).double()
    thresholds = torch.tensor([39.0, 159.0], device=DEVICE)
    distances, best = pairwise.nearest_ladder(points.factors[0], others.factors[0], -1.0, radius, thresholds)
    for place, admitted in enumerate((every[:, 120:], every)):
        torch.testing.assert_close(distances[:, place].cpu().double(), admitted.min(-1).values, rtol=1e-5, atol=0)
    assert torch.equal(best[:, 1].cpu(), every.argmin(-1))


@given(problem=collinear_problems(most=4, narrow=True), quantity=st.sampled_from(sorted(LAWS)))
@examples(100)
def test_pairs_on_common_lines(problem: Problem, quantity: str) -> None:
    upstream = upstreams(problem)
    assert_true(NATIVE, moved(problem), quantity, Truth.of(problem, quantity, upstream), upstream)
