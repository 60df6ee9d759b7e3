"""The typer application. Verbs are imported when they are used: the overview needs none of them, nor torch."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from hiergeo._core.version import __version__

SUMMARIES = {
    "Measure": {
        "demo": "Compare Euclidean, hyperbolic and spherical hierarchies of the bundled model on generated scenes.",
        "probe": "Measure the hierarchy of a model: how radii order the tiers, how well ladders retrieve them.",
        "compare": "Compare geometries on the same embeddings, with paired intervals, and write a page with pictures.",
        "audit": "Audit a claim of hierarchy: what angles, radii, curvature, length and training each do.",
        "benchmark": "Measure a model on a benchmark: values, intervals, baselines, and figures of papers beside them.",
        "study": "Train small heads in several geometries on the same embeddings: does the geometry make a difference?",
        "suite": "Measure every model of a plan in each of its spaces on every benchmark, or print the table.",
    },
    "Train": {
        "embed": "Embed a dataset into one file, to be used as --model npz:FILE.",
        "train": "Train models, heads and text towers in any space; describe and share them.",
    },
    "Search": {
        "index": "Build, extend and check indexes of captions and images.",
        "search": "Search an index: what texts or images entail, what entails them, what is near, and ladders.",
        "classify": "Classify items into a tree of labels, each down to the level at which it can be believed.",
        "tree": "Put every item of an index below its most specific generalisations: a taxonomy of one's own corpus.",
        "serve": "Serve an index or a classifier over HTTP until SIGTERM or Ctrl-C; requests in flight still finish.",
    },
    "Build": {"chains": "Make, measure and compare chains."},
    "Look": {
        "explore": "Explore a collection in the browser until SIGTERM or Ctrl-C, or export it as a page.",
    },
    "System": {
        "data": "List, download and check datasets.",
        "info": "Print versions, kernels, devices, data and plug-ins, for a bug report or a paper's appendix.",
    },
}
"""The first sentence of the help of every verb, by heading, in the order of the overview."""


class Hiergeo(TyperGroup):
    """The whole command line: its `commands` hold the sentences above; the verb that is asked for is loaded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {
            name: TyperCommand(name, help=summary, rich_help_panel=panel)
            for panel, verbs in SUMMARIES.items()
            for name, summary in verbs.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The name of the verb that arguments ask for, the verb, and the arguments that are left."""
        name, _, left = super().resolve_command(ctx, args)
        return name, loaded(str(name)), left


def loaded(name: str) -> Any:
    """The command of a verb: the typer application ``app`` of its module, or else the function ``NAME_command``."""
    module = import_module(f"hiergeo.cli.{name}")
    group = getattr(module, "app", None)
    if group is not None:
        command: Any = get_group(group)
    else:
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        kind = getattr(module, "Command", None) or import_module("hiergeo.cli.plans").Verb
        alone.command(name, cls=kind)(getattr(module, f"{name}_command"))
        command = get_command(alone)
    command.name = name
    return command


def _print_version(wanted: bool) -> None:
    if wanted:
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
    cls=Hiergeo,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(_whole)
