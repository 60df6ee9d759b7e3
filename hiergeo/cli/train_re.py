"""``hiergeo train re``: text-only fine-tuning of a model's own text tower."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from hiergeo import Space, adapters, training
from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.cli import options
from hiergeo.cli import train as shared
from hiergeo.cli._io import check_writable, load_data, write_json
from hiergeo.cli.plans import Config, PlannedVerb, write_plan
from hiergeo.cli.train_head import head_command, learnable_geometry
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
Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="The folder of model, history and checkpoints.", metavar="DIR", callback=options.path
    ),
]
Epochs = Annotated[int, typer.Option(help="Passes over the training rows.", metavar="N", min=1)]
Steps = Annotated[int | None, typer.Option(help="The budget of steps, instead of --epochs.", metavar="N", min=1)]
Batch = Annotated[int, typer.Option(help="Chains a batch, over all processes.", metavar="N", min=1)]
Accumulate = Annotated[int, typer.Option(help="Batches a step.", metavar="N", min=1)]
Rate = Annotated[float, typer.Option("--lr", help="Learning rate of AdamW.", metavar="X")]
Lora = Annotated[int | None, typer.Option(help="Train low-rank adapters of this rank instead.", metavar="R", min=1)]
Amp = Annotated[str, typer.Option(help="no, bf16 or fp16.", metavar="NAME")]
Every = Annotated[int, typer.Option(help="Steps between validations and checkpoints.", metavar="N", min=1)]
Patience = Annotated[
    int | None, typer.Option(help="Stop after so many validations without a better one.", metavar="N", min=1)
]
Log = Annotated[str | None, typer.Option(help="Log losses to tensorboard or wandb.", metavar="NAME")]
Evaluate = Annotated[bool, typer.Option("--evaluate", help="Measure before and after on the test split.")]


def re_command(
    model: Base,
    out: Out,
    config: Config = None,
    data: options.Data = "hierarcaps",
    split: shared.TrainingSplit = None,
    train: Train = None,
    rows: options.Rows = None,
    geometry: options.Geometry = "euclidean",
    learn_curvature: options.LearnCurvature = False,
    loss: options.Loss = LOSSES,
    lr: Rate = DEFAULTS.learning_rate,
    batch: Batch = DEFAULTS.batch,
    accumulate: Accumulate = DEFAULTS.accumulate,
    epochs: Epochs = DEFAULTS.epochs,
    steps: Steps = None,
    lora: Lora = None,
    amp: Amp = DEFAULTS.amp,
    every: Every = DEFAULTS.every,
    patience: Patience = None,
    log: Log = None,
    evaluate: Evaluate = False,
    zero_shot: shared.ZeroShot = None,
    force: options.Force = False,
    overwrite: options.Overwrite = False,
    json: options.Json = None,
    seed: shared.TrainingSeed = 0,
    device: options.Device = options.AUTO,
) -> None:
    """Fine-tune a text tower on chains of captions; images are not needed and their tower stays as it is."""
    check_writable(json, out / "config.json")
    recipe = TowerRecipe(
        losses=training.parse_losses(loss),
        learning_rate=lr,
        batch=batch,
        accumulate=accumulate,
        epochs=epochs,
        steps=steps,
        lora=lora,
        amp=amp,
        every=every,
        patience=patience,
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
    told = tuned.history, tuned.best, tuned.config["leakage"]
    write_json(json, jsonlib.dumps(shared.report(*told, tuned.config, summary), indent=2))
    shared.show(*told, summary, f"Tower of step {tuned.best}: --model {tuned.spec}")
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


app = typer.Typer(help="Sharpen the hierarchy of a model.", no_args_is_help=True)
app.command("head", cls=PlannedVerb)(head_command)
app.command("re", cls=PlannedVerb)(re_command)
