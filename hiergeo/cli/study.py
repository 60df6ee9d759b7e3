"""``hiergeo study``: heads of several geometries, trained alike, measured and set against each other."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from hiergeo import adapters, training
from hiergeo._core import limits
from hiergeo._core.devices import resolve_dtype
from hiergeo._core.errors import check_whole
from hiergeo.adapters import Model
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, show, sole_writer, write_json
from hiergeo.cli.plans import PlanFile
from hiergeo.cli.train_common import Batch
from hiergeo.training import Chains, Recipe
from hiergeo.training.study import Study, StudyPlan, StudySettings, run_study

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
Images = Annotated[int, typer.Option(help="Image ladders on the page.", metavar="N", min=1)]


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
    batch: Batch = DEFAULTS.batch,
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
    batch_size: options.BatchSize = None,
) -> None:
    """Train small heads in several geometries on the same embeddings, and say whether the geometry makes a difference.

    Every geometry gets the same tuning and the same number of heads; intervals are over test rows and seeds.
    """
    check_writable(json, html)
    resolve_dtype(dtype)
    check_whole("--seeds", seeds, 1, limits.COUNT)
    loaded = adapters.load(model, device=device)
    dims, losses = tuple(dim or [loaded.dim]), training.parse_losses(loss)
    if loss == options.LOSSES:
        losses = options.fitting(losses, loaded.dim, dims)
    training.check_prior(losses, loaded.dim, dims)
    every, unit = min(DEFAULTS.every, steps), not free_norms
    made = StudyPlan(
        geometries=tuple(geometry),
        dims=dims,
        seeds=tuple(range(seeds)),
        learning_rates=tuple(learning_rate),
        recipe=Recipe(losses=losses, hidden=hidden, unit=unit, steps=steps, batch=batch, every=every),
        learnable=learn_curvature,
    )
    if loss == options.LOSSES:
        options.note_prior(losses, loaded.dim)
    test = load_data(data, split, rows)
    settings = StudySettings(seed=seed, device=device, dtype=dtype, batch_size=batch_size)
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
    write_page(done, html, images=images, seed=seed)
    verdicts = (
        Text.assemble((f"{of}, dimension {dim}", "bold"), f": {told}") for (of, dim), told in done.verdicts.items()
    )
    show(form, done, study_tables(done), *verdicts, Text(f"\n{done.conclusion}"), paths=[f"Page: {html.absolute()}"])
