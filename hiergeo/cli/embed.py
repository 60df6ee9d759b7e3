"""``hiergeo embed``: the embeddings of a dataset in one file, or an index of files of any size; both can be resumed."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from hiergeo import adapters
from hiergeo._core.errors import UnavailableError
from hiergeo._core.storage.files import writing
from hiergeo.cli import embed_shards, options
from hiergeo.cli._io import check_writable, load_data, write_json
from hiergeo.cli._terminal import console

AGAIN = "finished batches are kept, run the same command again to go on"

Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="The npz file to write; with --shards the folder of the index.",
        metavar="PATH",
        callback=options.path,
    ),
]
BatchSize = Annotated[int, typer.Option(help="Captions or images per batch.", metavar="N", min=1)]


def embed_command(
    context: typer.Context,
    model: options.Model,
    out: Out,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    batch_size: BatchSize = 64,
    overwrite: options.Overwrite = False,
    json: options.Json = None,
    device: options.Device = options.AUTO,
    shards: embed_shards.Shards = None,
    worker: embed_shards.Worker = None,
    ray: embed_shards.Ray = None,
    column: embed_shards.Column = None,
    image_column: embed_shards.ImageColumn = None,
    items: embed_shards.Items = None,
    geometry: embed_shards.Geometry = None,
    dtype: embed_shards.Dtype = None,
    shard_rows: embed_shards.ShardRows = None,
    max_poisoned: embed_shards.MaxPoisoned = None,
    price_per_hour: embed_shards.Price = None,
) -> None:
    """Embed a dataset (--data) into one file, to be used as --model npz:FILE; or files (--shards) into an index.

    An interrupted run goes on where it stopped when the same command is run again.
    """
    embed_shards.check(context, shards)
    if shards is not None:
        batch = batch_size if embed_shards.given(context, "batch_size") else None
        chosen = {name: context.params[name] for name in embed_shards.OWN}
        embed_shards.embed_shards(model, out, json, device, shards, batch, chosen)
        return
    check_writable(json, out)
    hierarchy = load_data(data, split, rows)
    loaded = adapters.load(model, device=device)
    try:
        adapters.embed(loaded, hierarchy, out, batch_size=batch_size, overwrite=overwrite, progress=True)
    except UnavailableError as error:
        raise UnavailableError(f"{str(error).rstrip('.')}; {AGAIN}.") from error
    images = len(hierarchy.images) if loaded.has_images else 0
    with writing(out):
        size = out.stat().st_size
    metrics = {"texts": len(hierarchy.texts), "images": images, "dim": loaded.dim, "bytes": size}
    settings = {"model": loaded.name, "data": data, "split": split, "out": str(out)}
    write_json(json, jsonlib.dumps({"metrics": metrics, "settings": settings}, indent=2))
    sentence = f"{metrics['texts']} texts and {images} images of dimension {loaded.dim}: {out}"
    console().print(sentence, soft_wrap=True)
