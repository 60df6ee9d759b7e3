"""The typer application: the verbs under their names."""

from typing import Annotated

import typer

from hiergeo._version import __version__
from hiergeo.cli.verbs import Group, Verb

VERBS = {
    "demo": Verb(
        "demo:demo_command",
        "Compare Euclidean, hyperbolic and spherical hierarchies of the bundled model on generated scenes.",
    ),
    "probe": Verb(
        "probe:probe_command",
        "Measure the hierarchy of a model: how radii order the tiers, how well ladders retrieve them.",
    ),
    "compare": Verb(
        "compare:compare_command",
        "Compare geometries on the same embeddings, with paired intervals, and write a page with pictures.",
    ),
    "audit": Verb(
        "audit:audit_command",
        "Audit a claim of hierarchy: where points lie, what cones hold, and what angles, radii and curvature each do.",
    ),
    "length": Verb(
        "length:length_command", "Control the length of captions: is the order of the tiers more than one of length?"
    ),
    "benchmark": Verb(
        "benchmark:benchmark_command",
        "Measure a model on a benchmark: values, intervals, baselines, and figures of papers beside them.",
    ),
    "study": Verb(
        "study:study_command",
        "Train small heads in several geometries on the same embeddings, and say whether the geometry makes a "
        "difference.",
    ),
    "suite": Verb(
        "suite:suite_command",
        "Measure every model of a plan in each of its spaces on every benchmark; interrupted, it goes on with "
        "--resume.",
    ),
    "table": Verb(
        "suite:table_command",
        "The table of a suite, of whatever cells are there, with paired differences and published figures.",
        planned=False,
    ),
    "ladder": Verb(
        "ladder:ladder_command", "Print what each image is, from the most general caption to the most specific."
    ),
    "tree": Verb(
        "tree:tree_command",
        "Put every item of an index below its most specific generalisations: a taxonomy of one's own corpus.",
    ),
    "embed": Verb(
        "embed:embed_command",
        "Embed a dataset (--data) into one file, to be used as --model npz:FILE; or files (--shards) into an index.",
    ),
    "search": Verb(
        "search:search_command",
        "Search an index: what texts or images entail, what entails them, what is near, and ladders.",
    ),
    "serve": Verb(
        "serve:serve_command", "Serve an index over HTTP until SIGTERM or Ctrl-C; requests in flight are finished."
    ),
    "explore": Verb(
        "explore:explore_command",
        "Explore a collection in the browser, until SIGTERM or Ctrl-C; or export it as a page without a server.",
    ),
    "info": Verb(
        "info:info_command",
        "Print versions, kernels, devices, data and third-party plug-ins, for a bug report or a paper's appendix.",
        planned=False,
    ),
    "chains": Verb("chains:app", "Make, judge, review and compare chains."),
    "data": Verb("data:app", "List, download and check datasets."),
    "train": Verb("train_re:app", "Sharpen the hierarchy of a model."),
    "head": Verb("heads:app", "Describe trained heads, and share them on the Hugging Face hub."),
    "index": Verb("stores:app", "Build, extend and check indexes of captions and images."),
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
