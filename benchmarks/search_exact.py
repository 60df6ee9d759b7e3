"""How exact search is: every kind of answer against brute force in float64, and what float16 storage loses."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo import search
from hiergeo.search import Index, Request

SPECS = ("euclidean", "lorentz:-1", "sphere:0.2")
ORDERS = ("children by margin", "children by angle", "parents by margin", "parents by angle", "neighbours")
K, STEPS, LEAST = 10, 50, 0.1
REACH = 1.1  # geodesic distance within which items are counted: the cones of frozen embeddings hold nothing
PART = 50  # queries that are compared at a time


NOISE = 0.3
"""Norm of the noise that is added to the copies of a unit embedding, in random directions; then norms are 1 again."""

BLOCK = 8192  # embeddings that are made at a time


class Captions:
    """Embeddings of captions and their root.

    Args:
        file: npz with `text` (n, D) of norm one, and `root` (D,).
    """

    def __init__(self, file: Path) -> None:
        held = np.load(file)
        self.text = torch.from_numpy(held["text"].astype(np.float32))
        self.root = torch.from_numpy(held["root"].astype(np.float32))

    def rows(self, count: int) -> Iterator[Tensor]:
        """The first `count` rows, a block at a time: the captions once as they are, then copies with noise."""
        for start in range(0, count, BLOCK):
            yield self.block(start, min(BLOCK, count - start))

    def block(self, start: int, size: int) -> Tensor:
        """Rows start to start + size; the same numbers however they are asked for in multiples of `BLOCK`."""
        place = torch.arange(start, start + size)
        rows = self.text[place % len(self.text)]
        draw = torch.Generator().manual_seed(start)
        noise = torch.randn(rows.shape, generator=draw) * (NOISE / rows.shape[1] ** 0.5)
        copies = torch.nn.functional.normalize(rows + noise, dim=1)
        return torch.where((place < len(self.text)).unsqueeze(1), rows, copies)

    def said(self, count: int) -> str:
        """How the rows were made."""
        return (
            f"{count:,} x {self.text.shape[1]}: {len(self.text):,} MiniLM embeddings of captions, and copies of them "
            f"to which noise of norm {NOISE} is added before they are normalised again"
        )


class Truth(NamedTuple):
    """Values of brute force for some queries: of each order the k best (small is good), ladder distances, counts."""

    best: dict[str, Tensor]
    ids: dict[str, Tensor]
    ladder: Tensor
    rungs: Tensor
    counts: Tensor
    near_edge: Tensor


def report(folder: Path, captions: Captions, count: int) -> None:
    """Print tables of agreement for `count` queries."""
    index = search.open(folder)
    queries = captions.block(1 << 41, count)
    u, r = stored(index)
    lines = ["| space | order | same ids | largest error of a value |", "|---|---|---|---|"]
    for spec in SPECS:
        lines += compared(index, spec, queries, u, r)
    print("\n".join(lines), flush=True)
    print()
    lost(index, captions, queries, u, r)


def stored(index: Index) -> tuple[Tensor, Tensor]:
    """Directions of norm one and radii of the stored rows in the order of their ids, float64."""
    rows = index.store.fetch(torch.arange(len(index)))
    direction = rows.direction.float()
    return direction / torch.linalg.vector_norm(direction.double(), dim=1).float().unsqueeze(1), rows.radii[
        :, 0
    ].double()


def lifted(captions: Captions, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Directions and radii of embeddings, float64, without rounding."""
    tangent = rows.double() - captions.root.double()
    radius = torch.linalg.vector_norm(tangent, dim=1)
    return tangent / radius.unsqueeze(1), radius


def asked_as(index: Index, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Queries as the index compares them: direction float16, radius float32."""
    assert index.space.root is not None
    tangent = queries.double() - index.space.root.double()
    radius = torch.linalg.vector_norm(tangent, dim=1)
    direction = (tangent / radius.unsqueeze(1)).half().double()
    return direction / torch.linalg.vector_norm(direction, dim=1, keepdim=True), radius.float().double()


def compared(index: Index, spec: str, queries: Tensor, u: Tensor, r: Tensor) -> list[str]:
    """Lines of the table for one space."""
    same = dict.fromkeys((*ORDERS, "ladder", "count"), 0)
    worst, edge, rungs, inside = dict.fromkeys(same, 0.0), 0, 0, 0
    steps = torch.linspace(float(r.min()), float(r.max()), STEPS, dtype=torch.float64)
    for part in queries.split(PART):
        truth = brute_force(spec, *asked_as(index, part), u, r, steps)
        requests = [request(order, query, spec) for order in ORDERS for query in part]
        requests += [Request("ladder", query, thresholds=steps, space=spec) for query in part]
        requests += [Request("count", query, within=REACH, space=spec) for query in part]
        results: list[Any] = index.search(requests)
        for place, order in enumerate(ORDERS):
            for i, answer in enumerate(results[place * len(part) : (place + 1) * len(part)]):
                same[order] += [hit.id for hit in answer.hits] == truth.ids[order][i].tolist()
                values = torch.tensor([value(hit, order) for hit in answer.hits], dtype=torch.float64)
                worst[order] = max(worst[order], float((values - truth.best[order][i]).abs().max()))
        climbs, counts = results[-2 * len(part) : -len(part)], results[-len(part) :]
        for i, climb in enumerate(climbs):
            for t, rung in enumerate(climb.rungs):
                rungs += 1
                same["ladder"] += (-1 if rung.hit is None else rung.hit.id) == int(truth.rungs[i, t])
                if rung.hit is not None:
                    worst["ladder"] = max(worst["ladder"], abs(rung.hit.distance - float(truth.ladder[i, t])))
            inside += counts[i]
            off = abs(counts[i] - int(truth.counts[i]))
            same["count"] += off == 0
            edge += off > int(truth.near_edge[i])
            worst["count"] = max(worst["count"], off)
    n = len(queries)
    lines = [f"| {spec} | {order} | {same[order] / n:.4f} | {worst[order]:.1e} rad |" for order in ORDERS[:4]]
    lines += [f"| {spec} | {ORDERS[4]} | {same[ORDERS[4]] / n:.4f} | {worst[ORDERS[4]]:.1e} |"]
    lines += [f"| {spec} | ladder, {STEPS} steps | {same['ladder'] / rungs:.4f} | {worst['ladder']:.1e} |"]
    return [
        *lines,
        f"| {spec} | count within {REACH} | {same['count'] / n:.4f} | {worst['count']:.0f} of {inside / n:.0f} items; "
        f"{edge} queries off by more than the items within 1e-5 of that distance |",
    ]


def request(order: str, query: Tensor, spec: str) -> Request:
    """The request for an order."""
    kind, _, by = order.partition(" by ")
    return Request(kind, query, k=K, space=spec, **({"by": by} if by else {}))  # type: ignore[arg-type]  # words of the command line


def value(hit: search.answers.Hit, order: str) -> float:
    """What an order sorts by; small is good."""
    return hit.distance if order == "neighbours" else -hit.margin if order.endswith("margin") else hit.angle


def brute_force(spec: str, uq: Tensor, rq: Tensor, u: Tensor, r: Tensor, steps: Tensor) -> Truth:
    """All pairs in float64 from the law of the triangle, a block of rows at a time."""
    q, t = len(uq), len(steps)
    best = {order: torch.full((q, K), torch.inf, dtype=torch.float64) for order in ORDERS}
    ids = {order: torch.full((q, K), -1) for order in ORDERS}
    ladder, rungs = torch.full((q, t), torch.inf, dtype=torch.float64), torch.full((q, t), -1)
    count, near_edge = torch.zeros(q, dtype=torch.int64), torch.zeros(q, dtype=torch.int64)
    rx = rq.unsqueeze(1)
    for start in range(0, len(u), BLOCK):
        ry = r[start : start + BLOCK]
        cosine = (uq @ u[start : start + BLOCK].double().mT).clamp(-1, 1)
        out, into, distance = triangle(spec, rx, ry, cosine)
        values = out - aperture(spec, rx), out, into - aperture(spec, ry), into, distance
        for order, found in zip(ORDERS, values, strict=True):
            merged, place = torch.cat((best[order], found), dim=1).topk(K, largest=False, sorted=True)
            known = torch.cat((ids[order], torch.arange(start, start + len(ry)).expand(q, -1)), dim=1)
            best[order], ids[order] = merged, known.gather(1, place)
        count += (distance <= REACH).sum(1)
        near_edge += ((distance - REACH).abs() <= 1e-5).sum(1)
        outward = ry.argsort(stable=True)
        least, place = distance[:, outward].cummin(dim=1)
        admitted = torch.searchsorted(ry[outward], steps, right=True)
        last = (admitted - 1).clamp_min(0)
        better = (least[:, last] < ladder) & (admitted > 0)
        ladder = torch.where(better, least[:, last], ladder)
        rungs = torch.where(better, outward[place[:, last]] + start, rungs)
    return Truth(best, ids, ladder, rungs, count, near_edge)


def triangle(spec: str, rx: Tensor, ry: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Exterior angles at x and at y, and the distance, float64."""
    k = float(spec.partition(":")[2] or 0)
    s = math.sqrt(abs(k)) or 1.0
    sine, versine = ((1 - cosine) * (1 + cosine)).sqrt(), (1 - cosine) / 2
    if k == 0:
        away = ((rx - ry).square() + 4 * rx * ry * versine).sqrt()
        return torch.atan2(ry * sine, ry * cosine - rx), torch.atan2(rx * sine, rx * cosine - ry), away
    sn, cs = (torch.sinh, torch.cosh) if k < 0 else (torch.sin, torch.cos)
    sx, sy, cx, cy = sn(s * rx), sn(s * ry), cs(s * rx), cs(s * ry)
    square = sn(s * (rx - ry) / 2).square() + sx * sy * versine
    arc = torch.asinh if k < 0 else torch.asin
    out = torch.atan2(sy * sine, cx * sy * cosine - sx * cy)
    return out, torch.atan2(sx * sine, cy * sx * cosine - sy * cx), 2 / s * arc(square.sqrt())


def aperture(spec: str, r: Tensor) -> Tensor:
    """Half aperture of the cone at radius r."""
    k = float(spec.partition(":")[2] or 0)
    s = math.sqrt(abs(k)) or 1.0
    sn = r if k == 0 else torch.sinh(s * r) if k < 0 else torch.sin(s * r)
    return torch.asin((2 * LEAST / sn).clamp(max=1))


def lost(index: Index, captions: Captions, queries: Tensor, u: Tensor, r: Tensor) -> None:
    """Print how much of the answers of unrounded float32 embeddings the stored rows keep."""
    parts = [lifted(captions, block) for block in captions.rows(len(index))]
    raw, radius = torch.cat([part[0].float() for part in parts]), torch.cat([part[1] for part in parts])
    steps = torch.linspace(float(r.min()), float(r.max()), STEPS, dtype=torch.float64)
    steps = steps * (1 + 1e-6)  # a threshold that is the radius of an item would admit it before rounding or not at all
    spec, kept, rungs = "lorentz:-1", dict.fromkeys(ORDERS, 0.0), 0.0
    for part in queries.split(PART):
        true = brute_force(spec, *lifted(captions, part), raw, radius, steps)
        held = brute_force(spec, *asked_as(index, part), u, r, steps)
        for order in ORDERS:
            pairs = zip(true.ids[order].tolist(), held.ids[order].tolist(), strict=True)
            kept[order] += sum(len(set(a) & set(b)) for a, b in pairs) / K
        rungs += float((true.rungs == held.rungs).double().mean(1).sum())
    print("| float16 directions against float32 embeddings, lorentz:-1 | |\n|---|---|")
    for order in ORDERS:
        print(f"| recall@{K} of {order} | {kept[order] / len(queries):.4f} |")
    print(f"| equal rungs of ladders of {STEPS} steps | {rungs / len(queries):.4f} |\n", flush=True)
