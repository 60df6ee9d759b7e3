"""The two-stage searches are exact: what the screen excludes is excluded, whatever its precision, level or threads."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo.evaluation.metrics import Ranking
from hiergeo.pairwise.interface import Factor, LogitTerms
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.resolver import NATIVE
from hiergeo.testing import oracle
from tests.pairwise.native_problems import MISSING, SANITIZER, SCREENS, at, levels
from tests.tools.examples import examples
from tests.tools.kernel_settings import setenv
from tests.tools.strategies import curvatures

pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

K_BEST = 7
FIRST_STRETCH = 4_200
"""More columns than are packed at once, so that later stretches meet a bound that is already close."""


def clustered(count: int, dim: int, spread: float, curvature: float, generator: torch.Generator) -> Polar:
    """Points around a few common rays, so close for a small `spread` that bfloat16 cannot tell them apart."""
    centres = torch.randn(5, dim, generator=generator)
    which = torch.randint(5, (count,), generator=generator)
    direction = centres[which] + spread * torch.randn(count, dim, generator=generator)
    scale = abs(curvature) ** 0.5 or 1.0
    return Polar(direction, (0.05 + 1.4 * torch.rand(count, generator=generator)) / scale)


def turned(point: Polar, by: int) -> Polar:
    """The same points with their coordinates in another order."""
    return Polar(point.direction.roll(by, -1) * torch.arange(1, 1 + point.direction.shape[-1]).sqrt(), point.radius)


@st.composite
def searches(draw: st.DrawFn) -> tuple[Polar, Polar, float]:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    k, dim = draw(curvatures()), draw(st.sampled_from((3, 16, 65)))
    spread = draw(st.sampled_from((0.003, 0.1, 3.0)))
    dtype = draw(st.sampled_from((torch.float32, torch.bfloat16)))
    x, y = (clustered(size, dim, spread, k, generator) for size in (5, draw(st.sampled_from((K_BEST, 90, 700)))))
    return Polar(x.direction.to(dtype), x.radius), Polar(y.direction.to(dtype), y.radius), k


def scores(x: Polar, y: Polar, curvature: float, side: str, by: str) -> Tensor:
    """What is to be small, (N, M) float64: the angle, or the angle less the aperture of the cone's apex."""
    apex, other = (x, y) if side == "children" else (y, x)
    angle = oracle.every_pair(oracle.exterior_angle, apex, other, curvature)
    if by == "margin":
        angle = angle - oracle.half_aperture(apex.radius, curvature).unsqueeze(-1)
    return angle if side == "children" else angle.mT


@pytest.mark.slow
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(("side", "by"), [("children", "margin"), ("parents", "margin"), ("parents", "angle")])
def test_the_best_are_the_best(side: str, by: str, screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_SCREEN", screen)

    @given(searches())
    @examples(60)
    def check(search: tuple[Polar, Polar, float]) -> None:
        x, y, curvature = search
        values, indices = pairwise.cone_topk(x, y, curvature, K_BEST, by=cast(Any, by), side=cast(Any, side))
        truth = scores(x, y, curvature, side, by)
        sign = -1.0 if by == "margin" else 1.0
        best = truth.sort(-1).values[:, :K_BEST]
        assert float((sign * values.double() - best).abs().max()) < 2e-6
        assert float((truth.gather(-1, indices) - best).abs().max()) < 2e-6
        assert bool((indices.sort(-1).values.diff() > 0).all()), "no index twice"

    check()


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.01, 1.0])
@pytest.mark.parametrize("curvature", [-1.3, 0.0, 0.4])
def test_every_way_to_the_same_bits(curvature: float, spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(3)
    x = clustered(23, 512, spread, curvature, generator)
    y = clustered(FIRST_STRETCH, 512, spread, curvature, generator)
    radius = y.radius.clone()
    thresholds = torch.linspace(0.2, 1.2, 9)

    target = torch.arange(23) * 97
    product = ([x, turned(x, 7)], [y, turned(y, 7)], [curvature, -0.4])

    def found() -> tuple[Tensor, ...]:
        best = pairwise.cone_topk(x, y, curvature, K_BEST, by="angle")
        nearest = pairwise.topk(x, y, curvature, K_BEST), pairwise.topk(*product, K_BEST, combine="l1")
        return (
            *best,
            pairwise.ladder(x.direction, y.direction, radius, thresholds),
            nearest[0][1],
            nearest[1][1],
            pairwise.topk(*product, K_BEST, "margin")[1],
            *(pairwise.rank(x, y, curvature, target, by) for by in ("distance", "margin", "angle")),
            *(pairwise.rank(*product, target, by) for by in ("distance", "margin")),
            pairwise.count_within(x, y, curvature, nearest[0][0][:, 3]),
            pairwise.count_within(*product, nearest[1][0][:, 3] + 0.2, combine="l1"),
            pairwise.nearest_ladder(x, y, curvature, radius, thresholds)[1],
        )

    expected = found()
    for level in levels():
        for screen in SCREENS:
            setenv(monkeypatch, "HIERGEO_SCREEN", screen)
            with at(level):
                values, *others = found()
            torch.testing.assert_close(values, expected[0], rtol=0, atol=1e-6)
            for one, other in zip(others, expected[1:], strict=True):
                assert torch.equal(one, other)


@pytest.mark.parametrize("level", [level for level in levels() if level != "baseline"])
def test_any_number_of_threads(level: str) -> None:
    """The same bits; but for torch's product, which multiplies at the baseline and sums as its threads have it.

    The more threads, the more columns are packed at once; in 600 dimensions a tile has no power of two of them.
    """
    generator = torch.Generator().manual_seed(1)
    x, y = (clustered(size, 96, 1.0, -1.0, generator) for size in (300, 2_000))
    wide, base = (clustered(size, 600, 1.0, -1.0, generator) for size in (40, 1_500))
    one, labels = torch.ones(1, dtype=torch.float64), [torch.arange(size)[None] % 7 for size in (300, 2_000)]
    sides = [Polar(side.direction[None], side.radius[None]) for side in (x, y)]
    factor = Factor(sides[0], sides[1], -1.0)
    terms = LogitTerms(5 * one, one, (labels[0], labels[1]), False, "softplus")
    scores = torch.randn(2, 400, 3, generator=generator).numpy()
    weights = torch.randint(3, (61, 400), generator=generator).numpy()
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            leaves = [part.clone().requires_grad_() for part in (*x, *y)]
            with at(level):
                hinge = pairwise.hinge_total(Polar(*leaves[:2]), Polar(*leaves[2:]), -0.7, 1.3)
                sums = NATIVE.contrast([factor], QUANTITIES["distance"], terms)
                pulled = NATIVE.contrast_backward([factor], QUANTITIES["distance"], terms, sums[:2], sums)
                results.append(
                    (
                        hinge.detach(),
                        *torch.autograd.grad(hinge, leaves),
                        *sums,
                        *pulled,
                        pairwise.energy_sum(wide, base, -0.7),
                        torch.as_tensor(Ranking(scores[0] + 1, scores[1]).auroc(weights)),
                        *pairwise.cone_topk(x, y, -1.0, K_BEST),
                        pairwise.cone_count(x, y, -1.0),
                        *pairwise.topk([x, x], [y, y], [-1.0, 0.3], K_BEST),
                        pairwise.rank([x, x], [y, y], [-1.0, 0.3], torch.arange(300)),
                        pairwise.distance([x, x], [y, y], [-1.0, 0.3]),
                        pairwise.energy_mean(x, y, -1.0),
                        NATIVE.backward(
                            torch.ones(1, 1, 1).expand(1, 300, 2_000),
                            sides[0],
                            sides[1],
                            -1.0,
                            QUANTITIES["exterior_angle"],
                            None,
                        )[0],
                    )
                )
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for expected, measured in zip(results[0], other, strict=True):
            assert torch.equal(expected, measured)


FORK = """
import os, signal, torch
from hiergeo import Polar, pairwise
from hiergeo.pairwise.interface import Factor
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.resolver import NATIVE, why_plain
assert why_plain('cpu') is None
torch.set_num_threads(2)
generator = torch.Generator().manual_seed(0)
x = Polar(torch.randn(1, 600, 64, generator=generator), torch.rand(1, 600, generator=generator).double())
aperture = pairwise.half_aperture(x.radius, -1.0)
pairs = [Factor(x, x, -1.0, aperture)], QUANTITIES["cone_margin"], None
before = NATIVE.count(*pairs).tolist()
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if NATIVE.count(*pairs).tolist() == before else 3)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.skipif(SANITIZER == "tsan", reason="ThreadSanitizer lets no forked child begin threads")
def test_a_forked_child_does_not_hang() -> None:
    """A child has the locks of its parent's thread pool but not the threads: kernels run there on one."""
    assert subprocess.run([sys.executable, "-c", FORK], timeout=300, check=False).returncode == 0


def test_several_python_threads_at_once() -> None:
    generator = torch.Generator().manual_seed(2)
    x, y = (clustered(size, 64, 1.0, -1.0, generator) for size in (100, 900))
    jobs = [
        lambda: pairwise.exterior_angle(x, y, -1.0),
        lambda: pairwise.cone_topk(x, y, -1.0, K_BEST)[1],
        lambda: pairwise.cone_count(y, x, -1.0),
    ] * 6
    expected = [job() for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        measured = list(pool.map(lambda job: job(), jobs))
    for a, b in zip(expected, measured, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("screen", SCREENS)
def test_sums_of_very_long_rows_fit_the_screen(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of equal numbers are the largest that products of 8 bits add up to."""
    setenv(monkeypatch, "HIERGEO_SCREEN", screen)
    ones = torch.ones(80, 140_000)
    x = Polar(ones[:12], torch.full((12,), 0.7))
    y = Polar(ones * torch.where(torch.arange(80) % 3 == 1, 1.0, -1.0).unsqueeze(-1), torch.linspace(0.5, 2, 80))
    _, found = pairwise.topk(x, y, -1.0, 5)
    nearest = [j for j in torch.argsort((y.radius - 0.7).abs()).tolist() if j % 3 == 1][:5]
    assert found.tolist() == [nearest] * 12


@pytest.mark.parametrize("far", [5.0, 25.0, 183.0, 184.0, 185.0, 300.0, 700.0])
def test_on_one_ray_distances_are_differences_of_radii_however_far_out(far: float) -> None:
    """There products of 1 / cosh(r) leave the range of double, while the points are near each other."""
    ray = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
    x, y = (
        Polar(ray.expand(24, -1), far + 0.0004 + 0.02 * torch.arange(24)),
        Polar(ray.expand(90, -1), far + 0.013 * torch.arange(90)),
    )
    apart = (x.radius[:, None].double() - y.radius.double()).abs()
    found = pairwise.count_within(x, y, -1.0, torch.full((24,), 0.0507))
    assert found.tolist() == (apart <= 0.0507).sum(1).tolist()
    target = torch.arange(24) * 3
    ranks = pairwise.rank(x, y, -1.0, target, "distance")
    assert ranks.tolist() == (apart < apart.gather(1, target[:, None])).sum(1).tolist()
