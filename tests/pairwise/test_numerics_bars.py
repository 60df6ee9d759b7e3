"""The accuracy bars of float32 results against the float64 oracle: row by row and for every pair of two sets."""

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo.pairwise import rows
from hiergeo.testing import oracle
from hiergeo.testing.assertions import DISTANCE_WORST, assert_bars
from hiergeo.testing.samples import bar_radii, bar_rows
from tests.pairwise.native_problems import MISSING, SCREENS, at, levels
from tests.tools.blocks import bar_block, block_radii, on_a_line
from tests.tools.kernel_settings import setenv

# Powers of four hide errors in s = sqrt(|K|), so -0.3 and 0.7 stand beside the stated curvatures.
LARGE = 512
CELLS = [(k, dim) for k in (-4.0, -1.0, -0.25, 0.0, 0.25) for dim in (48, LARGE)] + [(-0.3, 48), (0.7, 48)]
BLOCKS, BLOCK = 60, 1_000
SIDE = 250


@pytest.mark.parametrize(
    ("curvature", "dim"),
    [pytest.param(*cell, marks=pytest.mark.slow) if cell[1] == LARGE else cell for cell in CELLS],
)
def test_row_by_row(curvature: float, dim: int) -> None:
    assert BLOCKS * BLOCK >= 60_000
    generator = torch.Generator().manual_seed(dim)
    measured: list[list[tuple[Tensor, ...]]] = [[], []]
    truths: list[list[tuple[Tensor, ...]]] = [[], []]
    for _ in range(BLOCKS):
        drawn = bar_rows(curvature, dim, BLOCK, generator)
        lined_up = on_a_line(*bar_radii(curvature, BLOCK, generator), dim, generator)
        for cell, (x, y) in enumerate((drawn, lined_up)):
            angle = rows.exterior_angle(x, y, curvature)
            margin = pairwise.half_aperture(x.radius, curvature) - angle
            measured[cell].append((angle, margin, rows.distance(x, y, curvature)))
            truths[cell].append(truth(x, y, curvature))
    for results, expected in zip(measured, truths, strict=True):
        angle, margin, length = (torch.cat(part) for part in zip(*results, strict=True))
        true_angle, true_margin, true_length = (torch.cat(part) for part in zip(*expected, strict=True))
        assert_bars(angle, margin, length, (true_angle, true_margin, true_length))


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize(("curvature", "dim"), CELLS)
def test_every_pair(curvature: float, dim: int, level: str) -> None:
    assert SIDE * SIDE >= 60_000
    generator = torch.Generator().manual_seed(dim)
    drawn = bar_block(curvature, dim, SIDE, generator)
    for x, y in (drawn, on_a_line(*block_radii(curvature, SIDE, generator), dim, generator)):
        truths = [truth(Polar(x.direction[i, None], x.radius[i, None]), y, curvature) for i in range(SIDE)]
        measures = (pairwise.exterior_angle, pairwise.cone_margin, pairwise.distance)
        with at(level) if MISSING is None else nullcontext():
            angle, margin, length = (measure(x, y, curvature) for measure in measures)
        true_angle, true_margin, true_length = (torch.stack(part) for part in zip(*truths, strict=True))
        assert_bars(angle, margin, length, (true_angle, true_margin, true_length))


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("curvature", [-4.0, -1.0, -0.25, 0.0, 0.25])
def test_searches_on_a_line(curvature: float, level: str, screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_SCREEN", screen)
    generator = torch.Generator().manual_seed(1)
    x, y = on_a_line(*block_radii(curvature, SIDE, generator), 64, generator)
    lengths = oracle.every_pair(oracle.distance, x, y, curvature)
    expected = lengths.sort(dim=-1).values
    nearest, after = expected[:, 19], expected[:, 20]
    with at(level) if MISSING is None else nullcontext():
        values, indices = pairwise.topk(x, y, curvature, 20, by="distance")
        counts = pairwise.count_within(x, y, curvature, (nearest + after) / 2)
    assert bool(((values - expected[:, :20]).abs() <= DISTANCE_WORST * expected[:, :20]).all())
    assert bool(((lengths.gather(1, indices) - values).abs() <= DISTANCE_WORST * values).all())
    clear = after > (1 + 2 * DISTANCE_WORST) * nearest
    assert bool((counts == 20)[clear].all())
    assert bool(clear.any())


def truth(x: Polar, y: Polar, curvature: float) -> tuple[Tensor, Tensor, Tensor]:
    angle = oracle.exterior_angle(x, y, curvature)
    return angle, oracle.half_aperture(x.radius, curvature) - angle, oracle.distance(x, y, curvature)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("curvature", [-2.3, 0.0, 0.4])
def test_narrow_directions(curvature: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = bar_block(curvature, 256, SIDE, generator)
    x, y = (Polar(point.direction.to(dtype), point.radius) for point in drawn)
    theta = oracle.every_pair(oracle.opening, x, y)
    ordinary = (theta > 0.1) & (theta < torch.pi - 0.1)
    assert float(ordinary.double().mean()) > 0.3
    for measure, expected in (
        (pairwise.exterior_angle, oracle.every_pair(oracle.exterior_angle, x, y, curvature)),
        (pairwise.cone_margin, oracle.every_pair(oracle.margin, x, y, curvature)),
    ):
        result = measure(x, y, curvature)
        assert result.dtype == torch.float32
        assert float((result.double() - expected).abs()[ordinary].max()) <= 1e-4
        narrow = measure(x, y, curvature, out_dtype=dtype)
        assert torch.equal(narrow, result.to(dtype))
