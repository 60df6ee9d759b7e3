"""The typer application: the verbs under their names."""

from typing import Annotated

import typer

from hiergeo._core.version import __version__
from hiergeo.cli.verbs import LazyGroup

SUMMARIES = {
    "Measure": {
        "demo": "Compare Euclidean, hyperbolic and spherical hierarchies of the bundled model on generated scenes.",
        "probe": "Measure the hierarchy of a model: how radii order the tiers, how well ladders retrieve them.",
        "compare": "Compare geometries on the same embeddings, with paired intervals, and write a page with pictures.",
        "audit": "Audit a claim of hierarchy: what angles, radii and curvature do; with --length caption length.",
        "benchmark": "Measure a model on a benchmark: values, intervals, baselines, and figures of papers beside them.",
        "study": "Train small heads in several geometries on the same embeddings: does the geometry make a difference?",
        "suite": "Measure every model of a plan in each of its spaces on every benchmark, or print the table.",
    },
    "Train": {
        "embed": "Embed a dataset into one file, to be used as --model npz:FILE.",
        "train": "Train a model in any space, or sharpen the hierarchy of one; describe and share trained heads.",
    },
    "Search": {
        "index": "Build, extend and check indexes of captions and images.",
        "search": "Search an index: what texts or images entail, what entails them, what is near, and ladders.",
        "tree": "Put every item of an index below its most specific generalisations: a taxonomy of one's own corpus.",
        "serve": "Serve an index over HTTP until SIGTERM or Ctrl-C; requests in flight are finished.",
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


class Hiergeo(LazyGroup):
    """The whole command line."""

    summaries = SUMMARIES


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
    cls=Hiergeo,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(_whole)
