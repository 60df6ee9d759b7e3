"""A query far from everything says so in every kind of space by one rule, on planted items and against float64."""

import numpy as np
import pytest
import torch

pytest.importorskip("starlette")

from hiergeo import search
from hiergeo.report import explorer
from tests.report.explorer.explorer_served import Law, browser
from tests.search.search_common import reach_of

ROWS, DIM = 300, 8

SPACES = {
    "euclidean": [(0.0, DIM)],
    "lorentz:-1": [(-1.0, DIM)],
    "poincare:-0.5": [(-0.5, DIM)],
    "sphere:0.25": [(0.25, DIM)],
    "product:lorentz:-1x4,euclidean:x4": [(-1.0, 4), (0.0, 4)],
    "product:sphere:0.25x3,lorentz:-2x5,l1": [(0.25, 3), (-2.0, 5)],
}
"""Specs of spaces, with curvatures and dimensions of their factors."""


def distances(spec: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distances (n, m) of tangent vectors x (n, D) and y (m, D) at the root, in float64."""
    parts, start = [], 0
    for curvature, dim in SPACES[spec]:
        at = slice(start, start + dim)
        parts.append(Law(x[:, at], curvature).pairs(x[:, at], y[:, at])["distance"])
        start += dim
    return np.sum(parts, axis=0) if spec.endswith("l1") else np.sqrt(np.sum(np.square(parts), axis=0))


@pytest.mark.parametrize("spec", SPACES)
def test_what_is_planted_far_away_is_told_and_nothing_else(spec, tmp_path) -> None:
    """Items lie around three directions; queries among them, in a direction of their own, and farther out."""
    generator = torch.Generator().manual_seed(5)
    centres = torch.nn.functional.normalize(torch.randn(3, DIM, generator=generator), dim=1)
    noise = 0.12 * torch.randn(2 * ROWS, DIM, generator=generator)
    rows = centres[torch.arange(2 * ROWS) % 3] * torch.linspace(0.8, 1.6, 2 * ROWS)[:, None] + noise
    items, among = rows[::2], rows[1::2][:10]
    away = torch.cat([-0.9 * centres, -1.4 * centres, 2.6 * centres])
    captions = [f"item {row}" for row in range(ROWS)]
    search.build(tmp_path / "index", None, captions, space=spec, embeddings=items, dtype="float32")
    placed = items.double().numpy()
    near, radius = distances(spec, placed, placed), distances(spec, placed, np.zeros((1, DIM)) + 1e-12)[:, 0]
    reach = reach_of(near, radius)
    with browser(explorer.open_collection([tmp_path / "index"])) as http:
        assert http.get("/api/collection").json()["lenses"][0]["reach"] == {
            "text": pytest.approx(reach, rel=1e-5),
            "image": None,
        }
        for queries, planted in ((among, False), (away, True), (items[:5], False)):
            nearest = distances(spec, queries.double().numpy(), items.double().numpy()).min(axis=1)
            for query, distance in zip(queries.tolist(), nearest, strict=True):
                for kind in ("ladder", "neighbours"):
                    body = {"kind": kind, "lens": "0", "query": {"embedding": query}}
                    told = http.post("/api/search", json=body).json()["query"]["far"]
                    assert told == (distance > reach)
                    assert told or not planted
            assert (nearest > reach).mean() <= 0.1 or planted
