"""``hiergeo chains build``: captions become chains from general to specific with contradicting negatives."""

import json as jsonlib
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiergeo._core.errors import InputError
from hiergeo._core.records import Records, percent
from hiergeo._core.storage.documents import parse_toml
from hiergeo._core.storage.texts import read_text
from hiergeo._core.tables import drawn
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, write_json
from hiergeo.cli._terminal import console, counted, note
from hiergeo.cli.options import argument, flag, option, path_option
from hiergeo.cli.plans import READ, read_options

if TYPE_CHECKING:
    from hiergeo.construction import BuildPlan, Built
    from hiergeo.datasets import Hierarchy

OPTIONS = ("backend", "judge")
"""Settings with options of their own, which a plan holds as a table and the command line takes one by one."""


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a plan as options of the verb: ``[backend]`` becomes ``backend`` and ``backend-option``."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if name in OPTIONS and isinstance(value, dict):
            flat |= {name: value["name"]} if "name" in value else {}
            more = [f"{key}={jsonlib.dumps(each)}" for key, each in value.items() if key != "name"]
            flat |= {f"{name}-option": more} if more else {}
        else:
            flat[name] = value
    return flat


def take_plan(context: typer.Context, value: Path | None) -> None:
    """Make the settings of a plan the defaults of the command that is being read."""
    if value is not None:
        path = options.checked_path(value)
        table = None
        if path.suffix != ".json":
            table = _flat(parse_toml(read_text(path, "name the plan of a build"), path))
        context.default_map = read_options(path, context.command, table)


def build_command(
    context: typer.Context,
    captions: Annotated[
        str | None,
        argument(
            "CAPTIONS",
            "A file, a folder or a pattern of files of captions: .csv, .tsv, .parquet, .jsonl, .txt or .tar, "
            "also compressed, or folders of images with captions beside them.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, path_option("DIR", "Folder of the result.", "--out", "-o")] = Path("hiergeo-chains"),
    config: Annotated[Path | None, option("FILE", READ, is_eager=True, expose_value=False, callback=take_plan)] = None,
    data: Annotated[
        str | None,
        option("NAME", "Instead of CAPTIONS the finest captions of hierarcaps, scenes or chains:DIR.", "--data", "-d"),
    ] = None,
    split: Annotated[str | None, option("NAME", "Split of the dataset. (by default test)")] = None,
    rows: options.Rows = None,
    backend: Annotated[
        str, option("SPEC", "What writes texts: wordnet, transformers:PATH, openai:MODEL or a plug-in.")
    ] = "wordnet",
    backend_option: Annotated[
        list[str] | None,
        option(
            "NAME=VALUE", "An option of the backend, such as base_url=http://localhost:8000/v1; give it once for each."
        ),
    ] = None,
    judge: Annotated[
        str | None,
        option("SPEC", "What tells entailment and contradiction: transformers:PATH or a plug-in. (by default nothing)"),
    ] = None,
    judge_option: Annotated[
        list[str] | None, option("NAME=VALUE", "An option of the judge; give it once for each.")
    ] = None,
    tiers: Annotated[int, option("N", "Texts of a chain, the caption included.", min=2, max=8)] = 4,
    entailment: Annotated[
        float, option("P", "Least probability that a text entails the next more general one.", min=0, max=1)
    ] = 0.5,
    contradiction: Annotated[
        float, option("P", "Least probability that a negative contradicts its tier.", min=0, max=1)
    ] = 0.5,
    growth: Annotated[
        str, option("NAME", "Words of a more specific text: strict (more), weak (not fewer) or any.")
    ] = "weak",
    most_characters: Annotated[int, option("N", "Characters of a caption and of any text.", min=1)] = 1000,
    language: Annotated[str, option("NAME", "Of captions: en drops others, any leaves it to the backend.")] = "any",
    test_fraction: Annotated[
        float,
        option("X", "Share of the images that go to the test split; the others are for training.", min=0, max=1),
    ] = 1.0,
    seed: options.Seed = 0,
    shard_rows: Annotated[int, option("N", "Captions that are worked on and stored together.", min=1)] = 1000,
    caption_column: options.CaptionColumn = None,
    image_column: options.ImageColumn = None,
    title: Annotated[str, option("TEXT", "Of the data, for its card.")] = "",
    licence: Annotated[str, option("TEXT", "Of the data, for its card.")] = "",
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
    from hiergeo.construction.build_plan import option_of

    if (captions is None) == (data is None):
        hint = "not both" if captions else "such as captions.csv or --data scenes"
        raise InputError(f"name a file of captions or a dataset, {hint}.")
    if data is None and not (split is None and rows is None):
        raise InputError(
            f"--{'rows' if split is None else 'split'} goes with --data: a file of captions is taken whole."
        )
    check_writable(json)
    plan = options.chosen(
        context,
        construction.BuildPlan,
        backend_options=dict(option_of(text, "backend") for text in backend_option or ()),
        judge_options=dict(option_of(text, "judge") for text in judge_option or ()),
    )
    source: str | Hierarchy = captions if captions is not None else load_data(data or "", split or "test", rows)
    built = construction.build(source, out, plan, overwrite=overwrite, worker=worker, progress=True)
    write_json(json, {"metrics": built.metrics, "plan": plan.as_table()})
    _show(built, plan)


def _show(built: "Built", plan: "BuildPlan") -> None:
    screen = console()
    stages = (
        (run.name, run.made, run.kept, round(run.captions / run.seconds) if run.made and run.seconds else None)
        for run in built.stages
    )
    screen.print(drawn(Records.of(("stage", "shards done now", "done before", "captions/s"), stages).grid))
    if built.usage:
        usage = ", ".join(f"{name.replace('_', ' ')} {value:,.6g}" for name, value in built.usage.items())
        screen.print(f"Used by {plan.backend}: {usage}.", soft_wrap=True)
    if not built.finished:
        screen.print("This part is done: a last run without --worker writes the files.", soft_wrap=True)
        return
    if built.dropped:
        drops = ((*reason, count) for reason, count in Counter(built.dropped).most_common())
        screen.print(drawn(Records.of(("dropped in", "because", "rows"), drops).grid))
    kept = built.train + built.test
    share = percent(built.test / kept)
    screen.print(
        f"{kept:,} of {counted(built.rows, 'caption')} became chains of {plan.tiers} texts: {built.train:,} in "
        f"train.csv, {built.test:,} ({share}) in test.csv and, with negatives, test_expanded.csv.",
        soft_wrap=True,
    )
    if not built.test and plan.test_fraction:
        note("no image fell to the test split: take a larger --test-fraction, or more images.")
    screen.print(f"Folder: {built.folder.absolute()}", soft_wrap=True)
    named = f"{shlex.quote(str(built.folder))}{'' if built.test else ' --split train'}"
    screen.print(f"Next: hiergeo chains quality {named}", soft_wrap=True)
    screen.print(f"To read some of them: hiergeo chains quality {named} --sample 50 --csv read.csv", soft_wrap=True)
