"""Answers against brute force over all pairs in float64, from the triangle laws on the stored rows."""

import math
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from hiergeo import Space, search
from hiergeo.geometry.space import By
from hiergeo.search import Answer, Climb, Request, layout, quantiles
from hiergeo.search.groups import Result
from hiergeo.search.requests import Kind, fitting
from hiergeo.search.rows import Rows
from hiergeo.search.stores import exact

Array = NDArray[np.float64]

DIM, LEAST, NEAR = 16, 0.1, 0.8
"""Numbers of an embedding, scale of the cones, distance up to which items are counted."""

PRODUCT = "product:lorentz:-1x8,euclidean:x8"
ORDERS: tuple[tuple[Kind, By], ...] = tuple(product(("children", "parents"), ("margin", "angle", "distance")))
STEPS = torch.tensor([0.2, 0.5, 0.9, 1.2], dtype=torch.float64)
RANGES = ((0.0, math.inf), (0.4, 1.1))
ANGLE, DISTANCE = 3e-4, 1e-4
"""Errors of values: radians, geodesic units."""


class Case(NamedTuple):
    """Values of one factor: its curvature, and of queries and items radii (Q, 1), (1, n) and angles at the root."""

    curvature: float
    own: Array
    other: Array
    theta: Array

    def sn(self, r: Array) -> Array:
        s = math.sqrt(abs(self.curvature))
        return r if not s else np.sinh(s * r) / s if self.curvature < 0 else np.sin(s * r) / s

    def cs(self, r: Array) -> Array:
        s = math.sqrt(abs(self.curvature))
        return np.cosh(s * r) if self.curvature < 0 else np.cos(s * r)

    def distance(self) -> Array:
        haversine = self.sn((self.own - self.other) / 2) ** 2
        root = np.sqrt(haversine + self.sn(self.own) * self.sn(self.other) * np.sin(self.theta / 2) ** 2)
        s = math.sqrt(abs(self.curvature))
        return 2 * root if not s else 2 / s * (np.arcsinh(s * root) if self.curvature < 0 else np.arcsin(s * root))

    def cost(self, parents: bool, margin: bool) -> Array:
        """The exterior angle, with `margin` less the half aperture of the apex."""
        apex, far = np.broadcast_arrays(*((self.other, self.own) if parents else (self.own, self.other)))
        across = self.cs(apex) * self.sn(far) * np.cos(self.theta) - self.sn(apex) * self.cs(far)
        angle = np.arctan2(self.sn(far) * np.sin(self.theta), across)
        angle = np.where((apex == 0) | ((apex == far) & (self.theta == 0)), 0.0, angle)
        angle = np.where((far == 0) & (apex > 0), np.pi, angle)
        if not margin:
            return angle
        s = math.sqrt(abs(self.curvature)) or 1.0
        with np.errstate(divide="ignore"):
            return angle - np.arcsin(np.minimum(1, 2 * LEAST / (s * self.sn(apex))))


def turned(a: Array, b: Array) -> Array:
    """The angle between rays (Q, D) and (n, D), (Q, n)."""
    a, b = (rays / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-300) for rays in (a, b))
    apart, along = (np.linalg.norm(a[:, None] + sign * b, axis=2) for sign in (-1, 1))
    return 2 * np.arctan2(apart, along)


def cases(spec: str, x: Rows, y: Rows) -> list[Case]:
    """The factors of a space."""
    curvatures = {"euclidean": [0.0], "lorentz:-1": [-1.0], "sphere:0.2": [0.2], PRODUCT: [-1.0, 0.0]}[spec]
    width = DIM // len(curvatures)
    return [
        Case(
            curvature,
            x.radii[:, f, None].double().numpy(),
            y.radii[None, :, f].double().numpy(),
            turned(*(rows.direction[:, f * width : (f + 1) * width].double().numpy() for rows in (x, y))),
        )
        for f, curvature in enumerate(curvatures)
    ]


def costs(factors: list[Case], kind: str, by: str) -> Array:
    """What items are ordered by, small is good, (Q, n)."""
    if by == "distance":
        return np.sqrt(sum(factor.distance() ** 2 for factor in factors))
    return np.max([factor.cost(kind == "parents", by == "margin") for factor in factors], axis=0)


def data(seed: int = 0) -> torch.Tensor:
    """(200, DIM) embeddings: the first five at 0, nine more that are equal."""
    draw = torch.Generator().manual_seed(seed)
    rows = normalize(torch.randn(200, DIM, generator=draw), dim=1) * (1.4 * torch.rand(200, 1, generator=draw))
    rows[:, 0] += 0.3
    rows[:5], rows[10:19] = 0, rows[9]
    return rows


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make shards of 80 rows that are read some at a time, and few shells."""
    monkeypatch.setattr(layout, "SHARD_BYTES", 80 * DIM * 2)
    monkeypatch.setattr(layout, "BATCH", 40)
    monkeypatch.setattr(quantiles, "SHELLS", 5)
    monkeypatch.setattr(exact, "stream", partial(exact.stream, chunk_bytes=50 * DIM * 2))


@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-1", "sphere:0.2", PRODUCT])
def test_answers_are_those_of_brute_force(tmp_path: Path, small: None, spec: str) -> None:
    rows, root = data(), 0.2 * torch.eye(DIM)[3]
    index = search.build(tmp_path / "index", None, embeddings=rows, space=Space(spec, root))
    index.delete(torch.arange(20, len(rows), 9))
    index.add(embeddings=rows[100:120] * 0.9)
    held = Rows.cat(list(index.store.scan()))
    radius = np.sqrt((held.radii.double().numpy() ** 2).sum(1))
    queries = torch.cat([rows[[9, 150]], root[None], 0.15 * torch.ones(1, DIM)])
    factors = cases(spec, Rows.of(torch.arange(len(queries)), queries, index.space, torch.float16), held)
    costed = {(kind, by): costs(factors, kind, by) for kind, by in ORDERS if by != "angle" or spec != PRODUCT}
    for k in (1, 250):
        shared: dict[str, Any] = {"k": k, "min_radius": LEAST}
        requests, checks = [], []
        for (low, high), place in product(RANGES, range(len(queries))):
            inside = (radius >= low) & (radius <= high)
            more = {**shared, "query": queries[place], "low": low, "high": high}
            for (kind, by), cost in costed.items():
                truth = np.where(inside, cost[place], np.inf)
                requests.append(Request(kind, **fitting(kind, {"by": by, **more})))
                checks.append(partial(check_best, truth, held, min(k, int(inside.sum())), by))
            near = np.where(inside, costed["children", "distance"][place], np.inf)
            deficit = np.where(inside, costed["children", "margin"][place], np.inf)
            requests += [Request(kind, **fitting(kind, {"thresholds": STEPS, **more})) for kind in ("ladder", "count")]
            requests.append(Request("count", **fitting("count", {**more, "within": NEAR, "min_radius": None})))
            checks.append(partial(check_ladder, near, held, radius))
            checks += [partial(check_count, deficit, 0.0, ANGLE), partial(check_count, near, NEAR, DISTANCE)]
        for check, answer in zip(checks, index.search(requests), strict=True):
            check(answer)


def check_count(truth: Array, edge: float, error: float, count: Result) -> None:
    """As many items are counted as lie within an edge, up to those that lie on it."""
    assert isinstance(count, int)
    assert (truth <= edge - error).sum() <= count <= (truth <= edge + error).sum()


def check_best(truth: Array, held: Rows, count: int, by: str, answer: Result) -> None:
    """The hits are as good as the best items, each named once, and their values are true."""
    assert isinstance(answer, Answer)
    assert answer.guarantee == "exact"
    place = {item: at for at, item in enumerate(held.ids.tolist())}
    got = np.array([truth[place[hit.id]] for hit in answer.hits])
    assert len({hit.id for hit in answer.hits}) == len(answer.hits) == count
    error = DISTANCE if by == "distance" else ANGLE
    assert np.abs(got - np.sort(truth)[:count]).max(initial=0) <= error
    said = [-hit.margin if by == "margin" else getattr(hit, by) for hit in answer.hits] if by != "angle" else []
    if held.radii.shape[1] == 1 and said:
        assert np.abs(got - said).max() <= error


def check_ladder(truth: Array, held: Rows, radius: Array, climb: Result) -> None:
    """Every rung holds the nearest item within its threshold."""
    assert isinstance(climb, Climb)
    place = {item: at for at, item in enumerate(held.ids.tolist())}
    for rung in climb.rungs:
        within = np.where(radius <= rung.threshold, truth, np.inf)
        if rung.hit is None:
            assert not np.isfinite(within).any()
        else:
            assert within[place[rung.hit.id]] <= within.min() + DISTANCE


@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-1", "sphere:0.2"])
def test_ties_go_to_the_smaller_radius_then_to_the_lower_id(tmp_path: Path, small: None, spec: str) -> None:
    draw = np.random.default_rng(3)
    apart, copy = data(5)[40:70], draw.integers(0, 30, 240)
    index = search.build(tmp_path / "index", None, embeddings=apart[copy], space=Space(spec, False))
    index.delete(torch.from_numpy(draw.choice(240, 30, replace=False)))
    held = Rows.cat(list(index.store.scan()))
    queries = torch.cat([apart[:2], torch.zeros(1, DIM), 0.2 * torch.ones(1, DIM)])
    factors = cases(spec, *(Rows.of(torch.arange(len(each)), each, index.space) for each in (queries, apart)))
    which, ids, radius = copy[held.ids.numpy()], held.ids.numpy(), held.radii[:, 0].numpy()
    truths = [truth for kind, by in ORDERS for truth in costs(factors, kind, by)[:, which]]
    near = costs(factors, "neighbours", "distance")[:, which]
    for k in (1, 9, 100):
        more: dict[str, Any] = {"min_radius": LEAST}
        requests = [
            Request(kind, query, k, **fitting(kind, {"by": by, **more})) for kind, by in ORDERS for query in queries
        ]
        climbs = [Request("ladder", query, thresholds=STEPS, **fitting("ladder", more)) for query in queries]
        answers = index.search(requests + climbs)
        for truth, answer in zip(truths, answers, strict=False):
            assert isinstance(answer, Answer)
            assert [hit.id for hit in answer.hits] == ids[np.lexsort((ids, radius, truth))[:k]].tolist()
        for truth, climb in zip(near, answers[len(requests) :], strict=True):
            assert isinstance(climb, Climb)
            for rung in climb.rungs:
                within = radius <= rung.threshold
                best = np.lexsort((ids, radius, np.where(within, truth, np.inf)))
                assert (rung.hit.id if rung.hit else None) == (ids[best[0]] if within.any() else None)
