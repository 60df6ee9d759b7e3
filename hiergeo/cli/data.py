"""``hiergeo data``: which datasets are at hand, downloading them, and checking them for defects."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from hiergeo._core.errors import HiergeoError, InputError, unknown_name
from hiergeo._core.records import Record, Records
from hiergeo._core.storage.files import path_of
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, publish, write_json
from hiergeo.cli._terminal import console, counted
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
    write_json(json, {"metrics": {"files": len(paths)}, "files": [str(path) for path in paths]})
    console().print(f"{len(paths)} files in {datasets.data_home()}", soft_wrap=True)


@app.command("check", cls=Verb)
def check(
    what: Annotated[
        str,
        argument(
            "SPLIT|FILE|DIR",
            "A split of hierarcaps, a CSV file of its format, or a folder or file of your own chains, chains:DIR.",
        ),
    ] = "test",
    images: Annotated[bool, flag("--images/--no-images", "Also open every image.")] = True,
    format: options.Format = "table",
    json: options.Json = None,
) -> None:
    """Report every defect of a split or of a CSV file of your own; exit code 2 when there are any."""
    from hiergeo.datasets import chains, hierarcaps
    from hiergeo.datasets.chain_checks import validate_chains

    check_writable(json)
    own = what.removeprefix(f"{chains.NAME}:")
    if own != what or (what not in hierarcaps.SPLITS and path_of(what).is_dir()):
        defects = validate_chains(own, images=images, progress=True)
    else:
        if (Path(what).suffix or len(Path(what).parts) > 1) and not path_of(what).exists():
            raise InputError(f"there is no file {what}.")
        defects = hierarcaps.validate(what, images=images, progress=True)
    fields = ("file", "row", "column", "problem")
    rows: list[Record] = [{name: getattr(defect, name) for name in fields} for defect in defects]
    alike = Counter(defect.problem for defect in defects)
    firsts = {defect.problem: defect for defect in reversed(defects)}.values()
    more = {first: alike[first.problem] - 1 for first in firsts}
    screen = [f"{first} (and {count} more)" if count else str(first) for first, count in more.items()]
    document = {"metrics": {"defects": len(defects)}, "defects": rows}
    verdict = counted(len(defects), "defect") if defects else "no defects"
    publish(document, json, format, Records(rows, keys=fields), screen=screen, lines=[f"{what}: {verdict}"])
    if defects:
        raise typer.Exit(2)
