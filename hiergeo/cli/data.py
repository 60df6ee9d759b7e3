"""``hiergeo data``: which datasets are at hand, downloading them, and checking them for defects."""

import json as jsonlib
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hiergeo import datasets
from hiergeo._core.errors import HiergeoError, InputError, unknown_name
from hiergeo._core.storage.files import path_of
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, write_json
from hiergeo.cli._terminal import console
from hiergeo.datasets import chains, hierarcaps, scenes
from hiergeo.datasets.chain_checks import validate_chains
from hiergeo.datasets.public import PUBLIC, fetch_public

PARTS = list(hierarcaps.PARTS)
SPLITS = {"hierarcaps": tuple(hierarcaps.SPLITS), "scenes": (*scenes.SPLITS, scenes.BALANCED)}

app = typer.Typer(help="List, download and check datasets.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help=f"hierarcaps, {', '.join(PUBLIC)}", metavar="NAME")]
Parts = Annotated[
    list[str],
    typer.Option("--part", help=f"Only this part; give it once for each: {', '.join(PARTS)}.", metavar="NAME"),
]
What = Annotated[
    str,
    typer.Argument(
        help="A split of hierarcaps, a CSV file of its format, or a folder or file of your own chains, chains:DIR.",
        metavar="SPLIT|FILE|DIR",
    ),
]
Pixels = Annotated[bool, typer.Option("--images/--no-images", help="Also open every image.")]


@app.command("list", cls=options.Verb)
def list_splits(json: options.Json = None) -> None:
    """Print every split with its size, or what is missing."""
    check_writable(json)
    table = Table("data", "split", "rows", "images", "texts", box=None, pad_edge=False)
    sizes: dict[str, int] = {}
    absent: list[str] = []
    for name, splits in SPLITS.items():
        for split in splits:
            try:
                hierarchy = datasets.load(name, split)
            except HiergeoError as error:
                table.add_row(name, split, "-", "-", "-")
                absent.append(f"{name} {split}: {error}")
                continue
            sizes[f"{name}/{split}"] = len(hierarchy.rows)
            counts = (len(hierarchy.rows), len(hierarchy.images), len(hierarchy.texts))
            table.add_row(name, split, *(f"{count:,}" for count in counts))
    write_json(json, jsonlib.dumps({"metrics": sizes}, indent=2))
    screen = console()
    screen.print(table)
    for sentence in absent:
        screen.print(sentence)


@app.command("fetch", cls=options.Verb)
def fetch(
    name: Name = "hierarcaps",
    part: Parts = PARTS,
    json: options.Json = None,
) -> None:
    """Download a public dataset into the data home; files that are there and intact are kept."""
    check_writable(json)
    if name in PUBLIC:
        paths = fetch_public(name, progress=True)
    elif name == "hierarcaps":
        paths = hierarcaps.fetch(what=part, progress=True)
    else:
        raise unknown_name("downloadable dataset", name, ["hierarcaps", *PUBLIC])
    write_json(json, jsonlib.dumps({"metrics": {"files": len(paths)}, "files": [str(p) for p in paths]}, indent=2))
    console().print(f"{len(paths)} files in {datasets.data_home()}", soft_wrap=True)


@app.command("check", cls=options.Verb)
def check(
    what: What = "test",
    images: Pixels = True,
    json: options.Json = None,
) -> None:
    """Report every defect of a split or of a CSV file of your own; exit code 2 when there are any."""
    check_writable(json)
    own = what.removeprefix(f"{chains.NAME}:")
    if own != what or (what not in hierarcaps.SPLITS and path_of(what).is_dir()):
        defects = validate_chains(own, images=images, progress=True)
    else:
        if (Path(what).suffix or len(Path(what).parts) > 1) and not path_of(what).exists():
            raise InputError(f"there is no file {what}.")
        defects = hierarcaps.validate(what, images=images, progress=True)
    found = [{"file": d.file, "row": d.row, "column": d.column, "problem": d.problem} for d in defects]
    write_json(json, jsonlib.dumps({"metrics": {"defects": len(defects)}, "defects": found}, indent=2))
    screen = console()
    alike = Counter(defect.problem for defect in defects)
    for first in {defect.problem: defect for defect in reversed(defects)}.values():
        more = alike[first.problem] - 1
        sentence = f"{first} (and {more} more)" if more else str(first)
        screen.print(sentence, soft_wrap=True)
    count = f"{len(defects)} defect{'s' * (len(defects) > 1)}" if defects else "no defects"
    screen.print(f"{what}: {count}", soft_wrap=True)
    if defects:
        raise typer.Exit(2)
