"""The rule of ties: scores are compared once they are rounded to the dtype of returned values; equal ones by index.

The oracle is the law of cosines at 60 digits, of the points as they are given.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from hiergeo import Polar, pairwise
from hiergeo._core.polar import part_of
from hiergeo.pairwise import resolver
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.testing.assertions import DISTANCE_WORST
from tests.pairwise.cuda_common import EMULATED, needs_emulation
from tests.pairwise.native_problems import MISSING, SCREENS, at, levels
from tests.tools.examples import examples
from tests.tools.kernel_settings import setenv

needs_natives = pytest.mark.skipif(MISSING is not None or EMULATED, reason=f"no native kernels: {MISSING}")

OF_RADII = 4e-7
"""What float32 distances may be off beside their accuracy, as a share of the radii."""

GAPS = (0.0, 1e-12, 2.0**-40, 3e-11, 1e-10, 2e-9, 1e-9, 3e-8, 2.0**-24, 1e-7, 1e-6, 1e-3)
"""Radii differ by these."""

DIGITS = mpmath.mpf(2) ** -49

Bracket = tuple[float, float]


class Crowd(NamedTuple):
    """Points of which many are almost equally far from each other."""

    x: Polar
    y: Polar
    curvature: float


@st.composite
def crowds(draw: st.DrawFn, dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64)) -> Crowd:
    """Points on a few rays, in radii that almost agree, with copies; the queries are among them."""
    curvature = draw(st.sampled_from((-2.0, -0.3, 0.0, 0.4)))
    dim, dtype = draw(st.sampled_from((1, 3, 64))), draw(st.sampled_from(dtypes))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    first, second = torch.randn(2, dim, generator=generator, dtype=torch.float64)
    rays = torch.stack((first, -first, 3 * first, first + 1e-6 * second, second, second.roll(1))).to(dtype)
    radii = (0.25, 1.0, 3.0) if curvature > 0 else (0.25, 1.0, 3.0, 9.0)
    point = st.tuples(st.sampled_from(range(len(rays))), st.sampled_from(radii), st.sampled_from(GAPS))
    points = draw(st.lists(point, min_size=2, max_size=12))
    copies = [*points, *draw(st.lists(st.sampled_from(points), max_size=4))]
    place, radius, gap = zip(*draw(st.permutations(copies)), strict=True)
    y = Polar(rays[list(place)], torch.tensor(radius, dtype=torch.float64) + torch.tensor(gap, dtype=torch.float64))
    chosen = draw(st.lists(st.sampled_from(range(len(place))), min_size=1, max_size=3))
    return Crowd(part_of(y, torch.tensor(chosen)), y, curvature)


def on_one_ray(radii: Sequence[float], curvature: float) -> Crowd:
    point = Polar(torch.ones(len(radii), 1), torch.tensor(radii, dtype=torch.float64))
    return Crowd(point, point, curvature)


def distances(crowd: Crowd, i: int, j: int) -> tuple[Any, Any]:
    """Bounds of the distance of x_i and y_j where 1 - cos has 15 digits of a product, or of a chord if it is small."""
    u, v = ([mpmath.mpf(float(c)) for c in p.direction[n]] for p, n in ((crowd.x, i), (crowd.y, j)))
    a, b = (mpmath.mpf(float(p.radius[n])) for p, n in ((crowd.x, i), (crowd.y, j)))
    cosine = mpmath.fdot(u, v) / mpmath.sqrt(mpmath.fdot(u, u) * mpmath.fdot(v, v))
    versine = max(mpmath.mpf(0), 1 - cosine)
    versine = mpmath.mpf(0) if versine < 2.0**-102 else versine
    off = DIGITS * (1 if versine > 2.0**-20 else mpmath.sqrt(versine))
    low, high = (by_law(a, b, bound, crowd.curvature) for bound in (max(0, versine - off), min(2, versine + off)))
    return low * (1 - DIGITS), high * (1 + DIGITS)


def by_law(a: Any, b: Any, versine: Any, curvature: float) -> Any:
    """The law of cosines."""
    s = mpmath.sqrt(abs(mpmath.mpf(curvature)))
    if curvature < 0:
        half = mpmath.sinh(s * (a - b) / 2) ** 2 + mpmath.sinh(s * a) * mpmath.sinh(s * b) * versine / 2
        return 2 * mpmath.asinh(mpmath.sqrt(half)) / s
    if curvature > 0:
        half = mpmath.sin(s * (a - b) / 2) ** 2 + mpmath.sin(s * a) * mpmath.sin(s * b) * versine / 2
        return 2 * mpmath.asin(mpmath.sqrt(half)) / s
    return mpmath.sqrt((a - b) ** 2 + 2 * a * b * versine)


def brackets(crowd: Crowd, share: float, of_radii: float) -> list[list[Bracket]]:
    """Bounds of rounded distances (N, M) whose errors are at most `share` of the distance and `of_radii` of radii."""
    rounded = np.float32 if crowd.x.direction.dtype == torch.float32 else np.float64
    result = []
    with mpmath.workdps(60):
        for i, a in enumerate(crowd.x.radius.tolist()):
            bounds = [(*distances(crowd, i, j), of_radii * (a + b)) for j, b in enumerate(crowd.y.radius.tolist())]
            result.append(
                [
                    (float(rounded(low * (1 - share) - off)), float(rounded(high * (1 + share) + off)))
                    for low, high, off in bounds
                ]
            )
    return result


def precedes(crowd: Crowd, row: list[Bracket], j: int, target: int) -> bool | None:
    """Whether y_j comes before the target; None where 15 digits do not tell."""
    (low, high), (least, most) = row[j], row[target]
    y = crowd.y
    same = torch.equal(y.direction[j], y.direction[target]) and bool(y.radius[j] == y.radius[target])
    if same or low == high == least == most:
        return j < target
    return True if high < least else False if low > most else None


def assert_ranks(crowd: Crowd, found: Sequence[Sequence[int]], share: float = 0.0, of_radii: float = 0.0) -> None:
    """Ranks (N, M) of every y are those of the oracle, up to errors of distances as `brackets` takes them."""
    for i, row in enumerate(brackets(crowd, share, of_radii)):
        for target, rank in enumerate(found[i]):
            before = [precedes(crowd, row, j, target) for j in range(len(row))]
            assert before.count(True) <= rank <= len(row) - before.count(False), (i, target, rank, before, row)


def every_rank(crowd: Crowd) -> list[list[int]]:
    n, m = len(crowd.x.radius), len(crowd.y.radius)
    x = part_of(crowd.x, torch.arange(n).repeat_interleave(m))
    return pairwise.rank(x, crowd.y, crowd.curvature, torch.arange(m).repeat(n)).view(n, m).tolist()


def assert_one_order(crowd: Crowd, ranks: Sequence[Sequence[int]]) -> None:
    """The best k, counts and ladders follow the order of the ranks and the values of the best k, to the last bit."""
    x, y, k = crowd
    m = len(y.radius)
    values, indices = pairwise.topk(x, y, k, m)
    assert values.dtype == x.direction.dtype
    for i, row in enumerate(ranks):
        assert [row[j] for j in indices[i].tolist()] == list(range(m))
        best = list(zip(values[i].tolist(), indices[i].tolist(), strict=True))
        assert best == sorted(best)
    for place in range(0, m, max(1, m // 20)):
        reach = values[:, place]
        within = pairwise.count_within(x, y, k, reach.double())
        assert torch.equal(within, (values <= reach[:, None]).sum(1))
    thresholds = y.radius.unique()
    distances, rungs = pairwise.nearest_ladder(x, y, k, y.radius, thresholds)
    for t, threshold in enumerate(thresholds):
        for i in range(len(x.radius)):
            place = next(n for n, j in enumerate(indices[i].tolist()) if bool(y.radius[j] <= threshold))
            assert (rungs[i, t], distances[i, t]) == (indices[i, place], values[i, place])


def check(crowd: Crowd) -> None:
    ranks = every_rank(crowd)
    assert_ranks(crowd, ranks)
    assert_one_order(crowd, ranks)


BELOW = on_one_ray([0.25] * 5 + [1.0 + 2.0**-40] * 2 + [0.25] * 3 + [1.0], -2.0)
"""Gaps that hyperbolic tangents in float64 do not hold."""


@needs_natives
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("level", levels())
def test_ties_by_kernels(level: str, screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_SCREEN", screen)

    @given(crowds())
    @example(BELOW)
    @examples(40)
    def run(crowd: Crowd) -> None:
        with at(level):
            check(crowd)

    run()


@needs_natives
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("dim", [1, 64])
@pytest.mark.parametrize("curvature", [-2.0, 0.0, 0.4])
def test_ties_among_many(curvature: float, dim: int, screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More columns than are compared at once, at every level."""
    setenv(monkeypatch, "HIERGEO_SCREEN", screen)
    generator = torch.Generator().manual_seed(dim)
    rays = torch.randn(3, dim, generator=generator)
    place, gap = (torch.randint(size, (400,), generator=generator) for size in (3, len(GAPS)))
    y = Polar(rays[place], 1.0 + torch.tensor(GAPS, dtype=torch.float64)[gap])
    crowd = Crowd(part_of(y, torch.arange(3)), y, curvature)
    for level in levels():
        with at(level):
            assert_one_order(crowd, every_rank(crowd))


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_NATIVE", "0")
    monkeypatch.setattr(resolver, "PORTABLE", REFERENCE)


@pytest.mark.usefixtures("reference")
def test_ties_by_the_reference() -> None:
    @given(crowds((torch.float32,)))
    @example(BELOW)
    @examples(40)
    def run(crowd: Crowd) -> None:
        check(crowd)

    run()


@pytest.mark.usefixtures("reference")
def test_order_of_distinct_points_by_the_reference() -> None:
    """In float64, where copies may differ in their last bit."""

    @given(crowds((torch.float64,)))
    @examples(40)
    def run(crowd: Crowd) -> None:
        rows = torch.cat((crowd.y.direction, crowd.y.radius[:, None]), 1)
        distinct = [j for j, row in enumerate(rows) if not bool((rows[:j] == row).all(1).any())]
        crowd = crowd._replace(y=part_of(crowd.y, torch.tensor(distinct)))
        assert_ranks(crowd, every_rank(crowd))

    run()


@needs_emulation
@given(crowds((torch.float32,)))
@example(BELOW)
@examples(30)
def test_ties_by_emulated_kernels(crowd: Crowd) -> None:
    """One order, that of distances as accurate as they are in float32."""
    ranks = every_rank(crowd)
    assert_one_order(crowd, ranks)
    assert_ranks(crowd, ranks, DISTANCE_WORST, OF_RADII)
