"""``hiergeo train``: sharpening the hierarchy of a frozen model."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from hiergeo import adapters, datasets, training
from hiergeo.adapters import Model
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, write_json
from hiergeo.datasets import Hierarchy, Labelled
from hiergeo.errors import InputError
from hiergeo.evaluation.zero_shot import check_labels
from hiergeo.geometry import learnable, parse
from hiergeo.training import Chains, Recipe, Summary, Trained

app = typer.Typer(help="Sharpen the hierarchy of a frozen model.", no_args_is_help=True)

DEFAULTS = Recipe()
LOSSES = [f"{name}={weight:g}" for name, weight in DEFAULTS.losses.items()]

Train = Annotated[
    Path | None,
    typer.Option(help="Chains over stored embeddings (npz), instead of --model on --data.", metavar="FILE"),
]
Base = Annotated[
    str | None, typer.Option("--model", "-m", help="The frozen model that the head stands on.", metavar="SPEC")
]
Split = Annotated[str | None, typer.Option(help="Split to train on.  [expanded-train or train]", metavar="NAME")]
Loss = Annotated[
    list[str],
    typer.Option(
        help=f"A loss, NAME=WEIGHT; give it once for each: re, {', '.join(training.LOSSES)}.", metavar="NAME=WEIGHT"
    ),
]
Steps = Annotated[int, typer.Option(help="The budget of steps.", metavar="N", min=1)]
Hidden = Annotated[int, typer.Option(help="Width of the residual perceptron; 0 is a linear head.", metavar="N", min=0)]
Dim = Annotated[
    int | None, typer.Option(help="Dimensions of the head's embeddings.  [those of the model]", metavar="N", min=1)
]
FreeNorms = Annotated[bool, typer.Option("--free-norms", help="Leave the norms of the head's embeddings free.")]
LearnCurvature = Annotated[bool, typer.Option("--learn-curvature", help="Learn the curvature of --geometry along.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder of the head.", metavar="DIR")]
Evaluate = Annotated[
    str | None,
    typer.Option(help="Model to measure before and after on the test split: an npz file or a spec.", metavar="SPEC"),
]
ZeroShot = Annotated[
    str | None,
    typer.Option(
        help="Labelled images that --evaluate classifies as well: scenes, or a folder with one subfolder a class.",
        metavar="scenes|DIR",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Train on rows of test images, and say so everywhere.")]
Seed = Annotated[int, typer.Option(help="Seed of weights, batches, validation and resampling.", metavar="N", min=0)]


@app.callback()
def train() -> None:
    """Sharpen the hierarchy of a frozen model."""


@app.command("head")
def head(
    out: Out,
    train: Train = None,
    model: Base = None,
    data: options.Data = "hierarcaps",
    split: Split = None,
    rows: options.Rows = None,
    geometry: options.Geometry = "euclidean",
    loss: Loss = LOSSES,
    steps: Steps = DEFAULTS.steps,
    hidden: Hidden = DEFAULTS.hidden,
    dim: Dim = None,
    free_norms: FreeNorms = False,
    learn_curvature: LearnCurvature = False,
    evaluate: Evaluate = None,
    zero_shot: ZeroShot = None,
    force: Force = False,
    json: options.Json = None,
    seed: Seed = 0,
    device: options.Device = "cpu",
) -> None:
    """Train a small head on frozen embeddings; use the result as --model head:DIR."""
    check_writable(json, out / "config.json")
    losses = training.parse_losses(loss)
    recipe = Recipe(losses=losses, steps=steps, hidden=hidden, outputs=dim, unit=not free_norms, seed=seed)
    space = learnable(parse(geometry)) if learn_curvature else parse(geometry)
    judge = None if evaluate is None else adapters.load(_spec(evaluate), device=device)
    test = None if judge is None else load_data(data, "test", rows)
    labelled = _labelled(zero_shot, judge)
    chains = _chains(train, model, data, split, rows, force, device)
    trained = training.train_head(chains, space, recipe, progress=True)
    training.save_head(trained, chains, out)
    summary = None
    if judge is not None and test is not None:
        summary = training.summarise(
            training.HeadModel(judge, trained.head, f"head:{out}@{judge.name}"),
            test,
            training.load_space(out),
            unseen=_unseen(chains, test),
            held_out=_held_out(judge.name),
            zero_shot=labelled,
            seed=seed,
            progress=True,
        )
    write_json(json, jsonlib.dumps(_report(trained, chains, summary), indent=2))
    _print(trained, chains, summary, out)
    if trained.diverged:
        raise InputError(f"{trained.diverged}; {out} holds the head of step {trained.best}, the last good one.")


def _chains(
    train: Path | None, model: str | None, data: str, split: str | None, rows: int | None, force: bool, device: str
) -> Chains:
    base = None if model is None else adapters.load(model, device=device)
    if train is not None:
        return training.from_file(train, base=base, force=force)
    if base is None:
        raise InputError("there is nothing to train on: give stored chains, --train FILE, or a model, --model SPEC.")
    chosen = split or ("expanded-train" if data == "hierarcaps" else "train")
    return training.from_hierarchy(load_data(data, chosen, rows), base, force=force, progress=True)


def _spec(name: str) -> str:
    return f"npz:{name}" if name.endswith(".npz") and not name.startswith("npz:") else name


def _held_out(name: str) -> frozenset[int] | None:
    kind, _, file = name.partition(":")
    return training.held_out_images(file) if kind == "npz" else None


def _labelled(source: str | None, judge: Model | None) -> Labelled | None:
    if source is None:
        return None
    if judge is None:
        raise InputError("--zero-shot compares the model before and after: name it with --evaluate SPEC.")
    labelled = datasets.labelled(source)
    check_labels(judge, labelled)
    return labelled


def _unseen(chains: Chains, test: Hierarchy) -> np.ndarray | None:
    """Test rows without trained texts; a file of embeddings alone is taken for the split that keeps off test images."""
    captions = chains.captions
    if captions is None and test.name == "hierarcaps":
        captions = frozenset(datasets.load("hierarcaps", "expanded-train").texts)
    rows = None if captions is None else training.rows_without(captions, test)
    return rows if rows is not None and rows.any() else None


def _report(trained: Trained, chains: Chains, summary: Summary | None) -> dict[str, object]:
    kept = next(look for look in trained.history if look.step == trained.best)
    validation = {f"validation_{name}": value for name, value in kept.validation.items()}
    metrics = validation | {"validation_tau_d": kept.tau_d} | ({} if summary is None else summary.metrics())
    return {
        "metrics": metrics,
        "intervals": {} if summary is None else summary.intervals(),
        "leakage": chains.leakage,
        "settings": training.describe(trained, chains),
        "history": [look.as_dict() for look in trained.history],
    }


def _print(trained: Trained, chains: Chains, summary: Summary | None, out: Path) -> None:
    console = Console()
    first, kept = trained.history[0], next(look for look in trained.history if look.step == trained.best)
    table = Table("", "before", "after", "difference, 95 %", box=None, pad_edge=False)
    table.add_row("validation tau_d", f"{first.tau_d:.4f}", f"{kept.tau_d:.4f}", "")
    for name, change in ({} if summary is None else summary.changes).items():
        low, high = change.difference
        table.add_row(name, f"{change.before:.4f}", f"{change.after:.4f}", f"{low:+.4f} to {high:+.4f}")
    console.print(table)
    for name, value in ({} if summary is None else summary.drift).items():
        console.print(f"{name} {value:.4f}", highlight=False)
    if chains.leakage:
        console.print(f"Trained on test data: {chains.leakage}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"Head of step {trained.best}: {out}", soft_wrap=True, markup=False, highlight=False)
