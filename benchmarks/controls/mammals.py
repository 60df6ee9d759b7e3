"""Free embeddings of the mammal closure: every geometry with the same budget and the same choice of learning rates.

For each geometry and dimension all rates are tried and the one of the lowest training loss is kept; the measures that
are reported play no part in the choice.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.controls import closure
from benchmarks.controls.direction import aurocs
from benchmarks.controls.findings import Findings
from hiergeo.evaluation.metrics import reconstruction
from hiergeo.geometry import parse
from hiergeo.training import FreeRecipe, embed_graph

SINGLE = ("euclidean", "lorentz:-1", "poincare:-1")
GEOMETRIES = {
    5: (*SINGLE, "product:lorentz:-1x3,euclidean:x2"),
    10: (*SINGLE, "product:lorentz:-1x5,euclidean:x5"),
    2: SINGLE,
}
"""By dimension, the geometries; in the plane a product of two lines would be flat."""


class Budget(NamedTuple):
    """What every geometry gets alike: a recipe, learning rates to choose from, and in which dimensions."""

    recipe: FreeRecipe
    rates: tuple[float, ...]
    geometries: Mapping[int, Sequence[str]]


RECIPE = FreeRecipe(epochs=60, batch=64, negatives=50, optimiser="sgd", burn_in=5)

BUDGETS = {
    "quick": Budget(replace(RECIPE, epochs=2, burn_in=0), (5.0,), {2: SINGLE}),
    "full": Budget(RECIPE, (1.5, 5.0, 15.0), GEOMETRIES),
    "long": Budget(replace(RECIPE, epochs=100), (5.0, 15.0, 45.0), {5: GEOMETRIES[5]}),
}


def run(out: Path | None, scale: str) -> Findings:
    """All cells, written after each, so that a run may be cut short."""
    budget = BUDGETS[scale]
    findings = Findings("mammals", {"recipe": asdict(budget.recipe), "rates": budget.rates})
    graph = closure.load_mammals()
    for dim, specs in budget.geometries.items():
        for spec in specs:
            _cell(findings, graph, spec, dim, budget)
            findings.write(out)
    return findings


def _cell(findings: Findings, graph: closure.Graph, spec: str, dim: int, budget: Budget) -> None:
    tried = []
    for rate in budget.rates:
        began = time.perf_counter()
        recipe = replace(budget.recipe, learning_rate=rate)
        placed = embed_graph(graph.edges, len(graph.nodes), parse(spec), dim, recipe)
        distance = placed.distances()
        found = reconstruction(distance.numpy(), graph.edges.numpy())
        loss = softmax_loss(distance, graph.edges)
        measured = {"loss": loss, "MAP": found.mean_average_precision, "mean rank": found.mean_rank}
        tried.append((loss, rate, measured, placed))
        findings.add("Every rate", {"space": spec, "dim": dim, "rate": rate, **measured})
        print(f"{spec}, {dim}, {rate:g}: {measured}, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    _, rate, measured, placed = min(tried, key=lambda attempt: attempt[0])
    findings.add("Reconstruction", {"space": spec, "dim": dim, "rate": rate, **measured})
    findings.add("Direction", {"space": spec, "dim": dim, **aurocs(placed, graph.edges, len(graph.nodes))})


def softmax_loss(distance: Tensor, edges: Tensor) -> float:
    """The loss that is trained, with every node that u has no edge to in place of drawn ones, nats an edge."""
    kept = ~torch.eye(len(distance), dtype=torch.bool)
    kept[edges[:, 0], edges[:, 1]] = False
    others = torch.where(kept, -distance, -torch.inf).logsumexp(1)[edges[:, 0]]
    true = -distance[edges[:, 0], edges[:, 1]]
    return float((torch.logaddexp(true, others) - true).mean())
