"""What candidates by inner product find of the exact answer, with and without shells, and what a certificate costs.

85,034 captions of HierarCaps by MiniLM and 50 texts and 50 images of its test set as queries, through faiss Flat, which
finds the true candidates: whatever is missed is missed by the plan, not by the engine.

    HIERGEO_DATA_HOME=DATA python -m benchmarks.certified [--head head:FOLDER@npz:TEST] [--queries 50]

Columns: recall@10 of the 1,000 nearest directions without shells; recall@10 of the scanned innermost shell and 16
candidates of every other; the share of queries that these certify; rows that are scored for one query until it is
certified; the share that is certified at the end; and its time over that of a scan in the same run.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.report import table
from hiergeo import Space, adapters, search
from hiergeo.adapters.head import HeadModel
from hiergeo.search.certified import search as through_store
from hiergeo.search.index import Index
from hiergeo.search.pushing import push
from hiergeo.search.rows import Rows
from hiergeo.search.store import Store, open_store
from hiergeo.search.sweep import Best, Steps, lexicographic, run

K, PLAIN, STEPS = 10, 1000, 50

HEADS = (
    *("queries", "search", "K", "1,000, no shells", "16 a shell", "certified at 16"),
    *("rows scored, median (p95)", "certified", "time / scan"),
)


def data(name: str) -> dict[str, np.ndarray]:
    home = Path(os.environ.get("HIERGEO_DATA_HOME", "data"))
    with np.load(home / "embeddings" / f"{name}.npz") as held:
        return dict(held.items())


def pick(rows: np.ndarray, count: int) -> Tensor:
    chosen = np.random.default_rng(0).choice(len(rows), count, replace=False)
    return torch.from_numpy(rows[np.sort(chosen)].astype(np.float32))


def task(index: Index, kind: str, spec: str, query: Tensor) -> Best | Steps:
    space = index.chosen(spec)
    x = Rows.of(torch.arange(len(query)), query, space).points(space.geometry)
    if kind == "ladder":
        shells = [shell for shell in index.store.describe().shells if shell.count]
        return Steps(space, x, torch.linspace(shells[0].low, shells[-1].high, STEPS, dtype=torch.float64))
    return Best(space, x, K, "margin", "parents" if kind == "parents" else "children")


def equal(a: Best | Steps, b: Best | Steps) -> float:
    """Share of the ids of `a` that `b` has: anywhere for hits, in place for rungs."""
    assert a.found is not None
    assert b.found is not None
    if isinstance(a, Steps):
        return float((a.found.ids == b.found.ids).double().mean())
    return float(torch.isin(a.found.ids, b.found.ids).double().mean())


def plain(index: Index, whole: Store, asked: Best | Steps) -> None:
    """Answer a task from the nearest directions of the whole index."""
    direction = normalize(asked.x.factors[0].direction.float(), dim=1)
    rows = index.store.fetch(whole.candidates(direction, 0, PLAIN).ids[0])
    run([rows.take(lexicographic(rows.radii[:, 0].double(), rows.ids))], [asked])


def measure(index: Index, stores: tuple[Store, Store], kind: str, spec: str, queries: Tensor) -> list[str]:
    engine, whole = stores
    recalls, sure, scored, seconds = [], [], [], np.zeros(2)
    for query in queries.split(1):
        exact, direct, few, full = (task(index, kind, spec, query) for _ in range(4))
        began = time.perf_counter()
        run(index.store.scan(), [exact])
        seconds[0] += time.perf_counter() - began
        plain(index, whole, direct)
        first = through_store(few, index.store, engine, most=16)
        began = time.perf_counter()
        outcome = through_store(full, index.store, engine)
        seconds[1] += time.perf_counter() - began
        if bool(outcome.certified[0]) and equal(exact, full) != 1:
            raise AssertionError(f"{kind} in {spec}: a certified answer differs from the exact one")
        recalls.append((equal(exact, direct), equal(exact, few)))
        sure.append((bool(first.certified[0]), bool(outcome.certified[0])))
        scored.append(outcome.scored)
    direct_share, few_share = np.mean(recalls, axis=0)
    early, last = np.mean(sure, axis=0)
    rows = f"{np.median(scored):,.0f} ({np.quantile(scored, 0.95):,.0f})"
    return [
        f"{direct_share:.3f}",
        f"{few_share:.3f}",
        f"{early:.2f}",
        rows,
        f"{last:.2f}",
        f"{seconds[1] / seconds[0]:.1f}",
    ]


def table_of(label: str, rows: Tensor, root: Tensor, queries: dict[str, Tensor], specs: list[str]) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        index = search.build(Path(folder) / "items", None, embeddings=rows, space=Space("euclidean", root))
        manifest = index.manifest
        stores = tuple(open_store("faiss:flat", manifest.frame, edges) for edges in (manifest.edges, ()))
        push(index.store, stores[0])
        for part in index.store.scan():
            stores[1].add(part)
        lines = []
        for name, asked in queries.items():
            for spec in specs:
                for kind in ("parents", "children", "ladder"):
                    line = measure(index, (stores[0], stores[1]), kind, spec, asked)
                    lines.append([f"{label}{name}", kind, spec.partition(":")[2] or "0", *line])
                    print("|", " | ".join(lines[-1]), "|", flush=True)
        return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.certified", description=__doc__)
    parser.add_argument(
        "--head", metavar="SPEC", help="a trained head to measure as well, such as head:FOLDER@npz:TEST"
    )
    parser.add_argument("--queries", type=int, default=50)
    chosen = parser.parse_args()
    train, test = data("hierarcaps_train_split_minilm"), data("hierarcaps_minilm_lit")
    rows, root = torch.from_numpy(train["text"].astype(np.float32)), torch.from_numpy(train["root"].astype(np.float32))
    queries = {
        "text": pick(test["text"].reshape(-1, test["text"].shape[-1]), chosen.queries),
        "image": pick(test["image"], chosen.queries),
    }
    lines = table_of("", rows, root, queries, ["euclidean", "lorentz:-1"])
    if chosen.head:
        model = adapters.load(chosen.head, device="cpu")
        assert isinstance(model, HeadModel)
        passed = {name: model.through(asked) for name, asked in queries.items()}
        spec = model.trained_in or "lorentz:-1"
        lines += table_of("head, ", model.through(rows), model.through(root[None])[0], passed, [spec])
    print(table(HEADS, lines))


if __name__ == "__main__":
    main()
