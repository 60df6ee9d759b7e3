"""Indexes and taxonomies that the tests of `hiergeo.taxonomy` share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hiergeo import search
from hiergeo.geometry import Space
from hiergeo.search.shards import Labels
from hiergeo.search.taxonomy import Taxonomy, TreeSettings
from hiergeo.search.taxonomy.growing import assemble
from hiergeo.search.taxonomy.linking import Links, RadialOrder


def index_of(
    folder: Path, x: np.ndarray, geometry: str = "euclidean", captions: Sequence[str] | None = None, **how: Any
) -> search.Index:
    """An index of rows (n, D) without a root, so that they are tangent vectors."""
    named = list(captions or [f"item {i}" for i in range(len(x))])
    space = Space(geometry, "none")
    return search.build(
        folder, None, captions=named, embeddings=torch.from_numpy(x).float(), space=space, dtype="float32", **how
    )


def taxonomy_of(
    parents: Sequence[Sequence[int]],
    captions: Sequence[str | None] | None = None,
    confidence: Sequence[Sequence[float]] | None = None,
    settings: TreeSettings | None = None,
) -> Taxonomy:
    """The taxonomy of items whose candidate parents are given by place; place i has id 10 + i and radius i."""
    n, k = len(parents), max([1, *map(len, parents)])
    table = np.full((n, k), -1)
    sure = np.full((n, k), np.nan)
    for place, above in enumerate(parents):
        table[place, : len(above)] = above
        sure[place, : len(above)] = 1.0 if confidence is None else confidence[place]
    score = np.where(table >= 0, 0.25, np.nan).astype(np.float32)
    order = RadialOrder(torch.arange(n) + 10, torch.arange(n).float())
    links = Links(order, torch.from_numpy(table), torch.from_numpy(score), "angle")
    named = list(captions) if captions is not None else [f"item {i}" for i in range(n)]
    return assemble(links, sure, Labels(named, [None] * n), settings or TreeSettings(min_confidence=0.5))


def edges(taxonomy: Taxonomy) -> set[tuple[int, int]]:
    """Pairs (child, parent) of ids."""
    child, slot = np.nonzero(taxonomy.parent >= 0)
    above = taxonomy.parent[child, slot]
    return set(zip(taxonomy.ids[child].tolist(), taxonomy.ids[above].tolist(), strict=True))
