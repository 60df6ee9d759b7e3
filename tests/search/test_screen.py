"""The 8-bit screen: its intervals hold the true values, and what it leaves out is never missed."""

from pathlib import Path
from typing import Any, cast

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo import Space, search
from hiergeo.search.rows import Rows
from hiergeo.search.screen import CODES, FITS, Bounds, CodedQueries, Codes, companion, multiplies

SPACES = ("euclidean", "lorentz:-0.1", "lorentz:-1", "poincare:-4")


def drawn(seed: int, count: int, dim: int, closeness: float, spread: float) -> torch.Tensor:
    """Embeddings around one direction: near ties where `closeness` is small, radii over `spread` decades."""
    torch.manual_seed(seed)
    centre = torch.nn.functional.normalize(torch.randn(dim), dim=0)
    direction = centre + closeness * torch.randn(count, dim)
    direction[count // 2 :: 7] = -centre
    direction[1::5] = centre
    direction[2::11, dim // 2 :] = 0
    radius = 2.0 * 10 ** (-spread * torch.rand(count, 1))
    radius[3::5] = radius[1]
    rows = torch.nn.functional.normalize(direction, dim=1) * radius
    rows[count // 3] = 0
    return rows


problems = st.tuples(
    st.integers(0, 2**31), st.integers(2, 24), st.sampled_from((1e-4, 1e-2, 0.3, 3.0)), st.sampled_from((0.0, 0.5, 4.0))
)


@settings(max_examples=30, deadline=None)
@given(problems, st.sampled_from(SPACES))
def test_intervals_hold_angles_margins_and_distances(problem: tuple[int, int, float, float], spec: str) -> None:
    seed, dim, closeness, spread = problem
    space = Space(spec, False)
    rows = Rows.of(torch.arange(60), drawn(seed, 60, dim, closeness, spread), space)
    files = companion(rows)
    y = rows.points(space.geometry)
    x = y.rows(torch.arange(0, 60, 9))
    bounds = Bounds(space, x, rows.radii[:, 0], CodedQueries(x).cosines(Codes(files[CODES], files[FITS])))
    grid = x.rows(torch.arange(len(x)).repeat_interleave(60)), y.rows(torch.arange(60).repeat(len(x)))
    for interval, value in (
        (bounds.angle(False), space.exterior_angle(*grid)),
        (bounds.angle(True), space.exterior_angle(*reversed(grid))),
        (bounds.deficit(False, 0.2), -space.margin(*grid, 0.2)),
        (bounds.deficit(True, None), -space.margin(grid[1], grid[0])),
        (bounds.distance(), space.distance(*grid)),
    ):
        true = value.reshape(len(x), 60).double()
        assert bool((interval.low <= true + 1e-4).all())
        assert bool((true - 1e-4 <= interval.high).all())


def test_the_residual_is_an_upper_bound() -> None:
    rows = Rows.of(
        torch.arange(3), torch.tensor([[1.0, 3, -2, 1e-4], [0, 0, 0, 5], [0, 0, 0, 0]]), Space("euclidean", False)
    )
    files = companion(rows)
    with mpmath.workdps(40):
        for ray, codes, (step, residual) in zip(
            rows.direction.tolist(), files[CODES].tolist(), files[FITS].tolist(), strict=True
        ):
            norm = mpmath.sqrt(sum(mpmath.mpf(a) ** 2 for a in ray)) or mpmath.mpf(1)
            rest = [mpmath.mpf(a) / norm - mpmath.mpf(step) * c for a, c in zip(ray, codes, strict=True)]
            assert mpmath.sqrt(sum(a**2 for a in rest)) <= residual <= 0.02


@pytest.mark.parametrize("dim", [3, 64, 300])
def test_intervals_hold_the_cosines_that_rounding_changes_most(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hiergeo.search.screen.COSINE", 0.0)
    space = Space("euclidean", False)

    def rows_of(vectors: torch.Tensor) -> Rows:
        return Rows.of(torch.arange(len(vectors)), vectors.float(), space, torch.float32)

    def check(asked: torch.Tensor, held: torch.Tensor) -> None:
        x, y = rows_of(asked), rows_of(held)
        files = companion(y)
        found = CodedQueries(x.points(space.geometry)).cosines(Codes(files[CODES], files[FITS]))
        units = (torch.nn.functional.normalize(each.direction.double(), dim=1) for each in (x, y))
        true = next(units) @ next(units).T
        assert bool((found.low - 1e-9 <= true).all())
        assert bool((true <= found.high + 1e-9).all())

    vectors = torch.randn(20, dim, generator=torch.Generator().manual_seed(dim))
    files = companion(rows_of(vectors))
    unit = torch.nn.functional.normalize(rows_of(vectors).direction.double(), dim=1)
    lost = unit - files[CODES].double() * files[FITS][:, :1].double()
    check(lost.sign(), vectors)  # signs alone are coded exactly
    coded = CodedQueries(rows_of(vectors).points(space.geometry))
    layers = zip(coded.layers.mT.double().chunk(2), coded.steps, strict=True)
    check(vectors, (unit - sum(layer * step[:, None] for layer, step in layers)).sign())


@settings(max_examples=8, deadline=None)
@given(problems, st.sampled_from(SPACES), st.integers(1, 40))
def test_answers_are_those_of_the_whole_scan(
    tmp_path_factory: pytest.TempPathFactory, problem: tuple[int, int, float, float], spec: str, k: int
) -> None:
    seed, dim, closeness, spread = problem
    rows = drawn(seed, 300, dim, closeness, spread)
    index = search.build(tmp_path_factory.mktemp("screen") / "index", None, embeddings=rows, space=Space(spec, False))
    same_answers(index, torch.cat((rows[:2], rows[5:6] * 1.01 + 1e-3)), k)


def same_answers(index: search.Index, queries: torch.Tensor, k: int) -> int:
    """Check the screened answers to every kind of question; returns how many rows they scored."""
    requests = [
        search.Request(cast(Any, kind), query, k=k, by=cast(Any, by), within=within, low=low)
        for query in queries
        for kind, by, within, low in (
            ("children", "margin", None, 0.0),
            ("children", "angle", None, 0.5),
            ("parents", "margin", None, 0.0),
            ("parents", "angle", None, 0.0),
            ("neighbours", "distance", None, 0.0),
            ("ladder", "margin", None, 0.0),
            ("count", "margin", None, 0.0),
            ("count", "margin", 0.7, 0.0),
        )
    ]
    index.screen = "never"
    plain = index.search(requests)
    index.screen = "always"
    screened = index.search(requests)
    scored = 0
    for one, other in zip(plain, screened, strict=True):
        if isinstance(one, int):
            assert one == other
        else:
            assert getattr(one, "rungs", one.hits) == getattr(other, "rungs", other.hits)
            scored += other.scored
    return scored


@pytest.mark.parametrize("spec", SPACES)
def test_most_rows_of_many_are_left_out(tmp_path: Path, spec: str) -> None:
    torch.manual_seed(1)
    rows = torch.randn(40_000, 48) / 48**0.5
    index = search.build(tmp_path / "index", None, embeddings=rows, space=Space(spec, False))
    assert same_answers(index, torch.randn(2, 48) / 48**0.5, 10) < 0.3 * 12 * len(rows)


def test_spaces_without_bounds_are_scanned_whole(tmp_path: Path) -> None:
    rows = torch.randn(500, 8) * 0.3
    index = search.build(tmp_path / "index", None, embeddings=rows, space=Space("euclidean", False))
    index.screen = "always"
    for spec in ("sphere:0.2",):
        assert index.children(rows[0], space=spec).scored == len(rows)
    product = Space("product:lorentz:-1x4,euclidean:x4", False)
    factors = search.build(tmp_path / "product", None, embeddings=rows, space=product)
    factors.screen = "always"
    assert factors.children(rows[0]).scored == len(rows)


@pytest.mark.parametrize("spec", SPACES)
def test_a_query_at_the_root_counts_no_deleted_rows_and_none_outside_a_range(tmp_path: Path, spec: str) -> None:
    rows = torch.nn.functional.normalize(torch.randn(100, 8), dim=1) * torch.linspace(0.1, 1.0, 100)[:, None]
    index = search.build(tmp_path / "index", None, embeddings=rows, space=Space(spec, False))
    index.delete(torch.arange(20, 60))
    root = torch.zeros(8)
    ranged = search.Request("count", root, low=float(rows[10].norm()) - 1e-3, high=float(rows[69].norm()) + 1e-3)
    for index.screen in ("never", "always"):
        assert (index.count(root), index.search([ranged])) == (60, [20])


def test_points_very_near_to_the_root_are_not_left_out(tmp_path: Path) -> None:
    torch.manual_seed(4)
    root, away = torch.nn.functional.normalize(torch.randn(2, 8), dim=1)
    rows = torch.cat(
        (root + 0.4 * torch.nn.functional.normalize(torch.randn(99, 8), dim=1), (root + 1e-6 * away)[None])
    )
    index = search.build(tmp_path / "index", None, embeddings=rows, space=Space("lorentz:-1", root))
    for k in (1, 5):
        same_answers(index, root + 1e-6 * torch.nn.functional.normalize(torch.randn(4, 8), dim=1), k)


@pytest.mark.parametrize("product", ["missing", "failing", "wrong"])
def test_without_products_of_8_bit_matrices_every_row_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    rows = torch.randn(500, 8) * 0.3
    index = search.build(tmp_path / "index", None, embeddings=rows, space=Space("euclidean", False))
    index.screen = "always"
    screened = index.children(rows[0])

    def failing(*matrices: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("not implemented")

    if product == "missing":
        monkeypatch.delattr(torch, "_int_mm")
    else:
        monkeypatch.setattr(torch, "_int_mm", failing if product == "failing" else lambda a, b: a.int() @ b.int() + 1)
    multiplies.cache_clear()
    try:
        whole = index.children(rows[0])
    finally:
        multiplies.cache_clear()
    assert screened.scored < whole.scored == len(rows)
    assert screened.hits == whole.hits


def test_by_itself_the_screen_is_for_few_queries_of_an_index_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    rows = torch.randn(40_000, 24)
    index: Any = search.build(tmp_path / "index", None, embeddings=rows, space=Space("euclidean", False))
    assert 0 <= index.store.cached() <= 1
    scored = {}
    for share in (0.0, 1.0):
        monkeypatch.setattr(type(index.store), "cached", lambda _, share=share: share)
        scored[share] = [index.neighbours(rows[:count])[0].scored for count in (1, 40)]
    assert scored[1.0] == [len(rows), len(rows)]
    assert scored[0.0][0] < len(rows) == scored[0.0][1]
