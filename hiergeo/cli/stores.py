"""``hiergeo index push`` and ``hiergeo index audit``: stores beside an index, and what searches through them find."""

import time
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hiergeo._core import limits
from hiergeo._core.records import Records
from hiergeo._core.storage.texts import read_lines
from hiergeo._core.text import without_password
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, publish, write_json
from hiergeo.cli._terminal import console, counted
from hiergeo.cli.defaults import MOST_HITS
from hiergeo.cli.options import option, path_option

if TYPE_CHECKING:
    from hiergeo.search.queries import Query

StoreSpec = Annotated[str, option("SPEC", "milvus:http://HOST:19530, milvus:./NAME.db, ...")]


def push_command(path: options.IndexFolder, store: StoreSpec, json: options.Json = None) -> None:
    """Make a store hold exactly the items of an index; an interrupted push goes on when the command is run again."""
    from hiergeo import search

    check_writable(json)
    index, start = search.open(path), time.monotonic()
    try:
        sent = index.push(store, progress=True)
    finally:
        index.engines.close()  # engines build what is missing of their index when they are closed
    seconds = time.monotonic() - start
    metrics = {"sent": sent, "rows": len(index), "seconds": seconds}
    settings = {"path": str(path), "store": without_password(store), "generation": index.manifest.generation}
    write_json(json, {"metrics": metrics, "settings": settings})
    name, items = store.partition(":")[0], counted(len(index), "item")
    console().print(f"{name} holds the {items} of {path}; sent: {sent:,} in {seconds:.1f} s", soft_wrap=True)


def audit_command(
    path: options.IndexFolder,
    store: StoreSpec,
    queries: Annotated[
        Path | None,
        path_option("FILE", "Texts like those that will be searched for, one a line. (by default items of the index)"),
    ] = None,
    sample: Annotated[
        int, option("N", "How many items of the index are queries without --queries.", min=1, max=limits.COUNT)
    ] = 100,
    k: Annotated[int, option("K", "Hits of each query, thresholds of its ladder.", "-k", min=1, max=MOST_HITS)] = 10,
    by: Annotated[str, option("NAME", "Order: margin, angle or distance.")] = "margin",
    geometry: options.IndexGeometry = None,
    format: options.Format = "table",
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Measure the recall of searches through a store; later approximate answers carry it."""
    from hiergeo import search
    from hiergeo.search.recall import sampled

    check_writable(json)
    index = search.open(path, device=device)
    if queries is None:
        questions: list[Query] = [*sampled(index.store, sample)]
    else:
        questions = [line for line in read_lines(queries, "give a text file with a query on each line") if line.strip()]
    order: Any = by
    audits = index.audit(store, questions, k, by=order, space=geometry)
    settings = {
        "path": str(path),
        "generation": index.manifest.generation,
        "store": without_password(store),
        "queries": None if queries is None else str(queries),
        "sample": sample if queries is None else None,
        "k": k,
        "by": by,
        "space": audits[0].geometry,
    }
    metrics = {f"recall_{audit.kind}": audit.recall.value for audit in audits}
    document = {"metrics": metrics, "audit": [asdict(audit) for audit in audits], "settings": settings}
    keys = ("kind", "recall", "low", "high", "queries", "scored", "worst")
    worst = (min(shell.value for shell in filter(None, audit.shells)) for audit in audits)
    rows = ((a.kind, *astuple(a.recall), a.scored, low) for a, low in zip(audits, worst, strict=True))
    notes = f"{k} hits by {by} in {audits[0].geometry}; scored: share of the items; worst: recall of the worst shell."
    publish(document, json, format, Records.of(keys, rows, notes))
