"""``hiergeo study``: heads of several geometries, trained alike, measured and set against each other."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from hiergeo._core import limits
from hiergeo._core.errors import check_whole
from hiergeo._core.storage.files import user_cache
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, page_of, publish_experiment, sole_writer
from hiergeo.cli.options import option
from hiergeo.cli.plans import PlanFile

RATES = [3e-4, 1e-3, 3e-3]

SEPARATE = options.SEPARATE | {"outputs": "--dim", "seed": "--seeds", "learning_rate": "--learning-rate"}
"""Settings of a head that a study makes from options of its own -> those options."""


def study_command(
    model: options.Model,
    train: Annotated[
        str, option("FILE|SPLIT", "Chains to train on: an npz as hiergeo embed writes it, or a split to embed.")
    ],
    plan: PlanFile = None,
    data: options.Data = "hierarcaps",
    rows: options.Rows = None,
    geometry: options.Geometries = options.COMPARED,
    dim: Annotated[
        list[int] | None,
        option("N", "Dimension of the heads, once for each; that of the model if none is given.", min=1),
    ] = None,
    seeds: Annotated[int, option("N", "Heads of each geometry and dimension.", min=1)] = 5,
    learning_rate: Annotated[list[float], option("X", "A candidate of the tuning, once for each.")] = RATES,
    loss: options.Loss = options.SHARPEN,
    set: options.Settings = [],  # noqa: B006 - typer copies it
    format: options.Format = "table",
    full: options.Full = False,
    html: options.Html = None,
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Train small heads in several geometries on the same embeddings: does the geometry make a difference?

    Every geometry gets the same tuning and the same number of heads; intervals are over test rows and seeds.
    """
    from hiergeo import adapters, training
    from hiergeo.datasets import Hierarchy
    from hiergeo.geometry import parse
    from hiergeo.training import Recipe
    from hiergeo.training.study import StudyPlan, StudySettings, run_study

    html = html or page_of("study", model, data, "test")
    out = html.with_name(f"{html.stem}-heads")
    check_writable(json, html)
    check_whole("--seeds", seeds, 1, limits.COUNT)
    losses = training.parse_losses(loss)
    recipe = options.recipe_of(Recipe, set, SEPARATE, losses=losses)
    test = load_data(data, "test", rows)
    source = training.from_file(Path(train)) if Path(train).suffix == ".npz" else load_data(data, train, rows)
    loaded = adapters.load(model, device=device)
    dims = tuple(dim or [loaded.dim])
    if loss == options.SHARPEN:
        losses = options.fitting(losses, loaded.dim, dims)
    training.check_objective(losses, map(parse, geometry), loaded.dim, dims)
    made = StudyPlan(
        geometries=tuple(geometry),
        dims=dims,
        seeds=tuple(range(seeds)),
        learning_rates=tuple(learning_rate),
        recipe=replace(recipe, losses=losses),
    )
    if isinstance(source, Hierarchy):
        source = training.from_hierarchy(source, loaded, device=device, cache=user_cache("embeddings"), progress=True)
    unseen, held_out = training.unseen_rows(source.captions, test), training.held_out_of(loaded)
    with sole_writer(json, html):
        run: dict[str, Any] = {"unseen": unseen, "held_out": held_out, "out": out, "progress": True}
        done = run_study(made, source, loaded, test, StudySettings(device=device), **run)
        publish_experiment(done, json, format, full=full, html=html)
