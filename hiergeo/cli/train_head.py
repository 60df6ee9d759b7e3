"""``hiergeo train head``: a small network behind a frozen model."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from hiergeo._core.errors import InputError
from hiergeo._core.storage.locks import locked
from hiergeo.cli import options
from hiergeo.cli import train_common as shared
from hiergeo.cli._io import check_writable, load_data
from hiergeo.cli.options import option, path_option
from hiergeo.cli.plans import Config


def head_command(
    out: shared.Out,
    config: Config = None,
    train: Annotated[
        Path | None, path_option("FILE", "Chains over stored embeddings (npz), instead of --model on --data.")
    ] = None,
    model: Annotated[str | None, option("SPEC", "The frozen model that the head stands on.", "--model", "-m")] = None,
    data: options.Data = "hierarcaps",
    split: shared.TrainingSplit = None,
    rows: options.Rows = None,
    geometry: options.Geometry = "euclidean",
    loss: options.Loss = options.LOSSES,
    set: shared.Settings = [],  # noqa: B006 - typer copies it
    evaluate: Annotated[
        str | None, option("SPEC", "Model to measure before and after on the test split: an npz file or a spec.")
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Train a small head on frozen embeddings; use the result as --model head:DIR."""
    from hiergeo import adapters, training
    from hiergeo._core.devices import resolve_device
    from hiergeo.adapters.head import check_free, read_head_config
    from hiergeo.evaluation import Compute
    from hiergeo.geometry import Space, parse
    from hiergeo.training import Recipe

    check_writable(json, out / "config.json")
    check_free(out, overwrite)
    losses = training.parse_losses(loss)
    recipe = options.recipe_of(Recipe, set, losses=losses)
    space = parse(geometry)
    judge = None if evaluate is None else adapters.load(_spec(evaluate), device=device)
    test = None if judge is None else load_data(data, "test", rows)
    with locked(out):
        if train is not None:
            base = None if model is None else adapters.load(model, device=device)
            chains = training.from_file(train, base=base)
        elif model is not None:
            hierarchy = load_data(data, shared.chosen_split(data, split), rows)
            source = adapters.load(model, device=device)
            chains = training.from_hierarchy(hierarchy, source, device=device, progress=True)
        else:
            raise InputError(
                "there is nothing to train on: give stored chains, --train FILE, or a model, --model SPEC."
            )
        if judge is not None and judge.dim != chains.text.shape[1]:
            raise InputError(
                f"--evaluate {judge.name} embeds in {judge.dim} dimensions and the head would take "
                f"{chains.text.shape[1]}: name the model that the chains are of."
            )
        if loss == options.LOSSES and recipe.outputs is not None:
            recipe = replace(recipe, losses=options.fitting(losses, chains.text.shape[1], [recipe.outputs]))
            options.note_prior(recipe.losses, chains.text.shape[1])
        trained = training.train_head(chains, space, recipe, device=device, progress=True)
        (out / "plan.toml").unlink(missing_ok=True)  # of version 0.2, which another head makes untrue
        training.save_head(trained, chains, out, overwrite=overwrite)
        weights = read_head_config(out)["weights_sha256"]
    summary = None
    if judge is not None and test is not None:
        summary = training.summarise(
            training.HeadModel(judge, trained.head, f"head:{out}@{judge.name}"),
            test,
            Space(trained.geometry.fixed()),
            unseen=training.unseen_rows(chains.captions, test),
            held_out=training.held_out_of(judge),
            seed=recipe.seed,
            compute=Compute(resolve_device(device)),
            progress=True,
        )
    shared.report(
        trained.history,
        trained.best,
        training.describe(trained, chains),
        summary,
        f"Head of step {trained.best}: {out}",
        json,
    )
    if summary is not None:
        from hiergeo.report.interop.cards import store_result

        with locked(out):
            if read_head_config(out)["weights_sha256"] == weights:
                store_result(out, summary.after)
    if trained.diverged:
        raise InputError(f"{trained.diverged}; {out} holds the head of step {trained.best}, the last good one.")


def _spec(name: str) -> str:
    return f"npz:{name}" if name.endswith(".npz") and not name.startswith("npz:") else name
