"""The typer application: the verbs under their names."""

import typer

from hiergeo.cli import compare, data, demo, embed, info, ladder, probe, train

app = typer.Typer(
    name="hiergeo",
    help="The hierarchies inside vision-language models, in interchangeable geometries.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo.demo)
app.command("probe")(probe.probe)
app.command("compare")(compare.compare)
app.command("ladder")(ladder.ladder)
app.command("embed")(embed.embed)
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.command("info")(info.info)
