"""``hiergeo embed``: the embeddings of a dataset in one file; an interrupted run can go on."""

from pathlib import Path
from typing import Annotated, Any

from hiergeo._core.errors import UnavailableError
from hiergeo._core.storage.files import writing
from hiergeo.cli import options
from hiergeo.cli._guard import again
from hiergeo.cli._io import check_writable, conclude, load_data
from hiergeo.cli.options import option, path_option


def embed_command(
    model: options.Model,
    out: Annotated[Path, path_option("PATH", "The file to write: .npz, or .parquet for other tools.", "--out", "-o")],
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    batch_size: Annotated[int, option("N", "Captions or images per batch.", min=1)] = 64,
    coordinates: Annotated[
        str | None,
        option("NAME", "Points of the model's hyperbolic space: hyperboloid, ball, lorentz-space or negated-time."),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Embed a dataset into one file, to be used as --model npz:FILE.

    An interrupted run goes on where it stopped when the same command is run again.
    """
    from hiergeo import adapters
    from hiergeo.adapters.model import with_stored_images
    from hiergeo.adapters.store import check_target

    check_writable(json, out)
    check_target(out)
    hierarchy = load_data(data, split, rows)
    loaded = adapters.load(model, device=device)
    try:
        settings: dict[str, Any] = {"batch_size": batch_size, "coordinates": coordinates, "overwrite": overwrite}
        adapters.embed(loaded, hierarchy, out, **settings, progress=True)
    except UnavailableError as error:
        raise again(error, "embed") from error
    images = len(with_stored_images(loaded, hierarchy).images) if loaded.has_images else 0
    with writing(out):
        size = out.stat().st_size
    metrics = {"texts": len(hierarchy.texts), "images": images, "dim": loaded.dim, "bytes": size}
    named = {"model": loaded.name, "data": data, "split": split, "out": str(out)}
    line = f"{metrics['texts']} texts and {images} images of dimension {loaded.dim}: {out}"
    conclude(json, {"metrics": metrics, "settings": named}, line)
