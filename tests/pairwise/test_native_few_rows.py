"""Few rows against many columns, which are then multiplied where they lie: the same results, in bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hiergeo import Polar, Space, pairwise
from hiergeo._core.polar import Exact
from hiergeo.geometry import Points
from hiergeo.pairwise import By
from hiergeo.testing import oracle
from tests.pairwise.native_problems import FLOATS, MISSING, SANITIZER, at, levels

pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")

ROWS = (1, 2, 5, 8)
"""At most so many rows that columns are not copied for them."""

MANY = 9
COLUMNS, DIM = 333, 77

every_level = pytest.mark.parametrize("level", levels())
every_dtype = pytest.mark.parametrize("dtype", FLOATS)


def some(count: int, seed: int, dtype: torch.dtype, tiny: bool = False) -> Polar:
    """Points in all directions; where `tiny`, of norms near the ends of the range of the dtype."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(count, DIM, generator=generator, dtype=torch.float64)
    if tiny:
        least, most = (3e-3, 100.0) if dtype == torch.float16 else (1e-36, 1e35)
        direction[::3] *= least
        direction[1::3] *= most
    radius = 0.05 + 1.4 * torch.rand(count, generator=generator, dtype=torch.float64)
    return Polar(direction.to(dtype), radius.to(torch.promote_types(dtype, torch.float32)))


@every_level
@every_dtype
@pytest.mark.parametrize("rows", ROWS)
def test_stored_values(level: str, dtype: torch.dtype, rows: int) -> None:
    x, y = some(rows, 0, dtype), some(COLUMNS, 1, dtype, tiny=True)
    truth = oracle.every_pair(oracle.exterior_angle, x, y, -0.7)
    with at(level):
        assert float((pairwise.exterior_angle(x, y, -0.7).double() - truth).abs().max()) < 5e-6


@every_level
@every_dtype
@pytest.mark.parametrize("rows", ROWS)
def test_searches_do_not_depend_on_the_number_of_rows(level: str, dtype: torch.dtype, rows: int) -> None:
    x, y = some(MANY, 2, dtype), some(COLUMNS, 3, dtype, tiny=True)
    thresholds, target = torch.linspace(0.2, 1.4, 5), torch.arange(MANY) * 11

    def found(count: int) -> tuple[Tensor, ...]:
        part = Polar(x.direction[:count], x.radius[:count])
        return (
            *pairwise.cone_topk(part, y, -0.7, 6),
            *pairwise.topk(part, y, 0.0, 6),
            pairwise.rank(part, y, -0.7, target[:count], "margin"),
            pairwise.ladder(part.direction, y.direction, y.radius, thresholds),
            *pairwise.nearest_ladder(part, y, 0.0, y.radius, thresholds),
        )

    with at(level):
        for few, many in zip(found(rows), found(MANY), strict=True):
            assert torch.equal(few, many[:rows])


MEMORY = """
import sys
sys.path.append({root!r})
import torch
from tests.tools.peak_memory import reset_peak, resident
from hiergeo import Polar, Space, pairwise
x, y = (Polar(torch.randn(count, 512).to(torch.float16), torch.rand(count)) for count in (1, 60_000))
radius, thresholds = y.radius, torch.linspace(0.2, 0.9, 5)
def search():
    pairwise.cone_topk(x, y, -1.0, 10)
    pairwise.ladder(x.direction, y.direction, radius, thresholds)
few = Polar(y.direction[:4], y.radius[:4])
pairwise.cone_topk(x, few, -1.0, 2)
pairwise.ladder(x.direction, few.direction, few.radius, thresholds)
reset_peak()
before = resident("VmRSS")
search()
print(resident("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system does not tell peak memory")
@pytest.mark.skipif(bool(SANITIZER), reason="sanitizers have memory of their own")
def test_one_query_copies_no_base() -> None:
    """60,000 float16 candidates of 512 numbers are 61 MB, and 123 MB in float32."""
    script = MEMORY.format(root=str(Path(__file__).parents[2]))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < 16 * 2**20


def beside_their_shadows(
    spec: str, count: int, dim: int, seed: int, spread: float = 1.0
) -> tuple[Space, Points, Points]:
    """A space and points in it, without and with their shadow; some at the root, repeated or not numbers."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, dim, generator=generator) * torch.rand(count, 1, generator=generator)
    rows = torch.randn(dim, generator=generator) + spread * rows
    rows[::17], rows[3::29], rows[5::31] = 0, rows[0].clone(), torch.nan
    space = Space(spec, 0.01 * torch.randn(dim, generator=generator))
    points = space.points(rows), space.points(rows, shadow=True)
    if not isinstance(points[1].factors[0], Exact) or points[1].factors[0].shadow is None:
        pytest.skip("this processor has no instruction for products of bytes")
    return space, *points


@given(
    st.sampled_from(("euclidean", "lorentz:-1", "lorentz:-9", "sphere:1e-5", "product:lorentz:-1x3,euclidean:x5")),
    st.sampled_from((1, 63, 64, 65, 700, 9000)),
    st.sampled_from((1, 5, 64, 77, 200)),
    st.integers(1, 9),
    st.sampled_from(("distance", "angle", "margin")),
    st.booleans(),
    st.sampled_from((1e-4, 1e-2, 1.0, 10.0)),
    st.integers(0, 1000),
)
def test_shadows_change_no_result(
    spec: str, count: int, dim: int, queries: int, by: By, parents: bool, spread: float, seed: int
) -> None:
    space, plain, shadowed = beside_their_shadows(spec, count, 8 if "product" in spec else dim, seed, spread)
    x = space.points(torch.randn(queries, plain.dim, generator=torch.Generator().manual_seed(seed)))
    found, expected = (
        space.topk(x, points, 10, by=by, side="parents" if parents else "children") for points in (shadowed, plain)
    )
    assert torch.equal(found[1], expected[1])
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=0, equal_nan=True)


def test_shadows_are_read_by_few_rows_under_their_curvature() -> None:
    _, plain, shadowed = beside_their_shadows("lorentz:-1", 500, 40, 0)
    kept = shadowed.factors[0]
    assert isinstance(kept, Exact)
    assert kept.shadow is not None
    kept.shadow.numbers[10].fill_(torch.nan)  # by which products become cosines
    for queries, curvature, read in ((1, -1.0, True), (8, -1.0, True), (MANY, -1.0, False), (1, -0.5, False)):
        x = plain.rows(slice(1, 1 + queries)).factors[0]
        _, found = pairwise.topk(x, kept, curvature, 3)
        assert torch.equal(found, pairwise.topk(x, plain.factors[0], curvature, 3)[1]) is not read
