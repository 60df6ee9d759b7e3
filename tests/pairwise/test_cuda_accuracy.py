"""How exact the CUDA kernels are, against float64: tensor cores that cut sums off, long rows, pairs near a line."""

import math

import pytest
import torch
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo.pairwise.settings import TileProduct
from hiergeo.testing import oracle
from hiergeo.testing.assertions import ANGLE_MOST, DISTANCE_WORST
from tests.geometry.test_near_points import CURVATURES, GAPS, largest_errors
from tests.pairwise.cuda_common import DEVICE, needs_emulation, needs_kernels, random_points
from tests.pairwise.native_problems import NARROW
from tests.tools.blocks import bar_block

pytestmark = needs_kernels

DOUBT = 1e-5
"""Counts and members are sure where a margin is further from 0, radians."""

ON_TENSOR_CORES = ("bfloat16", "float16", "tf32")


def rounded(u: Tensor, numbers: str) -> Tensor:
    """float32 rows as a kind of product reads them."""
    if numbers == "tf32":
        bits = u.contiguous().view(torch.int32)
        return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)
    return u.to(getattr(torch, numbers))


def stored(x: Polar, y: Polar, curvature: float, quantity: int = 0, product: int = TileProduct.OWN) -> Tensor:
    """Exterior angles (0) or distances (1) of every pair of x (N) with y (M) by the kernels."""
    sides = [field.to(DEVICE).unsqueeze(0) for side in (x, y) for field in (side.direction, side.radius.double())]
    out = torch.full((1, len(x.radius), len(y.radius)), 7.0, device=DEVICE)
    lists = [[operand] for operand in sides]
    torch.ops.hiergeo_native.store.default(*lists, [curvature], [], [], quantity, int(product), out)
    return out[0].double().cpu()


def assert_within(x: Polar, y: Polar, curvature: float, product: int = TileProduct.OWN) -> None:
    """Angles within 5e-6 rad (99.9 %) and the zone of doubt (all), distances within their bar, of the float64 truth."""
    error = (stored(x, y, curvature, 0, product) - oracle.every_pair(oracle.exterior_angle, x, y, curvature)).abs()
    most = float(error.flatten().kthvalue(int(0.999 * error.numel())).values)
    assert most <= ANGLE_MOST, f"99.9 % of the angles are within {most:.2g} rad"
    assert float(error.max()) <= DOUBT, f"the worst angle is wrong by {float(error.max()):.2g} rad"
    distance, truth = stored(x, y, curvature, 1, product), oracle.every_pair(oracle.distance, x, y, curvature)
    relative = ((distance - truth).abs() / truth)[truth > 0]
    assert float(relative.max()) <= DISTANCE_WORST, f"the worst distance is wrong by {float(relative.max()):.2g}"


@pytest.fixture(params=["a100", "h100"])
def cutting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensor cores that cut off what they add, as those of these GPUs do."""
    monkeypatch.setenv("SIMT_MMA", request.param)


@pytest.mark.parametrize("dim", [512, 2048])
@pytest.mark.parametrize("numbers", ON_TENSOR_CORES)
@pytest.mark.usefixtures("cutting")
def test_tensor_cores_that_cut_sums_off(numbers: str, dim: int) -> None:
    """Errors neither grow with the width nor reach the zone of doubt; the truth is that of the rounded rows."""
    x, y = bar_block(-1.0, dim, 126, torch.Generator().manual_seed(dim))
    x, y = (Polar(rounded(side.direction, numbers), side.radius) for side in (x, y))
    assert_within(x, y, -1.0, TileProduct.TF32 if numbers == "tf32" else TileProduct.OWN)


@pytest.mark.parametrize("dim", [48, 512, 8192])
def test_float32_rows_of_any_width(dim: int) -> None:
    x, y = bar_block(-1.0, dim, 126, torch.Generator().manual_seed(dim))
    assert_within(x, y, -1.0)


@pytest.mark.parametrize("numbers", ["float32", *ON_TENSOR_CORES])
@pytest.mark.parametrize("dim", [7, 33, 64, 200])
@needs_emulation
def test_products_alone(numbers: str, dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs far from a common line need no repair: with none, a broken product has nothing that hides it."""
    monkeypatch.setenv("SIMT_REPAIR", "0")
    x, y = (random_points(count, dim, seed).direction[0] - 0.6 for seed, count in enumerate((131, 150)))
    radii = [torch.linspace(0.2, 1.2, len(u), dtype=torch.float64) for u in (x, y)]
    first, second = (Polar(rounded(u, numbers), radius) for u, radius in zip((x, y), radii, strict=True))
    far = oracle.every_pair(oracle.opening, first, second).sin() > 0.5
    product = TileProduct.TF32 if numbers == "tf32" else TileProduct.OWN
    truth = oracle.every_pair(oracle.exterior_angle, first, second, -0.7)
    assert float((stored(first, second, -0.7, 0, product) - truth).abs()[far].max()) <= ANGLE_MOST


@pytest.mark.parametrize("numbers", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("dim", [3, 40, 515])
def test_pairs_near_a_line(numbers: str, dim: int) -> None:
    """Bundles of rays, near and opposite, any number of them in a warp; equal and doubled rows are on one ray."""
    generator = torch.Generator().manual_seed(dim)
    axis, other = torch.randn(2, dim, generator=generator)
    width = 10 ** (-1 - 4 * torch.rand(70, 1, generator=generator))
    share = torch.rand(70, 1, generator=generator)
    bundle = torch.where(share < 0.6, axis, torch.where(share < 0.8, -axis, other))
    u = (bundle + width * torch.randn(70, dim, generator=generator)).to(getattr(torch, numbers))
    radius = 0.5 + (1e-4 * torch.randn(70, generator=generator)).double()
    radius[1::2] = 0.5
    x = Polar(u, radius)
    y = Polar(torch.cat((u[::2], 2 * u[1::2], -u[:9])), torch.cat((radius[::2], radius[1::2], radius[:9])))
    angle = oracle.every_pair(oracle.exterior_angle, x, y, -0.7)
    found = stored(x, y, -0.7)
    same = torch.zeros_like(angle, dtype=torch.bool)
    same[torch.arange(0, 70, 2), torch.arange(35)] = same[torch.arange(1, 70, 2), torch.arange(35, 70)] = True
    assert not bool(found[same].any()), "a point has an angle to itself"
    assert float((found - angle).abs()[~same].max()) <= 1e-4
    assert float((found - angle).abs()[~same].median()) <= 1e-6


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("curvature", CURVATURES)
def test_embeddings_near_each_other(curvature: float, gap: float) -> None:
    distance, angle, *gradients = largest_errors(curvature, gap, DEVICE)
    assert distance <= DISTANCE_WORST
    assert angle <= ANGLE_MOST
    assert max(gradients) <= 1e-4


@pytest.mark.parametrize("dtype", NARROW)
def test_rows_at_any_address(dtype: torch.dtype) -> None:
    """Rows that tensor cores cannot read in whole words are copied: the same bits as those of a copy."""
    wide, narrow = random_points(140, 60, 0, dtype), random_points(30, 60, 1, dtype)
    for begin, dim in ((0, 33), (1, 33), (3, 40), (1, 1)):
        sides = [Polar(side.direction[0][:, begin : begin + dim], side.radius[0]) for side in (wide, narrow)]
        copies = [Polar(side.direction.clone(), side.radius) for side in sides]
        one, other = (pairwise.exterior_angle(x, y, -0.7) for x, y in (sides, copies))
        assert torch.equal(one, other)
        assert not math.isnan(float(one.sum()))


@pytest.mark.parametrize("dtype", NARROW)
def test_pairs_in_any_company(dtype: torch.dtype) -> None:
    """A pair has the same value however many points are asked for with it, few of either side included."""
    x, y = (random_points(count, 600, seed, dtype) for seed, count in enumerate((150, 140)))
    a, b = sides = [Polar(side.direction[0], side.radius[0]) for side in (x, y)]
    whole = pairwise.exterior_angle(a, b, -0.7)
    for rows, columns in ((1, 140), (9, 140), (150, 1), (150, 7), (3, 4)):
        a, b = (Polar(*(field[:count] for field in side)) for side, count in zip(sides, (rows, columns), strict=True))
        assert torch.equal(pairwise.exterior_angle(a, b, -0.7), whole[:rows, :columns])
