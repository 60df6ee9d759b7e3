"""Distances, margins and searches in products of spaces and by distance, against brute force in float64."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo._core.errors import InputError
from hiergeo.pairwise.resolver import why_plain
from hiergeo.testing import oracle
from tests.tools.examples import examples
from tests.tools.kernel_settings import setenv
from tests.tools.strategies import curvatures

Combine = Literal["l1", "l2"]
MIXES = (
    (torch.float32, torch.float32),
    (torch.float64, torch.float64),
    (torch.float32, torch.float16),
    (torch.bfloat16, torch.float32),
    (torch.float16, torch.bfloat16),
    (torch.float16, torch.float64),
)
TIE = {torch.float32: 2e-5, torch.float64: 1e-7}
"""Scores this close may come in either order."""


@pytest.fixture(params=["native kernels", "the reference"], autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "the reference":
        setenv(monkeypatch, "HIERGEO_NATIVE", "0")
    elif why_plain("cpu") is not None:
        pytest.skip("no native kernels")


@dataclass(frozen=True)
class Space:
    """Points x and y in each factor of a space; rows repeat, some are at the root, some are no numbers."""

    x: list[Polar]
    y: list[Polar]
    curvature: list[float]
    combine: Combine

    @property
    def tie(self) -> float:
        wide = torch.float64 in (self.x[0].direction.dtype, self.y[0].direction.dtype)
        return TIE[torch.float64 if wide else torch.float32]

    def distances(self) -> Tensor:
        parts = self._every(oracle.distance)
        return parts.sum(0) if self.combine == "l1" else parts.square().sum(0).sqrt()

    def margins(self, side: str = "children") -> Tensor:
        return self._every(oracle.margin, side).amin(0)

    def angles(self, side: str) -> Tensor:
        return self._every(oracle.exterior_angle, side)[0]

    def _every(self, measure: Callable[..., Tensor], side: str = "children") -> Tensor:
        found = []
        for x, y, k in zip(self.x, self.y, self.curvature, strict=True):
            ends = (x, y) if side == "children" else (y, x)
            values = oracle.every_pair(measure, ends[0], ends[1], k)
            values = values if side == "children" else values.mT
            values[_odd(x)] = math.nan
            values[:, _odd(y)] = math.nan
            found.append(values)
        return torch.stack(found)


def _odd(point: Polar) -> Tensor:
    return ~(point.direction.isfinite().all(-1) & point.radius.isfinite())


@st.composite
def spaces(draw: st.DrawFn, most: int = 4) -> Space:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    n, m = draw(st.sampled_from((1, 4, 9))), draw(st.sampled_from((1, 3, 30, 70)))
    spread, dtypes = draw(st.sampled_from((0.05, 1.0))), draw(st.sampled_from(MIXES))
    repeats = torch.randint(m, (m,), generator=generator), torch.randint(n, (n,), generator=generator)
    again = draw(st.booleans())
    found: list[tuple[Polar, Polar, float]] = []
    for _ in range(draw(st.integers(1, most))):
        k, dim = draw(curvatures()), draw(st.sampled_from((2, 7, 33)))
        centre = torch.randn(dim, generator=generator)
        scale = math.sqrt(abs(k)) or 1.0
        x, y = (
            Polar(
                (centre + spread * torch.randn(size, dim, generator=generator)).to(dtype),
                (0.1 + 1.2 * torch.rand(size, generator=generator)) / scale,
            )
            for size, dtype in zip((n, m), dtypes, strict=True)
        )
        if again:
            y, x = (Polar(p.direction[rows], p.radius[rows]) for p, rows in ((y, repeats[0]), (x, repeats[1])))
        found.append((x, y, k))
    xs, ys, curvature = (list(side) for side in zip(*found, strict=True))
    if draw(st.booleans()):
        ys[0].direction[m // 2, 0], xs[-1].radius[n // 2] = math.nan, math.nan
    if draw(st.booleans()):
        ys[0].direction[m // 3], ys[0].radius[m // 3] = 0, 0
    return Space(xs, ys, curvature, draw(st.sampled_from(("l1", "l2"))))


def assert_close(measured: Tensor, truth: Tensor, atol: float) -> None:
    torch.testing.assert_close(measured.double(), truth, rtol=1e-5, atol=atol, equal_nan=True)


@examples(60)
@given(spaces())
def stored(space: Space) -> None:
    points = (space.x, space.y, space.curvature)
    distance = pairwise.distance(*points, combine=space.combine)
    assert_close(distance, space.distances(), 2e-6)
    assert_close(pairwise.cone_margin(*points), space.margins(), 1e-4)
    out = torch.empty(*distance.shape, dtype=torch.float16)
    assert pairwise.distance(*points, combine=space.combine, out=out) is out
    torch.testing.assert_close(out, distance.half(), rtol=0, atol=0, equal_nan=True)


def test_stored_values() -> None:
    stored()


def test_gradients_of_products_compose_those_of_their_factors() -> None:
    generator = torch.Generator().manual_seed(0)
    leaves = [
        torch.rand(*shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in ((3, 4), (3,), (5, 4), (5,), (3, 2), (3,), (5, 2), (5,))
    ]
    k = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)

    def distance(*parts: Tensor) -> Tensor:
        x, y = ([Polar(*parts[at : at + 2]), Polar(*parts[at + 4 : at + 6])] for at in (0, 2))
        return pairwise.distance(x, y, [parts[8], 0.2])

    assert torch.autograd.gradcheck(distance, (*leaves, k))
    with torch.no_grad():
        fused = distance(*leaves, k)
    torch.testing.assert_close(fused, distance(*leaves, k))


@examples(80)
@given(spaces(), st.sampled_from(("distance", "margin", "angle")), st.sampled_from(("children", "parents")))
def searched(space: Space, by: Literal["distance", "margin", "angle"], side: Literal["children", "parents"]) -> None:
    points: tuple[Any, Any, Any] = (space.x, space.y, space.curvature)
    if by == "angle":
        space = Space(space.x[:1], space.y[:1], space.curvature[:1], space.combine)
        points = (space.x[0], space.y[0], space.curvature[0])
    truth = {
        "distance": space.distances,
        "margin": lambda: -space.margins(side),
        "angle": lambda: space.angles(side),
    }[by]()
    n, m = truth.shape
    values, indices = pairwise.topk(*points, m + 2, by, side, combine=space.combine)
    assert values.shape == indices.shape == (n, m + 2)
    scores = -values if by == "margin" else values
    best = torch.nn.functional.pad(truth, (0, 2), value=math.nan).nan_to_num(nan=math.inf).sort(-1).values
    assert_close(scores, best.masked_fill(best == math.inf, math.nan), 1e-4 if by != "distance" else 2e-6)
    assert torch.equal(indices < 0, values.isnan())
    for row in indices.tolist():
        chosen = [index for index in row if index >= 0]
        assert len(set(chosen)) == len(chosen)
    target = torch.arange(n) % m
    rank = pairwise.rank(*points, target, by, side, combine=space.combine)
    own = truth.gather(1, target.unsqueeze(1))
    assert torch.equal(rank < 0, own[:, 0].isnan())
    number = rank >= 0
    assert torch.equal(indices.gather(1, rank.clamp_min(0).unsqueeze(1))[number, 0], target[number])
    tie = 1e-4 if by != "distance" else max(space.tie, 1e-5 * float(truth.nan_to_num().max()))
    assert bool((rank >= (truth < own - tie).sum(1))[number].all())
    assert bool((rank <= (truth <= own + tie).sum(1))[number].all())
    few = min(3, m)
    fewer = pairwise.topk(*points, few, by, side, combine=space.combine)
    assert torch.equal(fewer[1], indices[:, :few])


def test_the_best_and_ranks() -> None:
    searched()


@examples(60)
@given(spaces(), st.integers(0, 5))
def counted(space: Space, nearest: int) -> None:
    points = (space.x, space.y, space.curvature)
    truth = space.distances()
    values, _ = pairwise.topk(*points, min(nearest + 1, truth.shape[1]), combine=space.combine)
    reach = values[:, -1]
    count = pairwise.count_within(*points, reach, combine=space.combine)
    assert count.dtype == torch.int64
    assert bool((count >= values.shape[1])[~reach.isnan()].all()), "a distance is within its own reach"
    assert not bool(count[reach.isnan()].any())
    slack = max(space.tie, 1e-5 * float(truth.nan_to_num().max()))
    assert bool((count <= (truth <= reach.double().unsqueeze(1) + slack).sum(1)).all())
    everywhere = pairwise.count_within(*points, math.inf, combine=space.combine)
    assert torch.equal(everywhere, (~truth.isnan()).sum(1))
    assert not bool(pairwise.count_within(*points, -1.0, combine=space.combine).any())
    inside = space.margins() >= 0
    doubt = space.margins().abs() <= 1e-4
    assert bool(((pairwise.cone_count(*points) - inside.sum(1)).abs() <= doubt.sum(1)).all())


def test_counts() -> None:
    counted()


@examples(60)
@given(spaces(), st.integers(0, 6), st.booleans())
def climbed(space: Space, steps: int, prepared: bool) -> None:
    points = (space.x, space.y, space.curvature)
    truth = space.distances().nan_to_num(nan=math.inf)
    radius = pairwise.combined([p.radius for p in space.y], space.combine)
    ends = radius.nan_to_num(nan=0.0)
    thresholds = torch.linspace(float(ends.min()) - 0.01, float(ends.max()), steps, dtype=torch.float64)
    order = radius.argsort() if prepared else None
    distances, found = pairwise.nearest_ladder(*points, radius, thresholds, combine=space.combine, order=order)
    assert found.shape == distances.shape == (len(truth), steps)
    assert torch.equal(found < 0, distances.isnan())
    slack = max(space.tie, 1e-5 * float(truth[truth < math.inf].max())) if bool((truth < math.inf).any()) else 0.0
    for t, threshold in enumerate(thresholds):
        within = torch.where(radius.double() <= threshold, truth, math.inf)
        best = within.amin(1)
        assert torch.equal(found[:, t] < 0, best == math.inf)
        chosen = within.gather(1, found[:, t, None].clamp_min(0))[:, 0]
        assert bool((chosen <= best + slack).all())
        assert_close(distances[:, t], best.masked_fill(best == math.inf, math.nan), slack)


def test_ladders_by_distance() -> None:
    climbed()


def test_searches_compile_without_breaks() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (
        [Polar(torch.randn(n, d, generator=generator), torch.rand(n, generator=generator)) for d in (3, 5)]
        for n in (4, 7)
    )
    k, target, steps = (-0.3, torch.tensor(0.2)), torch.tensor([6, 0, 3, 2]), torch.linspace(0, 1, 4)

    def results() -> tuple[Tensor, ...]:
        return (
            pairwise.distance(x, y, k),
            *pairwise.topk(x, y, k, 9),
            pairwise.rank(x, y, k, target),
            pairwise.count_within(x, y, k, 1.5),
            *pairwise.nearest_ladder(x, y, k, y[0].radius, steps),
        )

    torch.compiler.reset()
    graph = torch.compile(results, fullgraph=True, backend="aot_eager")()
    for one, other in zip(graph, results(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


GOOD = Polar(torch.eye(4)[:3], torch.ones(3))
WRONG = {
    "no factors": lambda: pairwise.distance([], [], []),
    "3, 3, 2": lambda: pairwise.topk([GOOD] * 3, [GOOD] * 3, [0.0, 0.0], 1),
    "points": lambda: pairwise.distance([GOOD, GOOD], [GOOD], [0.0, 0.0]),
    "factor 1": lambda: pairwise.distance([GOOD, Polar(torch.eye(4)[:2], torch.ones(2))], [GOOD] * 2, [0.0] * 2),
    "float64": lambda: pairwise.distance([GOOD, Polar(GOOD.direction.double(), GOOD.radius)], [GOOD] * 2, [0.0] * 2),
    "by": lambda: pairwise.topk(GOOD, GOOD, 0.0, 1, cast(Any, "size")),
    "side": lambda: pairwise.rank(GOOD, GOOD, 0.0, torch.zeros(3, dtype=torch.int64), "angle", cast(Any, "up")),
    "combine": lambda: pairwise.count_within(GOOD, GOOD, 0.0, 1.0, combine=cast(Any, "max")),
    "k must": lambda: pairwise.topk(GOOD, GOOD, 0.0, 0),
    "1024": lambda: pairwise.topk(GOOD, GOOD, 0.0, 1025),
    "target": lambda: pairwise.rank(GOOD, GOOD, 0.0, torch.zeros(2, dtype=torch.int64)),
    "target must be in": lambda: pairwise.rank(GOOD, GOOD, 0.0, torch.tensor([0, 1, 3])),
    "not -1": lambda: pairwise.rank(GOOD, GOOD, 0.0, torch.tensor([0, 1, -1])),
    "int64": lambda: pairwise.rank(GOOD, GOOD, 0.0, torch.zeros(3)),
    "reach": lambda: pairwise.count_within(GOOD, GOOD, 0.0, torch.ones(2)),
    "radius": lambda: pairwise.nearest_ladder(GOOD, GOOD, 0.0, torch.ones(2), torch.ones(1)),
    "order": lambda: pairwise.nearest_ladder(
        GOOD, GOOD, 0.0, torch.ones(3), torch.ones(1), order=torch.tensor([0, 1, 3])
    ),
    "norms": lambda: pairwise.ladder(GOOD.direction, GOOD.direction, torch.ones(3), torch.ones(1), norms=torch.ones(3)),
}


@pytest.mark.parametrize("said", WRONG)
def test_refusals(said: str) -> None:
    with pytest.raises(InputError, match="product" if said == "no factors" else said):
        WRONG[said]()
