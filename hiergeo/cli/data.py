"""``hiergeo data``: which datasets are at hand, downloading them, and checking them for defects."""

from pathlib import Path
from typing import Annotated

import typer

from hiergeo._core.errors import HiergeoError, unknown_name
from hiergeo._core.progress import track
from hiergeo._core.records import Records
from hiergeo._core.storage.files import path_of
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, conclude, publish
from hiergeo.cli.defaults import HIERARCAPS_PARTS, PUBLIC
from hiergeo.cli.options import argument, flag, option
from hiergeo.cli.plans import Verb

app = typer.Typer(help="List, download and check datasets.", no_args_is_help=True)


@app.command("list", cls=Verb)
def list_splits(format: options.Format = "table", json: options.Json = None) -> None:
    """Print every split with its size, or what is missing."""
    from hiergeo.datasets import hierarcaps, scenes

    check_writable(json)
    splits_of = {"hierarcaps": tuple(hierarcaps.SPLITS), "scenes": (*scenes.SPLITS, scenes.BALANCED)}
    listed: list[tuple[object, ...]] = []
    sizes: dict[str, int] = {}
    missing: list[str] = []
    for name, splits in splits_of.items():
        for split in splits:
            size: tuple[object, ...] = None, None
            try:
                size = _size(name, split)
                sizes[f"{name}/{split}"] = size[0]
            except HiergeoError as error:
                missing.append(f"{name} {split}: {error}")
            listed.append((name, split, *size))
    publish({"metrics": sizes}, json, format, Records.of(("data", "split", "rows", "images"), listed), lines=missing)


def _size(name: str, split: str) -> tuple[int, int]:
    """The rows and images of a split; generated scenes have an image each and are not drawn for it."""
    from hiergeo import datasets
    from hiergeo.datasets import scenes

    if name == "scenes":
        count = scenes.COUNTS.get(split, scenes.COUNTS["test"])
        return count, count
    hierarchy = datasets.load(name, split)
    return len(hierarchy.rows), len(hierarchy.images)


@app.command("fetch", cls=Verb)
def fetch(
    name: Annotated[str, argument("NAME", f"hierarcaps, {', '.join(PUBLIC)}")] = "hierarcaps",
    part: Annotated[
        list[str], option("NAME", f"Only this part; give it once for each: {', '.join(HIERARCAPS_PARTS)}.")
    ] = HIERARCAPS_PARTS,
    json: options.Json = None,
) -> None:
    """Download a public dataset into the data home; files that are there and intact are kept."""
    from hiergeo import datasets
    from hiergeo.datasets import hierarcaps
    from hiergeo.datasets.public import fetch_public

    check_writable(json)
    if name in PUBLIC:
        paths = fetch_public(name, progress=True)
    elif name == "hierarcaps":
        paths = hierarcaps.fetch(what=part, progress=True)
    else:
        raise unknown_name("downloadable dataset", name, ["hierarcaps", *PUBLIC])
    document = {"metrics": {"files": len(paths)}, "files": [str(path) for path in paths]}
    conclude(json, document, f"{len(paths)} files in {datasets.data_home()}")


@app.command("check", cls=Verb)
def check(
    what: Annotated[
        str,
        argument(
            "SPLIT|FILE|DIR|NAME",
            "A split of hierarcaps, a CSV file or a folder of your own chains, or a dataset, NAME@SPLIT.",
        ),
    ] = "test",
    images: Annotated[bool, flag("--images/--no-images", "Also open every image.")] = True,
    format: options.Format = "table",
    json: options.Json = None,
) -> None:
    """Read a dataset whole and open its images; the first thing that is wrong is an error, with exit code 2."""
    from hiergeo import datasets
    from hiergeo.datasets import hierarcaps

    check_writable(json)
    listed: list[tuple[object, ...]] = []
    for name, split in _splits(what):
        hierarchy = datasets.load(name, split)
        if name == "hierarcaps":
            hierarcaps.check_bytes(split)
        for image in track(hierarchy.images if images else (), "images", enabled=True):
            image.open()
        listed.append((name, split, len(hierarchy.rows), len(hierarchy.images)))
    metrics = {f"{split}/rows": rows for _, split, rows, _ in listed}
    lines = [f"{what}: no defects"]
    publish({"metrics": metrics}, json, format, Records.of(("data", "split", "rows", "images"), listed), lines=lines)


def _splits(what: str) -> list[tuple[str, str]]:
    """The names of datasets and splits that an argument of `check` stands for."""
    from hiergeo.datasets import DATASETS, chains, hierarcaps

    if what in hierarcaps.SPLITS:
        return [("hierarcaps", what)]
    own = what.removeprefix(f"{chains.NAME}:")
    if own != what or path_of(what).exists() or Path(what).suffix or len(Path(what).parts) > 1:
        source = chains.located(own)
        splits = ("test",) if source.is_file() else chains.everything(source)[1]
        return [(f"{chains.NAME}:{own}", split) for split in splits]
    name, _, split = what.partition("@")
    if name not in DATASETS:
        raise unknown_name("file, dataset or split of hierarcaps", what, [*hierarcaps.SPLITS, *DATASETS.names()])
    return [(name, split or "test")]
