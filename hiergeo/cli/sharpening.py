"""``hiergeo train head`` and ``hiergeo train re``: a small network behind a frozen model, and its own text tower."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hiergeo._core.errors import InputError
from hiergeo._core.records import Record, Records
from hiergeo._core.storage.files import user_cache
from hiergeo._core.storage.locks import locked
from hiergeo.cli import defaults, options
from hiergeo.cli._io import check_writable, load_data, publish
from hiergeo.cli.options import flag, option, path_option
from hiergeo.cli.plans import Config

if TYPE_CHECKING:
    from hiergeo.training import Summary, Trained, TrainedFolder

TrainingSplit = Annotated[str | None, option("NAME", "Split to train on.  [expanded-train or train]")]
Out = Annotated[Path, path_option("DIR", "Output folder.", "--out", "-o")]


def head_command(
    out: Out,
    config: Config = None,
    train: Annotated[
        Path | None, path_option("FILE", "Chains over stored embeddings (npz), instead of --model on --data.")
    ] = None,
    model: Annotated[str | None, option("SPEC", "The frozen model under the head.", "--model", "-m")] = None,
    data: options.Data = "hierarcaps",
    split: TrainingSplit = None,
    rows: options.Rows = None,
    geometry: options.Geometry = "euclidean",
    loss: options.Loss = options.SHARPEN,
    set: options.Settings = [],  # noqa: B006 - typer copies it
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
    from hiergeo.adapters.loading import check_spec
    from hiergeo.evaluation import Compute
    from hiergeo.geometry import Space, parse
    from hiergeo.training import Recipe

    check_writable(json, out / "config.json")
    check_free(out, overwrite)
    losses = training.parse_losses(loss)
    recipe = options.recipe_of(Recipe, set, losses=losses)
    space = parse(geometry)
    if evaluate is not None:
        check_spec(_spec(evaluate))
    if train is None and model is None:
        raise InputError("there is nothing to train on: give stored chains, --train FILE, or a model, --model SPEC.")
    test = None if evaluate is None else load_data(data, "test", rows)
    hierarchy = None if train is not None else load_data(data, chosen_split(data, split), rows)
    judge = None if evaluate is None else adapters.load(_spec(evaluate), device=device)
    with locked(out):
        if train is not None:
            chains = training.from_file(train, base=None if model is None else adapters.load(model, device=device))
            inputs = chains.text.shape[1]
        elif model is not None:
            source = adapters.load(model, device=device)
            inputs = source.dim
        if judge is not None and judge.dim != inputs:
            raise InputError(
                f"--evaluate {judge.name} embeds in {judge.dim} dimensions and the head would take {inputs}: name the "
                "model that the chains are of."
            )
        if loss == options.SHARPEN and recipe.outputs is not None:
            recipe = replace(recipe, losses=options.fitting(losses, inputs, [recipe.outputs]))
        training.check_objective(recipe.losses, [space], inputs, [recipe.outputs or inputs])
        if hierarchy is not None:
            kept = user_cache("embeddings")
            chains = training.from_hierarchy(hierarchy, source, device=device, cache=kept, progress=True)
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
    report(trained, training.describe(trained, chains), summary, f"Head of step {trained.best}: {out}", json)
    if summary is not None:
        from hiergeo.report.interop.cards import store_result

        with locked(out):
            if read_head_config(out)["weights_sha256"] == weights:
                store_result(out, summary.after)
    if trained.diverged:
        raise InputError(f"{trained.diverged}; {out} holds the head of step {trained.best}, the last good one.")


def _spec(name: str) -> str:
    return f"npz:{name}" if name.endswith(".npz") and not name.startswith("npz:") else name


def re_command(
    model: Annotated[
        str, option("SPEC", "open_clip:ARCH/TAG, hf:NAME, sentence-transformers:NAME, tiny.", "--model", "-m")
    ],
    out: Out,
    config: Config = None,
    data: options.Data = "hierarcaps",
    split: TrainingSplit = None,
    rows: options.Rows = None,
    geometry: options.Geometry = "euclidean",
    loss: options.Loss = defaults.RE,
    set: options.Settings = [],  # noqa: B006 - typer copies it
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
    chains = load_data(data, chosen_split(data, split), rows)
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
        cache=user_cache("embeddings"),
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
    report(tuned, tuned.config, summary, f"Tower of step {tuned.best}: --model {tuned.spec}", json)
    if tuned.diverged:
        raise InputError(f"{tuned.diverged}; {out} holds the tower of step {tuned.best}, the last good one.")


def chosen_split(data: str, split: str | None) -> str:
    """The split to train on where none is named."""
    return split or ("expanded-train" if data == "hierarcaps" else "train")


def report(
    trained: "Trained | TrainedFolder",
    settings: Mapping[str, Any],
    summary: "Summary | None",
    line: str,
    json: Path | None,
) -> None:
    """Write the JSON, metrics first, print before and after, and where the result is."""
    from hiergeo.training.trainer import at_step

    look = at_step(trained.history, trained.best)
    validation = {f"validation_{name}": value for name, value in look.validation.items()}
    document = {
        "metrics": validation | {"validation_tau_d": look.tau_d} | ({} if summary is None else summary.metrics()),
        "intervals": {} if summary is None else summary.intervals(),
        "baselines": {} if summary is None else summary.after.baselines,
        "headline": None if summary is None else summary.headline,
        "settings": dict(settings),
        "history": [record.as_dict() for record in trained.history],
    }
    rows: list[Record] = [{"metric": "validation_tau_d", "before": trained.history[0].tau_d, "after": look.tau_d}]
    rows += () if summary is None else _changes(summary)
    first = () if summary is None else (summary.headline,)
    publish(document, json, "table", Records(rows), first=first, lines=[line])


def _changes(summary: "Summary") -> Iterator[Record]:
    """A row a metric before and after, with the interval of the gain and the strongest control; and the drift."""
    from hiergeo.evaluation.result import strongest

    for name, change in summary.changes.items():
        low, high = change.difference
        row = {"metric": name, "before": change.before, "after": change.after, "gain_low": low, "gain_high": high}
        control = strongest(name, summary.after.baselines.get(name, {}))
        yield row if control is None else row | dict(zip(("control", "control_value"), control, strict=True))
    yield from ({"metric": name, "after": value} for name, value in summary.drift.items())
