"""``hiergeo train``: sharpening the hierarchy of a model, behind its embeddings or in its text tower."""

import typer

from hiergeo.cli import options
from hiergeo.cli.train import head, re

app = typer.Typer(help="Sharpen the hierarchy of a model.", no_args_is_help=True)
app.command("head", cls=options.Verb)(head.head)
app.command("re", cls=options.Verb)(re.re)
