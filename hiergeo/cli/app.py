"""The typer application: the verbs under their names."""

from typing import Annotated

import typer

from hiergeo._version import __version__
from hiergeo.cli import (
    audit,
    benchmark,
    build,
    compare,
    data,
    demo,
    embed,
    explore,
    heads,
    info,
    ladder,
    length,
    options,
    probe,
    quality,
    review,
    search,
    serve,
    stores,
    study,
    suite,
    train_head,
    train_re,
    tree,
)
from hiergeo.cli.plans import PlannedVerb


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
app.command("demo", cls=PlannedVerb)(demo.demo_command)
app.command("probe", cls=PlannedVerb)(probe.probe_command)
app.command("compare", cls=PlannedVerb)(compare.compare_command)
app.command("audit", cls=PlannedVerb)(audit.audit_command)
app.command("length", cls=PlannedVerb)(length.length_command)
app.command("benchmark", cls=PlannedVerb)(benchmark.benchmark_command)
app.command("study", cls=PlannedVerb)(study.study_command)
app.command("suite", cls=PlannedVerb)(suite.suite_command)
app.command("table", cls=options.Verb)(suite.table_command)
app.command("ladder", cls=PlannedVerb)(ladder.ladder_command)
app.command("tree", cls=PlannedVerb)(tree.tree_command)
app.command("build", cls=PlannedVerb)(build.build_command)
app.command("quality", cls=PlannedVerb)(quality.quality_command)
app.command("embed", cls=PlannedVerb)(embed.embed_command)
app.command("search", cls=PlannedVerb)(search.search_command)
app.command("serve", cls=PlannedVerb)(serve.serve_command)
app.command("review", cls=options.Verb)(review.review_command)
app.command("explore", cls=PlannedVerb)(explore.explore_command)
app.add_typer(data.app, name="data")
training = typer.Typer(help="Sharpen the hierarchy of a model.", no_args_is_help=True)
training.command("head", cls=PlannedVerb)(train_head.head_command)
training.command("re", cls=PlannedVerb)(train_re.re_command)
app.add_typer(training, name="train")
app.add_typer(heads.app, name="head")
app.add_typer(stores.app, name="index")
app.command("info", cls=options.Verb)(info.info_command)
