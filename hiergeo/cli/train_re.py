"""``hiergeo train re``: text-only fine-tuning of a model's own text tower."""

from typing import Annotated

from hiergeo._core.errors import InputError
from hiergeo.cli import defaults, options
from hiergeo.cli import train_common as shared
from hiergeo.cli._io import check_writable, load_data
from hiergeo.cli.options import flag, option
from hiergeo.cli.plans import Config


def re_command(
    model: Annotated[
        str, option("SPEC", "open_clip:ARCH/TAG, hf:NAME, sentence-transformers:NAME, tiny.", "--model", "-m")
    ],
    out: shared.Out,
    config: Config = None,
    data: options.Data = "hierarcaps",
    split: shared.TrainingSplit = None,
    rows: options.Rows = None,
    geometry: options.Geometry = "euclidean",
    loss: options.Loss = defaults.RE,
    set: shared.Settings = [],  # noqa: B006 - typer copies it
    log: Annotated[str | None, option("NAME", "Log losses to tensorboard or wandb.")] = None,
    evaluate: Annotated[bool, flag("--evaluate", "Measure before and after on the test split.")] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Fine-tune a text tower on chains of captions alone; an interrupted training goes on when it is run again."""
    from hiergeo import Space, adapters, training
    from hiergeo.training import TowerRecipe
    from hiergeo.training.processes import is_writer, local

    check_writable(json, out / "config.json")
    losses = training.parse_losses(loss)
    recipe = options.recipe_of(TowerRecipe, set, losses=losses)
    chains = load_data(data, shared.chosen_split(data, split), rows)
    before = adapters.load(model, device=local(device))
    test = load_data(data, "test", None) if evaluate else None
    tuned = training.fine_tune(
        before,
        chains,
        out,
        geometry,
        recipe,
        overwrite=overwrite,
        log=log,
        progress=True,
    )
    if not is_writer():
        return
    summary = None
    if test is not None:
        summary = training.summarise(
            adapters.load(tuned.spec, device=local(device)),
            test,
            Space(tuned.geometry or "euclidean"),
            before=before,
            unseen=training.unseen_rows(frozenset(chains.texts), test),
            seed=recipe.seed,
            progress=True,
        )
    shared.report(
        tuned.history,
        tuned.best,
        tuned.config,
        summary,
        f"Tower of step {tuned.best}: --model {tuned.spec}",
        json,
    )
    if tuned.diverged:
        raise InputError(f"{tuned.diverged}; {out} holds the tower of step {tuned.best}, the last good one.")
