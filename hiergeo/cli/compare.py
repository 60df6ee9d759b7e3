"""``hiergeo compare``: one model, several geometries, one table and one page."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from hiergeo import adapters
from hiergeo.cli import options, study
from hiergeo.cli._io import check_writable, load_data, note_geometry, plain, sole_writer, space_of, write_json
from hiergeo.cli._terminal import console, note
from hiergeo.errors import InputError
from hiergeo.evaluation import Comparison
from hiergeo.evaluation import compare as run
from hiergeo.evaluation.measuring import check
from hiergeo.geometry import MIN_RADIUS

GEOMETRIES = ["euclidean", "lorentz:-1", "poincare:-0.5", "sphere:0.25"]

Images = Annotated[int, typer.Option(help="Image ladders on the page.", metavar="N", min=1)]


Steps = Annotated[
    int | None,
    typer.Option(
        help="Thresholds of re, points of traversal  [50]; with --train the budget of steps  [400].", metavar="N", min=1
    ),
]

THRESHOLDS = 50

UNTRAINED = ("protocol", "root", "min_radius")
"""Options of a comparison of frozen embeddings alone."""


def compare(
    context: typer.Context,
    model: options.Model,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.Geometries = GEOMETRIES,
    protocol: options.Protocol = "re",
    steps: Steps = None,
    root: options.Root = "model",
    min_radius: options.MinRadius = MIN_RADIUS,
    format: options.Format = "table",
    html: options.Html = Path("hiergeo-compare.html"),
    images: Images = 12,
    json: options.Json = None,
    seed: options.Seed = 0,
    device: options.Device = options.AUTO,
    train: study.Train = None,
    dim: study.Dims = None,
    seeds: study.Seeds = study.SEEDS,
    learning_rate: study.Rates = study.RATES,
    loss: study.Loss = options.LOSSES,
    hidden: study.Hidden = study.HIDDEN,
    learn_curvature: study.LearnCurvature = False,
    free_norms: study.FreeNorms = False,
    force: study.Force = False,
) -> None:
    """Compare geometries on the same embeddings, with paired intervals, and write a page with pictures.

    With --train: compare heads that are trained alike in every geometry, with intervals over test rows and seeds.
    """
    from hiergeo.report import check_format

    check_format(format)
    _refuse_strays(context, train is not None)
    if train is not None:
        asked = study.Training(
            train, dim, seeds, learning_rate, loss, hidden, steps, learn_curvature, free_norms, force
        )
        study.study(asked, model, data, split, rows, geometry, html, images, json, seed, device, format)
        return
    steps = steps or THRESHOLDS
    check_writable(json, html)
    check(protocol, steps)
    spaces = [space_of(spec, root, min_radius) for spec in geometry]
    hierarchy = load_data(data, split, rows)
    loaded = adapters.load(model, device=device)
    note_geometry(loaded, spaces)
    with sole_writer(json, html):
        comparison = run(loaded, hierarchy, spaces, protocol, steps, seed, progress=True)
        publish(comparison, html, json, images, seed, format)


def _refuse_strays(context: typer.Context, trains: bool) -> None:
    """Refuse options that play no part, with --train or without it."""
    for parameter in context.command.params:
        name = str(parameter.name)
        option = name.replace("_", "-")
        source = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and trains and name in UNTRAINED:
            raise InputError(
                f"--{option} plays no part with --train, which measures by re and pairs around the head's root."
            )
        if given and not trains and getattr(parameter, "rich_help_panel", None) == study.PANEL:
            raise InputError(f"--{option} needs --train: without it nothing is trained.")


def publish(comparison: Comparison, html: Path, json: Path | None, images: int, seed: int, form: str = "table") -> None:
    """Write the page and the JSON, print the table and the verdicts."""
    from hiergeo.report import comparison_tables, write_page

    write_json(json, comparison.to_json())
    write_page(comparison, html, images=images, seed=seed)
    if plain(comparison, form):
        note(f"page: {html.absolute()}")
        return
    screen = console()
    for table in comparison_tables(comparison, screen.width):
        screen.print(table)
    for result in comparison.results:
        screen.print(Text.assemble((result.geometry, "bold"), f": {result.verdict}"))
    screen.print(f"Page: {html.absolute()}", soft_wrap=True)
