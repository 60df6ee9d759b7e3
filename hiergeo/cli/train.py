"""``hiergeo train``: image-text models, heads and towers; cards of heads, and their upload to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hiergeo._core.errors import InputError, reason
from hiergeo._core.records import Records
from hiergeo._core.storage.documents import load_json
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, publish, say_taken
from hiergeo.cli.options import argument, flag, option, path_option
from hiergeo.cli.plans import Verb
from hiergeo.cli.sharpening import head_command, re_command


def clip_command(
    plan: Annotated[Path, argument("PLAN.toml", "Model, space, data and losses.")],
    out: Annotated[Path | None, path_option("DIR", "The folder, instead of the plan's.", "--out", "-o")] = None,
    overwrite: options.Overwrite = False,
    format: options.Format = "table",
    json: options.Json = None,
) -> None:
    """Train an image-text model in any space; an interrupted training goes on when it is run again."""
    from hiergeo import training
    from hiergeo.report.interop.cards import AUDIT, write_card
    from hiergeo.training.clip.data import columns_of
    from hiergeo.training.clip.plan import SCENES
    from hiergeo.training.processes import is_writer

    clip = training.read_clip_plan(plan, **({} if out is None else {"out": str(out)}))
    check_writable(json, Path(clip.out) / "hiergeo.json")
    if clip.data.source != SCENES:
        say_taken(clip.data.source, columns_of(clip.data))
    trained = training.train_clip(clip, overwrite=overwrite, progress=True)
    if not is_writer():
        return
    if (Path(clip.out) / AUDIT).is_file():
        write_card(clip.out)
    first, last = trained.history[0], trained.history[-1]
    before, after = map(_numbers, (first, last))
    rows = ((name, before[name], after[name]) for name in after)
    notes = f"On pictures held out; before: step {first.step}, after: step {last.step}."
    document = {"settings": trained.config, "history": [look.as_dict() for look in trained.history]}
    lines = [f"Model of step {last.step}: --model {trained.spec}"]
    publish(document, json, format, Records.of(("metric", "before", "after"), rows, notes), lines=lines)
    if trained.diverged:
        raise InputError(f"{trained.diverged}; {clip.out} holds the model of step {last.step}, the last good one.")


def _numbers(look: Any) -> dict[str, float]:
    """The numbers of a look at the pictures held out, by name; curvatures by factor."""
    radii = dict(zip(("radius_of_captions", "radius_of_pictures"), look.radius, strict=True))
    return {**look.validation, **radii, **{f"curvature_factor{at}": value for at, value in enumerate(look.curvature)}}


app = typer.Typer(
    help="Train models, heads and text towers in any space; describe and share them.",
    no_args_is_help=True,
)
app.command("clip", cls=Verb)(clip_command)
app.command("head", cls=Verb)(head_command)
app.command("re", cls=Verb)(re_command)

Folder = Annotated[Path, argument("DIR", "The folder of the head.")]
Licence = Annotated[str | None, option("NAME", "Identifier of the licence, such as cc-by-4.0.")]


@app.command("card", cls=Verb)
def card_command(
    folder: Folder,
    metrics: Annotated[
        Path | None, option("FILE", "A result to tell of: what --json of probe or benchmark wrote.")
    ] = None,
    audit: Annotated[str | None, option("FILE|TEXT", "What --json of audit wrote, or a verdict in words.")] = None,
    name: Annotated[str | None, option("NAME", "Name in the card. (by default the folder's)")] = None,
    license: Licence = None,
) -> None:
    """Write the model card README.md of a head, with metrics and an audit if there are any."""
    from hiergeo.report.interop import write_card

    result = None if metrics is None else _object(metrics)
    verdict: Any = _object(Path(audit)) if audit is not None and audit.endswith(".json") else audit
    print(write_card(folder, result, verdict, name=name, license=license))


@app.command("push", cls=Verb)
def push_command(
    folder: Folder,
    repository: Annotated[str, argument("ORG/NAME", "The repository on the hub.")],
    private: Annotated[bool, flag("--private", "Make a new repository private.")] = False,
    license: Licence = None,
) -> None:
    """Upload a head or an image-text model with its card to the Hugging Face hub, where you are logged in."""
    from hiergeo.report.interop import push_to_hub

    print(push_to_hub(folder, repository, private=private, license=license))


def _object(path: Path) -> dict[str, Any]:
    try:
        document = load_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}.") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} does not hold a JSON object: name what --json wrote.")
    return document
