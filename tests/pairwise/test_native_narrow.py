"""Points around a common direction, which are multiplied as distances to it: accurate and exact as elsewhere."""

import pytest
import torch
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo.testing import oracle
from tests.pairwise.native_problems import MISSING, SCREENS, at, levels
from tests.tools.kernel_settings import setenv

pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

DIM = 130
SPREADS = (0.4, 0.1, 0.01, 1e-4)
"""Of the directions around their mean: angles between points are about 1.4 times as many radians."""

every_level = pytest.mark.parametrize("level", levels())


def narrow(count: int, spread: float, seed: int, dtype: torch.dtype = torch.float32) -> Polar:
    """Points in a narrow cone, of any norms, and a few that are outside, opposite, at the root or no numbers."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(DIM, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
    noise = torch.randn(count, DIM, generator=generator, dtype=torch.float64)
    direction = mean / mean.norm() + spread * noise / DIM**0.5
    radius = 0.05 + 1.4 * torch.rand(count, generator=generator, dtype=torch.float64)
    direction *= 2.0 ** torch.randint(-6, 7, (count, 1), generator=generator)
    direction[1] = noise[1]
    direction[2] *= -1
    direction[3], radius[3] = 0, 0
    direction[4, 5] = torch.nan
    return Polar(direction.to(dtype), radius.to(torch.float32))


@every_level
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_stored_values(level: str, spread: float, dtype: torch.dtype) -> None:
    x, y = narrow(70, spread, 0, dtype), narrow(150, spread, 1, dtype)
    for curvature in (-1.0, 0.0, 0.3):
        angle = oracle.every_pair(oracle.exterior_angle, x, y, curvature)
        length = oracle.every_pair(oracle.distance, x, y, curvature)
        with at(level):
            angles, lengths = pairwise.exterior_angle(x, y, curvature), pairwise.distance(x, y, curvature)
        number = ~(x.direction.isnan().any(-1)[:, None] | y.direction.isnan().any(-1))
        assert torch.equal(angles.isnan(), ~number)
        error = (angles.double() - angle).abs()[number]
        assert float(error.quantile(0.999)) < 5e-6
        assert float(error.max()) < 1e-4
        off = (lengths.double() - length).abs()[number]
        assert bool((off <= 1e-5 * length[number] + 1e-30).all())


@pytest.mark.parametrize("spread", SPREADS)
def test_every_way_to_the_same_bits(spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = narrow(40, spread, 2), narrow(700, spread, 3)
    thresholds, target = torch.linspace(0.2, 1.2, 9), torch.arange(40) * 11

    def found() -> tuple[Tensor, ...]:
        return (
            *pairwise.cone_topk(x, y, -1.3, 9, by="angle"),
            *pairwise.topk(x, y, 0.0, 9),
            pairwise.ladder(x.direction, y.direction, y.radius, thresholds),
            pairwise.rank(x, y, -1.3, target),
            pairwise.rank(x, y, -1.3, target, "margin"),
            *pairwise.nearest_ladder(x, y, -1.3, y.radius, thresholds),
            pairwise.count_within(x, y, 0.2, torch.full((40,), 0.3)),
        )

    def alone(i: int) -> tuple[Tensor, ...]:
        one = Polar(x.direction[i : i + 1], x.radius[i : i + 1])
        return *pairwise.cone_topk(one, y, -1.3, 9, by="angle"), *pairwise.topk(one, y, 0.0, 9)

    expected = found()
    for level in levels():
        for screen in SCREENS:
            setenv(monkeypatch, "HIERGEO_SCREEN", screen)
            with at(level):
                results = found()
                single = alone(0)
            for one, other in zip(results, expected, strict=True):
                torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
            for one, other in zip(single, expected, strict=False):
                torch.testing.assert_close(one[0], other[0], rtol=0, atol=0, equal_nan=True)
