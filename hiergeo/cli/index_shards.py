"""``hiergeo index build --shards``: files of any number and size become an index, by any number of workers."""

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hiergeo._core.errors import InputError
from hiergeo.cli._guard import WrongResults
from hiergeo.cli._io import SpaceOptions, check_writable, write_json
from hiergeo.cli._terminal import console, counted, note
from hiergeo.cli.options import flag, option

if TYPE_CHECKING:
    from hiergeo.search.corpus import Summary

PANEL = "With --shards"

NAMED = 10
"""Inputs that notes name before they only count."""


_option = partial(option, rich_help_panel=PANEL)

Shards = Annotated[
    str | None,
    _option(
        "IN",
        "Embed these into an index: a file, a folder or a pattern of .parquet, .csv, .tsv, .jsonl, .tar (WebDataset) "
        "or .txt, also compressed, or folders of images.",
    ),
]
Ray = Annotated[bool, flag("--ray", "Spread the inputs over a cluster of Ray.", PANEL)]
Items = Annotated[str | None, _option("KIND", "What becomes an item: captions (the default), images or pairs.")]
ShardRows = Annotated[int | None, _option("N", "Rows after which another shard is begun. (by default 131072)", min=1)]
MaxPoisoned = Annotated[
    float | None,
    _option("X", "Share of rows that may be set aside before the run stops. (by default 0.01)", min=0, max=1),
]


def build_from_shards(
    shards: str,
    out: Path,
    model: str,
    geometry: str | None,
    settings: dict[str, Any],
    *,
    worker: str | None,
    ray: bool,
    device: str,
    json: Path | None,
) -> None:
    """Embed files into an index, print what was done.

    `settings` are fields of `hiergeo.search.corpus.Options`, None for a default.
    """
    from hiergeo.search import corpus

    if out.is_file():
        raise InputError(f"{out} is a file: name a folder for the index.")
    check_writable(json, out / "index.json")
    chosen = {name: value for name, value in settings.items() if value is not None}
    asked = SpaceOptions(geometry)
    asked.check()
    summary = corpus.embed(
        shards,
        out,
        model,
        asked.space if geometry else None,
        corpus.Options(**chosen),
        worker=worker,
        ray=ray,
        device=device,
        progress=True,
    )
    used = {"model": model, "shards": shards, "out": str(out), "geometry": geometry, "worker": worker, **chosen}
    write_json(json, {**summary.as_dict(), "settings": used})
    _show(summary, out)
    if not summary.sound:
        raise WrongResults


def _show(summary: "Summary", out: Path) -> None:
    for name, reason in list(summary.failed.items())[:NAMED]:
        note(f"{name} was left out: {reason}")
    for name in summary.incomplete[:NAMED]:
        note(f"{name} broke off: what is before that is embedded.")
    more = sum(max(0, len(names) - NAMED) for names in (summary.failed, summary.incomplete))
    if more:
        note(f"{more:,} more inputs failed or broke off: --json names them.")
    if summary.poisoned:
        note(f"{counted(summary.poisoned, 'row is', 'rows are')} set aside: see {out / 'poisoned'}.")
    screen = console()
    screen.print(
        f"{summary.embedded:,} of {counted(summary.inputs, 'input')} embedded, {summary.earlier:,} were there: "
        f"{counted(summary.items, 'item')} of {counted(summary.rows, 'row')} in {summary.seconds:,.1f} s, "
        f"{summary.rows_per_second:,.0f} rows/s.",
        soft_wrap=True,
    )
    ready = "The index is complete" if summary.finished else "The index holds what is embedded so far"
    screen.print(f"{ready}: hiergeo search {shlex.quote(str(out))} QUERY", soft_wrap=True)
