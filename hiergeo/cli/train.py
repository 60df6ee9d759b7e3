"""``hiergeo train``: heads and towers; model cards of heads, and their upload to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage.documents import load_json
from hiergeo.cli.plans import Verb
from hiergeo.cli.train_head import head_command
from hiergeo.cli.train_re import re_command

app = typer.Typer(help="Sharpen the hierarchy of a model; describe and share trained heads.", no_args_is_help=True)
app.command("head", cls=Verb)(head_command)
app.command("re", cls=Verb)(re_command)

Folder = Annotated[Path, typer.Argument(help="The folder of the head.", metavar="DIR")]
Repository = Annotated[str, typer.Argument(help="The repository on the hub.", metavar="ORG/NAME")]
Measured = Annotated[
    Path | None,
    typer.Option("--metrics", help="A result to tell of: what --json of probe or benchmark wrote.", metavar="FILE"),
]
Audited = Annotated[
    str | None,
    typer.Option("--audit", help="What --json of audit wrote, or a verdict in words.", metavar="FILE|TEXT"),
]
Licence = Annotated[
    str | None, typer.Option("--license", help="Identifier of the licence, such as cc-by-4.0.", metavar="NAME")
]
Name = Annotated[str | None, typer.Option("--name", help="Name in the card. (by default the folder's)", metavar="NAME")]


@app.command("card", cls=Verb)
def card_command(
    folder: Folder, metrics: Measured = None, audit: Audited = None, name: Name = None, license: Licence = None
) -> None:
    """Write the model card README.md of a head, with metrics and an audit if there are any."""
    from hiergeo.report.interop import write_card

    result = None if metrics is None else _object(metrics)
    verdict: Any = audit
    if audit is not None and audit.endswith(".json"):
        verdict = _object(Path(audit))
    print(write_card(folder, result, verdict, name=name, license=license))


@app.command("push", cls=Verb)
def push_command(
    folder: Folder,
    repository: Repository,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    license: Licence = None,
) -> None:
    """Upload a head with its card to the Hugging Face hub, where you are logged in."""
    from hiergeo.report.interop import push_to_hub

    print(push_to_hub(folder, repository, private=private, license=license))


def _object(path: Path) -> dict[str, Any]:
    try:
        held = load_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}.") from error
    if not isinstance(held, dict):
        raise InputError(f"{path} holds no JSON object: name what --json wrote.")
    return held
