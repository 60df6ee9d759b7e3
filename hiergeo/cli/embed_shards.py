"""``hiergeo embed --shards``: files of any number and size embedded into an index, by any number of workers."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiergeo._core.errors import InputError
from hiergeo.cli._guard import WrongResults
from hiergeo.cli._io import Asked, check_writable, write_json
from hiergeo.cli._terminal import console, counted, note

if TYPE_CHECKING:
    from hiergeo.search.corpus import Summary

PANEL = "With --shards"

NAMED = 10
"""Inputs that notes name before they only count."""


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=PANEL, **settings)


Shards = Annotated[
    str | None,
    _option(
        "--shards",
        help="Embed these into an index: a file, a folder or a pattern of .parquet, .csv, .tsv, .jsonl, .tar "
        "(WebDataset), .txt, or folders of images.",
        metavar="IN",
    ),
]
Worker = Annotated[
    str | None,
    _option(
        "--worker",
        help="Embed only every N-th input, as worker I of N; auto: as Slurm, torchrun or Kubernetes say.",
        metavar="I/N|auto",
    ),
]
Ray = Annotated[bool | None, _option("--ray", help="Spread the inputs over a cluster of Ray.", show_default=False)]
Column = Annotated[
    str | None, _option("--column", help="The column of captions. (by default caption or text)", metavar="NAME")
]
ImageColumn = Annotated[
    str | None,
    _option(
        "--image-column",
        help="The column of images: bytes or names of files. (by default image, image_path, file_name, image_url, url)",
        metavar="NAME",
    ),
]
Items = Annotated[
    str | None,
    _option("--items", help="What becomes an item: captions (the default), images, or pairs of both.", metavar="KIND"),
]
Geometry = Annotated[
    str | None,
    _option(
        "--geometry",
        "-g",
        help="Where searches measure unless they name another space. (by default the space that the model brings, "
        "euclidean for others)",
        metavar="SPEC",
    ),
]
Dtype = Annotated[
    str | None, _option("--dtype", help="Of stored directions: float16 (the default) or float32.", metavar="NAME")
]
ShardRows = Annotated[
    int | None,
    _option("--shard-rows", help="Rows after which another shard is begun. (by default 131072)", metavar="N", min=1),
]
MaxPoisoned = Annotated[
    float | None,
    _option(
        "--max-poisoned",
        help="Share of rows that may be set aside before the run stops. (by default 0.01)",
        metavar="X",
        min=0,
        max=1,
    ),
]
Price = Annotated[
    float | None,
    _option("--price-per-hour", help="Of one worker: the estimate for 1e8 and 1e9 rows tells money too.", metavar="X"),
]

OWN = (
    "worker",
    "ray",
    "column",
    "image_column",
    "items",
    "geometry",
    "dtype",
    "shard_rows",
    "max_poisoned",
    "price_per_hour",
)
"""Parameters that --shards alone takes."""

OTHERS = ("data", "split", "rows", "overwrite")
"""Parameters that it does not take."""


def given(context: typer.Context, name: str) -> bool:
    """Whether an option is on the command line or in the file of options, rather than left at its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def check(context: typer.Context, shards: str | None) -> None:
    """Raise InputError for options that do not go together with --shards, or not without it."""
    for name in OWN if shards is None else OTHERS:
        if given(context, name):
            option = f"--{name.replace('_', '-')}"
            if shards is None:
                raise InputError(f"{option} goes with --shards: name the files that are to be embedded.")
            raise InputError(f"{option} names a dataset and does not go with --shards: leave it out.")


def embed_shards(
    model: str, out: Path, json: Path | None, device: str, shards: str, batch_size: int | None, chosen: dict[str, Any]
) -> None:
    """Embed files into an index, print what was done and what a billion rows would take.

    Args:
        model: its spec.
        out: folder of the index.
        json: where the summary goes.
        device: where the model runs.
        shards: the inputs.
        batch_size: None is the model's own choice.
        chosen: the values of `OWN`, by name; None for a default.
    """
    from hiergeo.search import corpus

    if out.is_file():
        raise InputError(f"{out} is a file: name a folder for the index.")
    check_writable(json, out / "index.json")
    held = {name: value for name, value in chosen.items() if value is not None}
    names = {"column": "caption", "image_column": "image", "items": "items", "dtype": "dtype"}
    names |= {name: name for name in ("shard_rows", "max_poisoned", "price_per_hour")}
    settings = {field: held[name] for name, field in names.items() if name in held}
    asked = Asked(held.get("geometry"))
    asked.check()
    summary = corpus.embed(
        shards,
        out,
        model,
        asked.space if asked.geometry else None,
        corpus.Options(batch_size=batch_size, **settings),
        worker=held.get("worker"),
        ray=bool(held.get("ray")),
        device=device,
        progress=True,
    )
    settings = {"model": model, "shards": shards, "out": str(out), **held}
    write_json(json, jsonlib.dumps({**summary.as_dict(), "settings": settings}, indent=2))
    _show(summary, out)
    if not summary.sound:
        raise WrongResults


def _show(summary: "Summary", out: Path) -> None:
    for name, reason in list(summary.failed.items())[:NAMED]:
        note(f"{name} was left out: {reason}")
    for name in summary.incomplete[:NAMED]:
        note(f"{name} broke off: what is before that is embedded.")
    more = len(summary.failed) + len(summary.incomplete) - 2 * NAMED
    if more > 0:
        note(f"more inputs failed or broke off, {more} or so: see the logs in {out / 'logs'}.")
    if summary.poisoned:
        note(f"{counted(summary.poisoned, 'row is', 'rows are')} set aside: see {out / 'poisoned'}.")
    screen = console()
    screen.print(
        f"{summary.embedded:,} of {counted(summary.inputs, 'input')} embedded, {summary.earlier:,} were there: "
        f"{counted(summary.items, 'item')} of {counted(summary.rows, 'row')} in {summary.seconds:,.1f} s, "
        f"{summary.rows_per_second:,.0f} rows/s.",
        soft_wrap=True,
    )
    for each in summary.estimates:
        price = "" if each.price is None else f", at a price of {each.price:,.0f}"
        screen.print(
            f"One worker of this speed takes {each.hours:,.0f} h for {each.rows:,} rows{price}.", soft_wrap=True
        )
    ready = "The index is complete" if summary.finished else "The index holds what is embedded so far"
    screen.print(f"{ready}: hiergeo search {out} QUERY", soft_wrap=True)
