"""``hiergeo index push`` and ``hiergeo index audit``: stores beside an index, and what searches through them find."""

import json as jsonlib
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.table import Table

from hiergeo._core import limits
from hiergeo._core.storage.texts import read_lines
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, show, write_json
from hiergeo.cli._terminal import console, counted
from hiergeo.cli.index import Folder, app
from hiergeo.search.stores.milvus_client import without_password

StoreSpec = Annotated[
    str,
    typer.Option("--store", help="faiss:flat, faiss:hnsw32, milvus:URI, ...", metavar="SPEC"),
]


@app.command("push", cls=options.Verb)
def push_command(path: Folder, store: StoreSpec, json: options.Json = None) -> None:
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
    write_json(json, jsonlib.dumps({"metrics": metrics, "settings": settings}, indent=2))
    name, held = store.partition(":")[0], counted(len(index), "item")
    console().print(f"{name} holds the {held} of {path}; sent: {sent:,} in {seconds:.1f} s", soft_wrap=True)


@app.command("audit", cls=options.Verb)
def audit_command(
    path: Folder,
    store: StoreSpec,
    queries: Annotated[
        Path | None,
        typer.Option(
            help="Texts like those that will be searched for, one a line. (by default items of the index)",
            metavar="FILE",
            callback=options.path,
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(help="How many items of the index are queries without --queries.", metavar="N", min=1)
    ] = 100,
    k: Annotated[int, typer.Option("-k", help="Hits of each query, thresholds of its ladder.", min=1, max=1024)] = 10,
    by: Annotated[str, typer.Option(help="Order: margin, angle or distance.", metavar="NAME")] = "margin",
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
        embedded = sampled(index.store, index.space.root, min(sample, limits.COUNT))
    else:
        texts = [line for line in read_lines(queries, "give a text file with a query on each line") if line.strip()]
        embedded = index.encoder.encode(texts) if texts else torch.empty(0, index.manifest.frame.dim)
    order: Any = by
    audits = index.audit(store, embedded, k, by=order, space=geometry)
    metrics = {f"recall_{each.kind}": each.recall.value for each in audits}
    settings = {
        "path": str(path),
        "generation": index.manifest.generation,
        "store": without_password(store),
        "queries": None if queries is None else str(queries),
        "sample": sample if queries is None else None,
        "k": k,
        "by": by,
        "space": index.chosen(geometry).geometry.spec,
    }
    document = {"metrics": metrics, "audit": [asdict(each) for each in audits], "settings": settings}
    text = jsonlib.dumps(document, indent=2)
    write_json(json, text)
    table = Table("", f"recall@{k}", "95 %", "certified", "scored", "min shell", title_justify="left")
    for each in audits:
        worst = min(shell.value for shell in each.shells if shell is not None)
        ends = f"{each.recall.low:.3f} to {each.recall.high:.3f}"
        table.add_row(
            each.kind, f"{each.recall.value:.3f}", ends, f"{each.certified:.0%}", f"{each.scored:.1%}", f"{worst:.3f}"
        )
    show(format, text, [table])
