"""``hiergeo train re``: text-only fine-tuning of a model's own text tower."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiergeo._core.errors import InputError
from hiergeo.cli import defaults, options
from hiergeo.cli import train_common as shared
from hiergeo.cli._io import check_writable, load_data
from hiergeo.cli.options import flag, option, path_option
from hiergeo.cli.plans import Config, write_plan
from hiergeo.cli.train_head import learnable_geometry

if TYPE_CHECKING:
    from hiergeo.adapters import Model
    from hiergeo.datasets import Hierarchy, Labelled
    from hiergeo.training import FineTuned, Summary

DEFAULTS = defaults.Tower()


def re_command(
    context: typer.Context,
    model: Annotated[
        str, option("SPEC", "open_clip:ARCH/TAG, hf:NAME, sentence-transformers:NAME, tiny.", "--model", "-m")
    ],
    out: shared.Out,
    config: Config = None,
    data: options.Data = "hierarcaps",
    split: shared.TrainingSplit = None,
    train: Annotated[
        Path | None, path_option("FILE", "Your own chains, a CSV as HierarCaps has it, instead of --split.")
    ] = None,
    rows: options.Rows = None,
    geometry: options.Geometry = "euclidean",
    learn_curvature: options.LearnCurvature = False,
    loss: options.Loss = defaults.RE,
    learning_rate: shared.LearningRate = DEFAULTS.learning_rate,
    batch: shared.Batch = DEFAULTS.batch,
    accumulate: Annotated[int, option("N", "Batches a step.", min=1)] = DEFAULTS.accumulate,
    epochs: Annotated[int, option("N", "Passes over the training rows.", min=1)] = DEFAULTS.epochs,
    steps: Annotated[int | None, option("N", "The budget of steps, instead of --epochs.", min=1)] = None,
    lora: Annotated[int | None, option("R", "Train low-rank adapters of this rank instead.", min=1)] = None,
    amp: Annotated[str, option("NAME", "no, bf16 or fp16.")] = DEFAULTS.amp,
    every: shared.Every = DEFAULTS.every,
    patience: shared.Patience = 0,
    log: Annotated[str | None, option("NAME", "Log losses to tensorboard or wandb.")] = None,
    evaluate: Annotated[bool, flag("--evaluate", "Measure before and after on the test split.")] = False,
    zero_shot: shared.ZeroShot = None,
    force: options.Force = False,
    overwrite: options.Overwrite = False,
    format: options.Format = "table",
    json: options.Json = None,
    seed: shared.TrainingSeed = 0,
    device: options.Device = options.AUTO,
) -> None:
    """Fine-tune a text tower on chains of captions alone; an interrupted training goes on when it is run again."""
    from hiergeo import adapters, training
    from hiergeo.training import TowerRecipe
    from hiergeo.training.processes import is_writer, local

    check_writable(json, out / "config.json")
    losses = training.parse_losses(loss)
    recipe = options.chosen(context, TowerRecipe, losses=losses, patience=patience or None)
    chains = _chains(train, data, split, rows)
    before = adapters.load(model, device=local(device))
    test = load_data(data, "test", None) if evaluate else None
    labelled = shared.labelled_images(zero_shot, before if evaluate else None)
    tuned = training.fine_tune(
        before,
        chains,
        out,
        learnable_geometry(geometry) if learn_curvature else geometry,
        recipe,
        overwrite=overwrite,
        force=force,
        log=log,
        progress=True,
    )
    if not is_writer():
        return
    write_plan(out)
    summary = None if test is None else _judged(before, tuned, test, labelled, seed, device)
    shared.report(
        tuned.history,
        tuned.best,
        tuned.config["leakage"],
        tuned.config,
        summary,
        f"Tower of step {tuned.best}: --model {tuned.spec}",
        json,
        format,
    )
    if tuned.diverged:
        raise InputError(f"{tuned.diverged}; {out} holds the tower of step {tuned.best}, the last good one.")


def _chains(train: Path | None, data: str, split: str | None, rows: int | None) -> "Hierarchy":
    from hiergeo.datasets import hierarcaps

    if train is None:
        return load_data(data, shared.chosen_split(data, split), rows)
    hierarchy = hierarcaps.read(train)
    return hierarchy if rows is None else hierarchy.take(rows)


def _judged(
    before: "Model",
    tuned: "FineTuned",
    test: "Hierarchy",
    labelled: "Labelled | None",
    seed: int,
    device: str,
) -> "Summary":
    from hiergeo import Space, adapters, training
    from hiergeo.training.processes import local

    return training.summarise(
        adapters.load(tuned.spec, device=local(device)),
        test,
        Space(tuned.geometry),
        before=before,
        unseen=training.unseen_rows(tuned.captions, test),
        zero_shot=labelled,
        seed=seed,
        progress=True,
    )
