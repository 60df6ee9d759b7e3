"""Counts, members, the best k and ladders against brute force on stored matrices, over one tile and over many."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo.pairwise import reference, search_ops, tiles
from hiergeo.pairwise.resolver import why_plain
from hiergeo.testing import oracle
from tests.tools.kernel_settings import setenv

CURVATURES = (-2.3, -0.3, 0.0, 0.7)
BAND = 1e-5


@pytest.fixture(params=["native kernels", "one tile", "many tiles"])
def tiling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Native kernels, or the reference with all pairs in one tile, or in many."""
    missing = why_plain("cpu")
    if request.param == "native kernels" and missing is not None:
        pytest.skip(f"no native kernels: {missing}")
    if request.param != "native kernels":
        setenv(monkeypatch, "HIERGEO_NATIVE", "0")
    if request.param == "many tiles":
        monkeypatch.setattr(tiles, "TILE_ROWS", 5)
        monkeypatch.setattr(tiles, "TILE_PAIRS", 35)
        monkeypatch.setattr(reference, "SCORES", 15)


def clouds(curvature: float, n: int = 23, m: int = 41, seed: int = 0) -> tuple[Polar, Polar]:
    """Many points lie in each other's cones; y repeats rows and rows of x; both hold the root, NaN and Inf."""
    generator = torch.Generator().manual_seed(seed)
    s = math.sqrt(abs(curvature)) or 1.0
    centre = torch.randn(1, 4, generator=generator)
    x, y = (
        Polar(
            centre + 0.4 * torch.randn(size, 4, generator=generator), (0.2 + torch.rand(size, generator=generator)) / s
        )
        for size in (n, m)
    )
    y.direction[10:14], y.radius[10:14] = x.direction[:4], x.radius[:4]
    y.direction[20:24], y.radius[20:24] = y.direction[30:34], y.radius[30:34]
    y.direction[5], y.radius[5] = 0, 0
    x.direction[7], x.radius[7] = 0, 0
    y.direction[8, 1], x.radius[9] = math.nan, math.nan
    x.direction[15, 0], y.radius[35] = math.inf, math.nan
    return x, y


def margins(x: Polar, y: Polar, curvature: float) -> Tensor:
    """The oracle's margins, NaN in rows and columns that are not numbers."""
    result = oracle.every_pair(oracle.margin, x, y, curvature)
    for point, dim in ((x, 1), (y, 0)):
        odd = ~(point.direction.isfinite().all(-1) & point.radius.isfinite())
        result[odd.unsqueeze(dim).expand_as(result)] = math.nan
    return result


@pytest.mark.usefixtures("tiling")
@pytest.mark.parametrize("curvature", CURVATURES)
def test_counts_and_members(curvature: float) -> None:
    x, y = clouds(curvature)
    truth = margins(x, y, curvature)
    inside, outside = truth > BAND, ~(truth >= -BAND)
    count = pairwise.cone_count(x, y, curvature)
    assert bool((count >= inside.sum(1)).all())
    assert bool((count <= (~outside).sum(1)).all())
    assert 50 < int(count.sum()) < truth.numel() // 2
    crow, col = pairwise.cone_members(x, y, curvature)
    assert crow.dtype == col.dtype == count.dtype == torch.int64
    assert torch.equal(crow.diff(), count)
    stored = pairwise.cone_margin(x, y, curvature)
    row, column = torch.nonzero(stored >= 0, as_tuple=True)
    assert torch.equal(col, column)
    assert torch.equal(torch.repeat_interleave(torch.arange(len(count)), crow.diff()), row)
    found = torch.zeros_like(inside).index_put((row, col), torch.tensor(True))
    assert not bool((inside & ~found).any())
    assert not bool((outside & found).any())


def brute_topk(scores: list[float], k: int) -> tuple[list[float], list[int]]:
    """The k smallest by (score, index), NaN last and without index."""
    ranked = sorted((score, index) for index, score in enumerate(scores) if not math.isnan(score))[:k]
    padding = k - len(ranked)
    return [score for score, _ in ranked] + [math.nan] * padding, [index for _, index in ranked] + [-1] * padding


@pytest.mark.usefixtures("tiling")
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("by", ["margin", "angle"])
@pytest.mark.parametrize("side", ["children", "parents"])
@pytest.mark.parametrize("k", [1, 6, 41])
def test_topk(curvature: float, by: Literal["margin", "angle"], side: Literal["children", "parents"], k: int) -> None:
    exact = why_plain("cpu") is not None  # kernels may round a score that is stored and one that is searched apart
    x, y = clouds(curvature)
    ends = (x, y) if side == "children" else (y, x)
    angle = pairwise.exterior_angle(*ends, curvature)
    cost = angle if by == "angle" else -pairwise.cone_margin(*ends, curvature)
    cost = cost if side == "children" else cost.mT
    values, indices = pairwise.cone_topk(x, y, curvature, k, by, side)
    assert values.shape == indices.shape == (len(x.radius), k)
    for i in range(len(x.radius)):
        _, places = brute_topk(cost[i].tolist(), k)
        if exact:
            assert indices[i].tolist() == places
        found = cost[i, indices[i].clamp_min(0)].masked_fill(indices[i] < 0, math.nan)
        best = cost[i, torch.tensor(places).clamp_min(0)].masked_fill(torch.tensor(places) < 0, math.nan)
        torch.testing.assert_close(found, best, rtol=0, atol=BAND, equal_nan=True)
        expected = torch.tensor([cost[i, j] if j >= 0 else math.nan for j in places])
        torch.testing.assert_close(values[i], -expected if by == "margin" else expected, equal_nan=True)


def test_topk_has_a_largest_k() -> None:
    x = Polar(torch.ones(1, 2), torch.ones(1))
    y = Polar(torch.ones(1500, 2), torch.ones(1500))
    assert pairwise.cone_topk(x, y, -0.3, 1024)[1].tolist() == [list(range(1024))]
    with pytest.raises(ValueError, match=r"^k must be at most 1024, not 1025: sort a stored row for more\.$"):
        pairwise.cone_topk(x, y, -0.3, 1025)


@pytest.mark.parametrize("k", [0, -1, 42])
def test_topk_bounds(k: int) -> None:
    with pytest.raises(ValueError, match=rf"k must be between 1 and the 41 candidates, not {k}\."):
        pairwise.cone_topk(*clouds(-0.3), -0.3, k)


@pytest.mark.usefixtures("tiling")
@pytest.mark.parametrize("curvature", CURVATURES)
def test_sums_and_least_energies(curvature: float) -> None:
    x, y = clouds(curvature)
    stored = pairwise.energy(x, y, curvature)
    total = pairwise.energy_sum(x, y, curvature)
    assert total.dtype == torch.float64
    assert bool(total.isnan().all())
    whole = Polar(*(field[~(y.direction.isnan().any(1) | y.radius.isnan())] for field in y))
    expected = pairwise.energy(x, whole, curvature).double().sum(-1)
    torch.testing.assert_close(pairwise.energy_sum(x, whole, curvature), expected, equal_nan=True)
    values, indices = pairwise.energy_min(x, y, curvature)
    for i in range(len(x.radius)):
        (least,), (place,) = brute_topk(stored[i].tolist(), 1)
        assert float(values[i]) == pytest.approx(least, abs=BAND, nan_ok=True)
        tied = indices[i] == place or float(stored[i, indices[i]]) == pytest.approx(least, abs=BAND)
        assert tied
        assert (indices[i] == place) or least > 0


def brute_ladder(scores: Tensor, radius: Tensor, thresholds: Tensor) -> list[list[int]]:
    result = []
    for row in scores.tolist():
        line = []
        for t in thresholds.tolist():
            within = [(-s, j) for j, s in enumerate(row) if radius[j].item() <= t and not math.isnan(s)]
            line.append(min(within)[1] if within else -1)
        result.append(line)
    return result


@pytest.mark.usefixtures("tiling")
def test_ladder() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(n, 6, generator=generator) for n in (11, 40))
    candidates[25:35] = candidates[5:15]
    radius = candidates.norm(dim=1)
    thresholds = torch.linspace(float(radius.min()), float(radius.max()), 9)
    cosine = torch.nn.functional.cosine_similarity(queries[:, None].double(), candidates[None].double(), dim=-1)
    found = pairwise.ladder(queries, candidates, radius, thresholds)
    assert found.tolist() == brute_ladder(cosine.float(), radius, thresholds)
    known = {"order": radius.argsort(), "norms": torch.linalg.vector_norm(candidates.double(), dim=-1)}
    again, best = search_ops.ladder(queries, candidates, radius, thresholds, known.get("order"), known.get("norms"))
    assert torch.equal(again, found)
    torch.testing.assert_close(best, cosine.float().gather(1, found))
    longer = pairwise.ladder(5 * queries, 0.1 * candidates, radius, thresholds)
    assert torch.equal(found, longer)
    strided = torch.stack((radius, radius), 1)[:, 0], torch.stack((thresholds, thresholds), 1)[:, 0]
    assert torch.equal(found, pairwise.ladder(queries, candidates, *strided))


def test_ladder_ties_of_repeated_candidates_go_to_the_lower_index() -> None:
    """A matrix product may round equal columns apart; the ladder must not."""
    generator = torch.Generator().manual_seed(0)
    distinct = torch.randn(20, 384, generator=generator)
    index = torch.randint(0, 20, (1003,), generator=generator)
    found = pairwise.ladder(
        torch.randn(200, 384, generator=generator), distinct[index], torch.zeros(1003), torch.ones(1)
    )
    first = torch.tensor([int((index == i).nonzero()[0]) for i in range(20)])
    assert torch.equal(first[index[found[:, 0]]], found[:, 0])


def test_ladder_takes_radii_and_thresholds_as_they_are() -> None:
    """A float32 radius just above a float64 threshold is beyond it."""
    radius, threshold = torch.tensor([0.1]), torch.tensor([0.1], dtype=torch.float64)
    assert float(radius.double()) > float(threshold)
    assert pairwise.ladder(torch.ones(1, 2), torch.ones(1, 2), radius, threshold).tolist() == [[-1]]


@pytest.mark.parametrize("thresholds", [[0.2, 0.1], [0.1, math.nan], [math.nan], [[0.1]]])
def test_ladder_refuses_thresholds_that_do_not_ascend(thresholds: list[float]) -> None:
    with pytest.raises(ValueError, match="thresholds must be one ascending list without NaN"):
        pairwise.ladder(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1), torch.tensor(thresholds))


def test_ladder_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(
        ValueError, match=r"queries \(Q, D\) and candidates \(M, D\) must share D, not \(1, 2\) and \(1, 3\)"
    ):
        pairwise.ladder(torch.ones(1, 2), torch.ones(1, 3), torch.ones(1), torch.ones(1))
    with pytest.raises(ValueError, match=r"radius must hold one number per candidate \(4\), not \(3,\)"):
        pairwise.ladder(torch.ones(1, 2), torch.ones(4, 2), torch.ones(3), torch.ones(1))


def test_empty_sets() -> None:
    x, y = clouds(-0.3)
    none = Polar(torch.zeros(0, 4), torch.zeros(0))
    assert pairwise.cone_count(none, y, -0.3).shape == (0,)
    assert pairwise.cone_count(x, none, -0.3).tolist() == [0] * 23
    for crow, col in (pairwise.cone_members(x, none, -0.3), pairwise.cone_members(none, y, -0.3)):
        assert crow.tolist() == [0] * len(crow)
        assert len(col) == 0
    assert pairwise.cone_topk(none, y, -0.3, 3)[1].shape == (0, 3)
    assert pairwise.ladder(x.direction[:0], y.direction, y.radius.nan_to_num(), torch.ones(2)).shape == (0, 2)
    assert pairwise.ladder(x.direction[:2], y.direction[:0], y.radius[:0], torch.ones(2)).tolist() == [[-1, -1]] * 2
    assert pairwise.energy_mean(none, y, -0.3).shape == (0,)
    assert pairwise.energy_sum(x, none, -0.3).tolist() == [0.0] * 23
    for reduce in (pairwise.energy_mean, pairwise.energy_min):
        with pytest.raises(ValueError, match=r"^energy_(mean|min) needs at least one y\.$"):
            reduce(x, none, -0.3)


MEMORY = """
import re, torch
from pathlib import Path
from hiergeo import Polar, pairwise

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

torch.set_num_threads(1)
g = torch.Generator().manual_seed(0)
x, y = (Polar(torch.randn(n, 16, generator=g), torch.rand(n, generator=g)) for n in (1500, 20000))
pairwise.cone_topk(Polar(*(f[:64] for f in x)), Polar(*(f[:64] for f in y)), -0.3, 10)
before = peak()
pairwise.cone_count(x, y, -0.3)
pairwise.cone_topk(x, y, -0.3, 10)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory of a process is read from /proc")
def test_memory_stays_within_a_tile_not_a_matrix() -> None:
    """1,500 x 20,000 pairs are 120 MB in float32 alone; a tile of 2^18 pairs at 200 bytes a pair is 50 MB."""
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert 0 < int(run.stdout) < 100e6


def test_ladders_by_a_known_order_of_integer_radii() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(n, 6, generator=generator) for n in (5, 40))
    radius, thresholds = torch.randint(4, (40,), generator=generator), torch.tensor([-0.5, 0.0, 1.5, 2.0, 9.0])
    known = torch.stack((radius.argsort(), radius), 1)[:, 0]
    found = pairwise.ladder(queries, candidates, radius, thresholds, order=known)
    assert torch.equal(found, pairwise.ladder(queries, candidates, radius.double(), thresholds))
