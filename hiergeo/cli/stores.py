"""``hiergeo index push``: stores beside an index."""

import time
from typing import Annotated

from hiergeo import search
from hiergeo._core.text import without_password
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, write_json
from hiergeo.cli._terminal import console, counted
from hiergeo.cli.options import option

StoreSpec = Annotated[str, option("SPEC", "faiss:flat, faiss:hnsw32, milvus:URI, ...")]


def push_command(path: options.IndexFolder, store: StoreSpec, json: options.Json = None) -> None:
    """Make a store hold exactly the items of an index; an interrupted push goes on when the command is run again."""
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
