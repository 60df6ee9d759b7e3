"""Whether the audit tells constructed cases apart: free embeddings of the mammal closure, and what is done to them.

For each seed the closure is embedded in hyperbolic space, and every leaf gives a chain of four nodes, evenly spaced on
its way down from the top. Then the same points and chains are audited as they are; shrunk until the median u is 0.3,
where circles are 1.5 % longer than flat ones; shrunk until the largest u is 0.19, where all cones are half-spaces; and
with the nodes of every chain in random order.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.controls import closure
from benchmarks.controls.findings import Findings
from hiergeo.datasets.hierarchy import Hierarchy, Row, distinct
from hiergeo.evaluation import Embedded
from hiergeo.evaluation.auditing import Audit, AuditSettings, audit
from hiergeo.geometry import parse
from hiergeo.training import FreeRecipe, embed_graph

TIERS = 4
DIM = 5
GEOMETRY = "lorentz:-1"
RECIPE = FreeRecipe(epochs=30, batch=64, negatives=50, optimiser="sgd", learning_rate=5.0, burn_in=3)
SEEDS = {"quick": 1, "full": 20, "long": 50}
SHOWN = ("u_median", "cone_saturated", "cone_gain", "depth", "depth_p", "native", "angle_only", "radius_only", "flat")

EXPECTED = {"tree": "hyperbolic", "flat": "radial", "saturated": "saturated", "shuffled": "shuffled"}
"""What the audit should call each case."""


def run(out: Path | None, scale: str) -> Findings:
    """All seeds, written after each, so that a run may be cut short."""
    recipe = replace(RECIPE, epochs=3, burn_in=0) if scale == "quick" else RECIPE
    findings = Findings("audit", {"recipe": str(recipe), "geometry": GEOMETRY, "dim": DIM, "seeds": SEEDS[scale]})
    graph = closure.load_mammals()
    right = dict.fromkeys(EXPECTED, 0)
    for seed in range(SEEDS[scale]):
        began = time.perf_counter()
        placed = embed_graph(graph.edges, len(graph.nodes), parse(GEOMETRY), DIM, replace(recipe, seed=seed))
        point = placed.located().factors[0]
        rows = (point.direction * point.radius.unsqueeze(-1)).detach()
        chains = leaf_chains(graph.edges, len(graph.nodes), TIERS)
        for name, found in audited(graph.nodes, rows, chains, seed).items():
            right[name] += found.findings.case == EXPECTED[name]
            shown = {key: found.numbers[key] for key in SHOWN}
            findings.add("Every case", {"case": name, "seed": seed, "called": found.findings.case, **shown})
        findings.write(out)
        print(f"seed {seed}: {right} right, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    for name, count in right.items():
        findings.add("Called right", {"case": name, "called": EXPECTED[name], "right": count, "of": SEEDS[scale]})
    return findings


def audited(names: tuple[str, ...], rows: Tensor, chains: Tensor, seed: int) -> dict[str, Audit]:
    """The audits of the four cases, for tangent vectors (nodes, D) at the root and chains (n, T) of nodes."""
    radius = rows.norm(dim=1)
    order = torch.argsort(torch.rand(chains.shape, generator=torch.Generator().manual_seed(seed)), dim=1)
    cases = {
        "tree": (rows, chains),
        "flat": (rows * (0.3 / radius[chains.unique()].median()), chains),
        "saturated": (rows * (0.19 / radius.max()), chains),
        "shuffled": (rows, chains.gather(1, order)),
    }
    settings = AuditSettings(seed=seed)
    return {
        name: audit(embedded(names, points, which), None, GEOMETRY, settings) for name, (points, which) in cases.items()
    }


def embedded(names: tuple[str, ...], rows: Tensor, chains: Tensor) -> Embedded:
    """Embeddings of chains (n, T) of nodes, around a root at the origin."""
    place = {name: index for index, name in enumerate(names)}
    found = tuple(Row(index, tuple(names[node] for node in chain)) for index, chain in enumerate(chains.tolist()))
    texts = distinct(caption for row in found for caption in row.positive)
    points = rows[[place[text] for text in texts]]
    return Embedded("free", Hierarchy("graph", "all", found), texts, points, None, None, torch.zeros_like(points[0]))


def leaf_chains(edges: Tensor, nodes: int, tiers: int) -> Tensor:
    """(n, tiers) nodes on the way to every leaf with enough ancestors, top first, evenly spaced.

    Args:
        edges: (E, 2) pairs (descendant, ancestor) of a transitive closure.
        nodes: how many nodes there are.
        tiers: nodes of a chain.
    """
    above: list[list[int]] = [[] for _ in range(nodes)]
    for descendant, ancestor in edges.tolist():
        above[descendant].append(ancestor)
    inner = set(edges[:, 1].tolist())
    found = []
    for leaf in range(nodes):
        path = [*sorted(above[leaf], key=lambda node: (len(above[node]), node)), leaf]
        if leaf not in inner and len(path) >= tiers:
            found.append([path[round(step * (len(path) - 1) / (tiers - 1))] for step in range(tiers)])
    return torch.tensor(found)
