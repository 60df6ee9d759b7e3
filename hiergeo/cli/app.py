"""The typer application: the verbs under their names."""

from typing import Annotated

import typer

from hiergeo._core.version import __version__
from hiergeo.cli.verbs import Group, Verb

MEASURE, TRAIN, SEARCH, BUILD, LOOK, SYSTEM = "Measure", "Train", "Search", "Build", "Look", "System"

VERBS = {
    "demo": Verb(
        "demo:demo_command",
        "Compare Euclidean, hyperbolic and spherical hierarchies of the bundled model on generated scenes.",
        MEASURE,
    ),
    "probe": Verb(
        "probe:probe_command",
        "Measure the hierarchy of a model: how radii order the tiers, how well ladders retrieve them.",
        MEASURE,
    ),
    "compare": Verb(
        "compare:compare_command",
        "Compare geometries on the same embeddings, with paired intervals, and write a page with pictures.",
        MEASURE,
    ),
    "audit": Verb(
        "audit:audit_command",
        "Audit a claim of hierarchy: what angles, radii and curvature each do; with --length what caption length does.",
        MEASURE,
    ),
    "benchmark": Verb(
        "benchmark:benchmark_command",
        "Measure a model on a benchmark: values, intervals, baselines, and figures of papers beside them.",
        MEASURE,
    ),
    "study": Verb(
        "study:study_command",
        "Train small heads in several geometries on the same embeddings, and say whether the geometry makes a "
        "difference.",
        MEASURE,
    ),
    "suite": Verb(
        "suite:app",
        "Measure every model of a plan in each of its spaces on every benchmark, or print the table.",
        MEASURE,
    ),
    "embed": Verb(
        "embed:embed_command",
        "Embed a dataset into one file, to be used as --model npz:FILE.",
        TRAIN,
    ),
    "train": Verb("train:app", "Sharpen the hierarchy of a model; describe and share trained heads.", TRAIN),
    "index": Verb("stores:app", "Build, extend and check indexes of captions and images.", SEARCH),
    "search": Verb(
        "search:search_command",
        "Search an index: what texts or images entail, what entails them, what is near, and ladders.",
        SEARCH,
    ),
    "tree": Verb(
        "tree:tree_command",
        "Put every item of an index below its most specific generalisations: a taxonomy of one's own corpus.",
        SEARCH,
    ),
    "serve": Verb(
        "serve:serve_command",
        "Serve an index over HTTP until SIGTERM or Ctrl-C; requests in flight are finished.",
        SEARCH,
    ),
    "chains": Verb("chains:app", "Make, judge, review and compare chains.", BUILD),
    "explore": Verb(
        "explore:explore_command",
        "Explore a collection in the browser, until SIGTERM or Ctrl-C; or export it as a page without a server.",
        LOOK,
    ),
    "data": Verb("data:app", "List, download and check datasets.", SYSTEM),
    "info": Verb(
        "info:info_command",
        "Print versions, kernels, devices, data and third-party plug-ins, for a bug report or a paper's appendix.",
        SYSTEM,
        planned=False,
    ),
}
"""Every verb, in the order of the overview. The summary is the first paragraph of its help."""


class Verbs(Group):
    """The whole command line."""

    verbs = VERBS


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
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(_whole)
