"""The typer application: the verbs under their names."""

from typing import Annotated

import typer

from hiergeo._version import __version__
from hiergeo.cli import compare, data, demo, embed, info, ladder, options, probe, train


def _print_version(asked: bool) -> None:
    if asked:
        print(f"hiergeo {__version__}")
        raise typer.Exit


def _whole(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """The hierarchies inside vision-language models, in interchangeable geometries."""


app = typer.Typer(
    name="hiergeo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(_whole)
app.command("demo", cls=options.Verb)(demo.demo)
app.command("probe", cls=options.Verb)(probe.probe)
app.command("compare", cls=options.Verb)(compare.compare)
app.command("ladder", cls=options.Verb)(ladder.ladder)
app.command("embed", cls=options.Verb)(embed.embed)
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.command("info", cls=options.Verb)(info.info)
