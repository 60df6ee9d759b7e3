"""``hiergeo suite``: models x spaces x benchmarks into one folder, and the table of it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from hiergeo._core import records
from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.records import drawn
from hiergeo._core.text import listing
from hiergeo.cli import options
from hiergeo.cli._guard import WrongResults
from hiergeo.cli._io import check_writable
from hiergeo.cli._terminal import console, note
from hiergeo.cli.options import argument, option, path_argument, path_option
from hiergeo.cli.plans import Verb

if TYPE_CHECKING:
    from hiergeo.training.suite import Leaderboard, Place

PAGE = "leaderboard.html"
"""The page in the folder of a suite."""

FORMATS = (*records.FORMATS, "html")


class WithDefault(TyperGroup):
    """A group whose verb ``run`` need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` before arguments that name no verb of the group."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["run", *args])


app = typer.Typer(
    help="Measure every model of a plan in each of its spaces on every benchmark, or print the table.\n\n"
    "`hiergeo suite PLAN.toml` is `hiergeo suite run PLAN.toml`.",
    cls=WithDefault,
)


@app.command("run", cls=Verb)
def run_command(
    plan: Annotated[str | None, argument("PLAN.toml", "A TOML file, or a plan that is shipped: demo, paper.")] = None,
    model: Annotated[
        list[str] | None,
        option("SPEC", "Without a plan: a model, once for each, such as tiny and head:DIR.", "--model", "-m"),
    ] = None,
    data: Annotated[
        str | None, option("NAME", "With --model: a dataset of chains. (by default hierarcaps)", "--data", "-d")
    ] = None,
    rows: Annotated[int | None, option("N", "With --model: only the first N rows.", min=1)] = None,
    geometry: Annotated[
        list[str] | None,
        option(
            "SPEC",
            "With --model: a geometry, once for each. (by default the space that each model brings)",
            "--geometry",
            "-g",
        ),
    ] = None,
    out: Annotated[
        Path, path_option("DIR", "The folder of cells, embeddings and trained models.", "--out", "-o")
    ] = Path("hiergeo-suite"),
    overwrite: options.Overwrite = False,
    worker: options.Worker = None,
) -> None:
    """Measure a suite; interrupted, it goes on when the command is run again."""
    from hiergeo.report import write_leaderboard
    from hiergeo.training import suite
    from hiergeo.training.suite.plan import of_table

    if (plan is None) == (not model):
        raise InputError("name the plan of the suite (demo needs no data), or models (--model): one of them.")
    if not model and (data or rows or geometry):
        raise InputError("--data, --rows and --geometry go with --model; a plan says them itself.")
    if out.is_file():
        raise InputError(f"{out} is a file: name a folder for the suite.")
    check_writable(out / PAGE)
    if plan is not None:
        made = suite.read_plan(plan)
    else:
        options = {"model": model, "data": data or "hierarcaps", "rows": rows, "geometry": geometry}
        named = {name: value for name, value in options.items() if value}
        made = of_table(named, "the options")
    table = suite.run(made, out, overwrite=overwrite, worker=worker, progress=True)
    for (name, reason), cells in _grouped(table).items():
        note(f"{name}, {listing(list(dict.fromkeys(cell.benchmark for cell in cells)))}: {reason}")
    _show(table)
    write_leaderboard(table, out / PAGE)
    console().print(
        f"Page: {(out / PAGE).absolute()}; tables: hiergeo suite table {shlex.quote(str(out))}", soft_wrap=True
    )
    if table.failed:
        raise WrongResults


@app.command("table", cls=Verb)
def table_command(
    folder: Annotated[Path, path_argument("DIR", "The folder of a suite.")],
    format: Annotated[str, option("NAME", f"{listing(FORMATS)}; html is DIR/{PAGE}.")] = "markdown",
) -> None:
    """The table of a suite, of whatever cells are there, with paired differences and published figures."""
    from hiergeo.report import write_leaderboard
    from hiergeo.training import suite

    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    table = suite.read(folder)
    if format == "table":
        _show(table)
    elif format == "html":
        console().print(f"Page: {write_leaderboard(table, folder / PAGE).absolute()}", soft_wrap=True)
    else:
        print(getattr(table, f"to_{format}")().rstrip("\n"))


def _grouped(table: "Leaderboard") -> dict[tuple[str, str], list["Place"]]:
    """(Model, reason) -> its cells without numbers for that reason."""
    groups: dict[tuple[str, str], list[Place]] = {}
    for cell, reason in table.missing.items():
        groups.setdefault((cell.model, reason), []).append(cell)
    return groups


def _show(table: "Leaderboard") -> None:
    """Print the headline and the first metric of every benchmark, as many a table as fit; * marks the best row."""
    from hiergeo.report.terminal import fitted

    screen = console()
    screen.print(Text(table.conclusion.headline, style="bold"))
    for grid in fitted(table.overview(), screen.width):
        screen.print(drawn(grid))
