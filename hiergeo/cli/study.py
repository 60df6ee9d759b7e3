"""``hiergeo study``: heads of several geometries, trained alike, measured and set against each other."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.text import Text

from hiergeo import adapters, training
from hiergeo._core import limits
from hiergeo._core.devices import resolve_dtype
from hiergeo._core.errors import check_whole
from hiergeo.adapters import Model
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, printed_alone, sole_writer, write_json
from hiergeo.cli._terminal import console, note
from hiergeo.cli.plans import PlanFile
from hiergeo.training import Chains, Recipe
from hiergeo.training.study import Plan, Study, StudySettings, run_study

DEFAULTS = Recipe()
SEEDS = 5
RATES = [3e-4, 1e-3, 3e-3]

Train = Annotated[
    str, typer.Option("--train", help="Chains to train on: an npz file, or a split to embed.", metavar="FILE|SPLIT")
]
Dims = Annotated[
    list[int] | None,
    typer.Option(
        "--dim", help="Dimension of the heads, once for each; that of the model if none is given.", metavar="N", min=1
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", help="Heads of each geometry and dimension.", metavar="N", min=1)]
Rates = Annotated[
    list[float], typer.Option("--learning-rate", help="A candidate of the tuning, once for each.", metavar="X")
]
Steps = Annotated[int, typer.Option(help="The budget of steps of each head.", metavar="N", min=1)]
BatchSize = Annotated[int, typer.Option(help="Chains a step.", metavar="N", min=1)]
Images = Annotated[int, typer.Option(help="Image ladders on the page.", metavar="N", min=1)]


class Heads(NamedTuple):
    """What the options say of the heads; see there."""

    geometries: list[str]
    dims: list[int] | None
    seeds: int
    rates: list[float]
    losses: list[str]
    hidden: int
    steps: int
    batch_size: int
    learn_curvature: bool
    free_norms: bool

    def plan(self, dim: int) -> Plan:
        """The plan of a study; `dim` where no dimension was asked for."""
        check_whole("--seeds", self.seeds, 1, limits.COUNT)
        losses, dims = training.parse_losses(self.losses), tuple(self.dims or [dim])
        if self.losses == options.LOSSES:
            losses = options.fitting(losses, dim, dims)
        recipe = Recipe(
            losses=losses,
            hidden=self.hidden,
            unit=not self.free_norms,
            steps=self.steps,
            batch=self.batch_size,
            every=min(DEFAULTS.every, self.steps),
        )
        plan = Plan(
            geometries=tuple(self.geometries),
            dims=dims,
            seeds=tuple(range(self.seeds)),
            learning_rates=tuple(self.rates),
            recipe=recipe,
            learnable=self.learn_curvature,
        )
        if self.losses == options.LOSSES:
            options.note_prior(losses, dim)
        return plan


def study_command(
    model: options.Model,
    train: Train,
    plan: PlanFile = None,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.Geometries = options.COMPARED,
    dim: Dims = None,
    seeds: Seeds = SEEDS,
    learning_rate: Rates = RATES,
    loss: options.Loss = options.LOSSES,
    hidden: options.Hidden = DEFAULTS.hidden,
    steps: Steps = DEFAULTS.steps,
    batch_size: BatchSize = DEFAULTS.batch,
    learn_curvature: options.LearnCurvature = False,
    free_norms: options.FreeNorms = False,
    force: options.Force = False,
    format: options.Format = "table",
    html: options.Html = Path("hiergeo-study.html"),
    images: Images = 12,
    json: options.Json = None,
    seed: options.Seed = 0,
    device: options.Device = options.AUTO,
    dtype: options.Dtype = options.FLOAT32,
    embed_batch_size: options.BatchSize = None,
) -> None:
    """Train small heads in several geometries on the same embeddings, and say whether the geometry makes a difference.

    Every geometry gets the same tuning and the same number of heads; intervals are over test rows and seeds.
    """
    from hiergeo.report import check_format

    check_format(format)
    check_writable(json, html)
    resolve_dtype(dtype)
    heads = Heads(geometry, dim, seeds, learning_rate, loss, hidden, steps, batch_size, learn_curvature, free_norms)
    loaded = adapters.load(model, device=device)
    made = heads.plan(loaded.dim)
    test = load_data(data, split, rows)
    settings = StudySettings(seed=seed, device=device, dtype=dtype, batch_size=embed_batch_size)
    chains = _chains(train, loaded, data, rows, force, settings)
    unseen, held_out = training.unseen_rows(chains.captions, test), training.held_out_of(loaded)
    with sole_writer(json, html):
        done = run_study(made, chains, loaded, test, settings, unseen=unseen, held_out=held_out, progress=True)
        publish_study(done, html, json, images, seed, format)


def _chains(source: str, model: Model, data: str, rows: int | None, force: bool, settings: StudySettings) -> Chains:
    """What heads learn from: chains in a file, or a split that the model embeds."""
    if Path(source).suffix == ".npz":
        return training.from_file(source, force=force)
    return training.from_hierarchy(
        load_data(data, source, rows),
        model,
        force=force,
        batch_size=settings.batch_size,
        device=settings.device,
        dtype=settings.dtype,
        progress=True,
    )


def publish_study(done: Study, html: Path, json: Path | None, images: int, seed: int, form: str = "table") -> None:
    """Write the JSON, print tables, verdicts and the conclusion, write the page."""
    from hiergeo.report import study_tables, write_page

    write_json(json, done.to_json())
    if printed_alone(done, form):
        write_page(done, html, images=images, seed=seed)
        note(f"page: {html.absolute()}")
        return
    screen = console()
    for table in study_tables(done):
        screen.print(table)
    for (geometry, dim), words in done.verdicts.items():
        screen.print(Text.assemble((f"{geometry}, dimension {dim}", "bold"), f": {words}"))
    screen.print(Text(f"\n{done.conclusion}"))
    write_page(done, html, images=images, seed=seed)
    screen.print(f"Page: {html.absolute()}", soft_wrap=True)
