"""What is usual in a space, against all pairs in float64; and what answers say by it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hiergeo import search
from hiergeo.search import Index, Item, serving
from hiergeo.search.background import EMPTY, LEVELS
from hiergeo.search.requests import HITS
from tests.report.explorer.explorer_served import Law, tangent_vectors
from tests.search.search_common import reach_of

ROWS = 250
SPECS = {"euclidean": 0.0, "lorentz:-1": -1.0, "sphere:0.1": 0.1}


def built(folder: Path, rows: torch.Tensor) -> Index:
    captions = [f"item {place}" for place in range(len(rows))]
    return search.build(folder, None, captions, space="euclidean", embeddings=rows, dtype="float32")


@pytest.fixture(scope="module", params=(0.2, 1.5), ids=("wide cones", "narrow cones"))
def spread(request, tmp_path_factory) -> Index:
    """Points of dimension 5 whose radii spread; the farther out, the narrower their cones."""
    generator = torch.Generator().manual_seed(2)
    rows = torch.nn.functional.normalize(torch.randn(ROWS, 5, generator=generator), dim=1)
    rows *= request.param * torch.linspace(0.5, 2, ROWS)[:, None]
    return built(tmp_path_factory.mktemp("spread") / "index", rows)


def laws(index: Index):
    """Every space with its background and the numbers of all pairs."""
    points = tangent_vectors(index)
    for spec, curvature in SPECS.items():
        yield index.background(spec), Law(points, curvature).pairs(points, points), np.linalg.norm(points, axis=1)


def test_the_reach_is_the_conformal_quantile_of_distances_to_what_is_more_general(spread) -> None:
    for usual, pairs, radius in laws(spread):
        assert usual.sampled == ROWS
        assert usual.reach == {"text": pytest.approx(reach_of(pairs["distance"], radius), rel=1e-5), "image": None}


def test_captions_stored_almost_twice_bring_no_query_out_of_reach(tmp_path: Path) -> None:
    """Held out captions of the same kind are near, as are those of an index that holds none of them twice."""
    generator = torch.Generator().manual_seed(4)
    rows = torch.nn.functional.normalize(torch.randn(900, 6, generator=generator), dim=1)
    rows *= torch.linspace(0.5, 2, 900)[torch.randperm(900, generator=generator), None]
    twice = rows[:600].repeat(2, 1) + 0.01 * torch.randn(1200, 6, generator=generator)
    index = built(tmp_path / "twice", twice)
    reach = index.background().reach["text"] or 0.0
    near = [index.neighbours(row, 1).hits[0].distance for row in rows[600:]]
    assert np.mean(np.array(near) > reach) < 0.02
    assert index.neighbours(-3 * rows[:1].mean(0) - 4, 1).hits[0].distance > reach


def test_the_reach_of_pictures_is_their_own(tmp_path: Path) -> None:
    """Pictures lie apart from captions, and farther out."""
    generator = torch.Generator().manual_seed(6)
    rows = torch.randn(400, 5, generator=generator) * torch.linspace(0.3, 1.5, 400)[:, None]
    index = built(tmp_path / "index", rows[:250])
    index.add(embeddings=rows[250:] + 2.0, images=[f"{place}.png" for place in range(150)])
    points = tangent_vectors(index)
    distance, radius = Law(points, 0.0).pairs(points, points)["distance"], np.linalg.norm(points, axis=1)
    pictured = np.arange(400) >= 250
    wanted = {"text": reach_of(distance, radius, ~pictured), "image": reach_of(distance, radius, pictured)}
    assert index.background().reach == pytest.approx(wanted, rel=1e-5)
    assert wanted["image"] > wanted["text"]


def test_cones_that_hold_no_other_item_are_counted(spread) -> None:
    for usual, pairs, _ in laws(spread):
        margin = pairs["margin"].copy()
        np.fill_diagonal(margin, -1)
        assert usual.empty == pytest.approx((margin.max(axis=1) < 0).mean(), abs=1 / ROWS)
        told, _ = usual.verdicts([1.0, -1.0, math.nan], [1.0] * 3)
        assert told == [None] * 3 if usual.empty > EMPTY else [True, False, None]


def test_the_rank_of_a_margin_is_the_share_of_pairs_that_are_farther_from_entailing(spread) -> None:
    for usual, pairs, radius in laws(spread):
        margins = pairs["margin"][radius[:, None] < radius[None]]
        shares = [0.05, 0.5, 0.95, 0.99]
        ends = [margins.max() + 1, margins.min() - 1, math.nan]
        _, told = usual.verdicts([*np.quantile(margins, shares), *ends], [1.0] * 7)
        assert told[:4] == pytest.approx(shares, abs=0.015)
        assert told[4:] == [1, 0, None]


@pytest.mark.parametrize("kind", [*HITS, "ladder"])
def test_hits_are_judged_by_the_key_that_orders_them(spread, kind) -> None:
    """Values, verdicts and ranks of every hit are those of the triangle law in float64 over all pairs."""
    options = {} if kind in ("neighbours", "ladder") else {"min_radius": 0.2}
    points, asked = tangent_vectors(spread), 3
    for spec, curvature in SPECS.items():
        law = Law(points, curvature, options.get("min_radius", 0.1)).pairs(points, points)
        radius = np.linalg.norm(points, axis=1)
        margins = law["margin"][radius[:, None] < radius[None]]
        others = law["margin"] - 9 * np.eye(ROWS)
        decide = (others.max(axis=1) < 0).mean() <= EMPTY
        answer = getattr(spread, kind)(Item(asked), space=spec, **options)
        key = "distance" if kind in ("neighbours", "ladder") else "margin"
        assert answer.by == key
        for hit in answer.hits:
            pair = (hit.id, asked) if kind in ("parents", "ladder") else (asked, hit.id)
            if hit.id == asked:
                assert (hit.entails, hit.quantile) == (None, None)
                continue
            assert getattr(hit, key) == pytest.approx(law[key][pair], abs=2e-5)
            assert hit.entails == (law["margin"][pair] >= 0 if decide else None)
            assert hit.quantile == pytest.approx((margins < law["margin"][pair]).mean(), abs=2 / LEVELS)


def test_servers_and_the_explorer_say_of_a_hit_what_python_says(spread) -> None:
    testing = pytest.importorskip("starlette.testclient")
    from hiergeo.report import explorer

    row = tangent_vectors(spread)[200]
    wanted = {hit.id: hit for hit in spread.parents(row, 9, space="lorentz:-1", strict=True).hits}
    body = {"k": 9, "geometry": "lorentz:-1", "strict": True, "queries": [row.tolist()]}
    with testing.TestClient(serving.create_app(spread, serving.Settings())) as http:
        (answer,) = http.post("/api/parents", json=body).json()["answers"]
    assert answer["by"] == "margin"
    assert {hit["id"]: (hit["margin"], hit["entails"], hit["quantile"]) for hit in answer["hits"]} == {
        item: (hit.margin, hit.entails, hit.quantile) for item, hit in wanted.items()
    }
    collection = explorer.open_collection([spread.store.folder], ["lorentz:-1"])
    asked = {"kind": "parents", "k": 9, "query": {"item": "200"}}
    with testing.TestClient(explorer.create_explorer(collection, serving.Settings())) as http:
        answer = http.post("/api/search", json=asked).json()
    assert (answer["by"], len(answer["hits"]) > 3) == ("margin", True)
    for hit in answer["hits"]:
        same = wanted.get(int(hit["id"]))
        assert same is None or hit["entails"] == same.entails
        assert same is None or hit["rank"] == pytest.approx(same.quantile, abs=2 / LEVELS)


def test_it_is_measured_again_when_a_tenth_of_the_items_has_changed(tmp_path: Path) -> None:
    rows = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    index = built(tmp_path / "index", rows)
    first = index.background()
    index.delete(range(10))
    index.add(["item"] * 9, embeddings=9 * rows[:9])
    assert index.background() is first
    index.delete(range(10, 13))
    again = index.background()
    assert again is not first
    assert (again.sampled, again.reach) == (
        196,
        built(tmp_path / "other", torch.cat([rows[13:], 9 * rows[:9]])).background().reach,
    )


def test_radii_that_are_equal_up_to_rounding_do_not_spread(tmp_path: Path) -> None:
    rows = torch.nn.functional.normalize(torch.randn(40, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    for name, size, climbs in (("level", 3 + 1e-4 * torch.rand(40, 1), False), ("spread", 3 * torch.rand(40, 1), True)):
        index = built(tmp_path / name, size * rows)
        assert [index.background(spec).climbs for spec in SPECS] == 3 * [climbs]


def test_of_copies_and_of_few_items_little_is_said(tmp_path: Path) -> None:
    assert built(tmp_path / "copies", torch.ones(120, 4)).background().reach["text"] is None, "nothing is more general"
    few = built(tmp_path / "few", torch.randn(98, 4, generator=torch.Generator().manual_seed(0)))
    assert few.background().reach["text"] is None, "98 distances never make 99 %"
    usual = built(tmp_path / "one", torch.ones(1, 4)).background()
    assert (usual.reach, usual.pairs, usual.climbs, usual.verdicts([0.5], [1.0])[1]) == (
        {"text": None, "image": None},
        0,
        False,
        [1],
    )
