"""``hiergeo train re``: text-only fine-tuning of a model's own text tower."""

from pathlib import Path
from typing import Annotated

import typer

from hiergeo import Space, adapters, training
from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.cli import options
from hiergeo.cli import train_common as shared
from hiergeo.cli._io import check_writable, load_data
from hiergeo.cli.plans import Config, write_plan
from hiergeo.cli.train_head import learnable_geometry
from hiergeo.datasets import Hierarchy, Labelled, hierarcaps
from hiergeo.training import FineTuned, Summary, TowerRecipe
from hiergeo.training.re.processes import is_writer, local

DEFAULTS = TowerRecipe()
LOSSES = options.spelled(DEFAULTS.losses)

Base = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="open_clip:ARCH/TAG, hf:NAME, sentence-transformers:NAME, tiny.", metavar="SPEC"
    ),
]
Train = Annotated[
    Path | None,
    typer.Option(
        help="Your own chains, a CSV as HierarCaps has it, instead of --split.", metavar="FILE", callback=options.path
    ),
]
Epochs = Annotated[int, typer.Option(help="Passes over the training rows.", metavar="N", min=1)]
Steps = Annotated[int | None, typer.Option(help="The budget of steps, instead of --epochs.", metavar="N", min=1)]
Accumulate = Annotated[int, typer.Option(help="Batches a step.", metavar="N", min=1)]
Lora = Annotated[int | None, typer.Option(help="Train low-rank adapters of this rank instead.", metavar="R", min=1)]
Amp = Annotated[str, typer.Option(help="no, bf16 or fp16.", metavar="NAME")]
Log = Annotated[str | None, typer.Option(help="Log losses to tensorboard or wandb.", metavar="NAME")]
Evaluate = Annotated[bool, typer.Option("--evaluate", help="Measure before and after on the test split.")]


def re_command(
    model: Base,
    out: shared.Out,
    config: Config = None,
    data: options.Data = "hierarcaps",
    split: shared.TrainingSplit = None,
    train: Train = None,
    rows: options.Rows = None,
    geometry: options.Geometry = "euclidean",
    learn_curvature: options.LearnCurvature = False,
    loss: options.Loss = LOSSES,
    learning_rate: shared.LearningRate = DEFAULTS.learning_rate,
    batch: shared.Batch = DEFAULTS.batch,
    accumulate: Accumulate = DEFAULTS.accumulate,
    epochs: Epochs = DEFAULTS.epochs,
    steps: Steps = None,
    lora: Lora = None,
    amp: Amp = DEFAULTS.amp,
    every: shared.Every = DEFAULTS.every,
    patience: shared.Patience = 0,
    log: Log = None,
    evaluate: Evaluate = False,
    zero_shot: shared.ZeroShot = None,
    force: options.Force = False,
    overwrite: options.Overwrite = False,
    format: options.Format = "table",
    json: options.Json = None,
    seed: shared.TrainingSeed = 0,
    device: options.Device = options.AUTO,
) -> None:
    """Fine-tune a text tower on chains of captions alone; an interrupted training goes on when it is run again."""
    check_writable(json, out / "config.json")
    recipe = TowerRecipe(
        losses=training.parse_losses(loss),
        learning_rate=learning_rate,
        batch=batch,
        accumulate=accumulate,
        epochs=epochs,
        steps=steps,
        lora=lora,
        amp=amp,
        every=every,
        patience=patience or None,
        seed=seed,
    )
    before = adapters.load(model, device=local(device))
    test = load_data(data, "test", None) if evaluate else None
    labelled = shared.labelled_images(zero_shot, before if evaluate else None)
    tuned = training.fine_tune(
        before,
        _chains(train, data, split, rows),
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


def _chains(train: Path | None, data: str, split: str | None, rows: int | None) -> Hierarchy:
    if train is None:
        return load_data(data, shared.chosen_split(data, split), rows)
    hierarchy = hierarcaps.read(train)
    return hierarchy if rows is None else hierarchy.take(rows)


def _judged(
    before: Model, tuned: FineTuned, test: Hierarchy, labelled: Labelled | None, seed: int, device: str
) -> Summary:
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
