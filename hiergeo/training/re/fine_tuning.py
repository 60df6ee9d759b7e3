"""Fine-tuning: takes a model and chains, writes a folder with the trained model."""

import copy
import json
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import (
    atomic_write_text,
    retire,
    sync_files,
    sync_folder,
    temporary,
    writing,
)
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.towers import Tower, tower_of
from hiergeo.datasets import Hierarchy
from hiergeo.geometry import Geometry, parse
from hiergeo.losses import check_curvature
from hiergeo.training import checkpoints
from hiergeo.training.chains import Chains, from_hierarchy
from hiergeo.training.processes import accelerated, is_writer, sole_writer
from hiergeo.training.re.recipe import TowerRecipe
from hiergeo.training.re.run import TowerRun
from hiergeo.training.trainer import EvalRecord, at_step

CHECKPOINTS, CONFIG, HISTORY, MODEL = "checkpoints", "config.json", "history.json", "model"
"""Names of the parts of a training's folder."""

ORIGIN = "hiergeo.json"
"""Copy of the configuration inside the exported model."""


@dataclass(frozen=True)
class FineTuned:
    """A tower in its best state, by validation loss.

    Attributes:
        spec: what `hiergeo.adapters.load` loads it by: the exported folder.
        geometry: with whatever curvature was learnt.
        history: the looks, the untrained tower first.
        curve: name -> its value after every step: the losses, their weighted `total`, and `tau_d` of the batch.
        best: the step of the state that was kept.
        diverged: why training broke off, naming the step and the rows of the batch; None where it did not.
        captions: every caption among the training rows.
        config: what ``config.json`` says.
    """

    spec: str
    geometry: Geometry
    history: tuple[EvalRecord, ...]
    curve: dict[str, list[float]]
    best: int
    diverged: str | None
    captions: frozenset[str]
    config: dict[str, Any]


@torch_defaults()
def fine_tune(
    model: Model,
    hierarchy: Hierarchy,
    out: Path | str,
    geometry: Geometry | str = "euclidean",
    recipe: TowerRecipe | None = None,
    *,
    overwrite: bool = False,
    force: bool = False,
    log: str | None = None,
    progress: bool = False,
) -> FineTuned:
    """Train a copy of the text tower of a model on captions alone; the model itself is not changed.

    ``OUT/model`` gets the whole model in the format of its own library, ``OUT/config.json`` and ``OUT/history.json``
    what was done and seen, ``OUT/checkpoints`` what a training needs to go on: the same training goes on from its
    newest intact checkpoint. Of several processes only the first writes.

    Args:
        model: of open_clip, transformers or sentence-transformers.
        hierarchy: chains with negatives; a share of its images is held out for validation.
        out: the folder.
        geometry: where losses are taken, around the tower's embedding of the empty caption; a learnable curvature is
            learnt along.
        recipe: how; the paper's when None.
        overwrite: begin anew whatever training the folder holds.
        force: train on rows of HierarCaps' test images anyway; every result says so.
        log: ``tensorboard`` or ``wandb``, where losses go besides.
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: no text tower to train, chains that teach nothing, test images among them, a folder that is taken, a
            checkpoint of another training.
        UnavailableError: a package is not installed, the folder cannot be written or another training is writing it, or
            one of several processes is gone.
    """
    recipe, out = recipe or TowerRecipe(), Path(out)
    geometry = parse(geometry) if isinstance(geometry, str) else copy.deepcopy(geometry)
    folder = out / CHECKPOINTS
    if (out / MODEL).exists() and not (out / MODEL / ORIGIN).exists():
        raise InputError(f"{out / MODEL} exists but was not created by hiergeo: choose another folder.")
    settings = asdict(recipe)
    with sole_writer(out, out / CHECKPOINTS), torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        tower = tower_of(model, recipe.lora)
        geometry.parts(model.dim)
        check_curvature(geometry)
        with accelerated(tower.device, recipe.amp, log, out, settings) as accelerator:
            if recipe.batch % accelerator.num_processes:
                shares = accelerator.num_processes
                raise InputError(f"a batch of {recipe.batch} chains does not part evenly among {shares} processes.")
            chains = from_hierarchy(hierarchy, model, force=force, progress=progress and is_writer())
            begun = _identity(model, chains, geometry, settings)
            run = TowerRun(tower, chains, geometry, recipe, accelerator)
            run.resume(folder, begun, out / CONFIG, overwrite=overwrite)

            def log_look(look: EvalRecord) -> None:
                numbers = look.validation | {"tau_d": look.tau_d}
                accelerator.log({f"validation/{name}": value for name, value in numbers.items()}, step=look.step)

            steps = partial(run.steps, progress=progress and is_writer())
            diverged = run.train_on(steps, log_look, folder, begun)
            accelerator.wait_for_everyone()
            checkpoints.restore_weights(checkpoints.read(folder, run.best).tensors, run.weights)
            config = begun | _findings(run, tower, geometry, diverged)
            if accelerator.is_main_process:
                config |= {"spec": _write(tower, run, out, config)}
            accelerator.wait_for_everyone()
    return FineTuned(
        spec=config.get("spec", ""),
        geometry=geometry,
        history=tuple(run.looks),
        curve=run.curve,
        best=run.best,
        diverged=diverged,
        captions=frozenset(hierarchy.texts),
        config=config,
    )


def _identity(model: Model, chains: Chains, geometry: Geometry, settings: dict[str, Any]) -> dict[str, Any]:
    """What a training is: only one that agrees in all of this goes on from its checkpoints."""
    positions = [part.tolist() for part in (chains.positive, chains.negative, chains.group)]
    digest = sha256(json.dumps([chains.texts, *positions]).encode()).hexdigest()
    return {
        "base": model.name,
        "base_fingerprint": model.fingerprint(),
        "root": "",
        "geometry": geometry.fixed().spec,
        "data": {"origin": chains.origin, "rows": len(chains), "sha256": digest},
        "leakage": chains.leakage,
        **settings,
    }


def _findings(run: TowerRun, tower: Tower, geometry: Geometry, diverged: str | None) -> dict[str, Any]:
    return {
        "architecture": type(tower.network).__name__,
        "activations": tower.activations,
        "geometry": geometry.fixed().spec,
        "curvature": list(at_step(run.looks, run.best).curvature),
        "best_step": run.best,
        "last_step": len(next(iter(run.curve.values()), [])),
        "diverged": diverged,
        "hiergeo": __version__,
        "torch": torch.__version__,
    }


def _write(tower: Tower, run: TowerRun, out: Path, config: dict[str, Any]) -> str:
    """The model, all of it at once, the history and, last of all, the configuration; returns the spec of the model.

    The folder of the model says what it came of, so that a training that dies here can be gone on with.
    """
    tower.merge()
    model = out / MODEL
    with writing(out):
        scratch = temporary(model)
        scratch.mkdir(parents=True)
        try:
            spec = tower.export(scratch, model)
            described = config | {"spec": spec}
            documents.write(scratch / ORIGIN, described)
            sync_files(scratch)
            retire(out / CONFIG)
            sync_folder(out)
            retire(model)
            scratch.rename(model)
        finally:
            retire(scratch)
    history = {"leakage": config["leakage"], "looks": [look.as_dict() for look in run.looks], "steps": run.curve}
    atomic_write_text(out / HISTORY, json.dumps(history, indent=1) + "\n")
    documents.write(out / CONFIG, described)
    return spec
