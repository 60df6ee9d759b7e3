"""The nearest along lines against a search of every point of theirs, which measures all candidates."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

import hiergeo
from hiergeo.geometry import lines
from hiergeo.geometry.lines import LineSearch

SPECS = (
    "euclidean",
    "lorentz:-1",
    "lorentz:-0.05",
    "lorentz:-30",
    "sphere:0.25",
    "sphere:1.2",
    "product:lorentz:-1x8,euclideanx8",
)
STEPS = 12


def points(count: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(count, 16), norms of 0.3 to 1.3; some of them twice."""
    generator = torch.Generator().manual_seed(seed)
    rows = normalize(torch.randn(count, 16, generator=generator, dtype=dtype), dim=-1)
    rows = rows * (0.3 + torch.rand(count, 1, generator=generator, dtype=dtype))
    return rows[torch.randint(0, count, (count,), generator=generator)]


def everywhere(space: hiergeo.Space, search: LineSearch, starts: Tensor, ends: Tensor, steps: int) -> list[list[int]]:
    _, found = space.nearest(search.points(starts, ends, steps).flatten(0, 1), search.candidates)
    return found.view(-1, steps).tolist()


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_nearest_along_lines_is_that_of_each_of_their_points(spec: str, dtype: torch.dtype) -> None:
    rows, root = points(400, 1).to(dtype), points(1, 2)[0].to(dtype) / 4
    space = hiergeo.Space(spec, root)
    search = LineSearch(space, rows)
    starts = torch.cat([rows[:20], points(20, 3).to(dtype)])
    for ends in (root.expand_as(starts), rows.mean(0).expand_as(starts), points(40, 4).to(dtype), starts):
        for steps in (1, 2, STEPS):
            found = search.nearest(starts, ends, steps).indices
            # Of rows that are there twice the reference finds either in float64: sums depend on where a row lies.
            assert torch.equal(rows[found], rows[everywhere(space, search, starts, ends, steps)])


def test_renormalised_lines() -> None:
    rows, root = normalize(points(400, 1), dim=-1), points(1, 2)[0]
    space = hiergeo.Space("euclidean", root)
    search = LineSearch(space, rows, renormalised=True)
    starts, ends = rows[:40], root.expand(40, -1)
    assert (search.points(starts, ends, STEPS).norm(dim=-1) - 1).abs().max() < 1e-6
    assert search.nearest(starts, ends, STEPS).indices.tolist() == everywhere(space, search, starts, ends, STEPS)


@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-1", "sphere:0.25"])
def test_ties_go_to_the_lower_index(spec: str) -> None:
    rows = points(50, 1)
    search = LineSearch(hiergeo.Space(spec, "none"), torch.cat([rows, rows, rows]))
    assert int(search.nearest(rows, torch.zeros_like(rows), STEPS).indices.max()) < 50


@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-1", "sphere:0.25"])
def test_few_candidates_of_a_line_are_measured(spec: str) -> None:
    rows = points(5000, 1)
    searched = LineSearch(hiergeo.Space(spec, "none"), rows).nearest(rows[:30], torch.zeros(30, 16), 50).searched
    assert max(searched) < 50


@pytest.mark.parametrize("spec", ["lorentz:-1", "euclidean"])
def test_a_line_within_the_root_and_points_beyond_range(spec: str) -> None:
    rows = torch.cat([points(40, 1), 1e3 * points(40, 2)])
    space = hiergeo.Space(spec, "none")
    search = LineSearch(space, rows)
    starts = torch.cat([torch.zeros(1, 16), rows[-3:]])
    ends = torch.zeros_like(starts)
    assert search.nearest(starts, ends, STEPS).indices.tolist() == everywhere(space, search, starts, ends, STEPS)


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = points(300, 1)
    search = LineSearch(hiergeo.Space("lorentz:-1", "none"), rows)
    whole = search.nearest(rows[:30], rows[30:60], STEPS).indices
    monkeypatch.setattr(lines, "SCREENED", 700)
    assert torch.equal(search.nearest(rows[:30], rows[30:60], STEPS).indices, whole)
