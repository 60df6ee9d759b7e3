"""``hiergeo chains build``: captions become chains from general to specific with contradicting negatives."""

import json as json_
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hiergeo._core.errors import InputError
from hiergeo._core.records import Records, drawn, percent
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, say_taken, write_json
from hiergeo.cli._terminal import console, counted, note
from hiergeo.cli.options import argument, flag, option, path_option

if TYPE_CHECKING:
    from hiergeo.construction.build_plan import BuildPlan
    from hiergeo.construction.card import Built
    from hiergeo.datasets import Hierarchy


def build_command(
    captions: Annotated[
        str | None,
        argument(
            "CAPTIONS",
            "A file, a folder or a pattern of files of captions: .csv, .tsv, .parquet, .jsonl, .txt or .tar, "
            "also compressed, or folders of images with captions beside them.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, path_option("DIR", "Output folder.", "--out", "-o")] = Path("hiergeo-chains"),
    config: Annotated[
        Path | None,
        path_option("PLAN.toml", "Settings, as in the plan.toml of a result; those given here override them."),
    ] = None,
    data: Annotated[
        str | None,
        option(
            "NAME",
            "Instead of CAPTIONS the finest captions of hierarcaps, scenes or chains:DIR; NAME@SPLIT.",
            "--data",
            "-d",
        ),
    ] = None,
    rows: options.Rows = None,
    backend: Annotated[
        str | None,
        option(
            "SPEC", "What writes texts: wordnet, transformers:PATH, openai:MODEL or a plug-in. (by default wordnet)"
        ),
    ] = None,
    backend_option: Annotated[
        list[str] | None,
        option(
            "NAME=VALUE", "An option of the backend, such as base_url=http://localhost:8000/v1; repeat it for more."
        ),
    ] = None,
    judge: Annotated[
        str | None,
        option("SPEC", "What tells entailment and contradiction: transformers:PATH or a plug-in. (by default nothing)"),
    ] = None,
    tiers: Annotated[
        int | None, option("N", "Texts of a chain, the caption included. (by default 4)", min=2, max=8)
    ] = None,
    test_fraction: Annotated[
        float | None,
        option(
            "X",
            "Share of the images that go to the test split; the others are for training. (by default 1)",
            min=0,
            max=1,
        ),
    ] = None,
    caption_column: options.CaptionColumn = None,
    image_column: options.ImageColumn = None,
    overwrite: Annotated[
        bool, flag("--overwrite", "Go on in a folder of another plan or input; what still fits is kept.")
    ] = False,
    worker: options.Worker = None,
    json: options.Json = None,
) -> None:
    """Make a benchmark out of captions: chains from general to specific with contradicting negatives.

    Interrupted, it goes on where it stopped: give the same command again.
    """
    from hiergeo import construction
    from hiergeo.construction.captions import columns_of

    if (captions is None) == (data is None):
        hint = "not both" if captions else "such as captions.csv or --data scenes"
        raise InputError(f"name a file of captions or a dataset, {hint}.")
    if data is None and rows is not None:
        raise InputError("--rows goes with --data: a file of captions is taken whole.")
    check_writable(json)
    settings = {"backend": backend, "judge": judge, "tiers": tiers, "test_fraction": test_fraction}
    settings |= {"caption_column": caption_column, "image_column": image_column}
    plan = _plan(config, {name: value for name, value in settings.items() if value is not None}, backend_option or [])
    source: str | Hierarchy = captions or ""
    if data is not None:
        name, at, split = data.rpartition("@")
        source = load_data(name if at else data, split if at else "test", rows)
    if captions is not None:
        say_taken(captions, columns_of(plan))
    built = construction.build(source, out, plan, overwrite=overwrite, worker=worker, progress=True)
    write_json(json, {"metrics": built.metrics, "plan": plan.as_table()})
    _show(built, plan)


def _plan(config: Path | None, given: dict[str, Any], backend_options: list[str]) -> "BuildPlan":
    """The plan in a file with the settings that are given; another backend or judge has none of its options there."""
    from hiergeo.construction.build_plan import TABLES, BuildPlan, read_plan

    settings = {} if config is None else read_plan(config).model_dump()
    for part in TABLES:
        if given.get(part, settings.get(part)) != settings.get(part):
            settings.pop(f"{part}_options", None)
    named = dict(map(option_of, backend_options))
    return BuildPlan(**(settings | given | {"backend_options": settings.get("backend_options", {}) | named}))


def option_of(text: str) -> tuple[str, Any]:
    """An option of the backend, ``NAME=VALUE``: a number, true, false, a list of them, or else text."""
    from hiergeo.construction.build_plan import option

    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise InputError(f"an option of the backend is written NAME=VALUE, not '{text}'.")
    try:
        parsed = option(json_.loads(value))
    except (ValueError, RecursionError):
        parsed = value
    return name.strip().replace("-", "_"), parsed


def _show(built: "Built", plan: "BuildPlan") -> None:
    screen = console()
    if built.usage:
        usage = ", ".join(f"{name.replace('_', ' ')} {value:,.6g}" for name, value in built.usage.items())
        screen.print(f"Used by {plan.backend}: {usage}.", soft_wrap=True)
    if not built.finished:
        made = counted(built.made, "shard")
        screen.print(f"This part is done ({made} now): a last run without --worker writes the files.", soft_wrap=True)
        return
    if built.dropped:
        drops = ((*reason, count) for reason, count in Counter(built.dropped).most_common())
        screen.print(drawn(Records.of(("dropped in", "because", "rows"), drops).grid))
    whole = built.train + built.test
    share = percent(built.test / whole)
    screen.print(
        f"{whole:,} of {counted(built.rows, 'caption')} became chains of {plan.tiers} texts: {built.train:,} in "
        f"train.csv, {built.test:,} ({share}) in test.csv and, with negatives, test_expanded.csv.",
        soft_wrap=True,
    )
    if not built.test and plan.test_fraction:
        note("no image fell to the test split: take a larger --test-fraction, or more images.")
    screen.print(f"Folder: {built.folder.absolute()}", soft_wrap=True)
    named = f"{shlex.quote(str(built.folder))}{'' if built.test else ' --split train'}"
    screen.print(f"Next: hiergeo chains quality {named}", soft_wrap=True)
    screen.print(f"To read some of them: hiergeo chains quality {named} --sample 50 --csv read.csv", soft_wrap=True)
