"""Stores of search beside the exact scan, on captions: recall, time and size.

    python -m benchmarks.stores captions.npz queries.npz --work DIR --store milvus:DIR/lite.db

The index is built of `text` in `captions.npz` around its `root`; queries are texts of the other file that are not among
them. Every store is filled through the index and asked for children and parents (by margin), and ladders, in one space
a run. Times are ratios to scans of the same run. One JSON line a store is added to DIR/stores.jsonl; ``--table`` prints
those that are there.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.report import table
from hiergeo import search
from hiergeo._core.errors import HiergeoError
from hiergeo.geometry import Space
from hiergeo.search import Answer, Climb, Index, Rows, Store
from hiergeo.search.store import shell_of

K = 10  # hits of each query
RUNGS = 50

SINGLES = 3  # queries that are asked one at a time
FIRST = 16  # candidates a shell whose recall is measured: those that a search asks for first
COLUMNS = (
    "store",
    "space",
    "candidates: recall@16, worst shell; short answers",
    "children, recall@10",
    "parents, recall@10",
    "ladder, equal rungs",
    "rows scored for one query: children, parents, ladder",
    "time / scan of children: 1 query, batch",
    "push, rows/s",
    "MB",
)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__)
    parser.add_argument("captions", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--store", action="append", default=[])
    parser.add_argument("--space", default="lorentz:-1")
    parser.add_argument("--count", type=int, default=50, help="queries")
    parser.add_argument("--wait", type=int, default=0, help="seconds between push and search, for servers that index")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args(words)
    lines = args.work / "stores.jsonl"
    if args.store:
        index, queries = prepared(args)
        for spec in args.store:
            found = measured(index, queries, spec, args)
            with lines.open("a") as file:
                file.write(json.dumps(found) + "\n")
            print(json.dumps(found), flush=True)
    if args.table:
        rows = [json.loads(line) for line in lines.read_text().splitlines()]
        print(table(COLUMNS, [shown(row) for row in rows]))


def prepared(args: argparse.Namespace) -> tuple[Index, Tensor]:
    """The index in the work folder, built if it is not there, and the queries (Q, D)."""
    captions, others = np.load(args.captions), np.load(args.queries)
    text, root = torch.from_numpy(captions["text"]).float(), torch.from_numpy(captions["root"]).float()
    folder = args.work / "index"
    if not folder.exists():
        search.build(folder, None, space=Space("euclidean", root), embeddings=normalize(text, dim=1))
    pool = normalize(torch.from_numpy(others["text"]).float().reshape(-1, text.shape[1]), dim=1)
    chosen = torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))[: args.count]
    return search.open(folder), pool[chosen]


def measured(index: Index, queries: Tensor, spec: str, args: argparse.Namespace) -> dict[str, Any]:
    """Everything about one store, as JSON values."""
    found: dict[str, Any] = {"store": spec, "space": args.space, "rows": len(index), "queries": len(queries)}
    start = time.perf_counter()
    sent = index.push(spec)
    index.engines.close()
    found["push"] = sent / (time.perf_counter() - start)
    found["bytes"] = size(spec)
    time.sleep(args.wait)
    store = index.engines.checked(spec)
    facts = store.describe()
    found |= {"name": facts.name, "version": facts.version}
    found["candidates"] = candidates(index, store, queries)
    kinds: dict[str, Callable[..., Any]] = {
        "children": index.children,
        "parents": index.parents,
        "ladder": index.ladder,
    }
    for kind, ask in kinds.items():
        more = {"thresholds": RUNGS} if kind == "ladder" else {"k": K}
        found[kind] = asked(ask, queries, spec, {**more, "space": args.space}, index)
    return found


def candidates(index: Index, store: Store, queries: Tensor) -> dict[str, Any]:
    """Recall of the first candidates in every shell, from comparing all directions, and how many answers were short."""
    rows = Rows.cat(list(index.store.scan()))
    place, facts = shell_of(rows.radii[:, 0], index.manifest.edges), index.store.describe()
    asked = normalize(Rows.of(torch.arange(len(queries)), queries, index.space).direction.float(), dim=1)
    recalls, short, seconds = [], 0, 0.0
    for shell, held in enumerate(facts.shells):
        inside = rows.take(place == shell)
        k = min(FIRST, held.count)
        best = inside.ids[(asked @ normalize(inside.direction.float(), dim=1).T).topk(k).indices]
        start = time.perf_counter()
        found = store.candidates(asked, shell, k)
        seconds += time.perf_counter() - start
        short += int((found < 0).any(1).sum())
        same = [len({*a} & {*b}) for a, b in zip(found.tolist(), best.tolist(), strict=True)]
        recalls.append(sum(same) / best.numel())
    return {
        "recall": float(np.mean(recalls)),
        "worst": min(recalls),
        "short": short / (len(queries) * len(recalls)),
        "shells": len(recalls),
        "seconds": seconds,
    }


def asked(
    ask: Callable[..., list[Answer] | list[Climb]], queries: Tensor, spec: str, more: dict[str, Any], index: Index
) -> dict[str, Any]:
    """Recall and time of one kind of search, beside a scan."""
    truth, scan = timed(lambda: ask(queries, **more), 3)
    _, scan_one = timed(lambda: ask(queries[:1], **more), 3)
    try:
        found, batch = timed(lambda: ask(queries, store=spec, **more), 1)
        singles, one = timed(lambda: [ask(query[None], store=spec, **more)[0] for query in queries[:SINGLES]], 1)
    except HiergeoError as error:
        return {"error": str(error)}
    same, total = 0, 0
    for exact, other in zip(truth, found, strict=True):
        if isinstance(exact, Climb) and isinstance(other, Climb):
            pairs = list(zip(exact.rungs, other.rungs, strict=True))
            same += sum((a.hit and a.hit.id) == (b.hit and b.hit.id) for a, b in pairs)
            total += len(pairs)
        elif isinstance(exact, Answer) and isinstance(other, Answer):
            same += len({hit.id for hit in exact.hits} & {hit.id for hit in other.hits})
            total += len(exact.hits)
    return {
        "recall": same / total,
        "scored": sum(answer.scored for answer in singles) / SINGLES / len(index),
        "one": one / SINGLES / scan_one,
        "batch": batch / scan,
    }


def timed(call: Callable[[], Any], rounds: int) -> tuple[Any, float]:
    """What a call returns, and its least time in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return result, min(times)


def size(spec: str) -> int | None:
    """Bytes that a store in a folder takes on disk."""
    path = Path(spec.partition(":")[2].partition("?")[0])
    if not path.is_dir():
        return None
    return sum(os.lstat(file).st_blocks * 512 for file in path.rglob("*") if file.is_file())


def shown(row: dict[str, Any]) -> tuple[str, ...]:
    """A line of the table."""
    first, kinds = row["candidates"], [row[kind] for kind in ("children", "parents", "ladder")]

    def each(key: str, form: str) -> str:
        return ", ".join("-" if "error" in kind else format(kind[key], form) for kind in kinds)

    recalls = ["fails" if "error" in kind else f"{kind['recall']:.3f}" for kind in kinds]
    worst = [f"{kind['one']:.0f}, {kind['batch']:.0f}" for kind in kinds[:1] if "error" not in kind]
    return (
        row["store"],
        row["space"],
        f"{first['recall']:.3f}, {first['worst']:.3f}; {100 * first['short']:.1f} %",
        *recalls,
        each("scored", ".2f"),
        worst[0] if worst else "-",
        f"{row['push']:,.0f}" if row["push"] else "-",
        "-" if row["bytes"] is None else f"{row['bytes'] / 1e6:.0f}",
    )


if __name__ == "__main__":
    main()
