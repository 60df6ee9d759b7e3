"""What is usual in a space, against all pairs in float64; and what answers say by it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hiergeo import search
from hiergeo.report import explorer
from hiergeo.report.explorer.background import EMPTY, background_of
from tests.report.explorer.explorer_served import Law, tangent_vectors

ROWS = 250
SPECS = ("euclidean", "lorentz:-1", "sphere:0.1")


def lenses(folder: Path, rows: torch.Tensor) -> tuple[explorer.Lens, ...]:
    captions = [f"item {place}" for place in range(len(rows))]
    search.build(folder, None, captions, space="euclidean", embeddings=rows, dtype="float32")
    return explorer.open_collection([folder], SPECS).lenses


@pytest.fixture(scope="module", params=(0.2, 1.5), ids=("wide cones", "narrow cones"))
def spread(request, tmp_path_factory) -> tuple[explorer.Lens, ...]:
    """Points of dimension 5 whose radii spread; the farther out, the narrower their cones."""
    generator = torch.Generator().manual_seed(2)
    rows = torch.nn.functional.normalize(torch.randn(ROWS, 5, generator=generator), dim=1)
    return lenses(
        tmp_path_factory.mktemp("spread") / "index", request.param * rows * torch.linspace(0.5, 2, ROWS)[:, None]
    )


def laws(each: tuple[explorer.Lens, ...]):
    """Every lens with its background and the numbers of all pairs."""
    points = tangent_vectors(each[0].index)
    for lens, curvature in zip(each, (0.0, -1.0, 0.1), strict=True):
        yield background_of(lens, 0), Law(points, curvature).pairs(points, points), np.linalg.norm(points, axis=1)


def test_the_reach_is_the_conformal_quantile_of_distances_to_the_nearest_other_item(spread) -> None:
    for usual, pairs, _ in laws(spread):
        distance = pairs["distance"].copy()
        np.fill_diagonal(distance, np.inf)
        nearest = np.sort(distance.min(axis=1))
        assert usual.sampled == ROWS
        assert usual.reach == pytest.approx(nearest[248], rel=1e-5)  # the 249th: 249 / 251 is the first share >= 99 %
        assert usual.is_far(usual.reach, "text") is False
        assert usual.is_far(1.001 * usual.reach, "embedding") is True


def test_cones_that_hold_no_other_item_are_counted(spread) -> None:
    for usual, pairs, _ in laws(spread):
        margin = pairs["margin"].copy()
        np.fill_diagonal(margin, -1)
        assert usual.empty == pytest.approx((margin.max(axis=1) < 0).mean(), abs=1 / ROWS)
        assert (usual.entails(1.0), usual.entails(-1.0)) == ((None, None) if usual.empty > EMPTY else (True, False))


def test_the_rank_of_a_margin_is_the_share_of_pairs_that_are_farther_from_entailing(spread) -> None:
    for usual, pairs, radius in laws(spread):
        margins = pairs["margin"][radius[:, None] < radius[None]]
        for share in (0.05, 0.5, 0.95, 0.99):
            assert usual.rank(float(np.quantile(margins, share))) == pytest.approx(share, abs=0.015)
        assert usual.rank(margins.max() + 1) == 1
        assert usual.rank(margins.min() - 1) == 0
        assert math.isnan(usual.rank(math.nan))


def test_radii_that_are_equal_up_to_rounding_do_not_spread(tmp_path: Path) -> None:
    rows = torch.nn.functional.normalize(torch.randn(40, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    for name, size, climbs in (("level", 3 + 1e-4 * torch.rand(40, 1), False), ("spread", 3 * torch.rand(40, 1), True)):
        assert [background_of(lens, 0).climbs for lens in lenses(tmp_path / name, size * rows)] == 3 * [climbs]


def test_of_copies_and_of_few_items_little_is_said(tmp_path: Path) -> None:
    (copies, *_) = lenses(tmp_path / "copies", torch.ones(120, 4))
    assert background_of(copies, 0).reach == 0
    (few, *_) = lenses(tmp_path / "few", torch.randn(98, 4, generator=torch.Generator().manual_seed(0)))
    assert background_of(few, 0).reach is None, "98 distances never make 99 %"
    assert background_of(few, 0).is_far(1e9, "text") is None
    (one, *_) = lenses(tmp_path / "one", torch.ones(1, 4))
    usual = background_of(one, 0)
    assert (usual.reach, usual.pairs, usual.climbs, usual.rank(0.5)) == (None, 0, False, 1)
