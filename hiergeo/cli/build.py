"""``hiergeo chains build``: captions become chains from general to specific with contradicting negatives."""

import json as jsonlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiergeo._core.errors import InputError
from hiergeo._core.storage.documents import parse_toml
from hiergeo._core.storage.texts import read_text
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, write_json
from hiergeo.cli._terminal import console, counted, note
from hiergeo.cli.plans import read_options

if TYPE_CHECKING:
    from hiergeo.construction import BuildPlan, Built
    from hiergeo.datasets import Hierarchy

OPTIONS = ("backend", "judge")
"""Settings with options of their own, which a plan holds as a table and the command line takes one by one."""


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a plan as options of the verb: ``[backend]`` becomes ``backend`` and ``backend-option``."""
    told = dict(table)
    for part in OPTIONS:
        if isinstance(held := told.pop(part, None), dict):
            held = dict(held)
            if "name" in held:
                told[part] = held.pop("name")
            if held:
                told[f"{part}-option"] = [f"{name}={_written(value)}" for name, value in held.items()]
        elif held is not None:
            told[part] = held
    return told


def _written(value: Any) -> str:
    return value if isinstance(value, str) and not _is_json(value) else jsonlib.dumps(value)


def _is_json(text: str) -> bool:
    """Whether a text would be read as a number, a flag or a list."""
    try:
        jsonlib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def take_plan(context: typer.Context, value: Path | None) -> None:
    """Make the settings of a plan the defaults of the command that is being read."""
    if value is not None:
        path = options.checked_path(value)
        table = None
        if path.suffix != ".json":
            table = _flat(parse_toml(read_text(path, "name the plan of a build"), path))
        context.default_map = read_options(path, context.command, table)


Captions = Annotated[
    str | None,
    typer.Argument(
        help="A file, a folder or a pattern of files of captions: .csv, .tsv, .parquet, .jsonl, .txt or .tar, "
        "also compressed, or folders of images with captions beside them.",
        metavar="CAPTIONS",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the result.", metavar="DIR", callback=options.path)]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Read settings from this plan in TOML, or from the JSON of a result; those given here override it.",
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=take_plan,
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        help="Instead of CAPTIONS the finest captions of hierarcaps, scenes or chains:DIR.",
        metavar="NAME",
    ),
]
Split = Annotated[str | None, typer.Option(help="Split of the dataset. (by default test)", metavar="NAME")]
BackendSpec = Annotated[
    str,
    typer.Option(help="What writes texts: wordnet, transformers:PATH, openai:MODEL or a plug-in.", metavar="SPEC"),
]
BackendOption = Annotated[
    list[str] | None,
    typer.Option(
        "--backend-option",
        help="An option of the backend, such as base_url=http://localhost:8000/v1; give it once for each.",
        metavar="NAME=VALUE",
    ),
]
JudgeSpec = Annotated[
    str,
    typer.Option(
        help="What tells entailment and contradiction: rules, transformers:PATH or a plug-in.", metavar="SPEC"
    ),
]
JudgeOption = Annotated[
    list[str] | None,
    typer.Option("--judge-option", help="An option of the judge; give it once for each.", metavar="NAME=VALUE"),
]
Tiers = Annotated[int, typer.Option(help="Texts of a chain, the caption included.", metavar="N", min=2, max=8)]
Entailment = Annotated[
    float,
    typer.Option(help="Least probability that a text entails the next more general one.", metavar="P", min=0, max=1),
]
Contradiction = Annotated[
    float, typer.Option(help="Least probability that a negative contradicts its tier.", metavar="P", min=0, max=1)
]
Growth = Annotated[
    str,
    typer.Option(help="Words of a more specific text: strict (more), weak (not fewer) or any.", metavar="NAME"),
]
MostCharacters = Annotated[int, typer.Option(help="Characters of a caption and of any text.", metavar="N", min=1)]
Language = Annotated[
    str, typer.Option(help="Of captions: en drops others, any leaves it to the backend.", metavar="NAME")
]
TestFraction = Annotated[
    float, typer.Option(help="Share of the images that go to the test split.", metavar="X", min=0, max=1)
]
ShardRows = Annotated[int, typer.Option(help="Captions that are worked on and stored together.", metavar="N", min=1)]
Title = Annotated[str, typer.Option(help="Of the data, for its card.", metavar="TEXT")]
Licence = Annotated[str, typer.Option(help="Of the data, for its card.", metavar="TEXT")]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Go on in a folder of another plan or input; what still fits is kept."),
]


def build_command(
    captions: Captions = None,
    out: Out = Path("hiergeo-chains"),
    config: Config = None,
    data: Data = None,
    split: Split = None,
    rows: options.Rows = None,
    backend: BackendSpec = "wordnet",
    backend_option: BackendOption = None,
    judge: JudgeSpec = "rules",
    judge_option: JudgeOption = None,
    tiers: Tiers = 4,
    entailment: Entailment = 0.5,
    contradiction: Contradiction = 0.5,
    growth: Growth = "weak",
    most_characters: MostCharacters = 1000,
    language: Language = "any",
    test_fraction: TestFraction = 0.1,
    seed: options.Seed = 0,
    shard_rows: ShardRows = 1000,
    caption_column: options.CaptionColumn = None,
    image_column: options.ImageColumn = None,
    title: Title = "",
    licence: Licence = "",
    overwrite: Overwrite = False,
    worker: options.Worker = None,
    json: options.Json = None,
) -> None:
    """Make a benchmark out of captions: chains from general to specific with contradicting negatives.

    Interrupted, it goes on where it stopped: give the same command again.
    """
    from hiergeo import construction
    from hiergeo.construction.build_plan import option_of

    if (captions is None) == (data is None):
        told = "not both" if captions else "such as captions.csv or --data scenes"
        raise InputError(f"name a file of captions or a dataset, {told}.")
    if data is None and not (split is None and rows is None):
        raise InputError(
            f"--{'rows' if split is None else 'split'} goes with --data: a file of captions is taken whole."
        )
    check_writable(json)
    plan = construction.BuildPlan(
        backend=backend,
        backend_options=dict(option_of(text, "backend") for text in backend_option or ()),
        judge=judge,
        judge_options=dict(option_of(text, "judge") for text in judge_option or ()),
        tiers=tiers,
        entailment=entailment,
        contradiction=contradiction,
        growth=growth,  # type: ignore[arg-type]  # the plan refuses other words
        most_characters=most_characters,
        language=language,  # type: ignore[arg-type]  # likewise
        test_fraction=test_fraction,
        seed=seed,
        shard_rows=shard_rows,
        caption_column=caption_column,
        image_column=image_column,
        title=title,
        licence=licence,
    )
    source: str | Hierarchy = captions if captions is not None else load_data(data or "", split or "test", rows)
    built = construction.build(source, out, plan, overwrite=overwrite, worker=worker, progress=True)
    write_json(json, jsonlib.dumps({"metrics": built.metrics, "plan": plan.as_table()}, indent=2))
    _show(built, plan)


def _show(built: "Built", plan: "BuildPlan") -> None:
    from rich import box
    from rich.table import Table

    screen = console()
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("stage", "shards done now", "done before", "captions/s"):
        grid.add_column(head, justify="left" if head == "stage" else "right")
    for run in built.stages:
        speed = f"{run.captions / run.seconds:,.0f}" if run.made and run.seconds else "–"
        grid.add_row(run.name, f"{run.made:,}", f"{run.kept:,}", speed)
    screen.print(grid)
    if built.usage:
        told = ", ".join(f"{name.replace('_', ' ')} {value:,.6g}" for name, value in built.usage.items())
        screen.print(f"Used by {plan.backend}: {told}.", soft_wrap=True)
    if not built.finished:
        screen.print("This part is done: a last run without --worker writes the files.", soft_wrap=True)
        return
    if built.dropped:
        drops = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for head, side in (("dropped in", "left"), ("because", "left"), ("rows", "right")):
            drops.add_column(head, justify=side)  # type: ignore[arg-type]
        for (stage, reason), count in sorted(built.dropped.items(), key=lambda each: -each[1]):
            drops.add_row(stage, reason, f"{count:,}")
        screen.print(drops)
    kept = built.train + built.test
    share = f"{built.test / kept:.1%}"
    screen.print(
        f"{kept:,} of {counted(built.rows, 'caption')} became chains of {plan.tiers} texts: {built.train:,} in "
        f"train.csv, {built.test:,} ({share}) in test.csv and, with negatives, test_expanded.csv.",
        soft_wrap=True,
    )
    if not built.test and plan.test_fraction:
        note("no image fell to the test split: take a larger --test-fraction, or more images.")
    screen.print(f"Folder: {built.folder.absolute()}", soft_wrap=True)
    named = f"{built.folder}{'' if built.test else ' --split train'}"
    screen.print(f"Next: hiergeo chains quality {named} measures it.", soft_wrap=True)
    screen.print(f"To check it by hand: hiergeo chains review {named}", soft_wrap=True)
